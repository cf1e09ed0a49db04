import type { Event } from '../events/event.ts';
import type { OnLimit } from '../patterns/pattern.ts';
import type { KeyValue } from '../rules/rule-set.ts';
import type { DurationMs, InstantMs } from '../time/units.ts';

/** Which of the two inputs of a join. */
export type Side = 'left' | 'right';

/** Which times a left and a right event must have to be a pair. */
export type Together =
  /**
   * The right event is at least `from` and at most `to` after the left one, both bounds included; negative means before.
   * Infinite bounds are open: `limits` alone bound what waits.
   */
  | { readonly kind: 'interval'; readonly from: DurationMs; readonly to: DurationMs }
  /**
   * Some window [start, start + size) holds both; starts are `offset` + any multiple of `slide`. A tumbling window has
   * a slide equal to its size. However many windows hold both, they are one pair.
   */
  | { readonly kind: 'window'; readonly size: DurationMs; readonly slide: DurationMs; readonly offset: DurationMs }
  /** Both belong to one session of the events of both sides: no two neighbours are further than `gap` apart. */
  | { readonly kind: 'session'; readonly gap: DurationMs };

/** A window [start, end). */
export interface TimeWindow {
  readonly start: InstantMs;
  readonly end: InstantMs;
}

/** What one key may buffer. */
export interface JoinLimits {
  /** Events of both sides. */
  readonly events: number;
  /** Bytes of them. */
  readonly stateBytes: number;
  readonly onLimit: OnLimit;
}

/** A compiled join. Its functions must not throw, and must depend on their arguments alone. */
export interface JoinDefinition {
  /** The sides' names in the rule. */
  readonly names: Readonly<Record<Side, string>>;
  /** Which side an event is on for a key; undefined = the rule does not see it. An event never pairs with itself. */
  readonly sideOf: (event: Event, key: KeyValue) => Side | 'both' | undefined;
  readonly together: Together;
  /** `oneToOne`: an event is in at most one pair, and a new one takes the oldest that waits and fits. */
  readonly pairs: 'all' | 'oneToOne';
  readonly where: ((left: Event, right: Event, key: KeyValue) => boolean) | undefined;
  /**
   * Values that are equal in every pair that `where` lets through, so that others need not be tried. Where they are
   * equal, `where` is still asked. Texts, numbers, booleans and null are told apart; everything else counts as equal.
   */
  readonly equal: Readonly<Record<Side, (event: Event) => unknown>> | undefined;
  /** Sides whose events are reported once no partner can come any more. */
  readonly unmatched: readonly Side[];
  /** What a buffered event keeps of its data: at least what `where`, `equal` and the two below read. */
  readonly keep: (event: Event) => unknown;
  readonly limits: JoinLimits;
  /** `window`: the last one that holds both; undefined for intervals and sessions. */
  readonly emitPair: (left: Event, right: Event, key: KeyValue, window: TimeWindow | undefined) => unknown;
  readonly emitUnmatched: (side: Side, event: Event, key: KeyValue) => unknown;
}
