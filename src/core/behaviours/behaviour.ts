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
  /** Set when this emission may be followed by updates, or is one: all emissions of one result have the same object. */
  readonly identity?: EmissionIdentity;
  /** Set for an update: 1 for the first one, and so on. */
  readonly revision?: number;
  /** Names of the aggregates in it whose results are estimates, because a limit was passed; undefined when all are exact. */
  readonly approximate?: readonly string[];
  /** How many emissions of the key `throttle` has held back since the one before; undefined when none. */
  readonly suppressed?: number;
}

/**
 * What an update has in common with the first emission of the same result. The shell sets `ordinal` when it numbers that
 * first emission, and in the same commit writes it, as one varint, into `cell` of the rule's state; the behaviour reads
 * it from there when it loads, and removes the cell when no update can follow any more.
 */
export interface EmissionIdentity {
  /** Undefined when no update can follow any more: then nothing is to be written. Read it after `save`. */
  readonly cell: number | undefined;
  ordinal: number | undefined;
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
  | { readonly kind: 'late'; readonly byMs: number }
  /** An emission or an event was left out because the rule asks for that. */
  | { readonly kind: 'heldBack'; readonly by: 'throttle' | 'dedupeEvents' | 'dedupeMatches' }
  /** The rule threw on an event or timer. */
  | { readonly kind: 'failed'; readonly message: string }
  /** The rule was not shown an event or time that had ended the process twice. */
  | { readonly kind: 'killed'; readonly message: string };

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
  /** The input has ended: what is open (windows, sessions) is over with what it has. Deadlines are not decided by it. */
  close?(state: State, output: Output): void;
  /** When `onTime` has next something to do; `NEVER` when time changes nothing. */
  wakeAt(state: State): InstantMs;
  /**
   * For rules that also go by processing time, which the log brings as it brings watermarks: when `onProcessingTime` has
   * next something to do; `NEVER` when processing time changes nothing.
   */
  wakeAtProcessing?(state: State): InstantMs;
  /**
   * Processing time is `now`. Called with the processing time of a record before anything of the record is shown to the
   * rule, and when `wakeAtProcessing` is reached.
   */
  onProcessingTime?(state: State, now: InstantMs, output: Output): void;
  /**
   * True when the behaviour decides itself what is late. It is then shown late events too, by `onEvent`, right after
   * `onTime` with the watermark that the event is behind (whatever `wakeAt` says, also on a fresh state); it reports
   * those it has no more use for as incidents `late`.
   */
  readonly takesLate?: boolean;
}
