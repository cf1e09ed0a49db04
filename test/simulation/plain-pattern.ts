import {
  aloneIn,
  type Meaning,
  type Outcome,
  type Placed,
  type PlainRule,
  refOf,
  type Said,
  type StepRefs,
  type Value,
} from './plain-rule.ts';

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

/** A beginning and how far it has come. */
interface Run {
  readonly taken: { readonly name: string; readonly event: Placed; readonly order: number }[];
  step: number;
  /** Events that the step has taken. */
  count: number;
  /** It may have to wait for those that began before it. */
  complete: boolean;
}

/** A pattern as what a rule means. */
export function patternMeaning(pattern: PlainPattern): Meaning {
  const { steps, absent, withinMs } = pattern;
  return {
    concerns: (type) => absent === type || steps.some(({ names, strict }) => strict === true || type in names),
    takesLate: false,
    byProcessingTime: false,
    settlesMs: withinMs,
    said(moments, { faulty }: PlainRule) {
      const events = moments.flatMap((moment) => (moment.kind === 'event' ? [moment.event] : []));
      const upto = moments.findLast(({ kind }) => kind === 'time')?.now ?? Number.NEGATIVE_INFINITY;
      return outcomesOf(pattern, events, upto, faulty);
    },
  };
}

/**
 * @param events all of the key that the rule gets to see, in order of time, none of them late
 * @param upto time goes on to here after the last event
 * @param faulty whether poison makes it throw
 */
export function outcomesOf(rule: PlainPattern, events: readonly Placed[], upto: number, faulty = false): Said {
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
    dead.push({ cause: 'failed', steps: aloneIn('event', event) });
  };

  events.forEach((event, order) => {
    passTime(event.time);
    moment += 1;
    const poison = faulty ? event.value.poison : undefined;
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
function takes(rule: PlainPattern, run: Run, event: Placed, order: number): boolean {
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
function skippedBy({ afterMatch }: PlainPattern, { taken }: Run): number {
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
