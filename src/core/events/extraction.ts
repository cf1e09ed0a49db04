import type { Event } from './event.ts';

/** An expression over one event: gives a value (null when absent), or fails with a message. Must not throw. */
export type Extract = (
  event: Event,
) => { readonly ok: true; readonly value: unknown } | { readonly ok: false; readonly message: string };

/**
 * What a source's settings make of a decoded message, compiled. Order: `each` (one item to many), then `let` (derived
 * fields, each may use the ones before it), `where`, then `id`, `type`, `time`.
 */
export interface Extraction {
  /** Gives a list; every item becomes the data of one event. */
  readonly each: Extract | undefined;
  /** Derived fields, added to the data (which must be a map) in this order. */
  readonly derived: readonly { readonly name: string; readonly value: Extract }[];
  /** False or failed = the event is not of this source. */
  readonly where: Extract | undefined;
  readonly id: Extract | undefined;
  readonly type: Extract | undefined;
  /** RFC 3339 text, or milliseconds since the epoch. Null = the stream's stored time; unusable = a dead letter. */
  readonly time: Extract | undefined;
}
