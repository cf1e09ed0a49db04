import { judge } from './judge.ts';
import { PlainClock } from './plain-clock.ts';
import { concerns, type Outcome, outcomesOf, type Placed, type PlainRule, refOf, type StepRefs } from './plain-rule.ts';
import type { SimulatedRules } from './rules.ts';
import { comesInOrder, goesIdle, type Scenario, type SimulatedSource } from './scenario.ts';
import type { Stored } from './store.ts';
import type { Publication } from './workload.ts';

/** A publication and the sequence that its stream gave it. */
export interface Published extends Publication {
  readonly seq: number;
  /** When the stream stored it, in milliseconds since the epoch. */
  readonly stamp: number;
}

/** What must have come out. */
export interface Expectation {
  /** By rule, output and key. */
  readonly outcomes: ReadonlyMap<string, readonly Outcome[]>;
  readonly outcomeCount: number;
  /** One text for each dead letter. */
  readonly dead: readonly string[];
  /** What each source has, and what its events say of its time. */
  readonly heard: ReadonlyMap<string, readonly Heard[]>;
  /** What the log says that it must not say. */
  readonly violations: readonly string[];
}

/** An event as its source's lane must have taken it, with the watermark before and after it by the events alone. */
export interface Heard extends Placed {
  readonly before: number;
  readonly after: number;
}

/** One key's events as a rule gets to see them. */
interface Sight {
  readonly key: unknown;
  readonly events: Placed[];
  readonly late: { readonly event: Placed; readonly byMs: number }[];
  /** How far the rule's clock comes for this key. */
  upto: number;
}

export const outcomeGroup = (rule: string, kind: string, key: unknown): string =>
  `rule ${rule}, ${kind}, key ${JSON.stringify(key)}`;

/** Late events of several sources come in any order, so each source is a group of its own. */
export const lateKind = (source: string): string => `late of ${source}`;

export const laneDeadName = (source: string, seq: number, index: number | undefined, cause: string): string =>
  `${source} ${seq} ${index ?? '-'} ${cause}`;

export const shardDeadName = (rule: string, key: unknown, cause: string, steps: readonly StepRefs[]): string =>
  `${rule} ${JSON.stringify(key)} ${cause} ${steps.map(({ step, refs }) => `${step}[${refs.join(', ')}]`).join(' ')}`;

/** What the sources' lanes read. @param starts per source, the sequence after which it is read */
export function hear(
  sources: readonly SimulatedSource[],
  published: readonly Published[],
  starts: ReadonlyMap<string, number>,
): ReadonlyMap<string, readonly Heard[]> {
  return new Map(sources.map((source) => [source.name, hearOne(source, readOf(source, published, starts))]));
}

const readOf = (
  { name }: SimulatedSource,
  published: readonly Published[],
  starts: ReadonlyMap<string, number>,
): Published[] =>
  published.filter(({ source, subject, seq }) => source === name && subject === 'in' && seq > starts.get(name)!);

function hearOne(source: SimulatedSource, messages: readonly Published[]): Heard[] {
  const clock = new PlainClock(source);
  const heard: Heard[] = [];
  for (const { seq, values } of messages) {
    for (const [index, value] of (values ?? []).entries()) {
      const { ts: time, pod = '' } = value;
      if (typeof time !== 'number') continue;
      const before = clock.watermark;
      clock.observe(pod, time);
      heard.push({ source: source.name, seq, index, time, value, before, after: clock.watermark });
    }
  }
  return heard;
}

/**
 * Computes what must come out: from what was published and nothing else, except where silence counts. How much of it a
 * lane has noticed only the log knows; from there comes when an event was late and how far time went on.
 */
export function expect(
  { sources, rules }: Scenario,
  simulated: SimulatedRules,
  published: readonly Published[],
  stored: Stored,
  starts: ReadonlyMap<string, number>,
): Expectation {
  const heard = hear(sources, published, starts);
  const dead = sources.flatMap((source) => laneDead(source, rules, readOf(source, published, starts)));
  const violations: string[] = [];
  const outcomes = new Map<string, Outcome[]>();
  const expectOne = (group: string, outcome: Outcome) => {
    const before = outcomes.get(group);
    if (before === undefined) outcomes.set(group, [outcome]);
    else before.push(outcome);
  };
  for (const rule of rules) {
    const read = sources.filter(({ name }) => rule.sources.includes(name));
    const sights = read.some(goesIdle)
      ? sightsByLog(rule, heard, stored, simulated.keyspaceOf(rule.name), violations)
      : sightsByEvents(rule, read, heard);
    for (const { key, events, late, upto } of sights) {
      const said = outcomesOf(rule, inOrder(events), upto);
      for (const outcome of said.outcomes) expectOne(outcomeGroup(rule.name, outcome.kind, key), outcome);
      for (const { cause, steps } of said.dead) dead.push(shardDeadName(rule.name, key, cause, steps));
      if (!rule.saysLate) continue;
      late.forEach(({ event, byMs }, moment) => {
        const steps = [{ step: 'event', refs: [refOf(event)] }];
        const emit = { lateByMs: byMs, event: event.value };
        const outcome: Outcome = { kind: 'late', time: event.time, steps, emit, moment };
        expectOne(outcomeGroup(rule.name, lateKind(event.source), key), outcome);
      });
    }
  }
  const outcomeCount = [...outcomes.values()].reduce((sum, { length }) => sum + length, 0);
  return { outcomes, outcomeCount, dead, heard, violations };
}

/** What the lanes cannot make events of, or not for every rule. */
function laneDead({ name }: SimulatedSource, rules: readonly PlainRule[], messages: readonly Published[]): string[] {
  const dead: string[] = [];
  for (const { seq, values } of messages) {
    if (values === undefined) dead.push(laneDeadName(name, seq, undefined, 'undecodable'));
    for (const [index, value] of (values ?? []).entries()) {
      const bad = rules.some(
        (rule) => rule.sources.includes(name) && concerns(rule, value.type) && keyOf(rule, value) === 'bad',
      );
      if (typeof value.ts !== 'number') dead.push(laneDeadName(name, seq, index, 'time'));
      else if (bad) dead.push(laneDeadName(name, seq, index, 'key'));
    }
  }
  return dead;
}

/** The key's value; undefined when the event has none, `bad` when it has something that is no key. */
function keyOf({ key }: PlainRule, value: Placed['value']): unknown {
  const parts = key.map((field) => value[field]);
  if (parts.some((part) => typeof part === 'object' && part !== null)) return 'bad';
  if (parts.includes(null)) return undefined;
  return parts.length === 1 ? parts[0] : parts;
}

/** The events that are something to a rule, each with its key. */
function* keyed(
  rule: PlainRule,
  heard: ReadonlyMap<string, readonly Heard[]>,
): Generator<{ event: Heard; key: unknown }> {
  for (const source of rule.sources) {
    for (const event of heard.get(source)!) {
      const key = keyOf(rule, event.value);
      if (key !== undefined && key !== 'bad' && concerns(rule, event.value.type)) yield { event, key };
    }
  }
}

class Sights {
  private readonly byKey = new Map<string, Sight>();

  of(key: unknown, upto: number): Sight {
    const text = JSON.stringify(key);
    let sight = this.byKey.get(text);
    if (sight === undefined) this.byKey.set(text, (sight = { key, events: [], late: [], upto }));
    return sight;
  }

  get all(): readonly Sight[] {
    return [...this.byKey.values()];
  }
}

function sightsByEvents(
  rule: PlainRule,
  sources: readonly SimulatedSource[],
  heard: ReadonlyMap<string, readonly Heard[]>,
): readonly Sight[] {
  const sights = new Sights();
  const upto = Math.min(...sources.map(({ name }) => heard.get(name)!.at(-1)?.after ?? Number.NEGATIVE_INFINITY));
  const waits = sources.length > 1 || !sources.every(comesInOrder);
  for (const { event, key } of keyed(rule, heard)) {
    const sight = sights.of(key, upto);
    if (event.time < event.before) sight.late.push({ event, byMs: event.before - event.time });
    else if (!waits || isPassed(event, sources.length, upto)) sight.events.push(event);
  }
  return sights.all;
}

/** As before, but by when an event was late and how far time came in the shard of its key, as the log has it. */
function sightsByLog(
  rule: PlainRule,
  heard: ReadonlyMap<string, readonly Heard[]>,
  stored: Stored,
  keyspace: string,
  violations: string[],
): readonly Sight[] {
  const sights = new Sights();
  const shards = new Map<Sight, string>();
  const judged = judge(stored, rule.sources, keyspace);
  for (const { event, key } of keyed(rule, heard)) {
    const verdicts = judged.verdicts.get(refOf(event)) ?? [];
    if (verdicts.length !== 1) {
      violations.push(`${refOf(event)} is in ${verdicts.length} records for rule ${rule.name}`);
      continue;
    }
    const { shard, lateBy } = verdicts[0]!;
    const upto = judged.upto.get(shard)!;
    const sight = sights.of(key, upto);
    if (shards.has(sight) && shards.get(sight) !== shard) violations.push(`${refOf(event)} is not with its key`);
    shards.set(sight, shard);
    if (lateBy > 0) sight.late.push({ event, byMs: lateBy });
    else if (isPassed(event, rule.sources.length, upto)) sight.events.push(event);
  }
  return sights.all;
}

/** Equal times of several sources can be put in order only when time is past them. */
const isPassed = ({ time }: Placed, sources: number, upto: number): boolean => time + (sources > 1 ? 1 : 0) <= upto;

/** By time, then source, then arrival. */
const inOrder = (events: readonly Placed[]): Placed[] =>
  [...events].sort(
    (a, b) =>
      a.time - b.time || (a.source < b.source ? -1 : a.source > b.source ? 1 : a.seq - b.seq || a.index - b.index),
  );
