import { PAUSE_LEAST } from './life.ts';
import type { PlainRule } from './plain-rule.ts';
import type { SeededRandom } from './random.ts';
import { SHAPES } from './shapes.ts';

/** A source, and what its publishers are like. */
export interface SimulatedSource {
  readonly name: string;
  /** Milliseconds, as its settings say. */
  readonly disorder: number;
  /** Milliseconds, as its settings say; Infinity = never. */
  readonly idleAfter: number;
  /**
   * How far each publisher's clock is ahead of the virtual one. Several: each has a watermark of its own. Then, and
   * where silence counts, publishers keep to what the settings allow, so that no event is late by its own source.
   */
  readonly clocks: readonly number[];
}

/**
 * What is in play in a run. Not everything always: what is left out lets the rest be seen more often and in other
 * company, and keeps runs short.
 */
export interface Scenario {
  readonly nodes: number;
  readonly shards: number;
  readonly leaseTtl: number;
  readonly heartbeat: number;
  readonly sources: readonly SimulatedSource[];
  readonly rules: readonly PlainRule[];
  /** Whether a rule goes by processing time, so that lanes tell the time of the server with every heartbeat. */
  readonly ticks: boolean;
  /** Events' times are multiples of this many ms: when it is not 1, many are equal, also of different sources. */
  readonly grain: number;
  /**
   * Whether the publishers that go by virtual time stand on the same machine as the only node, and are paused with it:
   * what happened meanwhile they publish afterwards.
   */
  readonly oneMachine: boolean;
}

/** Silence says something about this source's time. */
export const goesIdle = ({ idleAfter }: SimulatedSource): boolean => Number.isFinite(idleAfter);

/** Its events need not wait for others. */
export const comesInOrder = ({ disorder, clocks }: SimulatedSource): boolean => disorder === 0 && clocks.length === 1;

export function someScenario(random: SeededRandom): Scenario {
  const sources = someSources(random);
  const withIdle = sources.some(goesIdle);
  // Where time matters, who is lost is soon replaced.
  const leaseTtl = random.integer(500, withIdle ? 800 : 1500);
  const nodes = random.integer(1, 3);
  const oneMachine = nodes === 1 && withIdle;
  // Heartbeats ask whether there is silence and store publishers' clocks: with those in play there are to be some more.
  const slowest = withIdle || sources.some(({ clocks }) => clocks.length > 1) ? 250 : 500;
  // A silence is believed for three heartbeats, and no pause of the one machine is to be taken for a silence.
  const heartbeat = random.integer(60, oneMachine ? Math.floor((PAUSE_LEAST * leaseTtl) / 3) - 1 : slowest);
  return {
    nodes,
    shards: withIdle ? random.integer(2, 4) : random.integer(2, 8),
    leaseTtl,
    heartbeat,
    sources,
    rules: someRules(random, sources),
    ticks: random.chance(0.25),
    grain: random.pick([1, 20]),
    oneMachine,
  };
}

function someSources(random: SeededRandom): SimulatedSource[] {
  const never = Number.POSITIVE_INFINITY;
  const plain = (name: string): SimulatedSource => ({
    name,
    disorder: random.pick([0, 0, 300, 1500]),
    idleAfter: never,
    clocks: [-HOUR_MS],
  });
  const perPublisher = (): SimulatedSource => ({
    name: 'pods',
    disorder: random.pick([0, 400]),
    idleAfter: never,
    clocks: [-HOUR_MS, -HOUR_MS + random.pick([500, 4000, HOUR_MS]) * random.pick([1, -1])],
  });
  const live = (name: string, ahead: number): SimulatedSource => ({
    name,
    disorder: random.pick([0, 100, 500, 1000]),
    idleAfter: random.integer(200, 600),
    clocks: [-HOUR_MS + ahead],
  });
  const calls = () => live('calls', 0);
  const doors = () => live('doors', random.pick([0, -3000, -3000]));
  return random.pick([
    () => [plain('auth'), plain('pay')],
    () => [plain('auth'), plain('pay')],
    () => [perPublisher(), plain('auth')],
    () => [perPublisher(), calls()],
    () => [calls(), doors()],
    () => [calls(), doors()],
    () => [calls(), doors()],
  ])();
}

function someRules(random: SeededRandom, sources: readonly SimulatedSource[]): PlainRule[] {
  const names = sources.map(({ name }) => name);
  const alike = new Set(sources.map(goesIdle)).size === 1 && sources.every(({ clocks }) => clocks.length === 1);
  const groups = names.map((name) => [name]);
  if (alike && random.chance(0.8)) groups.push(names);
  const rules: PlainRule[] = [];
  for (const group of groups) {
    // A pattern without a limit never ends, so nothing could be said of when it is over.
    const shapes = sources.some(goesIdle) ? SHAPES.filter(({ plain }) => Number.isFinite(plain.withinMs)) : SHAPES;
    const chosen = new Set(Array.from({ length: random.integer(1, 3) }, () => random.pick(shapes)));
    for (const { name, plain } of chosen) {
      rules.push({
        ...plain,
        name: `${name}-${group.join('-')}`,
        sources: group,
        key: random.pick([['k'], ['k'], ['k'], ['u'], ['k', 'shop']]),
        saysLate: random.chance(0.5),
        faulty: false,
      });
    }
  }
  const faulty = random.chance(0.4) ? random.pick(rules) : undefined;
  return rules.map((rule) => (rule === faulty ? { ...rule, faulty: true } : rule));
}

const HOUR_MS = 3_600_000;
