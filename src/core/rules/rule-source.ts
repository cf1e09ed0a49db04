import type { DurationMs, InstantMs } from '../time/units.ts';
import type { DocumentNode, FunctionNode, ScalarNode } from './document.ts';
import type { Place } from './problem.ts';
import type { JoinBody } from './read-join.ts';
import type { LimitsSource } from './read-limits.ts';
import type { ProcessBody } from './read-process.ts';
import type { ToSource } from './read-to.ts';
import type { WindowBody } from './read-window.ts';
import type { OnLate } from './rule-set.ts';

/**
 * A rule as its author wrote it, read but not yet checked against anything outside the file: expressions are still
 * text, names are still names. `compileRule` makes what runs of it.
 */
export interface RuleSource {
  readonly name: string;
  readonly place: Place;
  readonly namePlace: Place;
  readonly description: string | undefined;
  readonly severity: string | undefined;
  readonly labels: Readonly<Record<string, string>>;
  /** What it reads, in the order written. */
  readonly from: readonly InputSource[];
  /** Whether `from` is a map of aliases. */
  readonly aliased: boolean;
  /** For the inputs that have none of their own. */
  readonly key: KeySource | undefined;
  /** Filters what the rule sees at all, before anything else. */
  readonly where: ExpressionSource | undefined;
  readonly onLate: OnLate;
  readonly limits: LimitsSource;
  readonly emit: DocumentNode | undefined;
  /** Where matches go beside the match stream. */
  readonly to: ToSource | undefined;
  /** What is said of earlier times is not emitted. */
  readonly emitFrom: InstantMs | undefined;
  /** Digest of the module it comes from; undefined for YAML and for modules' rules without functions. */
  readonly digest: string | undefined;
  /** `throttle` and `dedupe`, as they stand there. */
  readonly throttle: DocumentNode | undefined;
  readonly dedupe: DocumentNode | undefined;
  /** What its kind alone has. */
  readonly body: RuleBody;
}

/** What a rule of each kind says beyond what all rules have. */
export type RuleBody = PatternBody | WindowBody | JoinBody | ProcessBody;

/** One of the things that a rule reads: a source, or the matches of another rule. */
export interface InputSource {
  readonly kind: 'source' | 'rule';
  /** Name of the source or rule. */
  readonly name: string;
  readonly place: Place;
  /** What the rule calls it; undefined where `from` has no aliases. */
  readonly alias: { readonly name: string; readonly place: Place } | undefined;
  /** Which of its events: all when both are undefined. */
  readonly types: readonly string[] | undefined;
  readonly where: ExpressionSource | undefined;
  /** Its own key; undefined = the rule's. */
  readonly key: KeySource | undefined;
  /** Whether a key of its own stands there, readable or not. */
  readonly keyWritten: boolean;
}

export interface PatternBody {
  readonly kind: 'pattern';
  readonly stages: readonly StageSource[];
  /** True when some stage could not be read, so that the structure of the pattern is not to be judged. */
  readonly incomplete: boolean;
  readonly within: DurationMs | undefined;
  readonly afterMatch: AfterMatchSource | undefined;
  /** Whether `afterMatch` stands there, readable or not. */
  readonly afterMatchWritten: boolean;
  readonly emitTimeouts: boolean;
  /** Digests of the modules of the definitions that it uses, where there are any. */
  readonly definitionDigests: readonly string[];
}

/** An expression in YAML or text, or a module's function. */
export type ExpressionSource = ScalarNode | FunctionNode;

export type KeySource =
  | { readonly kind: 'global' }
  /** One part, or several for a composite key (`list` true, also with one part). */
  | { readonly kind: 'parts'; readonly parts: readonly ExpressionSource[]; readonly list: boolean }
  /** `keyEach`: gives a list; the event belongs to each key in it. */
  | { readonly kind: 'each'; readonly list: ExpressionSource };

export type AfterMatchSource =
  | { readonly kind: 'noSkip' | 'skipToNext' | 'skipPastLastEvent' }
  | {
      readonly kind: 'skipToFirst' | 'skipToLast';
      readonly step: string;
      readonly stepPlace: Place;
      readonly throwOnMiss: boolean;
    };

/** The word that opens a stage: how it follows what was before. */
export type Verb = 'begin' | 'next' | 'followedBy' | 'followedByAny' | 'notNext' | 'notFollowedBy';

export interface TimesSource {
  /** 0 makes the stage optional as well. */
  readonly min: number;
  readonly max: number;
  readonly within: DurationMs | undefined;
}

/** The use of a definition. */
export interface UseSource {
  /** What the names of its steps begin with in the pattern; empty when the use has no `as`. */
  readonly prefix: string;
  /** The use around it, when a definition uses another. */
  readonly around: UseSource | undefined;
  readonly place: Place;
}

export interface StageSource {
  readonly verb: Verb;
  readonly place: Place;
  /** The use that brought the stage here; undefined when it is written in the rule itself. */
  readonly use: UseSource | undefined;
  readonly content: StageContent;
  readonly times: TimesSource | undefined;
  readonly optional: boolean;
  readonly greedy: boolean;
  readonly inner: 'consecutive' | 'allowCombinations' | undefined;
  readonly until: ExpressionSource | undefined;
  readonly withinPrevious: DurationMs | undefined;
  readonly span: DurationMs | undefined;
}

export type StageContent =
  | StepContent
  | { readonly kind: 'group'; readonly stages: readonly StageSource[] }
  | { readonly kind: 'anyOf'; readonly alternatives: readonly (readonly StageSource[])[] }
  | { readonly kind: 'allOf'; readonly members: readonly StageSource[] };

export interface StepContent {
  readonly kind: 'step';
  /** As the whole pattern calls it, the prefixes of uses included. */
  readonly name: string;
  readonly namePlace: Place;
  /** The alias whose events it takes; undefined = any of the rule's. */
  readonly from: { readonly name: string; readonly place: Place } | undefined;
  readonly types: readonly string[] | undefined;
  readonly where: ExpressionSource | undefined;
}
