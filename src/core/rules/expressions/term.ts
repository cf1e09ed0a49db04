import type { Event } from '../../events/event.ts';
import type { Taken } from '../../patterns/pattern.ts';
import type { KeyValue } from '../rule-set.ts';
import type { Failure } from './failure.ts';
import type { ASTNode, ExpressionProblem } from './syntax.ts';

/** A compiled expression at work: gives a value, or a `Failure`. Never throws. */
export type Run = (event: Event, taken: Taken, key: KeyValue) => unknown;

/** Like `Run` where the expression denotes an event and not just its data; undefined when there is none. */
export type RunEvent = (event: Event, taken: Taken, key: KeyValue) => Event | Failure | undefined;

/** Like `Run` where the expression denotes the events of a looping step. */
export type RunEvents = (event: Event, taken: Taken, key: KeyValue) => readonly Event[];

/** What is known of a value before any event is seen. `any` knows nothing; null may turn up wherever `any` does. */
export type StaticType = 'any' | 'boolean' | 'number' | 'string' | 'null' | 'list' | 'map';

/** Where a value comes from: a path of fields in the data of the events of one step. */
export interface Origin {
  readonly step: number;
  readonly path: readonly string[];
}

/** One compiled part of an expression. */
export interface Term {
  readonly node: ASTNode;
  readonly run: Run;
  readonly type: StaticType;
  /** False when `run` can never give a `Failure`. */
  readonly mayFail: boolean;
  readonly literal?: { readonly value: unknown };
  /** Set when the term denotes one event. */
  readonly event?: RunEvent;
  /** Set when the term denotes the events of a looping step. */
  readonly events?: RunEvents;
  /** Set when the term reads from the data of taken events; marked as read where the value is really used. */
  readonly origin?: Origin;
  /** Set for a field of the current event's data. */
  readonly eventPath?: readonly string[];
  /** Set for a map whose fields are known: their names. */
  readonly fields?: readonly string[];
  /** Set for the root `meta` itself. */
  readonly meta?: true;
}

/** A step as an expression may name it. */
export interface ScopeStep {
  readonly index: number;
  /** Its name in the whole pattern, where that differs from the one it goes by here. */
  readonly name?: string;
  /** True when the step can hold more than one event, so that it binds a list. */
  readonly many: boolean;
  /** Why the step cannot be used here, with the way out; undefined when it can. */
  readonly unusable: { readonly message: string; readonly fix: string } | undefined;
}

/** The names an expression may use. */
export interface Scope {
  /** Whether `event` and `meta` mean something here. */
  readonly event: boolean;
  readonly key: boolean;
  readonly steps: ReadonlyMap<string, ScopeStep>;
  /** Names of values that are there beside events, such as the window. */
  readonly values?: ReadonlyMap<string, ScopeValue>;
  /** Where reference data is found; undefined where there is none yet, as in keys. */
  readonly lookups?: ScopeLookups;
}

/** What `lookup(…)` works with. */
export interface ScopeLookups {
  /** Names of the references that there are; undefined = not known. */
  readonly names: readonly string[] | undefined;
  /** Takes note of the references that are looked up. */
  readonly used: Set<string>;
  /** The value of an entry, null when there is none. Called while the expression runs. */
  valueOf(reference: string, key: string): unknown;
}

/** A value as an expression may name it. */
export interface ScopeValue {
  readonly type: StaticType;
  /** Of a map whose fields are known: their names. */
  readonly fields?: readonly string[];
  /** Gives the value, or a `Failure`. `taken` is what the expression is run with. */
  readonly read: (taken: Taken) => unknown;
}

/** What an expression reads. */
export interface Uses {
  event: boolean;
  meta: boolean;
  key: boolean;
  /** By step index: the paths of its events' data that are read; an empty path is the whole data. */
  readonly steps: Map<number, (readonly string[])[]>;
  /** Names of the values that are read. */
  readonly values: Set<string>;
  /** Whether reference data is looked up: the answer can then change though the event does not. */
  lookups: boolean;
}

/** What the parts of the compiler share while they compile one expression. */
export interface Context {
  readonly scope: Scope;
  readonly uses: Uses;
  readonly locals: Map<string, Term>;
  macroDepth: number;
  /** Iterations that the macros of this expression may still make in this evaluation. */
  readonly budget: { left: number };
  /** Compiles a part without saying that its data is used. */
  compile(node: ASTNode): Term;
  /** Compiles a part whose value is used as a whole. */
  value(node: ASTNode): Term;
  /** Says that a term's data is used as a whole. */
  use(term: Term): Term;
  problem(code: string, node: ASTNode, message: string, fix: string): Term;
}

export type { ExpressionProblem };
