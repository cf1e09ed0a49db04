/**
 * What rule modules import as `corral/rules`: the shape of a rule, with functions where YAML has expressions.
 *
 *     import { patternRule } from 'corral/rules';
 *
 *     export default patternRule<Login>({
 *       rule: 'break-in',
 *       from: 'auth',
 *       key: (event) => event.ip,
 *       pattern: [
 *         { begin: 'guess', type: 'FailedPassword', times: { min: 5 }, greedy: true },
 *         { followedBy: 'login', type: 'AcceptedPassword' },
 *       ],
 *       within: '10m',
 *       afterMatch: 'skipPastLastEvent',
 *       emit: ({ guess, login }, key) => ({ title: `${guess.length} guesses from ${key}, then ${login.user}` }),
 *     });
 *
 * Functions must compute from their arguments alone: no clock, no chance, no outside state. One that throws counts as a
 * failed expression.
 */

/** The envelope of an event. */
export interface EventMeta {
  readonly id: string;
  readonly type: string;
  /** Empty for events taken earlier. */
  readonly subject: string;
  /** Milliseconds since the epoch. */
  readonly time: number;
  readonly source: string;
  readonly headers: Readonly<Record<string, string>> | undefined;
  readonly seq: number;
  readonly index: number;
}

/** A length of time: 500ms, 30s, 10m, 1h30m, 2d. */
export type Duration = string;

export type KeyPart = string | number | boolean;

/**
 * What was taken, by step name: the event's data or null, and a list for a step that can take several. Typed loosely,
 * since which it is depends on the pattern.
 */
// biome-ignore lint/suspicious/noExplicitAny: the data is the publisher's
export type Steps = Readonly<Record<string, any>>;

/** A CEL expression, or a function. One that declares `event` alone is called with it alone, and is evaluated once per event. */
export type Where<Data> = string | ((event: Data, taken: Steps, meta: EventMeta) => boolean);

export type KeyOf<Data> = string | ((event: Data, meta: EventMeta) => KeyPart | null | undefined);

/** `metas` has the same shape as `steps`, with envelopes instead of data. */
export type EmitOf = (steps: Steps, key: KeyPart | readonly KeyPart[], metas: Steps) => unknown;

export type Times = number | 'oneOrMore' | { readonly min?: number; readonly max?: number; readonly within?: Duration };

/** A step's name, or a group. */
export type StepOrGroup<Data> =
  | string
  | { readonly steps: readonly Stage<Data>[] }
  | { readonly anyOf: readonly (Stage<Data> | { readonly steps: readonly Stage<Data>[] })[] }
  | { readonly allOf: readonly Stage<Data>[] };

interface StageFields<Data> {
  readonly type?: string | readonly string[];
  readonly where?: Where<Data>;
  readonly times?: Times;
  readonly optional?: boolean;
  readonly greedy?: boolean;
  readonly consecutive?: boolean;
  readonly allowCombinations?: boolean;
  readonly until?: Where<Data>;
  readonly withinPrevious?: Duration;
  readonly span?: Duration;
}

export type Stage<Data> = StageFields<Data> &
  (
    | { readonly begin: StepOrGroup<Data> }
    | { readonly next: StepOrGroup<Data> }
    | { readonly followedBy: StepOrGroup<Data> }
    | { readonly followedByAny: StepOrGroup<Data> }
    | { readonly notNext: string }
    | { readonly notFollowedBy: string }
  );

export interface PatternRule<Data> {
  /** Unique in the deployment. */
  readonly rule: string;
  readonly description?: string;
  readonly severity?: string;
  readonly labels?: Readonly<Record<string, string>>;
  /** A source of the configuration, or several. */
  readonly from: string | readonly string[];
  readonly key: KeyOf<Data> | readonly KeyOf<Data>[] | 'global';
  readonly where?: Where<Data>;
  readonly pattern: readonly Stage<Data>[];
  readonly within?: Duration;
  readonly afterMatch?:
    | 'noSkip'
    | 'skipToNext'
    | 'skipPastLastEvent'
    | { readonly skipToFirst: string; readonly throwOnMiss?: boolean }
    | { readonly skipToLast: string; readonly throwOnMiss?: boolean };
  readonly onTimeout?: 'emit' | 'drop';
  readonly limits?: {
    readonly partialMatches?: number;
    readonly stateBytes?: number;
    readonly onLimit?: 'dropOldest' | 'dropNewest' | 'deadLetter';
  };
  /** A function, or JSON whose texts may hold `${expression}` and whose values may be functions. */
  readonly emit?: EmitOf | Readonly<Record<string, unknown>> | string;
}

/** Gives a rule back as it is; there for its types. `Data` is the type of the events' data. */
// biome-ignore lint/suspicious/noExplicitAny: without a type of its own, data is anything
export function patternRule<Data = any>(rule: PatternRule<Data>): PatternRule<Data> {
  return rule;
}
