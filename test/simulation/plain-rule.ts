/**
 * What the rules of the simulation mean, computed the plainest way there is from the list of a key's events. Nothing of
 * the real matcher is used or known here: two people who read the same documentation wrote the same thing twice.
 */

/** The data of a source's event. */
export interface Value {
  readonly type: string;
  /** Milliseconds since the epoch; a text when the publisher made a mess of it. */
  readonly ts: number | string;
  readonly n: number;
  readonly k: unknown;
  readonly u: unknown;
  readonly shop: number;
  /** The publisher, where each has a clock of its own. */
  readonly pod?: string;
  /** A rule that is at fault throws on it, before it has looked at the event or after. */
  readonly poison?: 'before' | 'after';
}

/** An event and where it lies. */
export interface Placed {
  readonly source: string;
  readonly seq: number;
  readonly index: number;
  readonly time: number;
  readonly value: Value;
}

export const refOf = ({ source, seq, index }: Pick<Placed, 'source' | 'seq' | 'index'>): string =>
  `${source} ${seq}.${index}`;

/** What a partial match holds, by the name of a step. */
export type Taken = (step: string) => readonly Value[];

export interface PlainStep {
  /** By type of event, the name it is taken under: several where there are several ways. */
  readonly names: Readonly<Record<string, string>>;
  /** Events it takes: as many as come, where `max` leaves it open. */
  readonly min: number;
  readonly max: number;
  /** Takes every name once, in any order. */
  readonly each?: boolean;
  /** The very next event of the key or none; else the next one that fits. */
  readonly strict?: boolean;
  readonly where?: (value: Value, taken: Taken) => boolean;
}

export interface PlainPattern {
  readonly steps: readonly PlainStep[];
  /** After the last step no event of this type may come before the limit, and that is the match. */
  readonly absent?: string;
  /** First to last event, exclusive. */
  readonly withinMs: number;
  /** Up to where beginnings are given up by a match; `{last}`: up to before the last event of that name. */
  readonly afterMatch: 'noSkip' | 'pastLast' | 'toNext' | { readonly last: string };
  /** Whether what ran out of time is said, on the side output `timeout`. */
  readonly saysTimeouts?: boolean;
  /** Partial matches that one key may have, and which goes when there is one more. */
  readonly limit?: { readonly partialMatches: number; readonly goes: 'oldest' | 'newestAsDeadLetter' };
  readonly emit: (taken: Taken) => unknown;
}

export interface PlainRule extends PlainPattern {
  readonly name: string;
  readonly sources: readonly string[];
  /** Fields that make up the key. */
  readonly key: readonly ('k' | 'u' | 'shop')[];
  /** Whether late events are said, on the side output `late`. */
  readonly saysLate: boolean;
  /** Whether it throws on poison, and so loses what it holds for the key. */
  readonly faulty: boolean;
}

export interface Outcome {
  readonly kind: 'match' | 'timeout' | 'late';
  /** When it happened: the time of an event, or a deadline. */
  readonly time: number;
  /** What each step took, by name, in the order of first use. */
  readonly steps: readonly StepRefs[];
  readonly emit: unknown;
  /** Outcomes with the same number happened at the same moment. */
  readonly moment: number;
}

export interface StepRefs {
  readonly step: string;
  readonly refs: readonly string[];
}

/** All that a rule says for one key. */
export interface Said {
  readonly outcomes: readonly Outcome[];
  /** What went wrong, and with which events. */
  readonly dead: readonly { readonly cause: 'limit' | 'failed'; readonly steps: readonly StepRefs[] }[];
}

/** A beginning and how far it has come. */
interface Run {
  readonly taken: { readonly name: string; readonly event: Placed; readonly order: number }[];
  step: number;
  /** Events that the step has taken. */
  count: number;
  /** It may have to wait for those that began before it. */
  complete: boolean;
}

/** Whether events of this type are anything to the rule; others are as if they were not there. */
export function concerns({ steps, absent }: PlainPattern, type: string): boolean {
  return absent === type || steps.some(({ names, strict }) => strict === true || type in names);
}

/**
 * @param events all of the key that the rule gets to see, in order of time, none of them late
 * @param upto time goes on to here after the last event
 */
export function outcomesOf(rule: PlainRule, events: readonly Placed[], upto: number): Said {
  const outcomes: Outcome[] = [];
  const dead: Said['dead'][number][] = [];
  /** In order of their beginnings. */
  let runs: Run[] = [];
  let moment = 0;

  const say = (kind: Outcome['kind'], run: Run, time: number) => {
    const emit = rule.emit((step) => valuesOf(run, step));
    outcomes.push({ kind, time, steps: stepsOf(run), emit, moment });
  };
  /** Says what is complete, unless something that began before it may still say otherwise. */
  const settle = (time: number) => {
    if (rule.afterMatch === 'noSkip') {
      for (const run of runs) if (run.complete) say('match', run, time);
      runs = runs.filter(({ complete }) => !complete);
    }
    while (runs[0]?.complete === true) {
      const run = runs.shift()!;
      say('match', run, time);
      const skipped = skippedBy(rule, run);
      runs = runs.filter(({ taken }) => taken[0]!.order >= skipped);
    }
  };
  const deadline = ({ taken, complete }: Run) =>
    complete ? Number.POSITIVE_INFINITY : taken[0]!.event.time + rule.withinMs;
  const passTime = (now: number) => {
    for (;;) {
      const due = Math.min(...runs.map(deadline));
      if (due > now || due === Number.POSITIVE_INFINITY) return;
      moment += 1;
      const over = runs.filter((run) => deadline(run) === due);
      for (const run of over) run.complete = rule.absent !== undefined && run.step === rule.steps.length;
      const lost = over.filter(({ complete }) => !complete);
      runs = runs.filter((run) => !lost.includes(run));
      settle(due);
      if (rule.saysTimeouts === true) for (const run of lost) say('timeout', run, due);
    }
  };
  const fail = (event: Placed) => {
    runs = [];
    dead.push({ cause: 'failed', steps: [{ step: 'event', refs: [refOf(event)] }] });
  };

  events.forEach((event, order) => {
    passTime(event.time);
    moment += 1;
    const poison = rule.faulty ? event.value.poison : undefined;
    if (poison === 'before') {
      fail(event);
      return;
    }
    const fresh: Run = { taken: [], step: 0, count: 0, complete: false };
    runs = [...runs, fresh].filter((run) => run.complete || takes(rule, run, event, order));
    if (rule.absent === undefined) for (const run of runs) run.complete ||= run.step === rule.steps.length;
    settle(event.time);
    while (rule.limit !== undefined && runs.length > rule.limit.partialMatches) {
      if (rule.limit.goes === 'oldest') runs.shift();
      else dead.push({ cause: 'limit', steps: stepsOf(runs.pop()!) });
    }
    if (poison === 'after') fail(event);
  });
  passTime(upto);
  return { outcomes, dead };
}

/** Shows a run one event. False when the run is over, or never began. */
function takes(rule: PlainRule, run: Run, event: Placed, order: number): boolean {
  const step = rule.steps[run.step];
  if (step === undefined) return event.value.type !== rule.absent;
  if (takesBy(step, run, event, order)) return true;
  const next = rule.steps[run.step + 1];
  // A step that is left open goes on until the next one gets its event.
  if (next !== undefined && run.count >= step.min) {
    const { count } = run;
    run.step += 1;
    run.count = 0;
    if (takesBy(next, run, event, order)) return true;
    run.step -= 1;
    run.count = count;
  }
  return run.taken.length > 0 && step.strict !== true;
}

function takesBy(step: PlainStep, run: Run, event: Placed, order: number): boolean {
  const name = step.names[event.value.type];
  if (name === undefined || (step.each === true && valuesOf(run, name).length > 0)) return false;
  if (step.where?.(event.value, (of) => valuesOf(run, of)) === false) return false;
  run.taken.push({ name, event, order });
  run.count += 1;
  if (run.count === step.max) {
    run.step += 1;
    run.count = 0;
  }
  return true;
}

/** What began before the event with this number is given up. */
function skippedBy({ afterMatch }: PlainRule, { taken }: Run): number {
  if (afterMatch === 'pastLast') return taken.at(-1)!.order + 1;
  if (afterMatch === 'toNext') return taken[0]!.order + 1;
  return typeof afterMatch === 'object' ? taken.findLast(({ name }) => name === afterMatch.last)!.order : 0;
}

const valuesOf = ({ taken }: Run, step: string): Value[] =>
  taken.filter(({ name }) => name === step).map(({ event }) => event.value);

function stepsOf({ taken }: Run): StepRefs[] {
  const names = new Set(taken.map(({ name }) => name));
  return [...names].map((step) => ({
    step,
    refs: taken.filter(({ name }) => name === step).map(({ event }) => refOf(event)),
  }));
}
