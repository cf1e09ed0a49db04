import type { Event } from '../events/event.ts';
import { type InstantMs, NEVER } from '../time/units.ts';
import { type Automaton, COMPLETE, IGNORE } from './automaton.ts';
import { Evaluator } from './evaluator.ts';
import { EventKeeper } from './event-keeper.ts';
import { enforceLimits } from './limits.ts';
import type { Listener } from './listener.ts';
import { compareRuns, type PathNode, Run, samePath } from './path.ts';
import type { PatternState } from './pattern-state.ts';
import { release } from './release.ts';
import { pushRun } from './run-heap.ts';

// Runs an automaton over one key's events. Per event: first time advances to it, deadline by deadline; then every run
// looks at the event and becomes none, one or several runs; then, last, the event may begin a match of its own. What
// completed is released according to the rule's `afterMatch`.
//
// Most events change nothing, and then nothing is allocated or written. Where many runs wait, an event that leaves all
// of them as they are is recognised from the states they wait in, without looking at each.

/** From how many runs on it pays to count them by state. */
const many = 16;

export class Matcher {
  readonly automaton: Automaton;
  readonly #evaluator: Evaluator;
  readonly #keeper: EventKeeper;
  /** The actions that hold now, each state's from where its rows begin; how many; and the turn for which. */
  readonly #chosen: Int32Array;
  readonly #chosenCount: Int32Array;
  readonly #chosenTurn: Float64Array;
  #completed: Run[] = [];
  readonly #completedByBegin = new Map<number, Run[]>();

  constructor(automaton: Automaton) {
    this.automaton = automaton;
    this.#evaluator = new Evaluator(automaton);
    this.#keeper = new EventKeeper(automaton.pattern);
    this.#chosen = new Int32Array(automaton.actionKind.length);
    this.#chosenCount = new Int32Array(automaton.stateCount);
    this.#chosenTurn = new Float64Array(automaton.stateCount);
  }

  /** How many ways there are of keeping an event. */
  get variants(): number {
    return this.#keeper.variants;
  }

  onEvent(state: PatternState, event: Event, listener: Listener): void {
    if (state.due <= event.time) this.onTime(state, event.time, listener);
    const evaluator = this.#evaluator;
    evaluator.begin(event, state.key);
    this.#keeper.begin();
    if (state.runCount > 0 && !this.#leavesAll(state)) this.#stepRuns(state, event);
    this.#begin(state, event);
    // Also without a completed match: an earlier run may have died that held others back.
    if (this.#completed.length > 0 || state.held.length > 0) this.#releaseCompleted(state, event.time, listener);
    if (!this.#keeper.taken) return;
    if (enforceLimits(this.automaton, state, event.time, listener)) this.#setDue(state);
    if (state.nodeCount === 0) state.rewind();
  }

  /** Everything due at or before `now`, one deadline after the other, so that it does not matter how far time jumps. */
  onTime(state: PatternState, now: InstantMs, listener: Listener): void {
    while (state.due <= now && state.due !== NEVER) this.#expire(state, state.due, listener);
    if (state.nodeCount === 0) state.rewind();
  }

  // --- one event -----------------------------------------------------------------------------------------------------

  /** Chooses the actions of a state that hold now, none when the run is stopped, and returns how many. */
  #choose(at: number, node: PathNode | undefined): number {
    const { automaton } = this;
    const evaluator = this.#evaluator;
    const shared = automaton.stateStateless[at] === 1;
    if (shared && this.#chosenTurn[at] === evaluator.turn) return this.#chosenCount[at]!;
    this.#chosenTurn[at] = evaluator.turn;
    const from = automaton.actionsFrom[at]!;
    const end = automaton.actionsFrom[at + 1]!;
    let count = 0;
    if (!evaluator.holds(automaton.stateStop[at]!, node)) {
      for (let action = from; action < end; action++) {
        if (evaluator.holds(automaton.actionWhen[action]!, node)) this.#chosen[from + count++] = action;
      }
    }
    this.#chosenCount[at] = count;
    return count;
  }

  /** True when the event leaves every run exactly as it is, judged by the states they wait in. */
  #leavesAll(state: PatternState): boolean {
    if (state.runCount < many) return false;
    const { automaton } = this;
    let { counts } = state;
    if (counts === undefined) {
      counts = new Int32Array(automaton.stateCount);
      for (let at = state.head; at < state.runs.length; at++) counts[state.runs[at]!.state]!++;
      state.counts = counts;
    }
    for (let at = 0; at < counts.length; at++) {
      if (counts[at] === 0) continue;
      if (automaton.stateStateless[at] === 0) return false;
      if (this.#choose(at, undefined) !== 1 || !this.#stays(at)) return false;
    }
    return true;
  }

  /** True when the one action chosen for the state leaves the run as it is. */
  #stays(state: number): boolean {
    const action = this.#chosen[this.automaton.actionsFrom[state]!]!;
    return this.automaton.actionKind[action] === IGNORE && this.automaton.actionTo[action] === state;
  }

  #stepRuns(state: PatternState, event: Event): void {
    const { runs } = state;
    let next: Run[] | undefined;
    for (let at = state.head; at < runs.length; at++) {
      const run = runs[at]!;
      const count = this.#choose(run.state, run.node);
      if (count === 1 && this.#stays(run.state)) {
        if (next !== undefined) this.#add(next, run);
        continue;
      }
      if (next === undefined) {
        if (this.#replaceOnly(state, at, count, event)) return;
        next = runs.slice(state.head, at);
      }
      const from = this.automaton.actionsFrom[run.state]!;
      for (let n = 0; n < count; n++) this.#perform(state, next, this.#chosen[from + n]!, run.node, event);
      state.drop(run.node);
    }
    if (next === undefined) return;
    state.replaceRuns(next);
    this.#setDue(state);
  }

  /** The commonest step by far: the only run there is becomes one other, or none. Needs no new list. */
  #replaceOnly(state: PatternState, at: number, count: number, event: Event): boolean {
    const { runs } = state;
    if (at !== runs.length - 1 || at !== state.head || count > 1) return false;
    const { state: from, node } = runs.pop()!;
    const action = this.#chosen[this.automaton.actionsFrom[from]!]!;
    if (count === 1) this.#perform(state, runs, action, node, event, state.head);
    state.drop(node);
    state.counts = undefined;
    state.store?.runsChangedFrom(state.runsBase + at);
    this.#setDue(state);
    return true;
  }

  /** The permanent start: every event may begin a match. */
  #begin(state: PatternState, event: Event): void {
    const count = this.#choose(this.automaton.start, undefined);
    for (let n = 0; n < count; n++) {
      // The start is state 0, so its actions are chosen from the first place on.
      const action = this.#chosen[n]!;
      if (this.automaton.actionKind[action] === IGNORE) continue;
      const before = state.runs.length;
      const touched = this.#perform(state, state.runs, action, undefined, event, state.head);
      if (state.runs.length === before) continue;
      const run = state.runs[touched]!;
      state.store?.runsChangedFrom(state.runsBase + touched);
      if (state.counts !== undefined) state.counts[run.state]!++;
      const due = this.#dueOf(run);
      if (due < state.due) state.due = due;
    }
  }

  /** Returns where in `into` the new run went, if there is one. */
  #perform(
    state: PatternState,
    into: Run[],
    action: number,
    node: PathNode | undefined,
    event: Event,
    from = 0,
  ): number {
    const { automaton } = this;
    const to = automaton.actionTo[action]!;
    if (automaton.actionKind[action] === IGNORE) {
      if (to === COMPLETE) {
        this.#complete(state, node!);
        return -1;
      }
      state.hold(node!);
      return this.#add(into, new Run(to, node!), from);
    }
    const completes = this.#evaluator.holds(automaton.actionCompletes[action]!, node);
    const step = automaton.actionStep[action]!;
    const taken = state.extend(node, step, this.#keeper.keep(state, step, event));
    let place = -1;
    if (to !== COMPLETE) {
      state.hold(taken);
      place = this.#add(into, new Run(to, taken), from);
    }
    if (completes) this.#complete(state, taken);
    return place;
  }

  #complete(state: PatternState, path: PathNode): void {
    const completed = this.#completed;
    const run = new Run(COMPLETE, path);
    state.hold(path);
    if (this.automaton.mayRepeat) {
      const begin = path.root.event.ordinal;
      const alike = this.#completedByBegin.get(begin);
      if (alike === undefined) this.#completedByBegin.set(begin, [run]);
      else if (alike.some((other) => samePath(other.node, path))) {
        state.drop(path);
        return;
      } else alike.push(run);
    }
    completed.push(run);
  }

  /** Returns where the run went. `from`: entries before it are gone. */
  #add(into: Run[], run: Run, from = 0): number {
    if (!this.automaton.ordered) return pushRun(into, run);
    let at = into.push(run) - 1;
    // Events come in order of time as a rule; where one does not, its run still has its place.
    while (at > from && compareRuns(into[at - 1]!, run) > 0) {
      into[at] = into[at - 1]!;
      at--;
    }
    into[at] = run;
    return at;
  }

  #releaseCompleted(state: PatternState, time: InstantMs, listener: Listener): void {
    const completed = this.#completed;
    this.#completed = [];
    this.#completedByBegin.clear();
    if (release(this.automaton, state, completed, time, listener)) this.#setDue(state);
  }

  // --- time ----------------------------------------------------------------------------------------------------------

  #expire(state: PatternState, now: InstantMs, listener: Listener): void {
    const { automaton } = this;
    const expired: Run[] = [];
    if (automaton.ordered && !automaton.hasGapLimits) {
      while (state.runCount > 0 && this.#dueOf(state.runs[state.head]!) <= now) expired.push(state.shiftRun());
    } else {
      const next: Run[] = [];
      for (let at = state.head; at < state.runs.length; at++) {
        const run = state.runs[at]!;
        if (this.#dueOf(run) <= now) expired.push(run);
        else this.#add(next, run);
      }
      if (expired.length > 0) state.replaceRuns(next);
    }
    this.#setDue(state);
    const late: Run[] = [];
    for (const run of expired) {
      if (automaton.statePending[run.state] === 1) {
        this.#complete(state, run.node);
        state.drop(run.node);
      } else {
        late.push(run);
      }
    }
    this.#releaseCompleted(state, now, listener);
    for (const run of late) {
      if (automaton.pattern.emitTimeouts) listener.timedOut(run.node, this.#deadlineOf(run, now));
      state.drop(run.node);
    }
  }

  /** When the run times out. */
  #dueOf(run: Run): InstantMs {
    const { automaton } = this;
    const whole = run.node.root.event.time + automaton.within;
    const gap = run.node.event.time + automaton.stateGapLimit[run.state]!;
    return (gap < whole ? gap : whole) as InstantMs;
  }

  /** What is reported as the deadline: that of the gap, when both have passed. */
  #deadlineOf(run: Run, now: InstantMs): InstantMs {
    const gap = run.node.event.time + this.automaton.stateGapLimit[run.state]!;
    return (gap <= now ? gap : run.node.root.event.time + this.automaton.within) as InstantMs;
  }

  #setDue(state: PatternState): void {
    const { automaton } = this;
    let due: InstantMs = NEVER;
    if (automaton.hasGapLimits) {
      for (let at = state.head; at < state.runs.length; at++) {
        const other = this.#dueOf(state.runs[at]!);
        if (other < due) due = other;
      }
    } else if (state.runCount > 0) {
      due = this.#dueOf(state.runs[state.head]!);
    }
    state.due = due;
  }

  /** After loading: what is computed from the runs. */
  restore(state: PatternState): void {
    this.#setDue(state);
  }
}
