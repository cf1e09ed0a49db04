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
  readonly ip?: unknown;
  readonly user?: unknown;
  readonly card?: unknown;
  readonly shop?: unknown;
}

/** An event and where it lies. */
export interface Placed {
  readonly seq: number;
  readonly index: number;
  readonly time: number;
  readonly value: Value;
}

export interface PlainStep {
  readonly name: string;
  readonly type: string;
  /** Events it takes: as many as come, where `max` leaves it open. */
  readonly min: number;
  readonly max: number;
  /** The very next event of the key or none; else the next one that fits. */
  readonly strict?: boolean;
  readonly where?: (value: Value, taken: readonly (readonly Value[])[]) => boolean;
}

export interface PlainRule {
  readonly name: string;
  readonly source: string;
  /** Undefined when the event has none. */
  readonly keyOf: (value: Value) => unknown;
  readonly steps: readonly PlainStep[];
  /** First to last event, exclusive. */
  readonly withinMs: number;
  /** A match ends everything begun before its last event; else every beginning goes its own way. */
  readonly skipsPastLast: boolean;
  /** Whether what ran out of time is said, on the side output `timeout`. */
  readonly saysTimeouts: boolean;
  readonly emit: (taken: readonly (readonly Value[])[]) => unknown;
}

export interface Outcome {
  readonly kind: 'match' | 'timeout';
  /** Per step that took any. */
  readonly steps: readonly { readonly step: string; readonly refs: readonly string[] }[];
  readonly emit: unknown;
  /** Outcomes with the same number happened at the same moment. */
  readonly moment: number;
}

/** A beginning and how far it has come. */
interface Run {
  readonly taken: Placed[][];
  step: number;
}

/**
 * All that a rule says for one key. It holds for rules that let the earliest beginning complete whenever a later one
 * does, as the simulation's do: a match then never waits for what began before it.
 * @param events all of the key, in order, none of them late
 * @param upto time goes on to here after the last event
 */
export function outcomesOf(rule: PlainRule, events: readonly Placed[], upto: number): readonly Outcome[] {
  const outcomes: Outcome[] = [];
  /** In order of their beginnings. */
  let runs: Run[] = [];
  let moment = 0;
  const say = (kind: Outcome['kind'], { taken }: Run) => {
    const steps = rule.steps.flatMap(({ name }, at) =>
      taken[at]!.length === 0 ? [] : [{ step: name, refs: taken[at]!.map(({ seq, index }) => `${seq}.${index}`) }],
    );
    const values = taken.map((some) => some.map(({ value }) => value));
    outcomes.push({ kind, steps, emit: rule.emit(values), moment });
  };
  const passTime = (now: number) => {
    while (runs.length > 0 && now - runs[0]!.taken[0]![0]!.time >= rule.withinMs) {
      moment += 1;
      const run = runs.shift()!;
      if (rule.saysTimeouts) say('timeout', run);
    }
  };
  for (const event of events) {
    passTime(event.time);
    moment += 1;
    const going = [...runs, { taken: rule.steps.map(() => []), step: 0 }].filter((run) => takes(rule, run, event));
    const complete = going.filter(({ step }) => step === rule.steps.length);
    for (const run of rule.skipsPastLast ? complete.slice(0, 1) : complete) say('match', run);
    runs = rule.skipsPastLast && complete.length > 0 ? [] : going.filter((run) => !complete.includes(run));
  }
  passTime(upto);
  return outcomes;
}

/** Shows a run one event. False when the run is over, or never began. */
function takes(rule: PlainRule, run: Run, event: Placed): boolean {
  const step = rule.steps[run.step]!;
  const has = run.taken[run.step]!.length;
  if (fits(step, run, event)) {
    run.taken[run.step]!.push(event);
    // A step that is left open goes on until the next one gets its event.
    if (has + 1 === step.max) run.step += 1;
    return true;
  }
  const next = rule.steps[run.step + 1];
  if (next !== undefined && has >= step.min && fits(next, run, event)) {
    run.taken[run.step + 1]!.push(event);
    run.step += next.max === 1 ? 2 : 1;
    return true;
  }
  const begun = run.taken[0]!.length > 0;
  return begun && step.strict !== true;
}

function fits(step: PlainStep, { taken }: Run, { value }: Placed): boolean {
  if (value.type !== step.type) return false;
  return (
    step.where?.(
      value,
      taken.map((some) => some.map((placed) => placed.value)),
    ) ?? true
  );
}
