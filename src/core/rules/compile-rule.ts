import type { Event } from '../events/event.ts';
import { compilePattern } from '../patterns/automaton.ts';
import { explainBound } from '../patterns/bound.ts';
import type { Pattern } from '../patterns/pattern.ts';
import { patternBehaviour } from '../patterns/pattern-behaviour.ts';
import { overlapping } from './after-match.ts';
import { type CompiledCondition, compileCondition } from './compile-condition.ts';
import { type CompiledEmit, compileEmit } from './compile-emit.ts';
import { compilePatternParts, type PatternDefaults, type PatternParts } from './compile-pattern.ts';
import type { Problems } from './document.ts';
import { explainAfterMatch } from './explain-after-match.ts';
import { FailureSink } from './failure-sink.ts';
import { canonicalJson, hashText } from './hash.ts';
import type { Place } from './problem.ts';
import { ruleBehaviour } from './rule-behaviour.ts';
import type { CompiledRule, KeyValue } from './rule-set.ts';
import type { RuleSource } from './rule-source.ts';
import type { SharedPredicates } from './shared-predicates.ts';
import { scopeSteps, visibleSteps } from './step-table.ts';

/** Meaning of the rule language itself: raise it when the same text comes to mean something else. */
const LANGUAGE = 1;

/** A rule ready to run, and which events can concern it. */
export interface RuleCompilation {
  readonly rule: CompiledRule;
  /** Each condition whose truth can change the rule's state; undefined when every event of its sources can. */
  readonly conditions: readonly CompiledCondition[] | undefined;
  /** The rule's own filter; undefined = it sees every event. */
  readonly filter: CompiledCondition | undefined;
}

/**
 * Compiles a rule. Everything wrong with it is reported; undefined when anything was.
 * @param keyText canonical text of its key
 * @param shared the predicates of its keyspace
 */
export function compileRule(
  source: RuleSource,
  keyText: string,
  defaults: PatternDefaults,
  shared: SharedPredicates,
  problems: Problems,
  warnings: Problems,
): RuleCompilation | undefined {
  const before = problems.added;
  const sink = new FailureSink();
  const filter = compileFilter(source, shared, sink, problems);
  const parts = compilePatternParts(source, defaults, shared, sink, problems);
  const named = visibleSteps(parts.steps);
  const scope = { event: false, key: true, steps: scopeSteps(named) };
  const emit = source.emit === undefined ? undefined : compileEmit(source.emit, scope, named, sink, problems);
  requireAfterMatch(source, problems);
  if (source.stages.length === 0 || source.incomplete) return undefined;
  const compiled = compilePattern({ ...parts.pattern, keep: keepOf(parts, emit) } satisfies Pattern);
  const placeOf = stagePlaces(source, parts);
  if (!compiled.ok) {
    for (const { code, stage, message, fix } of compiled.problems) {
      if (code !== 'STEP_REPEATED') problems.add(code, placeOf(stage), message, fix);
    }
    return undefined;
  }
  for (const { code, stage, message, fix } of compiled.automaton.warnings)
    warnings.add(code, placeOf(stage), message, fix);
  if (problems.added > before) return undefined;

  const build = emit?.build;
  const behaviour = patternBehaviour({
    automaton: compiled.automaton,
    emit: (taken, key) => build?.(taken, key as KeyValue),
  });
  const condition = filter?.condition;
  const sees = condition === undefined ? undefined : (event: Event) => condition(event, NOTHING, '');
  const conditions = parts.strict ? undefined : parts.conditions;
  const rule: CompiledRule = {
    name: source.name,
    version: versionOf(source, keyText, filter, parts, emit),
    kind: 'pattern',
    severity: source.severity,
    labels: source.labels,
    sources: sourcesOf(source),
    types: typesOf(conditions, filter),
    onLate: source.onLate,
    accepts: acceptance(source, sees, sink),
    bound: explainBound(compiled.automaton),
    afterMatch: explainAfterMatch(parts.pattern.afterMatch, source.stages, parts.steps),
    behaviour: ruleBehaviour(behaviour, sink, sees),
  };
  return { rule, conditions, filter };
}

const NOTHING = { events: () => [], count: () => 0, first: () => undefined, last: () => undefined };

export const sourcesOf = (source: RuleSource): readonly string[] =>
  [...new Set(source.from.map(({ name }) => name))].sort();

function acceptance(
  source: RuleSource,
  sees: ((event: Event) => boolean) | undefined,
  sink: FailureSink,
): CompiledRule['accepts'] {
  const names = new Set(sourcesOf(source));
  return (event) => {
    if (!names.has(event.source)) return false;
    const accepted = sees?.(event) ?? true;
    sink.discard();
    return accepted;
  };
}

function compileFilter(
  source: RuleSource,
  shared: SharedPredicates,
  sink: FailureSink,
  problems: Problems,
): CompiledCondition | undefined {
  if (source.where === undefined) return undefined;
  const scope = { event: true, key: false, steps: new Map() };
  return compileCondition(
    undefined,
    source.where,
    { scope, steps: [], shared, sink, problems, known: new Map() },
    'where of the rule',
  );
}

/** What of its events' data each step must keep: all paths that a condition or `emit` reads. */
function keepOf(parts: PatternParts, emit: CompiledEmit | undefined): Pattern['keep'] {
  const readsAll = emit?.readsAll === true || parts.conditions.some((condition) => condition.readsAll);
  const reads = [
    ...parts.conditions.map((condition) => condition.reads),
    ...(emit?.reads ?? []).map(({ steps }) => steps),
  ];
  return parts.steps.map(({ index, bans }) => {
    if (bans) return undefined;
    if (readsAll) return [];
    const paths = reads.flatMap((read) => read.get(index) ?? []);
    return paths.length === 0 ? undefined : withoutCovered(paths);
  });
}

/** Leaves out paths that another one, nearer to the root, covers; [] when one is the root itself. */
function withoutCovered(paths: readonly (readonly string[])[]): readonly (readonly string[])[] {
  if (paths.some((path) => path.length === 0)) return [];
  const byText = new Map(paths.map((path) => [JSON.stringify(path), path]));
  const covers = (short: readonly string[], long: readonly string[]): boolean =>
    short.length < long.length && short.every((name, index) => name === long[index]);
  return [...byText.entries()]
    .filter(([, path]) => !paths.some((other) => covers(other, path)))
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([, path]) => path);
}

function requireAfterMatch(source: RuleSource, problems: Problems): void {
  const found = source.afterMatchWritten ? undefined : overlapping(source.stages);
  if (found === undefined) return;
  const { content, place } = found.stage;
  const name = content.kind === 'step' ? `\`${content.name}\`` : 'a group';
  problems.add(
    'AFTER_MATCH_MISSING',
    place,
    `${name} ${found.how}, so the same events can make several matches, and the rule does not say which are wanted`,
    'write `afterMatch:` on the rule: `skipPastLastEvent` (no event is in two matches), `skipToNext` (one match per first event), ' +
      '{skipToFirst: step} or {skipToLast: step} (go on from that step), or `noSkip` (every combination; their number can grow with the square of the events and faster)',
  );
}

/** Where a stage stands that the automaton's compiler names: a step's name, or the names of a group in parentheses. */
function stagePlaces(source: RuleSource, { steps }: PatternParts): (stage: string | undefined) => Place {
  return (stage) => {
    const name = stage?.replace(/^\(/, '').split(/[ )]/)[0];
    const entry = steps.find(({ content }) => content.name === name);
    if (entry === undefined) return source.place;
    if (stage?.startsWith('(') !== true) return entry.content.namePlace;
    const { loops, branches, unordered } = entry.position;
    return ([...loops, ...branches.keys(), ...unordered].at(-1) ?? entry.stage).place;
  };
}

function typesOf(
  conditions: readonly CompiledCondition[] | undefined,
  filter: CompiledCondition | undefined,
): readonly string[] | undefined {
  if (filter?.types !== undefined) return filter.types;
  if (conditions === undefined || conditions.some(({ types }) => types === undefined)) return undefined;
  return [...new Set(conditions.flatMap(({ types }) => types ?? []))].sort();
}

/** One module's digest stands as it is, so that a rule with functions and without definitions keeps its version. */
function digestOf({ digest, definitionDigests }: RuleSource): string | undefined {
  const distinct = [...new Set([...(digest === undefined ? [] : [digest]), ...definitionDigests])].sort();
  return distinct.length === 0 ? undefined : distinct.join(' ');
}

/** The rule's identity: a hash of what it means, whatever its formatting, comments and description. */
function versionOf(
  source: RuleSource,
  keyText: string,
  filter: CompiledCondition | undefined,
  parts: PatternParts,
  emit: CompiledEmit | undefined,
): string {
  return hashText(
    canonicalJson({
      language: LANGUAGE,
      from: sourcesOf(source),
      key: keyText,
      where: filter?.text,
      pattern: parts.meaning,
      emit: emit?.meaning,
      // The default is left out, so that a rule from before it existed keeps its version.
      onLate: source.onLate === 'drop' ? undefined : source.onLate,
      severity: source.severity,
      labels: source.labels,
      digest: digestOf(source),
    }),
  );
}
