import type { Event } from '../../../../src/core/events/event.ts';
import type { Taken } from '../../../../src/core/patterns/pattern.ts';

// What the literal interpreter compiles a pattern to: states that are changed in place while the pattern is compiled from
// its end to its beginning, with conditions as closures.

/** One event that a run took. */
export interface Item {
  readonly step: number;
  readonly event: Event;
  /** Order of arrival. */
  readonly order: number;
}

export type List = readonly Item[];
export type Test = (event: Event, list: List) => boolean;

export const never = Number.POSITIVE_INFINITY;

export const always: Test = () => true;

export const not =
  (test: Test): Test =>
  (event, list) =>
    !test(event, list);

export const both = (...tests: readonly Test[]): Test => {
  const parts = tests.filter((test) => test !== always);
  return parts.length === 0 ? always : (event, list) => parts.every((test) => test(event, list));
};

export const either =
  (...tests: readonly Test[]): Test =>
  (event, list) =>
    tests.some((test) => test(event, list));

/** Zero means no limit. */
export function limitOf(limit: number | undefined): number {
  return limit === undefined || limit <= 0 ? never : limit;
}

/** The event comes in time after the one taken last. */
export const gapBelow =
  (limit: number): Test =>
  (event, list) =>
    list.length === 0 || event.time - list.at(-1)!.event.time < limit;

/** The event comes in time after the first one that any of the steps took. */
export const spanBelow =
  (limit: number, steps: ReadonlySet<number>): Test =>
  (event, list) => {
    const first = list.find((item) => steps.has(item.step));
    return first === undefined || event.time - first.event.time < limit;
  };

export interface Edge {
  readonly kind: 'take' | 'ignore' | 'proceed';
  readonly to: State;
  /** The step that takes; -1 for the other kinds. */
  readonly step: number;
  when: Test;
}

export class State {
  final = false;
  /** Reaching the time limit here is the match. */
  pending = false;
  /** Only a place to pick up a ban on the way to the one state behind it. */
  passing = false;
  /** A run that comes by picks these up and loses them when it takes an event. */
  bans: readonly Test[] = [];
  /** Every ban that is looked at here, also one picked up before, counts only while this holds. */
  seesBans: Test = always;
  /** Ends a run that looks at the event from here, and is not picked up. */
  stop: Test | undefined = undefined;
  /** A run that waits here times out so long after the event it took last. */
  limit = never;
  edges: Edge[] = [];

  take(step: number, to: State, when: Test): this {
    this.edges.push({ kind: 'take', to, step, when });
    return this;
  }

  ignore(to: State, when: Test | undefined): this {
    if (when !== undefined) this.edges.push({ kind: 'ignore', to, step: -1, when });
    return this;
  }

  proceed(to: State, when: Test): this {
    this.edges.push({ kind: 'proceed', to, step: -1, when });
    return this;
  }
}

/** The state as it is now, for who must not see what is changed later. */
export function copyOf(state: State): State {
  if (state.edges.length === 0)
    return state.final || state.pending ? state : Object.assign(new State(), state, { edges: [] });
  const copy: State = Object.assign(new State(), state);
  copy.edges = state.edges.map((edge) => ({
    ...edge,
    to: state.passing ? copyOf(edge.to) : edge.to === state ? copy : edge.to,
  }));
  return copy;
}

/** Makes the edges and bans that the state has by now count only while `when` holds. */
export function restrict(state: State, when: Test): void {
  state.seesBans = both(state.seesBans, when);
  if (state.passing) {
    restrict(state.edges[0]!.to, when);
    return;
  }
  for (const edge of state.edges) edge.when = both(edge.when, when);
  if (state.stop !== undefined) state.stop = both(state.stop, when);
}

export function takenOf(list: List): Taken {
  const events = (step: number) => list.filter((item) => item.step === step).map((item) => item.event);
  return {
    events,
    count: (step) => events(step).length,
    first: (step) => events(step)[0],
    last: (step) => events(step).at(-1),
  };
}
