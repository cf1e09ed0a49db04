import { type DeadLetter, encodeDeadLetter } from '../core/events/dead-letter.ts';
import type { SourceMessage } from '../core/events/decoded.ts';
import type { SourceSettings } from '../core/events/source-settings.ts';

/** Why a lane gives an event up. */
export type LaneCause = 'undecodable' | 'extraction' | 'time' | 'tooLarge' | 'key';

export interface LaneReason extends Pick<DeadLetter, 'further' | 'rules' | 'replayed'> {
  readonly cause: LaneCause;
  readonly text: string;
  /** Which event of the message; undefined when it is the message as a whole. */
  readonly index: number | undefined;
  /** Whether the message's headers and bytes go with it; else only the reference (stream, sequence). */
  readonly keepsBody: boolean;
}

/** The stored form of what a lane could not process. Its time is the message's: no clock of this node is in it. */
export function laneDeadLetter(
  message: SourceMessage,
  { name, stream }: SourceSettings,
  { cause, text, index, keepsBody, further, rules, replayed }: LaneReason,
  bytesMax: number,
): Uint8Array {
  return encodeDeadLetter(
    {
      cause,
      message: text,
      time: message.stamp,
      source: name,
      stream,
      sequence: message.sequence,
      index,
      further,
      subject: message.subject,
      rules,
      replayed,
      rule: undefined,
      key: undefined,
      events: undefined,
      headers: keepsBody ? message.headers : undefined,
      body: keepsBody ? message.body : undefined,
    },
    bytesMax,
  );
}
