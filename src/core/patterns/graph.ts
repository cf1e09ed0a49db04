import { type Logic, NO, type Term } from './logic.ts';

// The automaton while it is being built: states that point at each other. `automaton.ts` flattens it for running.
//
// A run looks at an event from its state: TAKE appends the event to what the run holds, IGNORE passes it over, PROCEED
// lets the target state look at the same event, STOP discards the run. Edges keep the order in which they were added,
// because that order decides the order of runs, and so which of several matches with one beginning comes first.

export type Edge =
  | { readonly kind: 'take'; readonly when: Term; readonly to: GraphState; readonly step: number }
  | { readonly kind: 'ignore' | 'proceed'; readonly when: Term; readonly to: GraphState }
  | { readonly kind: 'stop'; readonly when: Term };

/** `pending`: reaching the time limit here is the match. `final`: the match is complete. */
export type GraphStateKind = 'normal' | 'pending' | 'final';

export class GraphState {
  readonly kind: GraphStateKind;
  /** The step a run here waits for; -1 where there is none. */
  readonly step: number;
  /** A run waiting here times out this long after the event it took last; Infinity = never. */
  readonly gapLimit: number;
  readonly edges: Edge[] = [];

  constructor(kind: GraphStateKind, step: number, gapLimit: number) {
    this.kind = kind;
    this.step = step;
    this.gapLimit = gapLimit;
  }

  take(when: Term, to: GraphState, step = this.step): void {
    if (when !== NO) this.edges.push({ kind: 'take', when, to, step });
  }

  ignore(when: Term, to: GraphState): void {
    if (when !== NO) this.edges.push({ kind: 'ignore', when, to });
  }

  /** Adds STOP for each ban. */
  heed(bans: readonly Ban[]): void {
    for (const ban of bans) this.stop(ban.when);
  }

  proceed(when: Term, to: GraphState): void {
    if (when !== NO) this.edges.push({ kind: 'proceed', when, to });
  }

  stop(when: Term): void {
    if (when !== NO) this.edges.push({ kind: 'stop', when });
  }

  /** Keeps every edge there is now only while `when` holds as well. */
  restrict(logic: Logic, when: Term): void {
    for (const edge of this.edges.splice(0)) {
      const both = logic.and(edge.when, when);
      if (both !== NO) this.edges.push({ ...edge, when: both });
    }
  }

  /** A state with the same edges; loops on the state itself move along. */
  copy(): GraphState {
    const copy = new GraphState(this.kind, this.step, this.gapLimit);
    for (const edge of this.edges) copy.edges.push('to' in edge && edge.to === this ? { ...edge, to: copy } : edge);
    return copy;
  }
}

/** A ban (`notFollowedBy`) that holds until the next event is taken. */
export interface Ban {
  readonly step: number;
  readonly when: Term;
}

/**
 * What follows a stage. It is entered with the bans that hold on the way in, because a state under a ban is another
 * state than the same one after the ban was lifted.
 */
export interface Continuation {
  enter(bans: readonly Ban[]): GraphState;
  /**
   * Makes its first states act only while `when` holds, whichever way they are entered.
   * @returns the same without this restriction
   */
  restrict(logic: Logic, when: Term): Continuation;
}

/** Builds each variant once. */
export function continuation(build: (bans: readonly Ban[]) => GraphState): Continuation {
  const built = new Map<string, GraphState>();
  const restrictions: ((state: GraphState) => void)[] = [];
  const enter = (bans: readonly Ban[]): GraphState => {
    const name = bans.map((ban) => ban.step).join();
    const known = built.get(name);
    if (known !== undefined) return known;
    const state = build(bans);
    for (const restriction of restrictions) restriction(state);
    built.set(name, state);
    return state;
  };
  return {
    enter,
    restrict(logic, when) {
      const before = new Map<GraphState, GraphState>();
      // Several variants may be one state.
      const apply = (state: GraphState): void => {
        if (before.has(state)) return;
        before.set(state, state.copy());
        state.restrict(logic, when);
      };
      built.forEach(apply);
      restrictions.push(apply);
      return continuation((bans) => before.get(enter(bans))!);
    },
  };
}

/** What follows, as it is where only one way in may be restricted: its first states are copies that act while `when` holds. */
export function restricted(next: Continuation, logic: Logic, when: Term): Continuation {
  return continuation((bans) => {
    const first = next.enter(bans);
    // A loop's closing state has no edges yet: there is nothing to restrict, and it is the one to go back to.
    if (first.edges.length === 0) return first;
    const copy = first.copy();
    copy.restrict(logic, when);
    return copy;
  });
}

export function withBans(held: readonly Ban[], added: readonly Ban[]): readonly Ban[] {
  if (added.length === 0) return held;
  const all = [...held, ...added.filter((ban) => !held.some((other) => other.step === ban.step))];
  return all.sort((one, other) => one.step - other.step);
}

/** Zero means no limit, as in Flink. */
export function limitOf(limit: number | undefined): number {
  return limit === undefined || limit <= 0 ? Number.POSITIVE_INFINITY : limit;
}
