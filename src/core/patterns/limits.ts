import type { InstantMs } from '../time/units.ts';
import type { Automaton } from './automaton.ts';
import type { Listener } from './listener.ts';
import { compareRuns, type Run } from './path.ts';
import { bytesOfRun, type PatternState } from './pattern-state.ts';
import { release } from './release.ts';
import { heapify, popRun } from './run-heap.ts';

type Limit = 'partialMatches' | 'stateBytes';

/**
 * Drops partial matches (and matches that are held back) until the state is inside its limits again: the ones that
 * began first for `dropOldest`, else the ones that began last. Among equal beginnings the later in the list counts as
 * the later. What is dropped is told to `listener.lost`; what it held back may be released.
 *
 * Where every event is beyond the limit, and forks every partial match, thousands are dropped at a time; so dropping one
 * must not mean to look at all. A sorted list gives up either end, a heap its root; for the far end of a heap all are
 * sorted, once for all that are dropped.
 */
export function enforceLimits(automaton: Automaton, state: PatternState, time: InstantMs, listener: Listener): boolean {
  if (exceeded(automaton, state, 0) === undefined) return false;
  const oldest = automaton.pattern.limits.onLimit === 'dropOldest';
  if (!oldest && !automaton.ordered) {
    dropNewest(automaton, state, listener);
  } else {
    for (let limit = exceeded(automaton, state, 0); limit !== undefined; limit = exceeded(automaton, state, 0)) {
      const { node } = oldest ? removeOldest(automaton, state) : removeNewest(state);
      listener.lost(node, limit);
      state.drop(node);
    }
  }
  release(automaton, state, [], time, listener);
  return true;
}

/** The limit that the state is beyond, when `gone` of what it lists are gone already. */
function exceeded({ pattern }: Automaton, state: PatternState, gone: number): Limit | undefined {
  const listed = state.runCount + state.held.length - gone;
  if (listed === 0) return undefined;
  if (listed > pattern.limits.partialMatches) return 'partialMatches';
  return state.bytes - gone * bytesOfRun > pattern.limits.stateBytes ? 'stateBytes' : undefined;
}

function removeOldest({ ordered }: Automaton, state: PatternState): Run {
  const run = state.runs[state.head];
  const held = state.held[0];
  if (run === undefined || (held !== undefined && compareRuns(held, run) < 0)) {
    state.store?.heldChanged();
    return popRun(state.held);
  }
  return ordered ? state.shiftRun() : state.popRun();
}

/** Of a sorted list. */
function removeNewest(state: PatternState): Run {
  const { runs, held } = state;
  let last = 0;
  for (let at = 1; at < held.length; at++) if (compareRuns(held[at]!, held[last]!) >= 0) last = at;
  if (state.runCount > 0 && (held.length === 0 || compareRuns(runs.at(-1)!, held[last]!) > 0)) {
    const run = runs.pop()!;
    state.runsChangedFrom(runs.length);
    return run;
  }
  const [run] = held.splice(last, 1);
  heapify(held);
  state.store?.heldChanged();
  return run!;
}

/** Drops from a heap what is beyond the limits. */
function dropNewest(automaton: Automaton, state: PatternState, listener: Listener): void {
  const sorted = [...state.runs, ...state.held].sort(compareRuns);
  const gone = new Set<Run>();
  for (let limit = exceeded(automaton, state, 0); limit !== undefined; limit = exceeded(automaton, state, gone.size)) {
    const run = sorted[sorted.length - 1 - gone.size]!;
    gone.add(run);
    listener.lost(run.node, limit);
    state.drop(run.node);
  }
  const stays = (run: Run): boolean => !gone.has(run);
  const runs = state.runs.filter(stays);
  heapify(runs);
  state.replaceRuns(runs);
  if (state.held.every(stays)) return;
  state.held = state.held.filter(stays);
  heapify(state.held);
  state.store?.heldChanged();
}
