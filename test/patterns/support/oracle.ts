import type { Event } from '../../../src/core/events/event.ts';
import type {
  AfterMatch,
  Condition,
  Contiguity,
  NotStage,
  Pattern,
  Quantifier,
  Stage,
  Taken,
} from '../../../src/core/patterns/pattern.ts';

// A second, slow and literal interpreter of the meaning of patterns. It shares nothing with the engine but the type of
// a pattern: conditions are closures, a run's events are a list that is copied, states are objects that are changed in
// place while the pattern is compiled, PROCEED is walked at every event, and a ban is not an edge but something a run
// carries: it is picked up on the way over the ban and lost when an event is taken.

/** One event that a run took. */
interface Item {
  readonly step: number;
  readonly event: Event;
  /** Order of arrival. */
  readonly order: number;
}

type List = readonly Item[];
type Test = (event: Event, list: List) => boolean;

interface Edge {
  readonly kind: 'take' | 'ignore' | 'proceed';
  when: Test;
  readonly to: State;
}

class State {
  final = false;
  pending = false;
  /** Only a place to pick up a ban on the way to another state. */
  passing = false;
  /** Picked up by a run that comes by. */
  bans: readonly Test[] = [];
  /** Ends a run that looks at the event from here, and is not picked up. */
  stop: Test | undefined = undefined;
  limit = Number.POSITIVE_INFINITY;
  edges: Edge[] = [];
  readonly step: number;

  constructor(step: number) {
    this.step = step;
  }

  add(kind: Edge['kind'], to: State, when: Test): this {
    this.edges.push({ kind, when, to });
    return this;
  }
}

interface Run {
  readonly state: State;
  readonly list: List;
  readonly bans: readonly Test[];
}

export interface OracleMatch {
  readonly list: List;
}

export interface OracleTimeout extends OracleMatch {
  readonly deadline: number;
}

const always: Test = () => true;
const not =
  (test: Test): Test =>
  (event, list) =>
    !test(event, list);
const both =
  (...tests: readonly Test[]): Test =>
  (event, list) =>
    tests.every((test) => test(event, list));

/** What compiling needs to know about where a stage stands. */
interface Around {
  readonly contiguity: Contiguity;
  readonly headInner: Contiguity | undefined;
  readonly headLeavable: boolean;
  readonly afterDummy: boolean;
  readonly groupUntil: Test | undefined;
  readonly next: readonly NotStage[];
}

export class Oracle {
  readonly #pattern: Pattern;
  readonly #start: State;
  #runs = new Queue();
  #completed = new Queue();
  #order = 0;

  constructor(pattern: Pattern) {
    this.#pattern = pattern;
    const final = new State(-1);
    final.final = true;
    let { stages } = pattern;
    let exit = final;
    const trailing: NotStage[] = [];
    for (let last = stages.at(-1)!; last.kind === 'not' && last.contiguity === 'relaxed'; last = stages.at(-1)!) {
      trailing.unshift(last);
      stages = stages.slice(0, -1);
    }
    if (trailing.length > 0) {
      exit = new State(trailing[0]!.step);
      exit.pending = true;
      exit.bans = trailing.map((stage) => this.#test(stage.where));
      exit.limit = Math.min(...trailing.map((stage) => stage.withinPrevious ?? Number.POSITIVE_INFINITY));
      exit.add('ignore', exit, always);
    }
    this.#start = this.#compile(stages, exit, {
      contiguity: 'strict',
      headInner: undefined,
      headLeavable: false,
      afterDummy: false,
      groupUntil: undefined,
      next: trailing,
    });
  }

  get liveRuns(): number {
    return this.#runs.items.length;
  }

  // --- compiling -----------------------------------------------------------------------------------------------------

  #test(condition: Condition | undefined): Test {
    return condition === undefined ? always : (event, list) => condition(event, takenOf(list), 'key');
  }

  #compile(stages: readonly Stage[], exit: State, around: Around): State {
    let next = exit;
    for (let at = stages.length - 1; at >= 0; at--) {
      const stage = stages[at]!;
      const here: Around = {
        ...around,
        ...(at === 0
          ? {}
          : {
              contiguity: (stage as { contiguity?: Contiguity }).contiguity ?? 'relaxed',
              headInner: undefined,
              headLeavable: false,
              afterDummy: false,
            }),
        next: at === stages.length - 1 ? around.next : bansFrom(stages, at + 1),
      };
      next = this.#compileStage(stage, next, here);
    }
    return next;
  }

  #compileStage(stage: Stage, exit: State, around: Around): State {
    const guard: Test = around.groupUntil === undefined ? always : not(around.groupUntil);
    if (stage.kind === 'not') {
      const banned = both(guard, this.#test(stage.where));
      const state = new State(stage.step);
      if (stage.contiguity === 'relaxed') {
        state.bans = [banned];
        state.limit = exit.limit;
        state.passing = true;
        return state.add('proceed', exit, always);
      }
      state.stop = banned;
      state.limit = stage.withinPrevious ?? Number.POSITIVE_INFINITY;
      return state.add(exit.final ? 'ignore' : 'proceed', exit, not(banned));
    }
    if (stage.kind !== 'step' && stage.kind !== 'group') throw new Error(`the oracle does not know ${stage.kind}`);
    const { quantifier } = stage;
    const { min, max, optional } = quantifier;
    const loops = max === Number.POSITIVE_INFINITY;
    const between = around.next.map((ban) => this.#test(ban.where));
    let exitBeforeGreedy = exit;
    if (stage.kind === 'step' && quantifier.greedy && min !== max) {
      exitBeforeGreedy = copyOf(exit);
      const blind = not(both(guard, this.#test(stage.where)));
      let target = exit;
      while (target.passing) target = target.edges[0]!.to;
      for (const edge of target.edges) edge.when = both(edge.when, blind);
      if (target.stop !== undefined) target.stop = both(target.stop, blind);
    }
    const make = (kind: 'entry' | 'inner' | 'last', to: State, leavable: boolean, afterDummy: boolean): State =>
      stage.kind === 'step'
        ? this.#single(
            stage,
            kind,
            to,
            exit,
            exitBeforeGreedy,
            leavable,
            { ...around, afterDummy: around.afterDummy && kind === 'entry' },
            between,
          )
        : this.#round(
            stage,
            kind,
            to,
            exit,
            leavable,
            { ...around, afterDummy: kind === 'entry' ? around.afterDummy : afterDummy },
            between,
          );
    let next = exit;
    if (loops) {
      if (stage.kind === 'step') next = this.#loop(stage, exit, exitBeforeGreedy, around, between);
      else {
        const dummy = new State(-1);
        next = make('inner', dummy, true, true);
        dummy.add('proceed', next, always);
      }
    } else {
      for (let n = min; n < max; n++) next = make(n === min ? 'last' : 'inner', next, true, false);
    }
    for (let n = 1; n < min; n++) next = make('inner', next, false, false);
    return make('entry', next, optional, false);
  }

  #ignoring(contiguity: Contiguity, where: Condition | undefined, around: Around): Test | undefined {
    if (contiguity === 'strict') return undefined;
    const skip = contiguity === 'relaxed' ? not(this.#test(where)) : always;
    return around.groupUntil === undefined ? skip : both(not(around.groupUntil), skip);
  }

  #parts(stage: Stage & { kind: 'step' }, around: Around) {
    const { quantifier, where } = stage;
    const open = quantifier.until === undefined || quantifier.max === 1 ? always : not(this.#test(quantifier.until));
    const take = both(open, around.groupUntil === undefined ? always : not(around.groupUntil), this.#test(where));
    const inner = this.#ignoring(around.headInner ?? quantifier.inner, where, around);
    const gap =
      quantifier.max > 1
        ? quantifier.within
        : Math.min(quantifier.within ?? Number.POSITIVE_INFINITY, stage.withinPrevious ?? Number.POSITIVE_INFINITY);
    const limit = gap ?? Number.POSITIVE_INFINITY;
    const inTime: Test = (event, list) => list.length === 0 || event.time - list.at(-1)!.event.time < limit;
    return { open, take, inner: inner && both(open, inner), limit, inTime };
  }

  #leave(state: State, stage: Stage & { kind: 'step' }, exit: State, exitBeforeGreedy: State, open: Test): void {
    if (exitBeforeGreedy === exit || stage.quantifier.until === undefined) {
      state.add('proceed', exit, always);
      return;
    }
    state.add('proceed', exitBeforeGreedy, not(open)).add('proceed', exit, open);
  }

  #single(
    stage: Stage & { kind: 'step' },
    kind: 'entry' | 'inner' | 'last',
    to: State,
    exit: State,
    exitBeforeGreedy: State,
    leavable: boolean,
    around: Around,
    between: readonly Test[],
  ): State {
    const { take, inner, limit, inTime, open } = this.#parts(stage, around);
    const ignore = kind === 'entry' ? this.#ignoring(around.contiguity, stage.where, around) : inner;
    const limitsTake = kind === 'last' || (kind === 'entry' && around.afterDummy);
    const state = new State(stage.step);
    state.limit = kind === 'last' ? Number.POSITIVE_INFINITY : limit;
    if (kind !== 'entry') state.bans = between;
    state.add('take', to, limitsTake ? both(take, inTime) : take);
    if (leavable) this.#leave(state, stage, exit, exitBeforeGreedy, open);
    if (ignore === undefined) return state;
    if (!leavable && !(kind === 'entry' && around.headLeavable)) return state.add('ignore', state, ignore);
    const twin = new State(stage.step);
    twin.limit = stage.quantifier.max > 1 ? Number.POSITIVE_INFINITY : limit;
    twin.bans = state.bans;
    twin.add('take', to, take).add('ignore', twin, ignore);
    return state.add('ignore', twin, ignore);
  }

  #loop(
    stage: Stage & { kind: 'step' },
    exit: State,
    exitBeforeGreedy: State,
    around: Around,
    between: readonly Test[],
  ): State {
    const { take, inner, limit, inTime, open } = this.#parts(stage, around);
    const loop = new State(stage.step);
    const twin = new State(stage.step);
    loop.bans = between;
    twin.bans = between;
    twin.limit = limit;
    this.#leave(loop, stage, exit, exitBeforeGreedy, open);
    loop.add('take', loop, both(take, inTime));
    if (inner === undefined) return loop;
    twin.add('take', loop, take).add('ignore', twin, inner);
    return loop.add('ignore', twin, both(inner, inTime));
  }

  #round(
    stage: Stage & { kind: 'group' },
    kind: 'entry' | 'inner' | 'last',
    to: State,
    exit: State,
    leavable: boolean,
    around: Around,
    between: readonly Test[],
  ): State {
    const { until, inner }: Quantifier = stage.quantifier;
    const first = this.#compile(stage.stages, to, {
      contiguity: kind === 'entry' ? around.contiguity : inner,
      headInner: inner,
      headLeavable: leavable || (kind === 'entry' && around.headLeavable),
      afterDummy: around.afterDummy,
      groupUntil: until === undefined ? undefined : this.#test(until),
      next: around.next,
    });
    if (leavable) first.add('proceed', exit, always);
    if (kind === 'entry') return first;
    // What follows the group already bans between its rounds: picked up on the way into each round.
    const way = new State(first.step);
    way.bans = between;
    way.limit = first.limit;
    if (between.length === 0) return first;
    return way.add('proceed', first, always);
  }

  // --- running -------------------------------------------------------------------------------------------------------

  event(event: Event): OracleMatch[] {
    const order = this.#order++;
    const next = new Queue();
    const potential = new Queue();
    for (const run of this.#runs.items) this.#step(run, event, order, next, potential);
    this.#step({ state: this.#start, list: [], bans: [] }, event, order, next, potential);
    return this.#release(potential, next);
  }

  #step(run: Run, event: Event, order: number, next: Queue, potential: Queue): void {
    const { list } = run;
    const found: { edge: Edge; from: State; bans: readonly Test[] }[] = [];
    const stack = [{ at: run.state, bans: run.bans }];
    for (let top = stack.pop(); top !== undefined; top = stack.pop()) {
      const bans = [...top.bans, ...top.at.bans];
      // A ban ends the run whatever else it could do.
      if (bans.some((ban) => ban(event, list)) || top.at.stop?.(event, list)) return;
      for (const edge of top.at.edges) {
        if (!edge.when(event, list)) continue;
        if (edge.kind === 'proceed') stack.push({ at: edge.to, bans });
        else found.push({ edge, from: top.at, bans });
      }
    }
    for (const { edge, from, bans } of found) {
      if (edge.kind === 'ignore') {
        if (list.length === 0) continue;
        // The state itself is asked for its bans again; what was picked up before it is carried.
        if (edge.to.final) addOnce(potential, { state: edge.to, list, bans: [] });
        else next.add({ state: edge.to, list, bans });
        continue;
      }
      const longer = [...list, { step: from.step, event, order }];
      if (!edge.to.final) next.add({ state: edge.to, list: longer, bans: [] });
      if (edge.to.final || this.#reachesFinal(edge.to, event, list)) {
        addOnce(potential, { state: edge.to, list: longer, bans: [] });
      }
    }
  }

  #reachesFinal(state: State, event: Event, list: List): boolean {
    return state.edges.some(
      (edge) =>
        edge.kind === 'proceed' &&
        edge.when(event, list) &&
        (edge.to.final || this.#reachesFinal(edge.to, event, list)),
    );
  }

  /** Advances time to `now`, through every deadline on the way. */
  time(now: number): { matches: OracleMatch[]; timeouts: OracleTimeout[] } {
    const matches: OracleMatch[] = [];
    const timeouts: OracleTimeout[] = [];
    for (;;) {
      const due = Math.min(...this.#runs.items.map((run) => this.#deadline(run).at));
      if (!(due <= now) || due === Number.POSITIVE_INFINITY) return { matches, timeouts };
      const next = new Queue();
      const potential = new Queue();
      for (const run of this.#runs.items) {
        const deadline = this.#deadline(run);
        if (deadline.at > due) next.add(run);
        else if (!this.#waitsForSilence(run.state)) timeouts.push({ list: run.list, deadline: deadline.reported });
        else addOnce(potential, run);
      }
      matches.push(...this.#release(potential, next));
    }
  }

  #deadline(run: Run): { at: number; reported: number } {
    const limit = this.#pattern.within ?? 0;
    const whole = limit > 0 ? run.list[0]!.event.time + limit : Number.POSITIVE_INFINITY;
    const gap = run.list.at(-1)!.event.time + run.state.limit;
    return { at: Math.min(whole, gap), reported: gap <= whole ? gap : whole };
  }

  #waitsForSilence(state: State): boolean {
    return state.pending || state.edges.some((edge) => edge.kind === 'proceed' && this.#waitsForSilence(edge.to));
  }

  #release(potential: Queue, runs: Queue): OracleMatch[] {
    const { afterMatch } = this.#pattern;
    const matches: OracleMatch[] = [];
    for (const run of potential.items) this.#completed.add(run);
    for (let head = this.#completed.items[0]; head !== undefined; head = this.#completed.items[0]) {
      const { list } = head;
      if (afterMatch.kind !== 'noSkip' && runs.items.some((run) => earlier(run.list[0]!, list[0]!))) break;
      this.#completed.poll();
      const prune = pruneTest(afterMatch, list);
      if (prune !== undefined) {
        runs.removeAll((run) => prune(run.list[0]!));
        this.#completed.removeAll((run) => prune(run.list[0]!));
      }
      matches.push({ list });
    }
    this.#runs = runs;
    return matches;
  }
}

function bansFrom(stages: readonly Stage[], at: number): NotStage[] {
  const bans: NotStage[] = [];
  for (let stage = stages[at]; stage?.kind === 'not' && stage.contiguity === 'relaxed'; stage = stages[++at])
    bans.push(stage);
  return bans;
}

function copyOf(state: State): State {
  const copy = new State(state.step);
  copy.final = state.final;
  copy.pending = state.pending;
  copy.bans = state.bans;
  copy.stop = state.stop;
  copy.limit = state.limit;
  copy.passing = state.passing;
  copy.edges = state.edges.map((edge) => ({
    ...edge,
    to: state.passing ? copyOf(edge.to) : edge.to === state ? copy : edge.to,
  }));
  return copy;
}

function pruneTest(afterMatch: AfterMatch, list: List): ((first: Item) => boolean) | undefined {
  const ordered = [...list].sort((one, other) => (earlier(one, other) ? -1 : 1));
  const upTo = (item: Item | undefined) => item && ((first: Item) => !earlier(item, first));
  const before = (item: Item | undefined) => item && ((first: Item) => earlier(first, item));
  switch (afterMatch.kind) {
    case 'noSkip':
      return undefined;
    case 'skipToNext':
      return upTo(ordered[0]);
    case 'skipPastLastEvent':
      return upTo(ordered.at(-1));
    case 'skipToFirst':
      return before(list.find((item) => item.step === afterMatch.step));
    case 'skipToLast':
      return before(list.filter((item) => item.step === afterMatch.step).at(-1));
  }
}

function earlier(one: Item, other: Item): boolean {
  return one.event.time < other.event.time || (one.event.time === other.event.time && one.order < other.order);
}

/** A match is emitted once, in however many ways it came about. */
function addOnce(queue: Queue, run: Run): void {
  if (!queue.items.some((other) => sameList(other.list, run.list))) queue.add(run);
}

function sameList(one: List, other: List): boolean {
  return (
    one.length === other.length &&
    one.every((item, at) => item.step === other[at]!.step && item.order === other[at]!.order)
  );
}

function takenOf(list: List): Taken {
  const events = (step: number) => list.filter((item) => item.step === step).map((item) => item.event);
  return {
    events,
    count: (step) => events(step).length,
    first: (step) => events(step)[0],
    last: (step) => events(step).at(-1),
  };
}

/** java.util.PriorityQueue over beginnings. */
class Queue {
  items: Run[] = [];

  add(run: Run): void {
    this.items.push(run);
    for (let at = this.items.length - 1, up = (at - 1) >> 1; at > 0 && this.#less(at, up); at = up, up = (at - 1) >> 1)
      this.#swap(at, up);
  }

  poll(): void {
    const last = this.items.pop()!;
    if (this.items.length === 0) return;
    this.items[0] = last;
    this.#down(0);
  }

  removeAll(drop: (run: Run) => boolean): void {
    const kept = this.items.filter((run) => !drop(run));
    if (kept.length === this.items.length) return;
    this.items = kept;
    for (let at = Math.floor(kept.length / 2) - 1; at >= 0; at--) this.#down(at);
  }

  #down(from: number): void {
    for (let at = from; ; ) {
      const left = 2 * at + 1;
      if (left >= this.items.length) return;
      const child = left + 1 < this.items.length && this.#less(left + 1, left) ? left + 1 : left;
      if (!this.#less(child, at)) return;
      this.#swap(child, at);
      at = child;
    }
  }

  #less(one: number, other: number): boolean {
    return earlier(this.items[one]!.list[0]!, this.items[other]!.list[0]!);
  }

  #swap(one: number, other: number): void {
    [this.items[one], this.items[other]] = [this.items[other]!, this.items[one]!];
  }
}
