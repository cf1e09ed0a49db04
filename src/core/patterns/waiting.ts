import { type Ban, type Continuation, continuation, GraphState } from './graph.ts';
import type { Term } from './logic.ts';

// The states that wait for one event of a step: at its entry, and at each further place of `times`.

const none: readonly Ban[] = [];

/** Adds the ways out of a state that need no event. */
export type Leave = (state: GraphState, bans: readonly Ban[]) => void;

/** A state that takes one event, without what stands around it. */
export interface Single {
  readonly step: number;
  readonly take: Term;
  /** As `take`, for the twin. */
  readonly twinTake: Term;
  readonly ignore: Term;
  readonly gapLimit: number;
  readonly twinGapLimit: number;
}

export function enterable(
  single: Single,
  taken: Continuation,
  leave: Leave | undefined,
  hasTwin: boolean,
): Continuation {
  return continuation((bans) => {
    const state = new GraphState('normal', single.step, single.gapLimit);
    const next = taken.enter(none);
    state.take(single.take, next);
    leave?.(state, bans);
    if (hasTwin) {
      const twin = new GraphState('normal', single.step, single.twinGapLimit);
      twin.take(single.twinTake, next);
      twin.ignore(single.ignore, twin);
      twin.heed(bans);
      state.ignore(single.ignore, twin);
    } else {
      state.ignore(single.ignore, state);
    }
    state.heed(bans);
    return state;
  });
}

/** A place in `times` after the first: what follows the step already bans here. */
export function position(
  single: Single,
  taken: Continuation,
  leave: Leave | undefined,
  hasTwin: boolean,
  following: readonly Ban[],
): Continuation {
  const here = enterable(single, taken, leave && ((state) => leave(state, none)), hasTwin);
  return continuation(() => here.enter(following));
}
