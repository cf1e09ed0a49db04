import type { DurationMs } from '../time/units.ts';
import type { Extract, Extraction } from './extraction.ts';

export type Start =
  | { readonly kind: 'now' }
  | { readonly kind: 'beginning' }
  | { readonly kind: 'time'; readonly ms: number };

/** One source of the configuration, checked and compiled. */
export interface SourceSettings {
  readonly name: string;
  /** JetStream stream. */
  readonly stream: string;
  /** Subject filter within the stream; undefined = all of it. */
  readonly subject: string | undefined;
  /** `auto`: by Content-Type and `ce-` headers, else by the first byte. */
  readonly format: 'auto' | 'json' | 'cloudevents' | 'msgpack';
  readonly start: Start;
  /** How far out of order its events may come; later ones are late. 0 = they are in order, and are processed at once. */
  readonly disorder: DurationMs;
  /** Silence after which its watermark moves on with elapsed time; Infinity = never. */
  readonly idleAfter: DurationMs;
  /** Says whose clock an event's time is by: each publisher gets a watermark of its own. Undefined = one for all. */
  readonly publisher: Extract | undefined;
  /** Set when the source itself says how far its time has come: how many shards have to be heard (see core/shards/tick). */
  readonly toldBy?: number;
  /**
   * What happens when the stream is no longer the one that was read: made anew, purged of what was still to be read, or
   * without its tail. `stop` (default): the lane stays down with an error. `continue`: it goes on with what the stream
   * holds, and counts what it missed.
   */
  readonly onStreamChanged?: 'stop' | 'continue';
  /** Set when of several messages with one subject only the newest counts: what is gone before it was read is no loss. */
  readonly onlyNewest?: true;
  readonly extraction: Extraction;
  /** Hash of what its settings say, but for where to begin; the same for the same text. Absent where there is none. */
  readonly meaning?: string;
  /** Largest event in bytes that is taken; larger ones are dead letters. Default 1 MiB. */
  readonly eventBytesMax: number;
}

/** Whether no event of the source can be older than one before it and still be on time. */
export const comesInOrder = ({ disorder, publisher, toldBy }: SourceSettings): boolean =>
  disorder === 0 && publisher === undefined && toldBy === undefined;
