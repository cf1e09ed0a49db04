import type { Event } from '../events/event.ts';
import { type InstantMs, NEVER } from '../time/units.ts';
import { type Automaton, COMPLETE, IGNORE } from './automaton.ts';
import { deadlineOf, dueOf, setDue } from './deadlines.ts';
import { Evaluator } from './evaluator.ts';
import { EventKeeper } from './event-keeper.ts';
import { enforceLimits } from './limits.ts';
import type { Listener } from './listener.ts';
import { compareRuns, type PathNode, Run, samePath } from './path.ts';
import type { PatternState } from './pattern-state.ts';
import { release, releaseOne } from './release.ts';
import { placeRun } from './run-heap.ts';

// Runs an automaton over one key's events. Per event: first time advances to it, deadline by deadline; then every run
// looks at the event and becomes none, one or several runs; then, last, the event may begin a match of its own. What
// completed is released according to the rule's `afterMatch`.
//
// Most events change nothing, and then nothing is allocated or written. Where many runs wait, an event that leaves all
// of them as they are is recognised from the states they wait in, without looking at each.

/** From how many runs on it pays to count them by state. */
const many = 16;

const NOWHERE = Number.MAX_SAFE_INTEGER;

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
    if (enforceLimits(this.automaton, state, event.time, listener)) setDue(this.automaton, state);
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
      if (this.#choose(at, undefined) !== 1) return false;
      if (!this.#leaves(this.#chosen[this.automaton.actionsFrom[at]!]!, at)) return false;
    }
    return true;
  }

  /** True when the action leaves a run in this state as it is. */
  #leaves(action: number, state: number): boolean {
    return this.automaton.actionKind[action] === IGNORE && this.automaton.actionTo[action] === state;
  }

  /**
   * Lets every run look at the event. Mostly runs stay, go on or end, and the list is closed up in place; when forks
   * need more room than was left by those that ended, a new list is made.
   */
  #stepRuns(state: PatternState, event: Event): void {
    const { automaton } = this;
    const { runs, head } = state;
    let next = runs;
    /** Where the next one that goes on stands, as long as the list is the old one. */
    let free = head;
    let changedFrom = NOWHERE;
    for (let at = head; at < runs.length; at++) {
      const run = runs[at]!;
      const { node } = run;
      const count = this.#choose(run.state, node);
      const first = automaton.actionsFrom[run.state]!;
      if (count === 1 && this.#leaves(this.#chosen[first]!, run.state)) {
        if (next !== runs) changedFrom = Math.min(changedFrom, head + this.#add(next, run));
        else if (free++ !== at) changedFrom = Math.min(changedFrom, this.#put(runs, free - 1, run, head));
        continue;
      }
      if (at < changedFrom) changedFrom = at;
      let reused: Run | undefined = run;
      for (let n = 0; n < count; n++) {
        const going = this.#perform(state, this.#chosen[first + n]!, node, event, reused);
        if (going === undefined) continue;
        reused = undefined;
        if (next === runs && free > at) next = runs.slice(head, free);
        const place = next === runs ? this.#put(runs, free++, going, head) : head + this.#add(next, going);
        if (place < changedFrom) changedFrom = place;
      }
      state.drop(node);
    }
    if (changedFrom === NOWHERE) return;
    if (next === runs) {
      while (runs.length > free) runs.pop();
      state.runsChangedFrom(changedFrom);
    } else {
      state.replaceRuns(next, changedFrom);
    }
    setDue(this.automaton, state);
  }

  /** The permanent start: every event may begin a match. */
  #begin(state: PatternState, event: Event): void {
    const count = this.#choose(this.automaton.start, undefined);
    for (let n = 0; n < count; n++) {
      // The start is state 0, so its actions are chosen from the first place on.
      const action = this.#chosen[n]!;
      if (this.automaton.actionKind[action] === IGNORE) continue;
      const run = this.#perform(state, action, undefined, event, undefined);
      if (run === undefined) continue;
      const place = state.addFirstRun(run) ? 0 : this.#add(state.runs, run, state.head);
      state.store?.runsChangedFrom(state.runsBase + place);
      if (state.counts !== undefined) state.counts[run.state]!++;
      const due = dueOf(this.automaton, run);
      if (due < state.due) state.due = due;
    }
  }

  /** Returns the run that goes on from here, if one does: `reused`, or a new one where that is undefined. */
  #perform(
    state: PatternState,
    action: number,
    node: PathNode | undefined,
    event: Event,
    reused: Run | undefined,
  ): Run | undefined {
    const { automaton } = this;
    const to = automaton.actionTo[action]!;
    if (automaton.actionKind[action] === IGNORE) {
      if (to === COMPLETE) {
        this.#complete(state, node!);
        return undefined;
      }
      return this.#goOn(state, to, node!, reused);
    }
    const completes = this.#evaluator.holds(automaton.actionCompletes[action]!, node);
    const step = automaton.actionStep[action]!;
    const taken = state.extend(node, step, this.#keeper.keep(state, step, event));
    const going = to === COMPLETE ? undefined : this.#goOn(state, to, taken, reused);
    if (completes) this.#complete(state, taken);
    return going;
  }

  #goOn(state: PatternState, to: number, node: PathNode, reused: Run | undefined): Run {
    state.hold(node);
    if (reused === undefined) return new Run(to, node);
    reused.state = to;
    reused.node = node;
    return reused;
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
    into.push(run);
    return this.#put(into, into.length - 1, run, from);
  }

  /** Puts the run at `free`, or before it when it began earlier than those there; returns where it went. */
  #put(runs: Run[], free: number, run: Run, from = 0): number {
    if (!this.automaton.ordered) return placeRun(runs, free, run);
    // Events come in order of time as a rule; where one does not, its run still has its place.
    let at = free;
    while (at > from && compareRuns(runs[at - 1]!, run) > 0) {
      runs[at] = runs[at - 1]!;
      at--;
    }
    runs[at] = run;
    return at;
  }

  #releaseCompleted(state: PatternState, time: InstantMs, listener: Listener): void {
    const completed = this.#completed;
    if (completed.length > 1) this.#completed = [];
    if (this.automaton.mayRepeat) this.#completedByBegin.clear();
    const pruned =
      completed.length === 1
        ? releaseOne(this.automaton, state, completed.pop()!, time, listener)
        : release(this.automaton, state, completed, time, listener);
    if (pruned) setDue(this.automaton, state);
  }

  // --- time ----------------------------------------------------------------------------------------------------------

  #expire(state: PatternState, now: InstantMs, listener: Listener): void {
    const { automaton } = this;
    const expired: Run[] = [];
    if (automaton.ordered && !automaton.hasGapLimits) {
      while (state.runCount > 0 && dueOf(this.automaton, state.runs[state.head]!) <= now)
        expired.push(state.shiftRun());
    } else {
      const next: Run[] = [];
      for (let at = state.head; at < state.runs.length; at++) {
        const run = state.runs[at]!;
        if (dueOf(this.automaton, run) <= now) expired.push(run);
        else this.#add(next, run);
      }
      if (expired.length > 0) state.replaceRuns(next);
    }
    setDue(this.automaton, state);
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
      if (automaton.pattern.emitTimeouts) listener.timedOut(run.node, deadlineOf(automaton, run, now));
      state.drop(run.node);
    }
  }

  /** After loading: what is computed from the runs. */
  restore(state: PatternState): void {
    setDue(this.automaton, state);
  }
}
