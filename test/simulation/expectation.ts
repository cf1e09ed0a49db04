import { keyText } from '../../src/core/rules/key-text.ts';
import type { KeyValue } from '../../src/core/rules/rule-set.ts';
import { isChainOf } from './check-chains.ts';
import { storiesOf } from './judge.ts';
import { PlainClock } from './plain-clock.ts';
import {
  chainedRule,
  keysOf,
  lateOutcome,
  type Moment,
  type Outcome,
  type Placed,
  type PlainRule,
  refOf,
  type StepRefs,
  type Value,
} from './plain-rule.ts';
import type { SimulatedRules } from './rules.ts';
import { comesInOrder, goesIdle, type Scenario, type SimulatedSource } from './scenario.ts';
import { CHAINED } from './shapes-of-chains.ts';
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

/** What happens to one key of a rule. */
interface Sight {
  readonly key: unknown;
  readonly moments: Moment[];
  readonly late: { readonly event: Placed; readonly byMs: number }[];
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
  const all = new Map([...heard, ...chainsOf(rules, stored)]);
  for (const rule of rules) {
    const read = sources.filter(({ name }) => rule.sources.includes(name));
    const sights = goesByLog(rule, sources)
      ? sightsByLog(rule, read, all, stored, simulated.keyspaceOf(rule.name), violations)
      : sightsByEvents(rule, read, heard);
    for (const { key, moments, late } of sights) {
      const said = rule.meaning.said(moments, rule);
      for (const outcome of said.outcomes) expectOne(outcomeGroup(rule.name, outputOf(outcome), key), outcome);
      for (const { cause, steps } of said.dead) dead.push(shardDeadName(rule.name, key, cause, steps));
      if (!rule.saysLate) continue;
      late.forEach(({ event, byMs }, moment) => {
        expectOne(outcomeGroup(rule.name, lateKind(event.source), key), lateOutcome(event, byMs, moment));
      });
    }
  }
  const outcomeCount = [...outcomes.values()].reduce((sum, { length }) => sum + length, 0);
  return { outcomes, outcomeCount, dead, heard, violations };
}

/**
 * Whether what a rule says depends on more than what was published, so that the log must be asked: where silence counts,
 * by processing time, and since it depends on who was read first which of several sources' events are late for a rule
 * that takes them.
 */
export function goesByLog({ sources: names, meaning }: PlainRule, sources: readonly SimulatedSource[]): boolean {
  const silence = sources.some((source) => names.includes(source.name) && goesIdle(source));
  const chain = chainedRule(names[0]!) !== undefined;
  return silence || chain || meaning.byProcessingTime || (meaning.takesLate && names.length > 1);
}

/** What rules have said that others read, in the order in which they read it. That it is what must be said is checked. */
function chainsOf(rules: readonly PlainRule[], stored: Stored): Map<string, readonly Heard[]> {
  const chains = new Map<string, readonly Heard[]>();
  for (const source of rules.flatMap(({ sources }) => sources)) {
    const rule = chainedRule(source);
    if (rule === undefined) continue;
    const messages = [...stored].flatMap(([subject, messages]) => (isChainOf(subject, rule) ? messages : []));
    const heard = messages.flatMap(({ sequence: seq, body }): Heard[] => {
      const { data, time: text } = JSON.parse(Buffer.from(body).toString());
      if (data === undefined) return [];
      const time = Date.parse(text);
      const value: Value = { type: CHAINED, ts: time, n: 0, k: data.key, u: rule, shop: 0, peer: null, tags: null };
      return [
        { source, seq, index: 0, time, value, before: Number.NEGATIVE_INFINITY, after: Number.NEGATIVE_INFINITY },
      ];
    });
    chains.set(
      source,
      heard.sort((a, b) => a.seq - b.seq),
    );
  }
  return chains;
}

/** Where an outcome goes. */
function outputOf({ kind, side, steps }: Outcome): string {
  if (kind === 'late') return lateKind(steps[0]!.refs[0]!.split(' ')[0]!);
  return side ?? (kind === 'timeout' ? kind : 'match');
}

/** What the lanes cannot make events of, or not for every rule. */
function laneDead({ name }: SimulatedSource, rules: readonly PlainRule[], messages: readonly Published[]): string[] {
  const dead: string[] = [];
  for (const { seq, values } of messages) {
    if (values === undefined) dead.push(laneDeadName(name, seq, undefined, 'undecodable'));
    for (const [index, value] of (values ?? []).entries()) {
      const event = { source: name, value };
      const bad = rules.some((rule) => isFor(rule, event) && keysOf(rule, event).bad);
      if (typeof value.ts !== 'number') dead.push(laneDeadName(name, seq, index, 'time'));
      else if (bad) dead.push(laneDeadName(name, seq, index, 'key'));
    }
  }
  return dead;
}

const isFor = ({ meaning, sources }: PlainRule, { source, value }: Pick<Placed, 'source' | 'value'>): boolean =>
  sources.includes(source) && meaning.concerns(value.type, source, sources);

/** The events that are something to a rule, each with its keys. */
function* keyed(
  rule: PlainRule,
  heard: ReadonlyMap<string, readonly Heard[]>,
): Generator<{ event: Heard; keys: readonly unknown[] }> {
  for (const source of new Set(rule.sources)) {
    for (const event of heard.get(source)!) {
      if (!isFor(rule, event)) continue;
      const { keys } = keysOf(rule, event);
      if (keys.length > 0) yield { event, keys };
    }
  }
}

function sightsByEvents(
  rule: PlainRule,
  sources: readonly SimulatedSource[],
  heard: ReadonlyMap<string, readonly Heard[]>,
): readonly Sight[] {
  const waiting = new Map<string, Waiting>();
  const upto = Math.min(...sources.map(({ name }) => heard.get(name)!.at(-1)?.after ?? Number.NEGATIVE_INFINITY));
  const waits = sources.length > 1 || !sources.every(comesInOrder);
  for (const { event, keys } of keyed(rule, heard)) {
    for (const key of keys) {
      const sight = entryOf(waiting, key, sources.length > 1);
      if (event.time >= event.before) sight.add(event, waits);
      else sight.addLate(event, event.before, rule.meaning.takesLate);
    }
  }
  return [...waiting.values()].map((sight) => sight.passTime(upto));
}

/** As before, but by when an event was late and how far time came in the shard of its key, as the log has it. */
function sightsByLog(
  rule: PlainRule,
  sources: readonly SimulatedSource[],
  heard: ReadonlyMap<string, readonly Heard[]>,
  stored: Stored,
  keyspace: string,
  violations: string[],
): readonly Sight[] {
  const due = new Map<string, { readonly event: Heard; readonly key: unknown }>();
  for (const { event, keys } of keyed(rule, heard))
    for (const key of keys) due.set(`${refOf(event)} for ${keyText(key as KeyValue)}`, { event, key });
  const several = sources.length > 1;
  const isChain = chainedRule(rule.sources[0]!) !== undefined;
  const waits = several || isChain || !sources.every(comesInOrder);
  const shards = new Map<string, string>();
  const sights: Sight[] = [];
  for (const [shard, records] of storiesOf(stored, rule, keyspace)) {
    const here = new Map<string, Waiting>();
    for (const { events, before, clock, processing } of records) {
      for (const sight of here.values()) sight.hearProcessing(processing);
      for (const { ref, key: text, lateBy } of events) {
        const name = `${ref} for ${text}`;
        const known = due.get(name);
        // Rules with the same keys share what is routed, be it for them or not.
        if (known === undefined) continue;
        const { event, key } = known;
        if (shards.has(name)) violations.push(`${name} is in two records for rule ${rule.name}`);
        shards.set(name, shard);
        const isNew = !here.has(JSON.stringify(key));
        const sight = entryOf(here, key, several);
        if (isNew) sight.hearProcessing(processing);
        if (lateBy > 0) sight.addLate(event, event.time + lateBy, rule.meaning.takesLate);
        else sight.add(event, waits);
      }
      if (clock > before || events.length > 0) for (const sight of here.values()) sight.passTime(clock);
    }
    sights.push(...here.values());
  }
  for (const name of due.keys())
    if (!shards.has(name)) violations.push(`${name} is in no record for rule ${rule.name}`);
  const keys = sights.map(({ key }) => JSON.stringify(key));
  if (new Set(keys).size < keys.length) violations.push(`rule ${rule.name}: events are not with their key`);
  return sights;
}

function entryOf(all: Map<string, Waiting>, key: unknown, several: boolean): Waiting {
  const text = JSON.stringify(key);
  let entry = all.get(text);
  if (entry === undefined) all.set(text, (entry = new Waiting(key, several)));
  return entry;
}

/** What happens to a key while events wait until time has passed them. */
class Waiting implements Sight {
  readonly key: unknown;
  readonly moments: Moment[] = [];
  readonly late: { readonly event: Placed; readonly byMs: number }[] = [];
  private waiting: Placed[] = [];
  /** Equal times of several sources can be put in order only when time is past them. */
  private readonly margin: number;

  constructor(key: unknown, several: boolean) {
    this.key = key;
    this.margin = several ? 1 : 0;
  }

  add(event: Placed, waits: boolean): void {
    if (waits) this.waiting.push(event);
    else this.moments.push({ kind: 'event', event, now: event.time });
  }

  /** @param now the time it is behind */
  addLate(event: Placed, now: number, taken: boolean): void {
    if (taken) {
      const reached = this.release(now);
      if (reached > event.time) this.moments.push({ kind: 'event', event, now: reached });
      else this.waiting.push(event);
    } else this.late.push({ event, byMs: now - event.time });
  }

  hearProcessing(now: number): void {
    this.moments.push({ kind: 'processing', now });
  }

  passTime(now: number): this {
    this.moments.push({ kind: 'time', now: this.release(now) });
    return this;
  }

  /** @returns how far time comes: not beyond what still waits */
  private release(now: number): number {
    const isPassed = ({ time }: Placed) => time + this.margin <= now;
    for (const event of inOrder(this.waiting.filter(isPassed)))
      this.moments.push({ kind: 'event', event, now: event.time });
    this.waiting = this.waiting.filter((event) => !isPassed(event));
    return Math.min(now, ...this.waiting.map(({ time }) => time));
  }
}

/** By time, then source, then arrival. */
const inOrder = (events: readonly Placed[]): Placed[] =>
  [...events].sort(
    (a, b) =>
      a.time - b.time || (a.source < b.source ? -1 : a.source > b.source ? 1 : a.seq - b.seq || a.index - b.index),
  );
