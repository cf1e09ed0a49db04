import type {
  AnySteps,
  Fresh,
  Held,
  Holds,
  HoldsAfter,
  Lifted,
  Merged,
  NoSteps,
  Taken,
  TimesOf,
  Within,
} from './held.ts';
import type { Duration, Stage, Where } from './plain-rule.ts';

/** Where a pattern is written: the events there are, the steps it can name that are not its own, and whether it loops. */
export interface Context {
  // biome-ignore lint/suspicious/noExplicitAny: events of any type
  readonly events: any;
  readonly seen: unknown;
  readonly rounds: 'one' | 'many';
}

/** Any event of the map, where a step names no type. */
export type AnyEvent<C extends Context> = C['events'][keyof C['events']];

/** What conditions can name: the steps around, and these, as they are inside a group that may loop. */
type Seen<C extends Context, Steps> = Merged<C['seen'], Lifted<Steps, C['rounds']>>;

type Noted<Name extends string, How extends Holds, Data> = { readonly [One in Name]: Held<How, Data> };

/** A step that loops, or stands in a looping group, can name its own earlier events. */
type WithOwn<C extends Context, Steps, Name extends string, Data, How extends Holds> = 'many' extends How | C['rounds']
  ? Merged<Steps, Noted<Name, How, Data>>
  : Steps;

/** A pattern as a rule or group takes it: its stages as a plain rule would have them, and what the types found. */
export interface Found<Steps, Top extends string, Rounds extends Holds> {
  readonly stages: readonly Stage<unknown>[];
  /** Never there: it carries the types. */
  readonly found?: { readonly steps: Steps; readonly top: Top; readonly rounds: Rounds };
}

/**
 * A pattern so far. Each call gives a new pattern and leaves this one as it is, so a pattern can be kept in a constant
 * and gone on from in several ways.
 * @typeParam Steps its own steps, and what each holds
 * @typeParam Top names of the steps that the search can skip to after a match: those outside groups
 */
export interface Pattern<C extends Context, Steps, Top extends string> extends Found<Steps, Top, C['rounds']> {
  /** The very next event of the key. */
  readonly next: Follow<C, Steps, Top>;
  /** The next event that fits; others may lie between. */
  readonly followedBy: Follow<C, Steps, Top>;
  /** Any later event that fits; each makes a match of its own. */
  readonly followedByAny: Follow<C, Steps, Top>;
  /** The very next event must not fit. */
  notNext(step: string): Ban<C, Steps, Top, AnyEvent<C>>;
  /** No event that fits may come before the next step; at the end of a pattern, before the limit. */
  notFollowedBy(step: string): Ban<C, Steps, Top, AnyEvent<C>>;
}

/** Adds a step by its name, or a group. */
export interface Follow<C extends Context, Steps, Top extends string> {
  /** A pattern kept in a constant. Its conditions see its own steps. What loops is written as `{steps, times}`. */
  <Inner>(group: Found<Inner, string, C['rounds']>): Group<C, Steps, Top, Inner, 'one'>;
  /** Steps that loop together when `times` says so. In a loop, conditions see its steps as lists. */
  <Inner, const Times extends TimesOf = 1>(group: {
    readonly times?: Times;
    readonly steps: (inside: Start<Inside<C, Steps, Times>>) => Found<Inner, string, Rounds<C, Times>>;
  }): Group<C, Steps, Top, Inner, HoldsAfter<Times, 'one'>>;
  /** One of several ways to go on. */
  <const Ways extends readonly unknown[], const Times extends TimesOf = 1>(group: {
    readonly times?: Times;
    readonly anyOf: { readonly [Way in keyof Ways]: (way: Start<Inside<C, Steps, Times>>) => Ways[Way] };
  }): Group<C, Steps, Top, Lifted<AllSteps<Ways>, 'maybe'>, HoldsAfter<Times, 'one'>>;
  /** All of several steps, in any order. */
  <const Members extends readonly unknown[], const Times extends TimesOf = 1>(group: {
    readonly times?: Times;
    readonly allOf: { readonly [One in keyof Members]: (member: Start<Inside<C, Steps, Times>>) => Members[One] };
  }): Group<C, Steps, Top, AllSteps<Members>, HoldsAfter<Times, 'one'>>;
  // The last one, because its problems are what the compiler shows.
  <const Name extends string>(
    step: Name & Fresh<Name, Merged<C['seen'], Steps>>,
  ): Step<C, Steps, Top, Name, AnyEvent<C>, 'one'>;
}

interface Inside<C extends Context, Steps, Times> extends Context {
  readonly events: C['events'];
  readonly seen: Seen<C, Steps>;
  readonly rounds: Rounds<C, Times>;
}

/** Inside a group, only a loop makes lists of what its steps hold. */
type Rounds<C extends Context, Times> = 'many' extends C['rounds'] | HoldsAfter<Times, 'one'> ? 'many' : 'one';

/** Steps of all patterns in a list. */
type AllSteps<Patterns extends readonly unknown[]> = Patterns extends readonly [infer First, ...infer Rest]
  ? Merged<StepsOf<First>, AllSteps<Rest>>
  : NoSteps;

type StepsOf<P> = P extends Found<infer Steps, infer _, infer _Rounds> ? Steps : never;

/** Where a pattern or group begins. */
export interface Start<C extends Context> {
  readonly begin: Follow<C, NoSteps, never>;
}

/** A pattern whose last stage is a step: what follows says which events it takes, and how many. */
export interface Step<C extends Context, Steps, Top extends string, Name extends string, Data, How extends Holds>
  extends Pattern<C, Merged<Steps, Noted<Name, How, Data>>, Top | Name> {
  /** Takes events of this alias of the rule alone. */
  from(alias: string): Step<C, Steps, Top, Name, Data, How>;
  /** Takes events of these types alone. */
  type<const Type extends keyof C['events'] & string>(
    ...types: readonly [Type, ...Type[]]
  ): Step<C, Steps, Top, Name, C['events'][Type], How>;
  /** Takes events alone for which this is true. It can name the steps before, and its own earlier events if it loops. */
  where(
    condition: Where<Data, Taken<Seen<C, WithOwn<C, Steps, Name, Data, How>>>>,
  ): Step<C, Steps, Top, Name, Data, How>;
  /** How many events: a number, or {min, max, within}; without `max` the loop is open. */
  times<const Times extends TimesOf>(times: Times): Step<C, Steps, Top, Name, Data, HoldsAfter<Times, How>>;
  oneOrMore(): Step<C, Steps, Top, Name, Data, 'many'>;
  timesOrMore(least: number): Step<C, Steps, Top, Name, Data, 'many'>;
  /** The step may be absent. */
  optional(): Step<C, Steps, Top, Name, Data, Within<'maybe', How>>;
  /** An event that fits the loop goes to the loop, never past it. */
  greedy(): Step<C, Steps, Top, Name, Data, How>;
  /** No other event may lie between the events of the loop. */
  consecutive(): Step<C, Steps, Top, Name, Data, How>;
  /** The loop may leave out events that fit. */
  allowCombinations(): Step<C, Steps, Top, Name, Data, How>;
  /** Ends an open loop. */
  until(
    condition: Where<AnyEvent<C>, Taken<Seen<C, Merged<Steps, Noted<Name, How, Data>>>>>,
  ): Step<C, Steps, Top, Name, Data, How>;
  /** Limit on the gap to the event taken before, exclusive. */
  withinPrevious(limit: Duration): Step<C, Steps, Top, Name, Data, How>;
  /** Limit from its own first to its own last event, exclusive. */
  span(limit: Duration): Step<C, Steps, Top, Name, Data, How>;
}

/** A pattern whose last stage is a group. */
export interface Group<C extends Context, Steps, Top extends string, Inner, How extends Holds>
  extends Pattern<C, Merged<Steps, Lifted<Inner, How>>, Top> {
  /** The group may be absent. */
  optional(): Group<C, Steps, Top, Inner, Within<'maybe', How>>;
  /** No other event may lie between its rounds. */
  consecutive(): Group<C, Steps, Top, Inner, How>;
  /** It may leave out rounds that fit. */
  allowCombinations(): Group<C, Steps, Top, Inner, How>;
  /** Ends an open loop. */
  until(
    condition: Where<AnyEvent<C>, Taken<Seen<C, Merged<Steps, Lifted<Inner, How>>>>>,
  ): Group<C, Steps, Top, Inner, How>;
  /** Limit from its own first to its own last event, exclusive. */
  span(limit: Duration): Group<C, Steps, Top, Inner, How>;
}

/** A pattern whose last stage says what must not happen. */
export interface Ban<C extends Context, Steps, Top extends string, Data> extends Pattern<C, Steps, Top> {
  /** Forbids events of this alias of the rule alone. */
  from(alias: string): Ban<C, Steps, Top, Data>;
  /** Forbids events of these types alone. */
  type<const Type extends keyof C['events'] & string>(
    ...types: readonly [Type, ...Type[]]
  ): Ban<C, Steps, Top, C['events'][Type]>;
  /** Forbids events alone for which this is true. */
  where(condition: Where<Data, Taken<Seen<C, Steps>>>): Ban<C, Steps, Top, Data>;
  /** At the end of a pattern: the absence is certain so long after the event taken before. */
  withinPrevious(limit: Duration): Ban<C, Steps, Top, Data>;
}

export type { AnySteps };
