import type { Event } from '../events/event.ts';
import type { InstantMs } from '../time/units.ts';

/** Points at an event that caused a match. */
export interface EventRef {
  readonly source: string;
  readonly seq: number;
  readonly index: number;
  readonly id: string;
  readonly time: InstantMs;
}

/** The events one step took: at most 100 references and the true count. */
export interface StepEvents {
  readonly step: string;
  readonly count: number;
  readonly refs: readonly EventRef[];
}

export type EmissionKind = 'match' | 'timeout' | 'update' | 'unmatched' | 'late';

/** What a rule says for one key, before the shard numbers it and makes it an envelope. */
export interface Emission {
  readonly kind: EmissionKind;
  /** The side output's name; undefined means the rule's own match stream. */
  readonly side: string | undefined;
  /** Time of completion, or the deadline. */
  readonly time: InstantMs;
  /** Times of the first and last event of it; undefined when it has none. */
  readonly first: InstantMs | undefined;
  readonly last: InstantMs | undefined;
  readonly events: readonly StepEvents[];
  /** The value of the rule's `emit`; undefined when the rule has none. */
  readonly emit: unknown;
}

/** What the engine saw that is no match: a failed expression, a limit reached. Counted and logged by the shell. */
export type Incident =
  | { readonly kind: 'expressionFailed'; readonly where: string; readonly message: string }
  /** `events`: what was dropped, when the rule wants it as a dead letter. */
  | {
      readonly kind: 'limitReached';
      readonly limit: string;
      readonly answer: string;
      readonly events?: readonly StepEvents[];
    }
  | { readonly kind: 'late'; readonly byMs: number };

/** Where a behaviour puts what it has to say, in the order it happens. */
export interface Output {
  emit(emission: Emission): void;
  incident(incident: Incident): void;
}

/**
 * Receives the cells of a state that changed since it was loaded or last saved. A cell is an absolute value, never a
 * difference, so applying the same cells twice gives the same state. Small states use cell 0 alone; large ones spread
 * their content over many cells so that one event changes few bytes.
 */
export interface CellWriter {
  /** @param cell a small non-negative integer; `bytes` is kept, so it must not be a view that is written to again. */
  put(cell: number, bytes: Uint8Array): void;
  remove(cell: number): void;
}

export type Cells = ReadonlyMap<number, Uint8Array>;

/**
 * What a compiled rule does for one key. It only computes: time comes in as an argument, and the same inputs in the
 * same order give the same outputs and the same cells. `State` is changed in place and owned by one key's actor.
 */
export interface Behaviour<State = unknown> {
  /** A key's first state. Must be cheap; most keys never get further. */
  create(key: unknown): State;
  /** Rebuilds a state from all its cells. `key` is the key's value (not its text). */
  load(cells: Cells, key: unknown): State;
  /** Writes what changed since `create`, `load` or the last `save`. */
  save(state: State, cells: CellWriter): void;
  /**
   * True when the state says no more than `create()` would: the key then passivates to nothing. Asked after `save`,
   * which has removed all cells of such a state.
   */
  isEmpty(state: State): boolean;
  /** One event. The caller has advanced the state to the event's time first. */
  onEvent(state: State, event: Event, output: Output): void;
  /** Event time has reached `now`: everything due at or before it happens, in order of deadline. */
  onTime(state: State, now: InstantMs, output: Output): void;
  /** When `onTime` has next something to do; `NEVER` when time changes nothing. */
  wakeAt(state: State): InstantMs;
}
