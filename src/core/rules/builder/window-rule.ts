import type { Duration, EventMeta, KeyPart, RuleFields } from './plain-rule.ts';

/** A window rule as a module writes it plainly: the shape of a rule file, with functions where YAML has expressions. */

interface Late {
  /** How long after it closed a window still takes events and speaks again. Default none. */
  readonly allowedLateness?: Duration;
}

export type Window =
  | 'global'
  | ({ readonly tumbling: Duration; readonly offset?: Duration } & Late)
  | ({ readonly sliding: Duration; readonly every: Duration; readonly offset?: Duration } & Late)
  | { readonly perEvent: Duration }
  | ({ readonly session: Duration; readonly maxSize?: Duration } & Late)
  | ({ readonly count: number; readonly every?: number } & Late)
  | ({ readonly global: true } & Late);

/** A CEL expression over `event` and `meta`, or a function. */
export type Value<Data> = string | ((event: Data, meta: EventMeta) => unknown);

/** An aggregate of the author's own. What it has is plain data; each function gives it back, and may change it first. */
export interface OwnAggregateOf<Data, Acc> {
  create(): Acc;
  add(acc: Acc, event: Data, meta: EventMeta): Acc;
  /** What both hold together; the events of `from` are the later ones. */
  merge(into: Acc, from: Acc): Acc;
  result(acc: Acc): unknown;
}

/** A call as text, `sum(event.amount)`; the same with functions, {sum: (event) => event.amount}; or one's own. */
export type AggregateOf<Data> =
  | string
  | { readonly sum: Value<Data> }
  | { readonly avg: Value<Data> }
  | { readonly min: Value<Data> }
  | { readonly max: Value<Data> }
  | { readonly first: Value<Data> }
  | { readonly last: Value<Data> }
  | { readonly countIf: Value<Data> }
  | { readonly stddev: Value<Data> | readonly [Value<Data>, 'population' | 'sample'] }
  | { readonly distinct: Value<Data> | readonly [value: Value<Data>, limit: number] }
  | { readonly percentile: readonly [value: Value<Data>, percentage: number, limit?: number] }
  | { readonly collect: Value<Data> | readonly [value: Value<Data>, limit: number, end?: 'first' | 'last'] }
  | { readonly topK: readonly [value: Value<Data>, k: number, limit?: number] }
  | { readonly argMin: readonly [value: Value<Data>, by: Value<Data>] }
  | { readonly argMax: readonly [value: Value<Data>, by: Value<Data>] }
  // biome-ignore lint/suspicious/noExplicitAny: what it has is the author's own affair
  | OwnAggregateOf<Data, any>;

/** A window as functions see it. Times are milliseconds since the epoch. */
export interface WindowOf {
  readonly start: number;
  readonly end: number;
  /** Times of the first and last event in it. */
  readonly first: number;
  readonly last: number;
  readonly count: number;
}

/** Results by name. Typed loosely, since which they are depends on the aggregates. */
// biome-ignore lint/suspicious/noExplicitAny: a result is what its aggregate makes it
export type ResultsOf<Name extends string> = Readonly<Record<Name, any>>;

type Key = KeyPart | readonly KeyPart[];

export interface WindowRule<Data, Name extends string = string> extends Omit<RuleFields<Data>, 'within' | 'limits'> {
  readonly window: Window;
  readonly aggregate: Readonly<Record<Name, AggregateOf<Data>>>;
  /** The window is emitted only if this holds. */
  readonly having?: string | ((results: ResultsOf<Name>, key: Key, window: WindowOf) => boolean);
  /** Default `onClose`. */
  readonly emitWhen?:
    | 'onClose'
    | 'risingEdge'
    | 'once'
    | { readonly everyEvents: number }
    | { readonly every: Duration }
    | { readonly risingEdge: 'events' | 'windows' };
  /** A function, or JSON whose texts may hold `${expression}`. Default: the results by name. */
  readonly emit?:
    | string
    | Readonly<Record<string, unknown>>
    | ((results: ResultsOf<Name>, key: Key, window: WindowOf, event: Data | null) => unknown);
  readonly limits?: {
    /** Most panes, sessions or events of one key. */
    readonly entries?: number;
    readonly stateBytes?: number;
    readonly onLimit?: 'dropOldest' | 'dropNewest' | 'deadLetter';
  };
}

/** Gives a window rule back as it is; there for its types. `Data` is the type of the events' data. */
// biome-ignore lint/suspicious/noExplicitAny: without a type of its own, data is anything
export function windowRule<Data = any>(rule: WindowRule<Data>): WindowRule<Data> {
  return rule;
}
