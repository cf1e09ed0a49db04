import type { Event } from '../events/event.ts';
import type { OnLimit } from '../patterns/pattern.ts';
import type { KeyValue } from '../rules/rule-set.ts';
import type { DurationMs, InstantMs } from '../time/units.ts';
import type { Aggregate } from './aggregates/aggregate.ts';

/** Which events belong together. Times of tumbling and sliding windows count from the Unix epoch plus `offset`. */
export type WindowShape =
  /** [start, start + size), one after another. */
  | { readonly kind: 'tumbling'; readonly size: DurationMs; readonly offset: DurationMs }
  /** [start, start + size), one beginning every `slide`. */
  | { readonly kind: 'sliding'; readonly size: DurationMs; readonly slide: DurationMs; readonly offset: DurationMs }
  /** One window for each event: itself and those before it that are at most `size` older, ties in order of arrival. */
  | { readonly kind: 'perEvent'; readonly size: DurationMs }
  /**
   * As long as no event is more than `gap` after the one before it. With `maxSize` a session is cut at that length: the
   * event that is `maxSize` or more after the first begins another.
   */
  | { readonly kind: 'session'; readonly gap: DurationMs; readonly maxSize?: DurationMs }
  /** Every `size` events, in order of arrival. */
  | { readonly kind: 'count'; readonly size: number }
  /** Every `slide` events, the last `size` of them; fewer at the beginning. */
  | { readonly kind: 'countSliding'; readonly size: number; readonly slide: number }
  /** All events of the key, for ever. */
  | { readonly kind: 'global' };

/**
 * When a window says what it holds. `having` is asked each time, and only if it holds something is emitted. A window
 * without events says nothing.
 *
 *   - `onClose`: when it is complete. A late event that is still allowed for makes it speak again, as an update.
 *   - `everyEvents`: at each n-th event of the window.
 *   - `every`: at the window's start plus once, twice, … `every`, and when it closes, if an event came since it was
 *     last asked.
 *   - `once`: at the event that makes `having` hold for the first time in the window.
 *   - `risingEdge` across events: at an event with which `having` holds, and without which it does not, for the same
 *     window at the same time.
 *   - `risingEdge` across windows: when a window closes for which it holds, and for the one before it did not, or that
 *     one had no events.
 *
 * After the first emission those of `onClose`, `everyEvents` and `every` are updates; edges are always matches.
 */
export type EmitWhen =
  | { readonly kind: 'onClose' }
  | { readonly kind: 'everyEvents'; readonly events: number }
  | { readonly kind: 'every'; readonly every: DurationMs }
  | { readonly kind: 'once' }
  | { readonly kind: 'risingEdge'; readonly across: 'events' | 'windows' };

/** A window as `having` and `emit` see it. Valid during the call only. */
export interface WindowView {
  /** For windows without times of their own (count, global): the time of the first event. */
  readonly start: InstantMs;
  /**
   * Exclusive for tumbling and sliding windows. For a session: its last event plus the gap, or where it is cut. For the
   * others: the time of the last event.
   */
  readonly end: InstantMs;
  /** Times of the first and last event in it. */
  readonly first: InstantMs;
  readonly last: InstantMs;
  /** How many events are in it. */
  readonly count: number;
  /** The event that made it speak; undefined when time did. */
  readonly event: Event | undefined;
  readonly key: KeyValue;
}

/** Results of the aggregates by name, null where there is none. Computed when read; valid during the call only. */
export type Results = Readonly<Record<string, unknown>>;

export interface WindowLimits {
  /** Most panes, sessions or events that one key may hold. */
  readonly entries: number;
  /** Most bytes of state one key may have, computed from what it holds. */
  readonly stateBytes: number;
  /** `dropOldest` gives up the oldest pane, session or event; the others do not take the new event. */
  readonly onLimit: OnLimit;
}

/** A window rule with its expressions compiled. */
export interface WindowDefinition {
  readonly window: WindowShape;
  /** Which events count; all when undefined. An event that does not count is neither in a window nor late. */
  readonly where?: ((event: Event) => boolean) | undefined;
  /**
   * How long after it closed a window still takes events and speaks again. An event is late when all its windows have
   * been closed for that long; windows that go by count take events that are at most this much behind the watermark.
   */
  readonly allowedLateness: DurationMs;
  readonly emitWhen: EmitWhen;
  readonly aggregates: readonly Aggregate[];
  readonly having?: ((results: Results, window: WindowView) => boolean) | undefined;
  /**
   * Whether `having` reads anything of the window itself. When it does not, windows of equal content are looked at once,
   * however many slides there are between two events. Default true.
   */
  readonly havingReadsWindow?: boolean;
  /** The value of the rule's `emit`. */
  readonly emit?: ((results: Results, window: WindowView, key: KeyValue) => unknown) | undefined;
  readonly limits: WindowLimits;
}
