import { buildAllOf, buildAnyOf } from './choices.ts';
import { type Ban, type Continuation, continuation, GraphState, limitOf, restricted, withBans } from './graph.ts';
import { Logic, type Term, YES } from './logic.ts';
import type { Contiguity, GroupStage, NotStage, Pattern, Stage, StepStage } from './pattern.ts';
import { isAfterBan, isBan, stepsWithin } from './stages.ts';
import { enterable, type Leave, position, type Single } from './waiting.ts';

// From stages to states, from the last stage to the first. Every stage becomes a `Continuation`: the state in which it
// begins, given the bans that hold on the way in, and given the continuation of what follows it.
//
// Three ideas carry the semantics of Flink CEP:
// - An optional stage and a loop split "it is absent" or "it is over" off exactly once, at the first event after they
//   were entered: what goes on waiting moves to a twin state that has no way out.
// - A ban lifts when an event is taken: TAKE edges enter what follows without the bans, PROCEED edges hand them on.
// - A greedy loop does not look for the longest match; it makes what follows blind to events that fit the loop.

/** How a stage is reached, and what encloses it. */
export interface Place {
  /** Contiguity towards the event taken before. */
  readonly outer: Contiguity;
  /** For a step that begins a group, the group's inner contiguity, which replaces its own. */
  readonly innerOfGroup: Contiguity | undefined;
  /** What begins a group that can be left or skipped here needs a twin, as an optional step does. */
  readonly leavable: boolean;
  /** The way in leads over a loop's closing state, which carries no gap limit of this stage. */
  readonly overLoop: boolean;
  /** A ban holds on the way in: it stands before this stage, with nothing but optional stages between. */
  readonly afterBan: boolean;
  /** "The `until` of the group directly around is not reached." */
  readonly notUntil: Term;
  /** "The `span`s of the groups around are not over." */
  readonly inSpan: Term;
  /** Bans that directly follow: between the rounds of a loop they hold already. */
  readonly following: readonly Ban[];
}

export interface Graph {
  readonly logic: Logic;
  readonly start: GraphState;
}

const none: readonly Ban[] = [];
const never = Number.POSITIVE_INFINITY;

/** Builds the automaton of a pattern that `checkPattern` found sound. */
export function buildGraph(pattern: Pattern): Graph {
  const logic = new Logic();
  const final = new GraphState('final', -1, never);
  const body = new GraphBuilder(logic).sequence(
    pattern.stages,
    continuation(() => final),
    {
      outer: 'strict',
      innerOfGroup: undefined,
      leavable: false,
      overLoop: false,
      afterBan: false,
      notUntil: YES,
      inSpan: YES,
      following: none,
    },
  );
  return { logic, start: body.enter(none) };
}

export class GraphBuilder {
  readonly logic: Logic;

  constructor(logic: Logic) {
    this.logic = logic;
  }

  /** `place` is that of the first stage; the others stand where their own contiguity puts them. */
  sequence(stages: readonly Stage[], exit: Continuation, place: Place): Continuation {
    const last = stages.at(-1)!;
    // Bans at the end of a pattern are decided by its time limit: one state waits for it under all of them.
    if (isBan(last) && exit.enter(none).kind === 'final') {
      let from = stages.length - 1;
      while (isBan(stages[from - 1]!)) from--;
      const own = (stages.slice(from) as NotStage[]).map((stage) => this.#ban(stage, place));
      const pending = this.#pending(stages.slice(from) as NotStage[], own);
      return this.sequence(stages.slice(0, from), pending, { ...place, following: withBans(place.following, own) });
    }
    let next = exit;
    let { following } = place;
    for (let at = stages.length - 1; at >= 0; at--) {
      const stage = stages[at]!;
      next = this.#stage(
        stage,
        next,
        at === 0
          ? { ...place, afterBan: false, following }
          : {
              ...place,
              outer: stage.contiguity ?? 'relaxed',
              innerOfGroup: undefined,
              leavable: false,
              overLoop: false,
              afterBan: isAfterBan(stages, at),
              following,
            },
      );
      following = isBan(stage) ? withBans(following, [this.#ban(stage, place)]) : none;
    }
    return next;
  }

  /** The condition under which a run passes an event over while it waits for `where`. */
  ignoring(contiguity: Contiguity, where: Term, place: Place): Term {
    return this.logic.and(place.notUntil, this.#skipping(contiguity, where), place.inSpan);
  }

  #skipping(contiguity: Contiguity, where: Term): Term {
    switch (contiguity) {
      case 'strict':
        return this.logic.not(YES);
      case 'relaxed':
        return this.logic.not(where);
      case 'nonDeterministic':
        return YES;
    }
  }

  #stage(stage: Stage, exit: Continuation, place: Place): Continuation {
    switch (stage.kind) {
      case 'step':
        return this.#step(stage, exit, place);
      case 'group':
        return this.#group(stage, exit, place);
      case 'not':
        return isBan(stage) ? this.#banned(stage, exit, place) : this.#notNext(stage, exit, place);
      case 'anyOf':
        return buildAnyOf(this, stage, exit, place);
      case 'allOf':
        return buildAllOf(this, stage, exit, place);
    }
  }

  // --- steps ---------------------------------------------------------------------------------------------------------

  #step(stage: StepStage, exit: Continuation, place: Place): Continuation {
    const { logic } = this;
    const { min, max, optional, greedy, until, within } = stage.quantifier;
    const repeated = max > 1;
    const where = logic.condition(stage.where);
    const fits = logic.and(place.notUntil, where);
    const open = repeated && until !== undefined ? logic.not(logic.condition(until)) : YES;
    const inSpan = stage.span === undefined ? YES : logic.spanBelow(stage.span, [stage.step]);
    const take = logic.and(open, fits, place.inSpan, inSpan);
    const between = logic.and(open, this.ignoring(place.innerOfGroup ?? stage.quantifier.inner, where, place), inSpan);

    const blinds = greedy && min !== max;
    // Behind a ban an optional loop leads to a copy of what follows, without the ban, and blinds that copy alone. So as
    // long as it took nothing, the step is not greedy.
    const blindsCopy = blinds && max === never && optional && place.afterBan;
    const blinded = blindsCopy ? restricted(exit, logic, logic.not(fits)) : exit;
    const seeing = blinds && !blindsCopy ? exit.restrict(logic, logic.not(fits)) : exit;
    /** An event that fits `until` is shown to what follows even when it fits the greedy step as well. */
    const leave = (state: GraphState, bans: readonly Ban[]): void => {
      if (blinds && open !== YES) state.proceed(logic.and(place.notUntil, logic.not(open)), seeing.enter(bans));
      state.proceed(blinds ? logic.and(place.notUntil, open) : place.notUntil, blinded.enter(bans));
    };
    const leaveUntaken: Leave = blindsCopy ? (state, bans) => state.proceed(place.notUntil, exit.enter(bans)) : leave;

    const waiting = Math.min(limitOf(within), repeated ? never : limitOf(stage.withinPrevious));
    const single: Single = {
      step: stage.step,
      take,
      twinTake: take,
      ignore: between,
      gapLimit: waiting,
      twinGapLimit: never,
    };
    const gap = waiting === never ? YES : logic.gapBelow(waiting);
    const { following } = place;
    let rest = exit;
    if (max === never) {
      rest = this.#loop(single, gap, leave, following);
    } else {
      for (let n = min; n < max; n++) {
        // Waiting in the last optional position means that the step may also be over, so only its TAKE is limited.
        const last = n === min ? { ...single, take: logic.and(take, gap), gapLimit: never } : single;
        rest = position(last, rest, leave, true, following);
      }
    }
    for (let n = 1; n < min; n++) rest = position(single, rest, undefined, false, following);
    return enterable(
      {
        ...single,
        take: place.overLoop ? logic.and(take, gap) : take,
        ignore: this.ignoring(place.outer, where, place),
        twinGapLimit: repeated ? never : waiting,
      },
      rest,
      optional ? leaveUntaken : undefined,
      optional || place.leavable,
    );
  }

  /** The state in which an open loop stands after each event it took, and its twin. */
  #loop(single: Single, gap: Term, leave: Leave, following: readonly Ban[]): Continuation {
    return continuation(() => {
      const loop = new GraphState('normal', single.step, never);
      leave(loop, none);
      loop.take(this.logic.and(single.take, gap), loop);
      loop.heed(following);
      const twin = new GraphState('normal', single.step, single.gapLimit);
      twin.take(single.take, loop);
      twin.ignore(single.ignore, twin);
      twin.heed(following);
      loop.ignore(this.logic.and(single.ignore, gap), twin);
      return loop;
    });
  }

  // --- groups --------------------------------------------------------------------------------------------------------

  #group(stage: GroupStage, exit: Continuation, place: Place): Continuation {
    const { logic } = this;
    const { min, max, optional, until, inner } = stage.quantifier;
    const looping = max === never;
    const span = stage.span === undefined ? YES : logic.spanBelow(stage.span, stepsWithin(stage.stages));
    const around: Place = {
      ...place,
      // A group that begins a group has no contiguity of its own, and does not get that of the group around.
      outer: place.innerOfGroup === undefined ? place.outer : 'strict',
      innerOfGroup: inner,
      notUntil: looping && until !== undefined ? logic.not(logic.condition(until)) : YES,
      inSpan: logic.and(place.inSpan, span),
    };
    // The `until` of the group around, not its own: a group may be over with the event that ends its loop.
    const leave: Leave = (state, bans) => state.proceed(place.notUntil, exit.enter(bans));
    /** One round; `leavable` when it may be left out. */
    const round = (next: Continuation, more: Partial<Place>, leavable: boolean): Continuation => {
      const body = this.sequence(stage.stages, next, {
        ...around,
        ...more,
        leavable: leavable || (more.leavable ?? false),
      });
      return continuation((bans) => {
        const first = body.enter(bans);
        if (leavable) leave(first, bans);
        return first;
      });
    };
    const later = (next: Continuation, leavable: boolean, overLoop: boolean) => {
      const body = round(next, { outer: inner, leavable: false, overLoop }, leavable);
      // A round that may be empty is also entered past the one before it, under the bans that held there.
      return continuation((bans) => body.enter(withBans(bans, place.following)));
    };

    let rest = exit;
    if (looping) {
      rest = continuation(() => {
        const closing = new GraphState('normal', -1, never);
        const first = later(
          continuation(() => closing),
          true,
          true,
        ).enter(none);
        closing.proceed(place.notUntil, first);
        return first;
      });
    } else {
      for (let n = min; n < max; n++) rest = later(rest, true, false);
    }
    for (let n = 1; n < min; n++) rest = later(rest, false, false);
    return round(rest, { leavable: place.leavable }, optional);
  }

  // --- what must not happen ------------------------------------------------------------------------------------------

  #ban(stage: NotStage, place: Place): Ban {
    return { step: stage.step, when: this.logic.and(place.notUntil, this.logic.condition(stage.where)) };
  }

  #banned(stage: NotStage, exit: Continuation, place: Place): Continuation {
    return continuation((bans) => exit.enter(withBans(bans, [this.#ban(stage, place)])));
  }

  /** Judges exactly the next event, which what follows sees as well. */
  #notNext(stage: NotStage, exit: Continuation, place: Place): Continuation {
    const { when } = this.#ban(stage, place);
    return continuation((bans) => {
      const judging = new GraphState('normal', stage.step, limitOf(stage.withinPrevious));
      const next = exit.enter(bans);
      // Completing needs an event that passes: it is passed over, or the match would be complete before it came.
      if (next.kind === 'final') judging.ignore(this.logic.not(when), next);
      else judging.proceed(this.logic.not(when), next);
      judging.stop(when);
      judging.heed(bans);
      return judging;
    });
  }

  #pending(stages: readonly NotStage[], own: readonly Ban[]): Continuation {
    const gapLimit = stages.reduce<number>((limit, stage) => Math.min(limit, limitOf(stage.withinPrevious)), never);
    return continuation((held) => {
      const bans = withBans(held, own);
      const pending = new GraphState('pending', stages[0]!.step, gapLimit);
      pending.heed(bans);
      pending.ignore(this.logic.and(...bans.map((ban) => this.logic.not(ban.when))), pending);
      return pending;
    });
  }
}
