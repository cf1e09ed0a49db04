import type { StepStage } from '../../../../src/core/patterns/pattern.ts';
import { type Around, ignoring, testOf } from './around.ts';
import {
  always,
  both,
  copyOf,
  gapBelow,
  limitOf,
  never,
  not,
  restrict,
  State,
  spanBelow,
  type Test,
} from './states.ts';

/** A step with its quantifier. */
export class StepCompiler {
  readonly #stage: StepStage;
  /** What follows, blind if the step is greedy. */
  readonly #exit: State;
  /** What follows when the step is left out. */
  readonly #exitUntaken: State;
  /** What follows as it was before a greedy step made it blind. */
  readonly #seeing: State;
  readonly #around: Around;
  readonly #where: Test;
  readonly #open: Test;
  readonly #take: Test;
  /** Passing an event over between the events of the step. */
  readonly #inner: Test | undefined;
  readonly #limit: number;

  constructor(stage: StepStage, exit: State, around: Around) {
    const { min, max, optional, greedy, until, inner, within } = stage.quantifier;
    this.#stage = stage;
    this.#around = around;
    this.#where = testOf(stage.where);
    this.#open = until === undefined || max === 1 ? always : not(testOf(until));
    const inSpan = stage.span === undefined ? always : spanBelow(stage.span, new Set([stage.step]));
    this.#take = both(this.#open, around.notUntil, this.#where, around.inSpan, inSpan);
    const passing = ignoring(around.headInner ?? inner, this.#where, around);
    this.#inner = passing && both(this.#open, passing, inSpan);
    this.#limit = max > 1 ? limitOf(within) : Math.min(limitOf(within), limitOf(stage.withinPrevious));
    this.#exit = exit;
    this.#exitUntaken = exit;
    this.#seeing = exit;
    if (!greedy || min === max) return;
    const blind = not(both(around.notUntil, this.#where));
    if (optional && max === never && around.afterBan) {
      // Taking an event lifts the ban, so that the loop has a copy of what follows, and that copy alone goes blind. The
      // closing state of a loop is not finished, and it has nothing to blind.
      if (exit.edges.length === 0) return;
      this.#exit = copyOf(exit);
      restrict(this.#exit, blind);
    } else {
      this.#seeing = copyOf(exit);
      restrict(exit, blind);
    }
  }

  compile(): State {
    const { min, max, optional } = this.#stage.quantifier;
    let next = this.#exit;
    if (max === never) next = this.#loop();
    else for (let n = min; n < max; n++) next = this.#place(n === min ? 'last' : 'inner', next, true);
    for (let n = 1; n < min; n++) next = this.#place('inner', next, false);
    return this.#place('entry', next, optional);
  }

  #leave(state: State): void {
    const { notUntil } = this.#around;
    if (this.#seeing === this.#exit || this.#open === always) {
      state.proceed(this.#exit, notUntil);
      return;
    }
    state.proceed(this.#seeing, both(notUntil, not(this.#open)));
    state.proceed(this.#exit, both(notUntil, this.#open));
  }

  /** `last`: of a range, the place at its upper end. */
  #place(kind: 'entry' | 'inner' | 'last', to: State, leavable: boolean): State {
    const { step, quantifier } = this.#stage;
    const around = this.#around;
    const entry = kind === 'entry';
    const ignore = entry ? ignoring(around.contiguity, this.#where, around) : this.#inner;
    const limitsTake = kind === 'last' || (entry && around.afterClosing);
    const state = new State();
    state.limit = kind === 'last' ? never : this.#limit;
    if (!entry) state.bans = around.following;
    state.take(step, to, limitsTake ? both(this.#take, gapBelow(this.#limit)) : this.#take);
    if (leavable && entry && this.#exitUntaken !== this.#exit) state.proceed(this.#exitUntaken, this.#around.notUntil);
    else if (leavable) this.#leave(state);
    if (!leavable && !(entry && around.headLeavable)) return state.ignore(state, ignore);
    const twin = new State();
    twin.limit = quantifier.max > 1 ? never : this.#limit;
    twin.bans = state.bans;
    twin.take(step, to, this.#take).ignore(twin, ignore);
    return state.ignore(twin, ignore);
  }

  #loop(): State {
    const { step } = this.#stage;
    const inTime = gapBelow(this.#limit);
    const loop = new State();
    const twin = new State();
    loop.bans = this.#around.following;
    twin.bans = this.#around.following;
    twin.limit = this.#limit;
    this.#leave(loop);
    loop.take(step, loop, both(this.#take, inTime));
    twin.take(step, loop, this.#take).ignore(twin, this.#inner);
    return loop.ignore(twin, this.#inner && both(this.#inner, inTime));
  }
}
