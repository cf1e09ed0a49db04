import type { InstantMs } from '../time/units.ts';

/**
 * What a publisher sent, decoded. `data` is plain JSON-like data (from JSON, CloudEvents or msgpack) and is never
 * changed after decoding. `(source, seq, index)` names the event for ever; `id` is the publisher's own name for it.
 */
export interface Event {
  /** The publisher's id: CloudEvents `id`, the source's `id` expression, else `<seq>` or `<seq>.<index>`. */
  readonly id: string;
  /** CloudEvents `type`, the source's `type` expression, else the empty string. */
  readonly type: string;
  /** The NATS subject it was published on. */
  readonly subject: string;
  /** Event time. */
  readonly time: InstantMs;
  /** Name of the source in the configuration. */
  readonly source: string;
  /** Stream sequence of the message that held it. */
  readonly seq: number;
  /** Position within that message, from 0; a message may hold many events. */
  readonly index: number;
  /** Message headers, lower-case names; undefined when there were none. */
  readonly headers: Readonly<Record<string, string>> | undefined;
  /** The data as published. */
  readonly data: unknown;
}
