import type { Behaviour } from '../behaviours/behaviour.ts';
import type { PatternLimits } from '../patterns/pattern.ts';
import type { RuleLookups } from '../references/lookups.ts';
import type { CompiledCondition } from './compile-condition.ts';
import type { RuleInputs } from './compile-inputs.ts';
import type { Problems } from './document.ts';
import type { FailureSink } from './failure-sink.ts';
import type { RuleBound } from './rule-set.ts';
import type { RuleSource } from './rule-source.ts';
import type { SharedPredicates } from './shared-predicates.ts';

/** What a rule leaves open. */
export interface RuleDefaults {
  readonly limits: PatternLimits;
}

/** What the compilers of a rule's parts share. */
export interface RuleContext {
  readonly source: RuleSource;
  readonly inputs: RuleInputs;
  readonly defaults: RuleDefaults;
  /** The predicates of the rule's keyspace. */
  readonly shared: SharedPredicates;
  /** What the rule looks up. */
  readonly lookups: RuleLookups;
  /** Where what fails while the rule works is left; what holds it is drained after each event and timer. */
  readonly sink: FailureSink;
  readonly problems: Problems;
  readonly warnings: Problems;
}

/** What rules of one kind have, compiled. */
export interface CompiledBody {
  /** Sees the events that the rule's own `where` and one of its inputs let through. */
  readonly behaviour: Behaviour;
  /** Each condition whose truth can change the rule's state; undefined when every event that it sees can. */
  readonly conditions: readonly CompiledCondition[] | undefined;
  /** What gives it its meaning, as plain data: fields of what the rule's version is computed from. */
  readonly meaning: Readonly<Record<string, unknown>>;
  readonly bound: RuleBound;
  /** True when the behaviour asks itself which input an event is of, so that it need not be asked before. */
  readonly asksInputs?: true;
  /** What `afterMatch` means for it, in one sentence; undefined for kinds that have none. */
  readonly afterMatch?: string;
  /** Digests of modules whose functions it uses, besides the rule's own. */
  readonly digests?: readonly string[];
}
