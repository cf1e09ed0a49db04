import type { SourceSettings } from '../../src/core/events/source-settings.ts';
import type { SnapshotSettings } from '../../src/core/shards/snapshot-decision.ts';
import { duration } from '../../src/core/time/units.ts';
import { PAUSE_LEAST } from './life.ts';
import { chainedRule, type Meaning, type PlainKey, type PlainRule } from './plain-rule.ts';
import { type PlainWrapper, wrappedMeaning } from './plain-wrapper.ts';
import type { SeededRandom } from './random.ts';
import type { Shape } from './shape.ts';
import { SHAPES, shapeOf } from './shapes.ts';
import { SHAPES_OF_CHAINS } from './shapes-of-chains.ts';

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
  /** Whether about 2,000 events are published instead of some hundreds. */
  readonly big: boolean;
  /** Undefined: nothing is snapshotted, and nothing trimmed. */
  readonly snapshots: SnapshotSettings | undefined;
}

/** Silence says something about this source's time. */
export const goesIdle = ({ idleAfter }: SimulatedSource): boolean => Number.isFinite(idleAfter);

/** Its events need not wait for others. */
export const comesInOrder = ({ disorder, clocks }: SimulatedSource): boolean => disorder === 0 && clocks.length === 1;

export function someScenario(random: SeededRandom, big: boolean): Scenario {
  const sources = someSources(random);
  const withIdle = sources.some(goesIdle);
  // Where time matters, who is lost is soon replaced.
  const leaseTtl = random.integer(500, withIdle ? 800 : 1500);
  const oneMachine = withIdle && random.chance(0.15);
  const nodes = oneMachine ? 1 : random.pick([3, 3, 4]);
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
    big,
    snapshots: random.chance(0.8)
      ? { afterBytes: random.pick([200, 400, 1500]), pageBytes: random.pick([100, 200, 1000]) }
      : undefined,
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
    // A rule to which time never puts an end does not end, so nothing could be said of when it is over.
    const silence = sources.some((source) => group.includes(source.name) && goesIdle(source));
    const shapes = silence ? SHAPES.filter(({ meaning }) => Number.isFinite(meaning.settlesMs)) : SHAPES;
    const kinds = [...new Set(shapes.map(({ kind }) => kind))];
    const some = () => {
      const kind = random.pick(kinds);
      return random.pick(shapes.filter((shape) => shape.kind === kind));
    };
    for (const { name, kind, meaning } of new Set(Array.from({ length: random.integer(1, 3) }, some))) {
      rules.push({
        name: `${name}-${group.join('-')}`,
        shape: name,
        sources: group,
        key: someKey(random, kind, group),
        saysLate: random.chance(0.5),
        faulty: false,
        ...wrapped(random, name, kind, meaning),
      });
    }
  }
  if (random.chance(0.3)) rules.push(chained(random, random.pick(rules)));
  const able = rules.filter(({ shape, wrapper, sources: [first] }) => {
    const plain = Object.keys(wrapper).length === 0 && chainedRule(first!) === undefined;
    return plain && shapeOf(shape).kind !== 'join';
  });
  const faulty = able.length > 0 && random.chance(0.4) ? random.pick(able) : undefined;
  return rules.map((rule) => (rule === faulty ? { ...rule, faulty: true } : rule));
}

/** Shapes of which it is said in what order a key's outcomes come, so that it is known which of them are held back. */
const IN_TURN = ['tries', 'at-once', 'three', 'rounds', 'crowds', 'triples', 'rushes', 'sums', 'near', 'couples'];

/** Some rules have something around them. */
function wrapped(
  random: SeededRandom,
  name: string,
  kind: Shape['kind'],
  meaning: Meaning,
): Pick<PlainRule, 'wrapper' | 'meaning'> {
  const throttles = kind !== 'process' && IN_TURN.includes(name) && random.chance(0.25);
  // In which order late events come for it would have to be said.
  const dedupes = !meaning.takesLate && random.chance(0.15);
  const wrapper: PlainWrapper = {
    ...(throttles && { throttle: { perMs: random.pick([500, 2000]), count: random.integer(1, 2) } }),
    ...(dedupes && { dedupeMs: random.pick([300, 1500]) }),
  };
  return { wrapper, meaning: throttles || dedupes ? wrappedMeaning(meaning, wrapper) : meaning };
}

/** A rule over the matches of another one. */
function chained(random: SeededRandom, { name: of, key }: PlainRule): PlainRule {
  const { name, meaning } = random.pick(SHAPES_OF_CHAINS);
  return {
    name: `${name}-${of}`,
    shape: name,
    sources: [`rule:${of}`],
    key: { kind: 'chain', of: (key.kind === 'fields' && key.fields.length > 1) || random.chance(0.3) ? 'rule' : 'key' },
    saysLate: false,
    faulty: false,
    wrapper: {},
    meaning,
  };
}

function someKey(random: SeededRandom, kind: Shape['kind'], sources: readonly string[]): PlainKey {
  const [first, second] = sources;
  // Keys of two sources by fields of different names.
  if (second !== undefined && (kind === 'join' || kind === 'process') && random.chance(0.5))
    return { kind: 'bySource', fields: { [first!]: 'k', [second]: 'peer' } };
  if (random.chance(0.15)) return { kind: 'each' };
  return { kind: 'fields', fields: random.pick([['k'], ['k'], ['k'], ['u'], ['k', 'shop']] as const) };
}

/** A source as a node is told of it. */
export function settingsOf(
  { name, disorder, idleAfter, clocks }: SimulatedSource,
  start: SourceSettings['start'],
): SourceSettings {
  const field = (field: string) => (event: { data: unknown }) =>
    ({ ok: true, value: (event.data as Record<string, unknown>)[field] ?? null }) as const;
  return {
    name,
    stream: name.toUpperCase(),
    subject: 'in',
    format: 'auto',
    start,
    disorder: duration(disorder),
    idleAfter: duration(idleAfter),
    publisher: clocks.length > 1 ? field('pod') : undefined,
    extraction: {
      each: undefined,
      derived: [],
      where: undefined,
      id: undefined,
      type: field('type'),
      time: field('ts'),
    },
    eventBytesMax: 1_000_000,
  };
}

const HOUR_MS = 3_600_000;
