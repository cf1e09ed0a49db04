import { compilePattern as compileAutomaton } from '../patterns/automaton.ts';
import { explainBound } from '../patterns/bound.ts';
import type { Pattern } from '../patterns/pattern.ts';
import { patternBehaviour } from '../patterns/pattern-behaviour.ts';
import { overlapping } from './after-match.ts';
import { compileEmit } from './compile-emit.ts';
import { compilePatternParts, type PatternParts } from './compile-stages.ts';
import type { Problems } from './document.ts';
import { explainAfterMatch } from './explain-after-match.ts';
import { keptPaths } from './kept-paths.ts';
import type { Place } from './problem.ts';
import type { CompiledBody, RuleContext } from './rule-context.ts';
import type { KeyValue } from './rule-set.ts';
import type { PatternBody } from './rule-source.ts';
import { scopeSteps, visibleSteps } from './step-table.ts';

/** Compiles what patterns alone have. Everything wrong with it is reported; undefined when nothing can be made of it. */
export function compilePattern(body: PatternBody, context: RuleContext): CompiledBody | undefined {
  const { source, lookups, sink, problems, warnings } = context;
  const parts = compilePatternParts(body, context);
  const named = visibleSteps(parts.steps);
  const scope = { event: false, key: true, steps: scopeSteps(named), lookups };
  const emit = source.emit === undefined ? undefined : compileEmit(source.emit, scope, named, sink, problems);
  requireAfterMatch(body, problems);
  if (body.stages.length === 0 || body.incomplete) return undefined;
  const keep = parts.steps.map(({ index, bans }) => (bans ? undefined : keptPaths(index, parts.conditions, emit)));
  const compiled = compileAutomaton({ ...parts.pattern, keep } satisfies Pattern);
  const placeOf = stagePlaces(source.place, parts);
  if (!compiled.ok) {
    for (const { code, stage, message, fix } of compiled.problems) {
      if (code !== 'STEP_REPEATED') problems.add(code, placeOf(stage), message, fix);
    }
    return undefined;
  }
  for (const { code, stage, message, fix } of compiled.automaton.warnings)
    warnings.add(code, placeOf(stage), message, fix);
  const build = emit?.build;
  return {
    behaviour: patternBehaviour({
      automaton: compiled.automaton,
      emit: (taken, key) => build?.(taken, key as KeyValue),
    }),
    conditions: compiled.automaton.noticesUnfitEvents ? undefined : parts.conditions,
    meaning: { pattern: parts.meaning, emit: emit?.meaning },
    bound: explainBound(compiled.automaton),
    afterMatch: explainAfterMatch(parts.pattern.afterMatch, body.stages, parts.steps),
    digests: body.definitionDigests,
  };
}

function requireAfterMatch(body: PatternBody, problems: Problems): void {
  const found = body.afterMatchWritten ? undefined : overlapping(body.stages);
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
function stagePlaces(rule: Place, { steps }: PatternParts): (stage: string | undefined) => Place {
  return (stage) => {
    const name = stage?.replace(/^\(/, '').split(/[ )]/)[0];
    const entry = steps.find(({ content }) => content.name === name);
    if (entry === undefined) return rule;
    if (stage?.startsWith('(') !== true) return entry.content.namePlace;
    const { loops, branches, unordered } = entry.position;
    return ([...loops, ...branches.keys(), ...unordered].at(-1) ?? entry.stage).place;
  };
}
