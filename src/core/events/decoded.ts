import type { InstantMs } from '../time/units.ts';
import type { Event } from './event.ts';
import { EVENTS_PER_MESSAGE_MAX } from './limits.ts';

/** A message as the decoder wants it; `LogMessage` fits. */
export interface SourceMessage {
  readonly sequence: number;
  readonly subject: string;
  /** When the server stored it. */
  readonly stamp: InstantMs;
  /** Lower-case names. */
  readonly headers: Readonly<Record<string, string>> | undefined;
  readonly body: Uint8Array;
}

/** A message, or one value of it, that is no event of this source and must become a dead letter. */
export interface Rejected {
  readonly cause: 'undecodable' | 'extraction' | 'time' | 'tooLarge';
  /** What is wrong, as a sentence. */
  readonly message: string;
  /** Position of the value within the message; undefined when it is the message as a whole. */
  readonly index: number | undefined;
  /** Of how many values it is the first, when it stands for all further ones. */
  readonly further?: number;
}

export interface Decoded {
  /** In the order of their index. */
  readonly events: readonly Event[];
  /**
   * Likewise. At most 101, since one message must not become a hundred thousand dead letters, each with its bytes: the
   * last then stands for all further ones, with the index of the first of them.
   */
  readonly rejected: readonly Rejected[];
  /** Values that `where` excluded. */
  readonly excluded: number;
  /** Expressions of the source that failed without the value being rejected (`let`, `where`, `id`, `type`). */
  readonly expressionsFailed: number;
  /** The last such failure, for the log. */
  readonly failure: string | undefined;
}

/** The whole message rejected for one reason. */
export function rejectWhole(cause: Rejected['cause'], message: string): Decoded {
  return {
    events: [],
    rejected: [{ cause, message, index: undefined }],
    excluded: 0,
    expressionsFailed: 0,
    failure: undefined,
  };
}

export const tooMany = (count: number): string =>
  `The message holds ${count} events, more than the ${EVENTS_PER_MESSAGE_MAX} that one message may hold.`;
