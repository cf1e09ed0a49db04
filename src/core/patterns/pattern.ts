import type { Event } from '../events/event.ts';
import type { KeyValue } from '../rules/rule-set.ts';
import type { DurationMs } from '../time/units.ts';

/** What one partial match has taken so far, by step. Steps are numbered in the order of `Pattern.steps`. */
export interface Taken {
  /** The events a step took, oldest first; empty when it took none. Do not keep or change the array. */
  events(step: number): readonly Event[];
  count(step: number): number;
  first(step: number): Event | undefined;
  last(step: number): Event | undefined;
}

/** True when the event fits. `taken` is what the partial match holds before this event. Must not throw. */
export interface Condition {
  (event: Event, taken: Taken, key: KeyValue): boolean;
  /**
   * True when the answer depends on the event and the key alone, never on `taken`. Such a condition is evaluated once
   * per event however many partial matches ask. Default false, which is always right and slower.
   */
  readonly stateless?: boolean;
}

/** Relation to what was taken before: next, followedBy, followedByAny. Also between the events of a loop. */
export type Contiguity = 'strict' | 'relaxed' | 'nonDeterministic';

export interface Quantifier {
  /** At least 1; `optional` says that none will do as well. */
  readonly min: number;
  /** Infinity for an open loop. */
  readonly max: number;
  readonly optional: boolean;
  readonly greedy: boolean;
  /** Contiguity between the events (or group iterations) of the loop. */
  readonly inner: Contiguity;
  /** Flink's time argument of times/oneOrMore/timesOrMore; undefined = none. */
  readonly within: DurationMs | undefined;
  /** Ends an open loop. */
  readonly until: Condition | undefined;
}

interface StageBase {
  /** Undefined on the first stage of a pattern or group. */
  readonly contiguity: Contiguity | undefined;
}

/** A step that takes events. */
export interface StepStage extends StageBase {
  readonly kind: 'step';
  /** Index into `Pattern.steps`. */
  readonly step: number;
  /** Undefined = always true. */
  readonly where: Condition | undefined;
  readonly quantifier: Quantifier;
  /** `withinPrevious`: limit on the gap to the previous taken event (Flink's previous-and-current). */
  readonly withinPrevious: DurationMs | undefined;
  /** `span`: exclusive limit from this step's own first to its own last event (Corral's own). */
  readonly span: DurationMs | undefined;
}

/** Stages in a loop or optional as a whole. */
export interface GroupStage extends StageBase {
  readonly kind: 'group';
  readonly stages: readonly Stage[];
  readonly quantifier: Quantifier;
  readonly span: DurationMs | undefined;
}

/** A ban: notNext (strict) or notFollowedBy (relaxed). Takes nothing. */
export interface NotStage {
  readonly kind: 'not';
  readonly contiguity: 'strict' | 'relaxed';
  readonly step: number;
  readonly where: Condition | undefined;
  readonly withinPrevious: DurationMs | undefined;
}

/** One of several ways to go on; the first event taken decides (Corral's own). */
export interface AnyOfStage extends StageBase {
  readonly kind: 'anyOf';
  readonly alternatives: readonly (readonly Stage[])[];
}

/** All of several steps, in any order (Corral's own). */
export interface AllOfStage extends StageBase {
  readonly kind: 'allOf';
  readonly members: readonly StepStage[];
}

export type Stage = StepStage | GroupStage | NotStage | AnyOfStage | AllOfStage;

export type AfterMatch =
  | { readonly kind: 'noSkip' }
  | { readonly kind: 'skipToNext' }
  | { readonly kind: 'skipPastLastEvent' }
  | { readonly kind: 'skipToFirst'; readonly step: number; readonly throwOnMiss: boolean }
  | { readonly kind: 'skipToLast'; readonly step: number; readonly throwOnMiss: boolean };

/** What happens when a limit is reached. */
export type OnLimit = 'dropOldest' | 'dropNewest' | 'deadLetter';

export interface PatternLimits {
  /** Most partial matches one key may have. */
  readonly partialMatches: number;
  /** Most bytes of state one key may have, computed from what it holds. */
  readonly stateBytes: number;
  readonly onLimit: OnLimit;
}

/** A pattern with its conditions compiled: all that the automaton needs. */
export interface Pattern {
  /** Step names; a stage refers to them by index. Names inside groups and of bans count. */
  readonly steps: readonly string[];
  readonly stages: readonly Stage[];
  /** First to last event, exclusive; undefined = no limit. */
  readonly within: DurationMs | undefined;
  readonly afterMatch: AfterMatch;
  /** Whether timed-out partial matches are wanted (`onTimeout: emit`). */
  readonly emitTimeouts: boolean;
  readonly limits: PatternLimits;
  /**
   * Per step, what of its events' data must be kept once taken, because a condition or `emit` reads it later: paths of
   * field names, [] for the whole data, undefined for nothing. The automaton keeps id, time, type, source, seq and
   * index of every taken event in any case.
   */
  readonly keep: readonly (readonly (readonly string[])[] | undefined)[];
}
