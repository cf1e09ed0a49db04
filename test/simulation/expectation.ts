import { type Outcome, outcomesOf, type Placed, type PlainRule } from './plain-rule.ts';
import type { Publication } from './workload.ts';

/** A publication and the sequence that its stream gave it. */
export interface Published extends Publication {
  readonly seq: number;
  /** When the stream stored it, in milliseconds since the epoch. */
  readonly stamp: number;
}

/** What must have come out. */
export interface Expectation {
  /** By rule, output (`match` or `timeout`) and key. */
  readonly outcomes: ReadonlyMap<string, readonly Outcome[]>;
  readonly outcomeCount: number;
  /** `source sequence index cause`, one for each dead letter. */
  readonly dead: readonly string[];
  /** By source, in order: after each event, the latest time of all so far. */
  readonly latest: ReadonlyMap<string, readonly Reached[]>;
}

export interface Reached {
  readonly seq: number;
  readonly index: number;
  readonly time: number;
}

export const outcomeGroup = (rule: string, kind: string, key: unknown): string =>
  `rule ${rule}, ${kind}, key ${JSON.stringify(key)}`;

export const deadName = (source: string, seq: number, index: number | undefined, cause: string): string =>
  `${source} ${seq} ${index ?? '-'} ${cause}`;

/**
 * Computes it from what was published, and nothing else.
 * @param starts per source, the sequence after which it is read
 */
export function expect(
  rules: readonly PlainRule[],
  published: readonly Published[],
  starts: ReadonlyMap<string, number>,
): Expectation {
  const dead: string[] = [];
  const outcomes = new Map<string, readonly Outcome[]>();
  const reached = new Map<string, readonly Reached[]>();
  let outcomeCount = 0;
  for (const [source, start] of starts) {
    const read = published.filter((one) => one.source === source && one.subject === 'in' && one.seq > start);
    const { events, latest } = eventsOf(read, dead);
    reached.set(source, latest);
    const upto = latest.at(-1)?.time ?? Number.NEGATIVE_INFINITY;
    for (const rule of rules) {
      if (rule.source !== source) continue;
      for (const [key, ofKey] of byKey(rule, events)) {
        const all = outcomesOf(rule, ofKey, upto);
        outcomeCount += all.length;
        for (const kind of ['match', 'timeout'] as const) {
          const some = all.filter((outcome) => outcome.kind === kind);
          if (some.length > 0) outcomes.set(outcomeGroup(rule.name, kind, JSON.parse(key)), some);
        }
      }
    }
  }
  return { outcomes, outcomeCount, dead, latest: reached };
}

/** The events of one source that are not late, and how far each takes time; notes what is no event. */
function eventsOf(messages: readonly Published[], dead: string[]): { events: Placed[]; latest: Reached[] } {
  const events: Placed[] = [];
  const latest: Reached[] = [];
  let before = Number.NEGATIVE_INFINITY;
  for (const { source, seq, values } of messages) {
    if (values === undefined) dead.push(deadName(source, seq, undefined, 'undecodable'));
    for (const [index, value] of (values ?? []).entries()) {
      const { ts: time, ip } = value;
      if (typeof time !== 'number') {
        dead.push(deadName(source, seq, index, 'time'));
        continue;
      }
      if (typeof ip === 'object' && ip !== null) dead.push(deadName(source, seq, index, 'key'));
      if (time >= before) events.push({ seq, index, time, value });
      before = Math.max(before, time);
      latest.push({ seq, index, time: before });
    }
  }
  return { events, latest };
}

function byKey(rule: PlainRule, events: readonly Placed[]): ReadonlyMap<string, readonly Placed[]> {
  const keys = new Map<string, Placed[]>();
  for (const event of events) {
    const key = rule.keyOf(event.value);
    if (key === undefined || (typeof key === 'object' && !Array.isArray(key))) continue;
    const text = JSON.stringify(key);
    const before = keys.get(text);
    if (before === undefined) keys.set(text, [event]);
    else before.push(event);
  }
  return keys;
}
