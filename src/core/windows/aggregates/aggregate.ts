import type { Event } from '../../events/event.ts';
import type { ByteReader } from '../../shards/byte-reader.ts';
import type { ByteWriter } from '../../shards/byte-writer.ts';

/**
 * One figure that is computed over the events of a window. What it has of some events is an accumulator: plain data,
 * which may be changed in place by its one owner.
 *
 * Windows that share events do not share accumulators but merge them: of panes, of sessions that turn out to be one, of
 * the events of a ring. Everything must therefore come out the same whether events are added one by one or merged in
 * parts, save for the rounding of doubles; and where doubles are rounded, the order of merges is a function of the
 * events alone (see folds).
 */
export interface Aggregate<Acc = unknown> {
  /** Unique within the rule. */
  readonly name: string;
  create(): Acc;
  /** Takes an event in: changes `acc` and gives it, or gives another. An event without a usable value changes nothing. */
  add(acc: Acc, event: Event): Acc;
  /**
   * Takes in what `from` holds, whose events are later, or came later. Changes and gives `into`, or gives another;
   * never changes `from`, and keeps no part of it that is changed in place.
   */
  merge(into: Acc, from: Acc): Acc;
  /** Null when there is nothing to say. */
  result(acc: Acc): unknown;
  /** True when `result` is an estimate, or leaves something out, because a limit was passed. */
  isEstimate?(acc: Acc): boolean;
  /** About how many bytes it takes, for accumulators that grow. */
  sizeOf?(acc: Acc): number;
  write(acc: Acc, writer: ByteWriter): void;
  read(reader: ByteReader): Acc;
  /** Set where leaving events out again is exact and cheaper than merging what is left. */
  readonly running?: Running<Acc>;
}

/** The sum of accumulators that come at one end and go at the other. It is never stored. */
export interface Running<Acc = unknown, Sum = unknown> {
  create(): Sum;
  take(sum: Sum, acc: Acc): void;
  /** Undoes one earlier `take` of the same accumulator. */
  drop(sum: Sum, acc: Acc): void;
  result(sum: Sum): unknown;
  isEstimate(sum: Sum): boolean;
}

/** Reads a value of an event for an aggregate; undefined or null when there is none or it could not be computed. */
export type ValueOf = (event: Event) => unknown;
