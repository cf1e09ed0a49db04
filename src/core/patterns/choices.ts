import { type Ban, type Continuation, continuation, GraphState, limitOf } from './graph.ts';
import type { GraphBuilder, Place } from './graph-builder.ts';
import { NO, type Term } from './logic.ts';
import type { AllOfStage, AnyOfStage, StepStage } from './pattern.ts';

// Corral's own stages. Both wait for several steps in one state, so that the event taken decides between them.

const never = Number.POSITIVE_INFINITY;

/** What one state waits for: a step's condition and what comes after it. */
interface Way {
  readonly step: number;
  /** The step's bare condition, which a relaxed wait must not pass over. */
  readonly where: Term;
  readonly take: Term;
  readonly next: GraphState;
  /** How long after the event taken before it may come; Infinity = for ever. */
  readonly gapLimit: number;
}

/** One of several sequences, each of which begins with a step that takes an event. */
export function buildAnyOf(builder: GraphBuilder, stage: AnyOfStage, exit: Continuation, place: Place): Continuation {
  const { logic } = builder;
  const alternatives = stage.alternatives.map((alternative) => ({
    where: logic.condition((alternative[0] as StepStage).where),
    // Entered strictly, an alternative has no IGNORE of its own: passing events over is decided here, for all of them.
    // What follows is copied, so that a greedy end of one alternative blinds it after this alternative only.
    // A loop's closing state has no edges yet, so that nothing could be blinded, and it is the one to go back to.
    body: builder.sequence(
      alternative,
      continuation((bans) => {
        const next = exit.enter(bans);
        return next.edges.length === 0 ? next : next.copy();
      }),
      { ...place, outer: 'strict', innerOfGroup: undefined, leavable: false },
    ),
  }));
  return continuation((bans) => {
    const ways = alternatives.flatMap(({ where, body }) => {
      const { edges, gapLimit } = body.enter(bans);
      return edges.flatMap((edge): Way[] =>
        edge.kind === 'take' ? [{ step: edge.step, where, take: edge.when, next: edge.to, gapLimit }] : [],
      );
    });
    return waitFor(builder, ways, place, place.leavable, bans);
  });
}

/** Each of the members once, in whatever order they come. */
export function buildAllOf(builder: GraphBuilder, stage: AllOfStage, exit: Continuation, place: Place): Continuation {
  const { logic } = builder;
  const { members } = stage;
  const takes = members.map((member) => logic.and(place.notUntil, logic.condition(member.where), place.inSpan));
  const between: Place = { ...place, outer: stage.contiguity ?? 'relaxed' };
  const states = new Map<number, GraphState>();
  /** The state in which the members of `missing`, a set of bits, are still to come. */
  const after = (missing: number): GraphState => {
    if (missing === 0) return exit.enter([]);
    const known = states.get(missing);
    if (known !== undefined) return known;
    const state = waitFor(builder, ways(missing), between, false, place.following);
    states.set(missing, state);
    return state;
  };
  const ways = (missing: number): Way[] =>
    members.flatMap((member, index) => {
      const bit = 1 << index;
      if ((missing & bit) === 0) return [];
      const { step } = member;
      const where = logic.condition(member.where);
      const gapLimit = limitOf(member.withinPrevious);
      return [{ step, where, take: takes[index]!, next: after(missing & ~bit), gapLimit }];
    });
  return continuation((bans) => waitFor(builder, ways((1 << members.length) - 1), place, place.leavable, bans));
}

function waitFor(
  builder: GraphBuilder,
  ways: readonly Way[],
  place: Place,
  hasTwin: boolean,
  bans: readonly Ban[],
): GraphState {
  const { logic } = builder;
  // The wait is over when no way is open any more; until then each way has its own limit.
  const gapLimit = ways.reduce((limit, way) => Math.max(limit, way.gapLimit), 0);
  const build = (): GraphState => {
    const state = new GraphState('normal', ways[0]?.step ?? -1, gapLimit);
    for (const way of ways) {
      const take = way.gapLimit === never ? way.take : logic.and(way.take, logic.gapBelow(way.gapLimit));
      state.take(take, way.next, way.step);
    }
    return state;
  };
  const state = build();
  const ignore = builder.ignoring(place.outer, logic.or(NO, ...ways.map((way) => way.where)), place);
  const waiting = hasTwin ? build() : state;
  if (hasTwin) {
    waiting.ignore(ignore, waiting);
    waiting.heed(bans);
  }
  state.ignore(ignore, waiting);
  state.heed(bans);
  return state;
}
