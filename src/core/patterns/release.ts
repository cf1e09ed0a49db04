import type { InstantMs } from '../time/units.ts';
import type { Automaton } from './automaton.ts';
import type { Listener } from './listener.ts';
import { compareRuns, type PathNode, type Run } from './path.ts';
import type { AfterMatch } from './pattern.ts';
import type { PatternState } from './pattern-state.ts';
import { heapify, popRun, pushRun } from './run-heap.ts';
import { compareEvents, type TakenEvent } from './taken-event.ts';

/** `skipToFirst` or `skipToLast` with `throwOnMiss` found nothing to skip to. The rule fails for this key. */
export class SkipTargetMissing extends Error {
  readonly code = 'SKIP_TARGET_MISSING';

  constructor(step: string, reason: 'absent' | 'is the first event') {
    super(
      reason === 'absent'
        ? `a match has no event of \`${step}\`, to which the rule is to skip. Make the step mandatory, or drop \`throwOnMiss\``
        : `the rule is to skip to \`${step}\`, which is the first event of the match, so it would find the same match for ever. ` +
            'Skip to a later step, or drop `throwOnMiss`',
    );
  }
}

/**
 * `release` for one completed match, which mostly nothing holds back.
 * @returns true when runs were dropped
 */
export function releaseOne(
  automaton: Automaton,
  state: PatternState,
  completed: Run,
  time: InstantMs,
  listener: Listener,
): boolean {
  const { afterMatch, steps } = automaton.pattern;
  const earliest = state.runs[state.head];
  const waits = afterMatch.kind !== 'noSkip' && earliest !== undefined && compareRuns(earliest, completed) < 0;
  if (state.held.length > 0 || waits) return release(automaton, state, [completed], time, listener);
  const { node } = completed;
  const pruned = skip(automaton, state, skipsUntil(afterMatch, node, steps));
  emit(state, node, time, listener);
  return pruned;
}

/**
 * Emits what completed, as far as `afterMatch` allows: under a skip strategy a match waits for every partial match that
 * began strictly earlier, because that one may yet complete and skip over it.
 * @returns true when runs were dropped
 */
export function release(
  automaton: Automaton,
  state: PatternState,
  completed: readonly Run[],
  time: InstantMs,
  listener: Listener,
): boolean {
  const { afterMatch } = automaton.pattern;
  if (completed.length === 0 && state.held.length === 0) return false;
  if (afterMatch.kind === 'noSkip' && automaton.ordered) {
    for (const { node } of completed) emit(state, node, time, listener);
    return false;
  }
  const held = state.heldToAdd;
  // Two queues one after the other, as in Flink: the order among matches of one beginning depends on both.
  if (completed.length === 1) {
    pushRun(held, completed[0]!);
  } else {
    const fresh: Run[] = [];
    for (const run of completed) pushRun(fresh, run);
    for (const run of fresh) pushRun(held, run);
  }
  let pruned = false;
  if (completed.length > 0) state.store?.heldChanged();
  while (held.length > 0) {
    const earliest = state.runs[state.head];
    if (afterMatch.kind !== 'noSkip' && earliest !== undefined && compareRuns(earliest, held[0]!) < 0) break;
    const { node } = popRun(held);
    state.store?.heldChanged();
    if (skip(automaton, state, skipsUntil(afterMatch, node, automaton.pattern.steps))) pruned = true;
    emit(state, node, time, listener);
  }
  return pruned;
}

function emit(state: PatternState, path: PathNode, time: InstantMs, listener: Listener): void {
  listener.matched(path, time);
  state.drop(path);
}

/** The event up to which beginnings are given up; undefined when none is. */
function skipsUntil(afterMatch: AfterMatch, path: PathNode, steps: readonly string[]): TakenEvent | undefined {
  switch (afterMatch.kind) {
    case 'noSkip':
      return undefined;
    case 'skipToNext':
      return firstOf(path);
    case 'skipPastLastEvent': {
      let last = path.event;
      for (let at = path.parent; at !== undefined; at = at.parent)
        if (compareEvents(at.event, last) > 0) last = at.event;
      return last;
    }
    case 'skipToFirst':
    case 'skipToLast': {
      let target: TakenEvent | undefined;
      for (let at: PathNode | undefined = path; at !== undefined; at = at.parent) {
        if (at.step !== afterMatch.step) continue;
        target = at.event;
        if (afterMatch.kind === 'skipToLast') break;
      }
      if (afterMatch.throwOnMiss) {
        const name = steps[afterMatch.step]!;
        if (target === undefined) throw new SkipTargetMissing(name, 'absent');
        if (target.ordinal === firstOf(path).ordinal) throw new SkipTargetMissing(name, 'is the first event');
      }
      return target;
    }
  }
}

function firstOf(path: PathNode): TakenEvent {
  let first = path.event;
  for (let at = path.parent; at !== undefined; at = at.parent) if (compareEvents(at.event, first) < 0) first = at.event;
  return first;
}

/** Gives up what the strategy skips; true when runs were dropped. */
function skip({ pattern, ordered }: Automaton, state: PatternState, until: TakenEvent | undefined): boolean {
  if (until === undefined) return false;
  const { kind } = pattern.afterMatch;
  return prune(state, until, kind === 'skipToNext' || kind === 'skipPastLastEvent', ordered);
}

/** Drops the partial and the held matches that began before `until`, or with it when `inclusive`. */
function prune(state: PatternState, until: TakenEvent, inclusive: boolean, ordered: boolean): boolean {
  if (state.isEmpty) return false;
  const stays = (run: Run): boolean => {
    const order = compareEvents(run.node.root.event, until);
    return order > 0 || (order === 0 && !inclusive);
  };
  const keep = (runs: readonly Run[], from: number, sorted: boolean): Run[] | undefined => {
    const kept: Run[] = [];
    for (let at = from; at < runs.length; at++) {
      const run = runs[at]!;
      if (stays(run)) kept.push(run);
      else state.drop(run.node);
    }
    if (kept.length === runs.length - from) return undefined;
    if (!sorted) heapify(kept);
    return kept;
  };
  const held = keep(state.held, 0, false);
  if (held !== undefined) state.held.splice(0, state.held.length, ...held);
  const runs = keep(state.runs, state.head, ordered);
  if (runs !== undefined) state.replaceRuns(runs);
  return runs !== undefined;
}
