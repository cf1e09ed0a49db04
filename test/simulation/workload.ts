import type { KeyValue } from '../../src/core/rules/rule-set.ts';
import type { Value } from './plain-rule.ts';
import type { SeededRandom } from './random.ts';
import { SOURCES } from './rules.ts';
import { EPOCH } from './store.ts';

/** A message that a publisher sends to a source's stream. */
export interface Publication {
  readonly source: string;
  /** Virtual time. */
  readonly at: number;
  /** `in` is what the source reads; `other` shares its stream. */
  readonly subject: 'in' | 'other';
  readonly body: string;
  /** What it holds; undefined when nobody can read it. */
  readonly values: readonly Value[] | undefined;
}

const KEYS_MAX = 8;

/** Every key that events can have. */
export const KEYS: readonly KeyValue[] = Array.from({ length: KEYS_MAX }, (_, n) => n + 1).flatMap((n) => [
  `ip${n}`,
  `ü${n}`,
  `card${n}`,
  [`card${n}`, 1],
  [`card${n}`, 2],
]);

/**
 * What is published in a run, in order of time: bursts of messages on both sources, some with many events, with late
 * events, equal times, events without key, and what can only become a dead letter.
 */
export function workload(random: SeededRandom, window: number): readonly Publication[] {
  const publications: Publication[] = [];
  const latest = new Map<string, number>(SOURCES.map((source) => [source, EPOCH - 3_600_000]));
  const keys = random.integer(2, KEYS_MAX);
  const events = random.integer(100, 300);
  // Some publishers send all they have at once.
  const bunching = random.pick([0.7, 0.7, 0.98]);
  let at = 0;
  for (let made = 0; made < events; ) {
    at += random.chance(bunching) ? random.between(0, 5) : random.between(0, (6 * window) / events);
    const source = random.pick(SOURCES);
    if (random.chance(0.04)) publications.push({ source, at, subject: 'other', body: '{}', values: undefined });
    if (random.chance(0.03)) {
      publications.push({ source, at, subject: 'in', body: '{"type":"Fail","ts":', values: undefined });
      continue;
    }
    const count = random.chance(0.8) ? 1 : random.integer(2, 12);
    const values = Array.from({ length: count }, () => someValue(random, source, keys, latest));
    const body = JSON.stringify(count === 1 ? values[0] : values);
    publications.push({ source, at, subject: 'in', body, values });
    made += count;
  }
  return publications;
}

function someValue(random: SeededRandom, source: string, keys: number, latest: Map<string, number>): Value {
  const before = latest.get(source)!;
  const n = random.integer(0, 9);
  if (random.chance(0.02)) return { type: 'Fail', ts: 'soon', n, ip: 'ip0', user: 'u0' };
  const isLate = random.chance(0.04);
  const ts = before + (isLate ? -random.integer(1, 3000) : random.chance(0.15) ? 0 : random.integer(1, 350));
  latest.set(source, Math.max(ts, before));
  const key = (name: string) => (random.chance(0.03) ? null : `${name}${random.integer(1, keys)}`);
  if (source === 'auth') {
    const type = random.pick(['Fail', 'Fail', 'Ok', 'Noise']);
    return { type, ts, n, ip: random.chance(0.02) ? { v4: '::' } : key('ip'), user: key('ü') };
  }
  return { type: random.pick(['Add', 'Try', 'Buy', 'Noise']), ts, n, card: key('card'), shop: random.integer(1, 2) };
}
