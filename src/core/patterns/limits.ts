import type { InstantMs } from '../time/units.ts';
import type { Automaton } from './automaton.ts';
import type { Listener } from './listener.ts';
import { compareRuns, type Run } from './path.ts';
import type { PatternState } from './pattern-state.ts';
import { release } from './release.ts';
import { heapify } from './run-heap.ts';

/**
 * Drops partial matches (and matches that are held back) until the state is inside its limits again: the ones that
 * began first for `dropOldest`, else the ones that began last. Among equal beginnings the later in the list counts as
 * the later. What is dropped is told to `listener.lost`; what it held back may be released.
 */
export function enforceLimits(automaton: Automaton, state: PatternState, time: InstantMs, listener: Listener): boolean {
  const { limits } = automaton.pattern;
  const oldest = limits.onLimit === 'dropOldest';
  let dropped = false;
  for (;;) {
    const tooMany = state.runCount + state.held.length > limits.partialMatches;
    if (!tooMany && state.bytes <= limits.stateBytes) break;
    const run = removeOne(automaton, state, oldest);
    if (run === undefined) break;
    dropped = true;
    listener.lost(run.node, tooMany ? 'partialMatches' : 'stateBytes');
    state.drop(run.node);
  }
  if (dropped) release(automaton, state, [], time, listener);
  return dropped;
}

function removeOne(automaton: Automaton, state: PatternState, oldest: boolean): Run | undefined {
  const better = (one: Run, other: Run) => (oldest ? compareRuns(one, other) < 0 : compareRuns(one, other) >= 0);
  const pick = (runs: readonly Run[], from: number): number => {
    if (from >= runs.length) return -1;
    if (oldest) return from; // the root of a heap, the first of a sorted list
    if (automaton.ordered && runs === state.runs) return runs.length - 1;
    let best = from;
    for (let at = from + 1; at < runs.length; at++) if (better(runs[at]!, runs[best]!)) best = at;
    return best;
  };
  const run = pick(state.runs, state.head);
  const held = pick(state.held, 0);
  if (run < 0 && held < 0) return undefined;
  if (run < 0 || (held >= 0 && better(state.held[held]!, state.runs[run]!))) {
    const [removed] = state.held.splice(held, 1);
    heapify(state.held);
    state.store?.heldChanged();
    return removed;
  }
  if (automaton.ordered && oldest) return state.shiftRun();
  const removed = state.runs[run]!;
  if (automaton.ordered && run === state.runs.length - 1) {
    state.runs.pop();
    state.counts = undefined;
    state.store?.runsChangedFrom(state.runsBase + state.runs.length);
    return removed;
  }
  const next = state.runs.filter((_, at) => at !== run && at >= state.head);
  if (!automaton.ordered) heapify(next);
  state.replaceRuns(next);
  return removed;
}
