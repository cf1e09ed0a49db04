import type { NotStage, Pattern, Stage } from '../../../../src/core/patterns/pattern.ts';

// What the enumerator covers: patterns whose matches can be told from the events alone, whatever an automaton does on
// the way. Left out is what the semantics define by the automaton's steps:
// - skip strategies (which match comes first), timed-out partial matches;
// - greedy, and `until` on a group;
// - a ban, `notNext` or trailing ban behind what may end without an event, and `notNext` and a trailing ban's own limit
//   behind a loop: there the ban is also seen by a run that would not have left yet, and its limit by none;
// - a ban or `notNext` behind which all may be absent: the match is then complete before anything is judged;
// - gap limits where a step may be absent or its count may be enough, or behind such a step: they belong to the state
//   that waits, so they end or lapse with the events passed over.

/** Whether the enumerator covers the pattern, played without skipping. */
export function isDeclarative({ stages }: Pattern): boolean {
  const body = stages.slice(0, stages.findLastIndex((stage) => stage.kind !== 'not') + 1);
  return coversAll(stages) && !mayEndWithNot(body);
}

function mayEndWithNot(stages: readonly Stage[]): boolean {
  const last = stages.at(-1);
  if (last === undefined) return false;
  switch (last.kind) {
    case 'not':
      return true;
    case 'group':
      return mayEndWithNot(last.stages) || (canBeEmpty(last) && mayEndWithNot(stages.slice(0, -1)));
    case 'anyOf':
      return last.alternatives.some(mayEndWithNot);
    case 'step':
      return canBeEmpty(last) && mayEndWithNot(stages.slice(0, -1));
    case 'allOf':
      return false;
  }
}

function canBeEmpty(stage: Stage): boolean {
  switch (stage.kind) {
    case 'step':
      return stage.quantifier.optional;
    case 'group':
      return stage.quantifier.optional || stage.stages.every(canBeEmpty);
    case 'not':
      return true;
    case 'anyOf':
    case 'allOf':
      return false;
  }
}

function coversAll(stages: readonly Stage[]): boolean {
  return stages.every(
    (stage, at) =>
      covers(stage) &&
      (stage.kind !== 'not' || coversBan(stages, at)) &&
      (at === 0 || !limitsHead(stage) || holdsOnEntry(stages, at)),
  );
}

/** A gap limit belongs to the state that waits; a run that comes by from another one does not feel it. */
function holdsOnEntry(stages: readonly Stage[], at: number): boolean {
  const before = stages[at - 1]!;
  if (before.kind === 'not') return before.contiguity === 'relaxed' && holdsOnEntry(stages, at - 1);
  return ends(before, true) && !endsWithNotNext(before);
}

/** `notNext` hands its event on, so what comes behind a group that ends with one is reached from its state as well. */
function endsWithNotNext(stage: Stage): boolean {
  if (stage.kind === 'anyOf') return stage.alternatives.some(endWithNotNext);
  return stage.kind === 'group' && endWithNotNext(stage.stages);
}

function endWithNotNext(stages: readonly Stage[]): boolean {
  const lastTaken = stages.findLastIndex((stage) => stage.kind !== 'not');
  const strict = stages.slice(lastTaken + 1).some((stage) => stage.contiguity === 'strict');
  return strict || (lastTaken >= 0 && endsWithNotNext(stages[lastTaken]!));
}

function covers(stage: Stage): boolean {
  switch (stage.kind) {
    case 'step': {
      const { min, max, optional, greedy, within } = stage.quantifier;
      if (greedy) return false;
      if (optional && (within !== undefined || stage.withinPrevious !== undefined)) return false;
      return within === undefined || min === max || max === Number.POSITIVE_INFINITY;
    }
    case 'group':
      return stage.quantifier.until === undefined && !limitsHead(stage.stages[0]!) && coversAll(stage.stages);
    case 'anyOf':
      return stage.alternatives.every(coversAll);
    case 'allOf':
    case 'not':
      return true;
  }
}

/** What begins a group may be the place where the group can be left out or left. */
function limitsHead(stage: Stage): boolean {
  switch (stage.kind) {
    case 'step':
      return stage.withinPrevious !== undefined || stage.quantifier.within !== undefined;
    case 'group':
      return limitsHead(stage.stages[0]!);
    case 'anyOf':
      return stage.alternatives.some((alternative) => limitsHead(alternative[0]!));
    case 'allOf':
      return stage.members.some(limitsHead);
    case 'not':
      return false;
  }
}

function coversBan(stages: readonly Stage[], at: number): boolean {
  const before = stages.slice(0, at).findLast((stage) => stage.kind !== 'not');
  if (before === undefined) return false;
  const { contiguity, withinPrevious } = stages[at] as NotStage;
  const judgesOnce = contiguity === 'strict' || withinPrevious !== undefined;
  const between = stages.slice(stages.lastIndexOf(before) + 1, at);
  const judgedBefore = between.some((stage) => stage.contiguity === 'strict');
  if (withinPrevious !== undefined && (contiguity === 'strict' || judgedBefore)) return false;
  return ends(before, judgesOnce || judgedBefore);
}

/** Whether the stage ends with an event; when `once`, with an event after which it cannot go on. */
function ends(stage: Stage, once: boolean): boolean {
  switch (stage.kind) {
    case 'step':
      return !stage.quantifier.optional && !(once && stage.quantifier.max > 1);
    case 'group': {
      const last = stage.stages.findLast((inner) => inner.kind !== 'not')!;
      return !stage.quantifier.optional && !(once && stage.quantifier.max > 1) && ends(last, once);
    }
    case 'anyOf':
      return stage.alternatives.every((alternative) => {
        const last = alternative.findLast((inner) => inner.kind !== 'not')!;
        return ends(last, once);
      });
    case 'allOf':
      return true;
    case 'not':
      return false;
  }
}
