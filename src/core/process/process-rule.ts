import type { EventMeta } from '../rules/builder/plain-rule.ts';

/**
 * Process rules: rules written as code. What they read, remember, wait for and say is declared by name; from these
 * declarations the types of everything that the functions get are inferred, so that a wrong name or value is an error
 * of the compiler.
 *
 * The functions compute from what they are given and nothing else: no clock, no chance, no state of their own. Each call
 * is all or nothing: when it throws, what it set, emitted and armed is as if it had not been called.
 */

// biome-ignore lint/suspicious/noExplicitAny: stands for "of any type" in declarations whose own type is inferred
type Any = any;

/** A length of time: a text such as 500ms, 30s, 10m, 1h30m or 2d, or a number of milliseconds. */
export type Duration = string | number;

export type KeyPart = string | number | boolean;

/** A CEL expression, or a function. Null or undefined: the event belongs to no key and takes no part. */
export type KeyOf<E> = string | ((event: E, meta: EventMeta) => KeyPart | null | undefined);

/** A CEL expression, or a function, that gives a list: the event belongs to each key in it. */
export type KeysOf<E> = string | ((event: E, meta: EventMeta) => readonly (KeyPart | null)[] | null | undefined);

interface Taking<E> {
  /** Event types it takes; default all. */
  readonly type?: string | readonly string[];
  /** Which events it takes; default all. */
  readonly where?: string | ((event: E, meta: EventMeta) => boolean);
}

/** `key`: what belongs together; several parts make a composite key, and `global` is one key over all events. */
export type SourceOptions<E> = Taking<E> &
  (
    | { readonly key: KeyOf<E> | readonly KeyOf<E>[]; readonly keyEach?: never }
    | { readonly keyEach: KeysOf<E>; readonly key?: never }
  );

/** Carries a type from a declaration to where it is used; never set. */
declare const carries: unique symbol;

export type Source<E> = SourceOptions<E> & {
  readonly kind: 'source';
  /** Its name in the configuration. */
  readonly source: string;
  readonly [carries]?: E;
};

/** How long an entry is remembered after it was last written, up to and including that moment. Default for ever. */
export interface TtlOptions {
  readonly ttl?: Duration;
  /** By which time it is counted. Default event time. */
  readonly ttlClock?: Clock;
}

/** `event`: the time of events. `processing`: the time at which NATS stored what is being processed. */
export type Clock = 'event' | 'processing';

export interface ValueSpec<T> extends TtlOptions {
  readonly kind: 'value';
  readonly [carries]?: T;
}
export interface ListSpec<T> extends TtlOptions {
  readonly kind: 'list';
  readonly [carries]?: T;
}
export interface MapSpec<K extends KeyPart, V> extends TtlOptions {
  readonly kind: 'map';
  readonly [carries]?: readonly [K, V];
}
export interface ReducingSpec<T, E> extends TtlOptions {
  readonly kind: 'reducing';
  readonly initial: T;
  readonly add: (value: T, item: E) => T;
}
export interface AggregatingSpec<A, E, R> extends TtlOptions {
  readonly kind: 'aggregating';
  readonly create: () => A;
  readonly add: (accumulator: A, item: E) => A;
  readonly result: (accumulator: A) => R;
}
export type StateSpec =
  | ValueSpec<Any>
  | ListSpec<Any>
  | MapSpec<Any, Any>
  | ReducingSpec<Any, Any>
  | AggregatingSpec<Any, Any, Any>;

export interface TimerSpec {
  readonly kind: 'timer';
  readonly clock: Clock;
}

export interface OutputSpec<T> {
  readonly kind: 'output';
  readonly [carries]?: T;
}

export interface ReferenceSpec<T> {
  readonly kind: 'reference';
  readonly [carries]?: T;
}

/** A source of the configuration. `E`: the data of its events. */
export const source = <E>(name: string, options: SourceOptions<E>): Source<E> => ({
  ...options,
  kind: 'source',
  source: name,
});

/** One value. */
export const value = <T>(options: TtlOptions = {}): ValueSpec<T> => ({ ...options, kind: 'value' });

/** Items in the order in which they were added. With a `ttl`, each is remembered for that long. */
export const list = <T>(options: TtlOptions = {}): ListSpec<T> => ({ ...options, kind: 'list' });

/** Values by a text, number or boolean. With a `ttl`, each is remembered for that long after it was last set. */
export const map = <K extends KeyPart, V>(options: TtlOptions = {}): MapSpec<K, V> => ({ ...options, kind: 'map' });

/** A value into which items are added, beginning with `initial`. */
export const reducing = <T, E>(
  spec: TtlOptions & { readonly initial: T; readonly add: (value: T, item: E) => T },
): ReducingSpec<T, E> => ({ ...spec, kind: 'reducing' });

/** As `reducing`, where what is remembered is not what is read. */
export const aggregating = <A, E, R>(
  spec: TtlOptions & {
    readonly create: () => A;
    readonly add: (accumulator: A, item: E) => A;
    readonly result: (accumulator: A) => R;
  },
): AggregatingSpec<A, E, R> => ({ ...spec, kind: 'aggregating' });

/** A timer by event time: it fires once time has passed its moment, after every event of that moment. */
export const eventTimer = (): TimerSpec => ({ kind: 'timer', clock: 'event' });

/** A timer by processing time, which goes on while no events come. */
export const processingTimer = (): TimerSpec => ({ kind: 'timer', clock: 'processing' });

/** A side output of the rule. `T`: what it is given. */
export const output = <T>(): OutputSpec<T> => ({ kind: 'output' });

/** Reference data of the configuration, by the name it has there, to be looked up. `T`: the values of its entries. */
export const reference = <T>(): ReferenceSpec<T> => ({ kind: 'reference' });

// --- what the functions get ------------------------------------------------------------------------------------------

// Every read gives a fresh copy, so changing what was read changes nothing: write it back. What is stored must be plain
// data (see storable.ts).

export interface ValueHandle<T> {
  /** Undefined when nothing is set. */
  get(): T | undefined;
  set(value: T): void;
  clear(): void;
}

export interface ListHandle<T> {
  readonly size: number;
  /** All items, oldest first. */
  get(): T[];
  add(item: T): void;
  /** Removes the oldest item and gives it; undefined when there is none. */
  takeFirst(): T | undefined;
  /** Puts other items in place of all there are. */
  set(items: Iterable<T>): void;
  clear(): void;
}

export interface MapHandle<K, V> {
  readonly size: number;
  get(key: K): V | undefined;
  has(key: K): boolean;
  set(key: K, value: V): void;
  /** True when there was one. */
  delete(key: K): boolean;
  /** In the order in which they were first set. */
  keys(): K[];
  values(): V[];
  entries(): [K, V][];
  clear(): void;
}

export interface ReducingHandle<T, E> {
  get(): T;
  add(item: E): void;
  /** Back to the initial value. */
  clear(): void;
}

export interface AggregatingHandle<E, R> {
  get(): R;
  add(item: E): void;
  /** Back to what `create` gives. */
  clear(): void;
}

/**
 * A timer of one key. With an `id` it is one of any number of timers of this name, each armed and cancelled by its own
 * id, such as one for every open order of a customer.
 */
export interface TimerHandle {
  /** Arms it for a moment (milliseconds since the epoch), instead of any earlier setting. A moment that has passed is now. */
  at(time: number, id?: string): void;
  /** Arms it for so long after now: after the event's time, or the moment of the timer that fired. */
  after(length: Duration, id?: string): void;
  /** Disarms it; nothing happens when it is not armed. */
  cancel(id?: string): void;
  /** The moment for which it is armed; undefined when it is not. */
  due(id?: string): number | undefined;
}

export type HandleOf<S> =
  S extends ReducingSpec<infer T, infer E>
    ? ReducingHandle<T, E>
    : S extends AggregatingSpec<Any, infer E, infer R>
      ? AggregatingHandle<E, R>
      : S extends MapSpec<infer K, infer V>
        ? MapHandle<K, V>
        : S extends ListSpec<infer T>
          ? ListHandle<T>
          : S extends ValueSpec<infer T>
            ? ValueHandle<T>
            : never;

export type Sources = Readonly<Record<string, Source<Any>>>;
export type States = Readonly<Record<string, StateSpec>>;
export type Timers = Readonly<Record<string, TimerSpec>>;
export type Outputs = Readonly<Record<string, OutputSpec<Any>>>;
export type References = Readonly<Record<string, ReferenceSpec<Any>>>;
type None = Readonly<Record<never, never>>;

export type EventOf<S> = S extends Source<infer E> ? E : never;
export type ValueOf<O> = O extends OutputSpec<infer T> ? T : never;
export type DataOf<R> = R extends ReferenceSpec<infer T> ? T : never;

/** What a function of the rule works with. Valid during its call only. */
export interface Context<S, T, O, R = None> {
  /** The key's value; a list for a composite key. */
  readonly key: KeyPart | readonly KeyPart[];
  /**
   * Event time, in milliseconds since the epoch: of the event, or the moment of the timer that fired. For a processing
   * timer the time of the key's latest event.
   */
  readonly time: number;
  /** Processing time; in a processing timer its moment. */
  readonly processingTime: number;
  readonly state: { readonly [N in keyof S]: HandleOf<S[N]> };
  readonly timers: { readonly [N in keyof T]: TimerHandle };
  /** Says something on one of the rule's outputs. */
  emit<N extends keyof O & string>(output: N, value: ValueOf<O[N]>): void;
  /**
   * The value of an entry of one of the rule's references, as a copy; undefined when there is none, or the key is null. A
   * number or boolean finds the entry of its text.
   */
  lookup<N extends keyof R & string>(reference: N, key: KeyPart | null | undefined): DataOf<R[N]> | undefined;
  /** A number from 0 to below 1: chance, but the same one for the same key, event and call whenever they are replayed. */
  random(): number;
  /** Forgets everything the rule holds for this key: state and timers. */
  clear(): void;
}

export interface EventContext<S, T, O, R = None> extends Context<S, T, O, R> {
  /** The event's envelope. */
  readonly meta: EventMeta;
}

export interface ProcessLimits {
  /** Bytes of state and timers per key. */
  readonly stateBytes?: number;
  /** Timers per key. */
  readonly timers?: number;
}

export interface ProcessRule<F, S = None, T = None, O = None, R = None> {
  /** Unique in the deployment. */
  readonly rule: string;
  readonly description?: string;
  readonly severity?: string;
  readonly labels?: Readonly<Record<string, string>>;
  /** Whether events that come too late go to the side output `late`. Default `drop`. */
  readonly onLate?: 'drop' | 'sideOutput';
  /** An RFC 3339 time: what the rule says of earlier times is counted, not emitted. */
  readonly emitFrom?: string;
  /** Leaves out events whose id another one of the key had, less than `within` before. */
  readonly dedupe?: {
    readonly events: string | ((event: Any, meta: EventMeta) => unknown);
    readonly within: string;
    /** Most ids that are remembered. Default 10,000. */
    readonly ids?: number;
  };
  /** Past a limit the call fails, and what it did is undone. Defaults are the deployment's. */
  readonly limits?: ProcessLimits;
  /** What it reads. An event that several of these take goes to each, in the order written here. */
  readonly from: F;
  readonly state?: S;
  readonly timers?: T;
  readonly outputs?: O;
  /** What it looks up. */
  readonly references?: R;
  /** Called with every event, by the name that `from` gives its source. */
  readonly on: { readonly [N in keyof F]: (event: EventOf<F[N]>, ctx: EventContext<S, T, O, R>) => void };
  /** Called when a timer fires, by its name. */
  readonly onTimer?: { readonly [N in keyof T]: (ctx: Context<S, T, O, R>, id: string) => void };
}

/** As `processRule` takes it: every timer needs its function. */
export type ProcessRuleInput<F, S, T, O, R> = ProcessRule<F, S, T, O, R> &
  (keyof T extends never ? unknown : Required<Pick<ProcessRule<F, S, T, O, R>, 'onTimer'>>);

/** Any process rule, as the engine runs it. */
export type AnyProcessRule = ProcessRule<Sources, States, Timers, Outputs, References>;

/** Gives a rule back as it is; there for its types. */
export function processRule<
  const F extends Sources,
  const S extends States = None,
  const T extends Timers = None,
  const O extends Outputs = None,
  const R extends References = None,
>(rule: ProcessRuleInput<F, S, T, O, R>): ProcessRule<F, S, T, O, R> {
  return rule;
}
