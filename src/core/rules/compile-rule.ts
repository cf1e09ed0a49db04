import type { Event } from '../events/event.ts';
import { type Lookups, RuleLookups } from '../references/lookups.ts';
import { type CompiledCondition, compileCondition } from './compile-condition.ts';
import { compileInputs, type RuleInputs } from './compile-inputs.ts';
import { compileJoin } from './compile-join.ts';
import { compilePattern } from './compile-pattern.ts';
import { compileProcess } from './compile-process.ts';
import type { Routing } from './compile-routing.ts';
import { compileTo } from './compile-to.ts';
import { compileWindow } from './compile-window.ts';
import type { Problems } from './document.ts';
import { FailureSink } from './failure-sink.ts';
import { canonicalJson, hashText } from './hash.ts';
import { ruleBehaviour } from './rule-behaviour.ts';
import type { CompiledBody, RuleContext, RuleDefaults } from './rule-context.ts';
import type { CompiledRule } from './rule-set.ts';
import type { RuleSource } from './rule-source.ts';
import type { SharedPredicates } from './shared-predicates.ts';
import { wrapBody } from './wrap-body.ts';

/** Meaning of the rule language itself: raise it when the same text comes to mean something else. */
const LANGUAGE = 1;

/** A rule ready to run, and which events can concern it. */
export interface RuleCompilation {
  readonly rule: CompiledRule;
  /** Each condition whose truth can change the rule's state; undefined when every event of its sources can. */
  readonly conditions: readonly CompiledCondition[] | undefined;
  /** Which events the rule sees: its own `where`, and its inputs; undefined = it sees every event of its sources. */
  readonly filter: Pick<CompiledCondition, 'possible' | 'types' | 'text'> | undefined;
}

/**
 * Compiles a rule. Everything wrong with it is reported; undefined when anything was. What all rules have is compiled
 * here; what those of one kind have, by its own compiler, which gives the behaviour and what is known of it.
 * @param shared the predicates of its keyspace
 * @param references where the deployment's rules find reference data
 */
export function compileRule(
  source: RuleSource,
  routing: Routing,
  defaults: RuleDefaults,
  shared: SharedPredicates,
  references: Lookups,
  problems: Problems,
  warnings: Problems,
): RuleCompilation | undefined {
  const before = problems.added;
  const sink = new FailureSink();
  const lookups = new RuleLookups(references);
  const where = compileWhere(source, shared, lookups, sink, problems);
  const inputs = compileInputs(source, routing, shared, lookups, sink, problems);
  const context = { source, inputs, defaults, shared, lookups, sink, problems, warnings };
  const plain = compileBody(context);
  const body = plain === undefined ? undefined : wrapBody(plain, context);
  const to = source.to && compileTo(source.to, problems);
  if (body === undefined || problems.added > before) return undefined;
  const condition = where?.condition;
  const passes = condition === undefined ? undefined : (event: Event) => condition(event, NOTHING_TAKEN, '');
  const filter = filterOf(where, inputs);
  // What no alias takes must not come so far that `dedupe` notes its id.
  const asksInputs = body.asksInputs === true && source.dedupe === undefined;
  const rule: CompiledRule = {
    name: source.name,
    version: versionOf(source, routing, where, inputs, body),
    kind: source.body.kind,
    severity: source.severity,
    labels: source.labels,
    sources: routing.sources,
    references: [...lookups.used].sort(),
    lookups: lookups.used.size > 0 ? references : undefined,
    types: typesOf(body.conditions, filter),
    onLate: source.onLate,
    to,
    emitFrom: source.emitFrom,
    accepts: acceptance(routing.sources, both(passes, inputs), sink),
    bound: body.bound,
    afterMatch: body.afterMatch,
    behaviour: ruleBehaviour(body.behaviour, sink, asksInputs ? passes : both(passes, inputs)),
  };
  return { rule, conditions: body.conditions, filter };
}

const NOTHING_TAKEN = { events: () => [], count: () => 0, first: () => undefined, last: () => undefined };

function compileBody(context: RuleContext): CompiledBody | undefined {
  const { body } = context.source;
  switch (body.kind) {
    case 'pattern':
      return compilePattern(body, context);
    case 'window':
      return compileWindow(body, context);
    case 'join':
      return compileJoin(body, context);
    case 'process':
      return compileProcess(body, context);
  }
}

function compileWhere(
  source: RuleSource,
  shared: SharedPredicates,
  lookups: RuleLookups,
  sink: FailureSink,
  problems: Problems,
): CompiledCondition | undefined {
  if (source.where === undefined) return undefined;
  const scope = { event: true, key: false, steps: new Map(), lookups };
  const context = { scope, steps: [], shared, sink, problems, known: new Map() };
  return compileCondition(undefined, source.where, context, 'where of the rule');
}

/** Whether the rule sees an event of its sources; undefined = it sees all of them. */
function both(
  passes: ((event: Event) => boolean) | undefined,
  { all, aliased }: RuleInputs,
): ((event: Event) => boolean) | undefined {
  if (!aliased) return passes;
  const takes = (event: Event): boolean => all.some((input) => input.takes(event));
  return passes === undefined ? takes : (event) => passes(event) && takes(event);
}

function acceptance(
  sources: readonly string[],
  sees: ((event: Event) => boolean) | undefined,
  sink: FailureSink,
): CompiledRule['accepts'] {
  const names = new Set(sources);
  return (event) => {
    if (!names.has(event.source)) return false;
    const accepted = sees?.(event) ?? true;
    sink.discard();
    return accepted;
  };
}

/** What is known of the events that a rule sees, without asking what can only be asked where the rule runs. */
function filterOf(where: CompiledCondition | undefined, { all, aliased }: RuleInputs): RuleCompilation['filter'] {
  if (!aliased) return where;
  const conditions = all.map(({ condition }) => condition);
  const possible = (event: Event): boolean => conditions.some((one) => one.possible(event));
  const text = canonicalJson(conditions.map((one) => one.text).sort());
  const types = unionOf(conditions);
  if (where === undefined) return { possible, types, text };
  return {
    possible: (event) => where.possible(event) && possible(event),
    types: where.types ?? types,
    text: `${where.text} and ${text}`,
  };
}

/** Types that fit one of some conditions; undefined = any. */
function unionOf(conditions: readonly Pick<CompiledCondition, 'types'>[]): readonly string[] | undefined {
  if (conditions.some(({ types }) => types === undefined)) return undefined;
  return [...new Set(conditions.flatMap(({ types }) => types ?? []))].sort();
}

function typesOf(
  conditions: readonly CompiledCondition[] | undefined,
  filter: RuleCompilation['filter'],
): readonly string[] | undefined {
  return filter?.types ?? (conditions === undefined ? undefined : unionOf(conditions));
}

/** One module's digest stands as it is, so that a rule with functions and without definitions keeps its version. */
function digestOf({ digest }: RuleSource, { digests = [] }: CompiledBody): string | undefined {
  const distinct = [...new Set([...(digest === undefined ? [] : [digest]), ...digests])].sort();
  return distinct.length === 0 ? undefined : distinct.join(' ');
}

/** The rule's identity: a hash of what it means, whatever its formatting, comments and description. */
function versionOf(
  source: RuleSource,
  routing: Routing,
  where: CompiledCondition | undefined,
  inputs: RuleInputs,
  body: CompiledBody,
): string {
  return hashText(
    canonicalJson({
      ...body.meaning,
      language: LANGUAGE,
      from: routing.sources,
      inputs: inputs.meaning,
      key: routing.keyText,
      where: where?.text,
      // The default is left out, so that a rule from before it existed keeps its version.
      onLate: source.onLate === 'drop' ? undefined : source.onLate,
      severity: source.severity,
      labels: source.labels,
      digest: digestOf(source, body),
    }),
  );
}
