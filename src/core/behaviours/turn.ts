import type { RoutedEvent } from '../shards/record.ts';
import type { InstantMs } from '../time/units.ts';

/** One event for one key, and where in the batch it stands. */
export interface TurnItem {
  /** Number of its record within the batch. */
  readonly record: number;
  /** Number of the event within the record. */
  readonly index: number;
  /** Number of the route within the event: one event may go to several keys of a shard. */
  readonly route: number;
  readonly routed: RoutedEvent;
}

/** What the batch's records did to the clocks. */
export interface Clocks {
  readonly records: number;
  /** A clock's reading after each record of the batch; ascending. */
  watermarks(scope: number): Float64Array;
  /** A clock's reading before a record of the batch. */
  before(scope: number, record: number): InstantMs;
  /** The shard's processing time after a record of the batch. */
  processingTime(record: number): InstantMs;
  /** The record with which the last source of a clock has ended, and what is open is to be closed; undefined = none. */
  closesAt(scope: number): number | undefined;
}
