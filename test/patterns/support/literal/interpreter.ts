import type { Event } from '../../../../src/core/events/event.ts';
import type { AfterMatch, Pattern } from '../../../../src/core/patterns/pattern.ts';
import { startOf } from './compile.ts';
import { earlier, Queue } from './queue.ts';
import { type Edge, type Item, type List, limitOf, never, type State, type Test } from './states.ts';

// The first oracle: a slow and literal interpreter of what patterns mean. It shares nothing with the engine but the type
// of a pattern: conditions are closures, a run's events are a list that is copied, PROCEED is walked at every event.

interface Run {
  readonly state: State;
  readonly list: List;
  readonly bans: readonly Test[];
}

/** What the interpreter has to say, in the order it happens. */
export interface Said {
  readonly kind: 'match' | 'timeout';
  readonly time: number;
  readonly list: List;
}

/** The pattern makes more partial matches of these events than a test is worth. */
export class TooManyRuns extends Error {}

/** `throwOnMiss`: there is nothing to skip to. */
export class NothingToSkipTo extends Error {}

export class Interpreter {
  readonly said: Said[] = [];
  readonly #pattern: Pattern;
  readonly #start: State;
  readonly #most: number;
  #runs = new Queue<Run>();
  #completed = new Queue<Run>();
  #order = 0;

  /** @param most runs; beyond them `TooManyRuns` is thrown. */
  constructor(pattern: Pattern, most = never) {
    this.#pattern = pattern;
    this.#start = startOf(pattern);
    this.#most = most;
  }

  get liveRuns(): number {
    return this.#runs.items.length;
  }

  event(event: Event): void {
    this.time(event.time);
    const order = this.#order++;
    const next = new Queue<Run>();
    const potential = new Queue<Run>();
    for (const run of this.#runs.items) this.#step(run, event, order, next, potential);
    this.#step({ state: this.#start, list: [], bans: [] }, event, order, next, potential);
    this.#release(potential, next, event.time);
  }

  /** Advances time to `now`, deadline by deadline. */
  time(now: number): void {
    for (;;) {
      const due = Math.min(...this.#runs.items.map((run) => this.#deadline(run).at));
      if (!(due <= now) || due === never) return;
      const next = new Queue<Run>();
      const potential = new Queue<Run>();
      const late: Said[] = [];
      for (const run of this.#runs.items) {
        const { at, reported } = this.#deadline(run);
        if (at > due) next.add(run);
        else if (waitsForSilence(run.state)) addOnce(potential, run);
        else late.push({ kind: 'timeout', time: reported, list: run.list });
      }
      this.#release(potential, next, due);
      if (this.#pattern.emitTimeouts) this.said.push(...late);
    }
  }

  #step(run: Run, event: Event, order: number, next: Queue<Run>, potential: Queue<Run>): void {
    const { list } = run;
    const found: { readonly edge: Edge; readonly bans: readonly Test[] }[] = [];
    const stack = [{ at: run.state, carried: run.bans }];
    for (let top = stack.pop(); top !== undefined; top = stack.pop()) {
      const { at, carried } = top;
      const bans = [...carried, ...at.bans];
      // A ban ends the run whatever else it could do.
      if (bans.some((ban) => ban(event, list)) && at.seesBans(event, list)) return;
      if (at.stop?.(event, list)) return;
      for (const edge of at.edges) {
        if (!edge.when(event, list)) continue;
        if (edge.kind === 'proceed') stack.push({ at: edge.to, carried: bans });
        else found.push({ edge, bans });
      }
    }
    for (const { edge, bans } of found) {
      if (edge.kind === 'ignore') {
        if (list.length === 0) continue;
        if (edge.to.final) addOnce(potential, { state: edge.to, list, bans: [] });
        else next.add({ state: edge.to, list, bans });
        continue;
      }
      const longer = [...list, { step: edge.step, event, order }];
      if (!edge.to.final) next.add({ state: edge.to, list: longer, bans: [] });
      if (reachesFinal(edge.to, event, list)) addOnce(potential, { state: edge.to, list: longer, bans: [] });
    }
    if (next.items.length + potential.items.length + this.#completed.items.length > this.#most) throw new TooManyRuns();
  }

  #deadline(run: Run): { readonly at: number; readonly reported: number } {
    const whole = run.list[0]!.event.time + limitOf(this.#pattern.within);
    const gap = run.list.at(-1)!.event.time + run.state.limit;
    return { at: Math.min(whole, gap), reported: gap <= whole ? gap : whole };
  }

  #release(potential: Queue<Run>, runs: Queue<Run>, time: number): void {
    const { afterMatch } = this.#pattern;
    for (const run of potential.items) this.#completed.add(run);
    for (let head = this.#completed.items[0]; head !== undefined; head = this.#completed.items[0]) {
      const { list } = head;
      if (afterMatch.kind !== 'noSkip' && runs.items.some((run) => earlier(run.list[0]!, list[0]!))) break;
      this.#completed.poll();
      const prune = pruning(afterMatch, list);
      if (prune !== undefined) {
        runs.removeAll((run) => prune(run.list[0]!));
        this.#completed.removeAll((run) => prune(run.list[0]!));
      }
      this.said.push({ kind: 'match', time, list });
    }
    this.#runs = runs;
  }
}

/** With the list as it was before the event. */
function reachesFinal(state: State, event: Event, list: List): boolean {
  return (
    state.final ||
    state.edges.some((edge) => edge.kind === 'proceed' && edge.when(event, list) && reachesFinal(edge.to, event, list))
  );
}

function waitsForSilence(state: State): boolean {
  return state.pending || state.edges.some((edge) => edge.kind === 'proceed' && waitsForSilence(edge.to));
}

/** Which beginnings a match makes void; undefined: none. */
function pruning(afterMatch: AfterMatch, list: List): ((first: Item) => boolean) | undefined {
  const ordered = [...list].sort((one, other) => (earlier(one, other) ? -1 : 1));
  switch (afterMatch.kind) {
    case 'noSkip':
      return undefined;
    case 'skipToNext':
      return (first) => !earlier(ordered[0]!, first);
    case 'skipPastLastEvent':
      return (first) => !earlier(ordered.at(-1)!, first);
    case 'skipToFirst':
    case 'skipToLast': {
      const taken = list.filter((item) => item.step === afterMatch.step);
      const target = taken.at(afterMatch.kind === 'skipToFirst' ? 0 : -1);
      if (afterMatch.throwOnMiss && (target === undefined || target.order === ordered[0]!.order))
        throw new NothingToSkipTo();
      return target && ((first) => earlier(first, target));
    }
  }
}

/** A match is emitted once, in however many ways it came about. */
function addOnce(queue: Queue<Run>, run: Run): void {
  if (!queue.items.some((other) => sameList(other.list, run.list))) queue.add(run);
}

function sameList(one: List, other: List): boolean {
  return (
    one.length === other.length &&
    one.every((item, at) => item.step === other[at]!.step && item.order === other[at]!.order)
  );
}
