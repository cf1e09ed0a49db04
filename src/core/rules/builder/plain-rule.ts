/**
 * A rule as a module writes it plainly: the shape of a rule file, with functions where YAML has expressions. Functions
 * must compute from their arguments alone: no clock, no chance, no outside state. One that throws counts as a failed
 * expression.
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
export type Where<Data, Taken = Steps> = string | ((event: Data, taken: Taken, meta: EventMeta) => boolean);

export type KeyOf<Data> = string | ((event: Data, meta: EventMeta) => KeyPart | null | undefined);

/** `metas` has the same shape as `steps`, with envelopes instead of data. */
export type EmitOf<Taken = Steps, Metas = Steps> = (
  steps: Taken,
  key: KeyPart | readonly KeyPart[],
  metas: Metas,
) => unknown;

export type Times = number | 'oneOrMore' | { readonly min?: number; readonly max?: number; readonly within?: Duration };

/** The steps of a definition, whose names then begin with `as` and `_`. */
export interface Use {
  readonly use: string;
  readonly as?: string;
}

/** A step's name, or a group. */
export type StepOrGroup<Data> =
  | string
  | { readonly steps: readonly Stage<Data>[] }
  | { readonly anyOf: readonly Member<Data>[] }
  | { readonly allOf: readonly Member<Data>[] }
  | Use;

export type Member<Data> = Stage<Data> | { readonly steps: readonly Stage<Data>[] } | Use;

interface StageFields<Data> {
  /** An alias of the rule, whose events it takes. */
  readonly from?: string;
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

/** What rules of every kind have. */
export interface CommonFields<Data> {
  /** Unique in the deployment. */
  readonly rule: string;
  readonly description?: string;
  readonly severity?: string;
  readonly labels?: Readonly<Record<string, string>>;
  /** What the rule sees at all. */
  readonly where?: string | ((event: Data, taken: Steps, meta: EventMeta) => boolean);
  /** Whether events that come too late go to the side output `late`. Default `drop`. */
  readonly onLate?: 'drop' | 'sideOutput';
}

/** One key, or several parts of one; or a list of keys, to each of which the event belongs. */
export type KeyFields<Data> =
  | { readonly key: KeyOf<Data> | readonly KeyOf<Data>[] | 'global'; readonly keyEach?: never }
  | {
      readonly keyEach: string | ((event: Data, meta: EventMeta) => readonly (KeyPart | null)[] | null | undefined);
      readonly key?: never;
    };

interface NoKey {
  readonly key?: never;
  readonly keyEach?: never;
}

/** The matches of another rule. */
export interface OfRule {
  readonly rule: string;
}

/** What a rule reads under a name of its own: a source of the configuration, or another rule's matches. */
export type Alias<Data> = ({ readonly source: string } | OfRule) & {
  /** Event types it takes; default all. */
  readonly type?: string | readonly string[];
  /** Which events it takes; default all. */
  readonly where?: string | ((event: Data, meta: EventMeta) => boolean);
} & (KeyFields<Data> | NoKey);

/** What a rule reads, and its key. */
export type Reads<Data> =
  | ({ readonly from: string | readonly (string | OfRule)[] | OfRule } & KeyFields<Data>)
  | ({ readonly from: Readonly<Record<string, string | Alias<Data>>> } & (KeyFields<Data> | NoKey));

/** What rules have whatever their pattern is. */
export type RuleFields<Data> = CommonFields<Data> &
  Reads<Data> & {
    /** First to last event, exclusive. */
    readonly within?: Duration;
    /** At most `count` (default 1) emissions of a key in `per`; the next one says how many were held back. */
    readonly throttle?: { readonly per: Duration; readonly count?: number };
    /** Leaves out events and matches whose id another had less than `within` earlier. */
    readonly dedupe?: {
      readonly events?: string | ((event: Data, meta: EventMeta, key: KeyPart | readonly KeyPart[]) => unknown);
      // biome-ignore lint/suspicious/noExplicitAny: what the rule's `emit` makes
      readonly matches?: string | ((emit: any, key: KeyPart | readonly KeyPart[]) => unknown);
      readonly within: Duration;
      /** Most ids of one key. Default 10,000. */
      readonly ids?: number;
    };
    /** What the configuration says where these say nothing. */
    readonly limits?: {
      readonly partialMatches?: number;
      readonly stateBytes?: number;
      readonly onLimit?: 'dropOldest' | 'dropNewest' | 'deadLetter';
    };
  };

/** @typeParam Step names that the search can skip to */
export type AfterMatchOf<Step extends string = string> =
  | 'noSkip'
  | 'skipToNext'
  | 'skipPastLastEvent'
  | { readonly skipToFirst: Step; readonly throwOnMiss?: boolean }
  | { readonly skipToLast: Step; readonly throwOnMiss?: boolean };

export type PatternRule<Data> = RuleFields<Data> & {
  readonly pattern: readonly Stage<Data>[];
  readonly afterMatch?: AfterMatchOf;
  /** `emit`: partial matches that run out of time go to the side output `timeout`. Default `drop`. */
  readonly onTimeout?: 'emit' | 'drop';
  /** A function, or JSON whose texts may hold `${expression}` and whose values may be functions. */
  readonly emit?: EmitOf | Readonly<Record<string, unknown>> | string;
};

/** Parts of patterns that rules of any file can `use`. In a module a constant does the same. */
export interface Definition<Data> {
  readonly define: string;
  readonly description?: string;
  readonly steps: readonly Stage<Data>[];
}

/** Gives a rule back as it is; there for its types. `Data` is the type of the events' data. */
// biome-ignore lint/suspicious/noExplicitAny: without a type of its own, data is anything
export function patternRule<Data = any>(rule: PatternRule<Data>): PatternRule<Data> {
  return rule;
}
