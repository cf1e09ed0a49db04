import type { KeyValue } from '../../src/core/rules/rule-set.ts';
import type { Value } from './plain-rule.ts';
import type { SeededRandom } from './random.ts';
import { goesIdle, type Scenario, type SimulatedSource } from './scenario.ts';
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
  `k${n}`,
  `ü${n}`,
  [`k${n}`, 1],
  [`k${n}`, 2],
]);

/**
 * What is published in a run, in order of time: bursts of messages on all sources, some with many events, with late
 * events, equal times, events without key, and what can only become a dead letter.
 */
export function workload(random: SeededRandom, window: number, scenario: Scenario): readonly Publication[] {
  const makers = scenario.sources.map((source) => new Maker(random, source, scenario));
  const [live, rest] = [true, false].map((idle) => makers.filter(({ source }) => goesIdle(source) === idle));
  return [
    ...publishHistory(random, window, rest!),
    ...live!.flatMap((maker) => publishLive(random, window, maker)),
  ].sort((a, b) => a.at - b.at);
}

/** Sources whose times have nothing to do with when they are published. */
function publishHistory(random: SeededRandom, window: number, makers: readonly Maker[]): Publication[] {
  const publications: Publication[] = [];
  if (makers.length === 0) return [];
  const events = (makers[0]!.scenario.big ? 1000 : random.integer(50, 150)) * makers.length;
  // Some publishers send all they have at once.
  const bunching = random.pick([0.7, 0.7, 0.98]);
  let at = 0;
  for (let made = 0; made < events; ) {
    at += random.chance(bunching) ? random.between(0, 5) : random.between(0, (6 * window) / events);
    const maker = random.pick(makers);
    const message = maker.message(at, (value) => maker.history(value));
    publications.push(...message);
    made += message.at(-1)!.values?.length ?? 0;
  }
  return publications;
}

/**
 * A source whose events are published soon after they happen, in bursts with pauses between them. How much longer one
 * takes than another stays within what `idleAfter` allows.
 */
function publishLive(random: SeededRandom, window: number, maker: Maker): Publication[] {
  const publications: Publication[] = [];
  const { big } = maker.scenario;
  if (!big && random.chance(0.1)) return [];
  const { idleAfter } = maker.source;
  const slowest = maker.scenario.oneMachine ? 0 : 0.8 * idleAfter;
  // A source whose clock is behind is to be heard when others have already moved time on.
  const isBehind = maker.source.clocks[0]! < maker.scenario.sources[0]!.clocks[0]!;
  let happens = random.chance(isBehind ? 0.9 : 0.2) ? random.between(0.3 * window, 0.6 * window) : 0;
  let at = 0;
  while (happens < window) {
    happens += random.chance(big ? 0.97 : 0.85) ? random.between(0, 50) : random.between(idleAfter, 3 * idleAfter);
    // One after the other: what is published at the very same time comes in any order.
    at = Math.max(at + 0.01, happens + (random.chance(0.3) ? random.between(0, slowest) : 0));
    publications.push(...maker.message(at, (value) => maker.live(value, happens)));
  }
  return publications;
}

/** Makes what is published on one source. */
class Maker {
  readonly source: SimulatedSource;
  readonly scenario: Scenario;
  private readonly random: SeededRandom;
  private readonly keys: number;
  private readonly poisons: boolean;
  /** By publisher, the latest time so far. */
  private readonly latest: number[];
  private publisher = 0;
  private inARow = 0;

  constructor(random: SeededRandom, source: SimulatedSource, scenario: Scenario) {
    this.random = random.fork();
    this.source = source;
    this.scenario = scenario;
    this.keys = this.random.integer(2, goesIdle(source) ? KEYS_MAX / 2 : KEYS_MAX);
    this.poisons = scenario.rules.some(({ faulty, sources }) => faulty && sources.includes(source.name));
    this.latest = source.clocks.map((ahead) => EPOCH + ahead);
  }

  /** A message with some events, and what may share the stream with it. */
  message(at: number, timed: (value: Value) => Value): Publication[] {
    const { random, source } = this;
    const of = { source: source.name, at };
    const publications: Publication[] = [];
    // What is no event moves a lane on, but not its clock.
    const often = goesIdle(source) ? 0.2 : 0.03;
    if (random.chance(often)) publications.push({ ...of, subject: 'other', body: '{}', values: undefined });
    if (random.chance(often)) {
      publications.push({ ...of, subject: 'in', body: '{"type":"Open","ts":', values: undefined });
      return publications;
    }
    const count = random.chance(0.8) ? 1 : random.integer(2, 12);
    const values = Array.from({ length: count }, () => {
      const value = timed(this.value());
      return random.chance(0.02) ? { ...value, ts: 'soon' } : value;
    });
    publications.push({ ...of, subject: 'in', body: JSON.stringify(count === 1 ? values[0] : values), values });
    return publications;
  }

  /** Gives an event its time by its publisher's clock, which moves with every event. */
  history(value: Value): Value {
    const { random, source, latest } = this;
    const several = source.clocks.length > 1;
    // All publishers are heard from the beginning, or nobody could know that one is still to come.
    const turn = several && (this.inARow === 3 || random.chance(0.5));
    this.inARow = turn ? 1 : this.inARow + 1;
    if (turn) this.publisher = (this.publisher + 1) % source.clocks.length;
    const before = latest[this.publisher]!;
    const isLate = !several && random.chance(0.04);
    const forward = random.chance(0.15) ? 0 : random.integer(1, 350);
    const back = isLate ? random.integer(1, 3000) : random.chance(0.5) ? random.integer(0, source.disorder) : 0;
    const ts = isLate ? before - back : before + forward - back;
    latest[this.publisher] = Math.max(before, ts);
    return { ...value, ts: this.grained(ts), ...(several && { pod: `pod-${this.publisher}` }) };
  }

  /** Gives an event the time at which it happens. */
  live(value: Value, happens: number): Value {
    const { random, source } = this;
    const ts = EPOCH + source.clocks[0]! + happens - random.integer(0, source.disorder);
    return { ...value, ts: this.grained(ts) };
  }

  /** Keeps the order of times, and all that is said of them: the settings are multiples of every grain. */
  private grained(ts: number): number {
    const { grain } = this.scenario;
    return Math.floor(ts / grain) * grain;
  }

  private value(): Value {
    const { random, keys } = this;
    const number = () => random.integer(1, keys);
    const key = (name: string) => (random.chance(0.03) ? null : `${name}${number()}`);
    const k = random.chance(0.02) ? { v4: '::' } : key('k');
    const peer = random.chance(0.7) ? k : key('k');
    const type = random.pick(['Open', 'Open', 'Try', 'Try', 'Try', 'Close', 'Close', 'Noise']);
    const poison = this.poisons && type !== 'Noise' && (k === 'k1' || k === 'k2') && random.chance(0.4);
    const tags = random.chance(0.02) ? 'none' : [k, key('k'), null].slice(random.integer(0, 1), random.integer(1, 3));
    return {
      type,
      ts: 0,
      n: random.integer(0, 9),
      k,
      u: key('ü'),
      shop: random.integer(1, 2),
      peer,
      tags: typeof k === 'object' && k !== null ? null : tags,
      ...(poison && { poison: random.pick(['before', 'after'] as const) }),
    };
  }
}
