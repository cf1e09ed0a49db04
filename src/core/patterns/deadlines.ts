import { type InstantMs, NEVER } from '../time/units.ts';
import type { Automaton } from './automaton.ts';
import type { Run } from './path.ts';
import type { PatternState } from './pattern-state.ts';

/** When the run times out. */
export function dueOf(automaton: Automaton, run: Run): InstantMs {
  const whole = run.node.root.event.time + automaton.within;
  const gap = run.node.event.time + automaton.stateGapLimit[run.state]!;
  return (gap < whole ? gap : whole) as InstantMs;
}

/** What is reported as the deadline of a run that timed out by `now`: that of the gap, when both have passed. */
export function deadlineOf(automaton: Automaton, run: Run, now: InstantMs): InstantMs {
  const gap = run.node.event.time + automaton.stateGapLimit[run.state]!;
  return (gap <= now ? gap : run.node.root.event.time + automaton.within) as InstantMs;
}

/** Sets when the state's first run times out. */
export function setDue(automaton: Automaton, state: PatternState): void {
  let due: InstantMs = NEVER;
  if (automaton.hasGapLimits) {
    for (let at = state.head; at < state.runs.length; at++) {
      const other = dueOf(automaton, state.runs[at]!);
      if (other < due) due = other;
    }
  } else if (state.runCount > 0) {
    due = dueOf(automaton, state.runs[state.head]!);
  }
  state.due = due;
}
