import type { SourceSettings } from '../../src/core/events/source-settings.ts';
import { duration } from '../../src/core/time/units.ts';
import type { Settings } from '../../src/corral.ts';
import { check, countOutputs, storedStarts } from './checker.ts';
import { Cluster } from './cluster.ts';
import { type Expectation, expect, type Published } from './expectation.ts';
import { FaultPlan } from './fault-plan.ts';
import type { World } from './life.ts';
import { Quiescence } from './quiescence.ts';
import { SeededRandom } from './random.ts';
import { PLAIN_RULES, SOURCES } from './rules.ts';
import type { Strikes } from './sites.ts';
import { EPOCH, PREFIX, Store, type Stored } from './store.ts';
import { Trace } from './trace.ts';
import { VirtualTime } from './virtual-time.ts';
import { type Publication, workload } from './workload.ts';

export interface SimulationResult {
  readonly seed: number;
  /** What is wrong; empty when nothing is. */
  readonly violations: readonly string[];
  readonly strikes: Strikes;
  /** Equal for two runs exactly when the same happened in the same order. */
  readonly hash: string;
  readonly trace: readonly string[];
  readonly events: number;
  readonly outcomes: number;
  readonly virtualMs: number;
  /** What the store held at the end, and what it must hold. */
  readonly stored: Stored;
  readonly expected: Expectation;
}

/**
 * One run: one to three nodes, a workload and faults, all from the seed. The nodes work until everything that must
 * come out is there; then a while longer, to see whether something comes twice; then the checker looks.
 * @param traceLines how much of the trace to keep as text
 */
export async function simulate(seed: number, traceLines = 400): Promise<SimulationResult> {
  const run = new Run(new SeededRandom(seed), traceLines);
  const unhandled: string[] = [];
  const onUnhandled = (reason: unknown) =>
    unhandled.push(`unhandled: ${reason instanceof Error ? reason.stack : String(reason)}`);
  process.on('unhandledRejection', onUnhandled);
  try {
    const violations = await run.go();
    const { world, published } = run;
    const result = {
      seed,
      violations: [...violations, ...unhandled],
      strikes: world.plan.strikes,
      hash: world.trace.hash,
      trace: world.trace.last(traceLines),
      events: published.reduce((sum, { values }) => sum + (values?.length ?? 0), 0),
      outcomes: countOutputs(world.store.stored).outcomes,
      virtualMs: world.time.now,
      stored: world.store.stored,
      expected: run.expectation(),
    };
    await run.end();
    return result;
  } finally {
    process.off('unhandledRejection', onUnhandled);
  }
}

class Run {
  readonly world: World;
  readonly published: Published[] = [];
  private readonly random: SeededRandom;
  private readonly publications: readonly Publication[];
  private readonly cluster: Cluster;
  private readonly starts: ReadonlyMap<string, SourceSettings['start']>;
  /** Events are published and faults strike up to this time. */
  private readonly window: number;
  private expected: Expectation | undefined;

  constructor(random: SeededRandom, traceLines: number) {
    this.random = random;
    this.window = random.integer(2000, 6000);
    const time = new VirtualTime(random.fork());
    const leaseTtl = duration(random.integer(500, 1500));
    this.world = {
      time,
      random: random.fork(),
      plan: new FaultPlan(random.fork(), this.window),
      trace: new Trace(traceLines),
      store: new Store(() => time.now, SOURCES, random.pick([1_000_000, 8192, 3072, 2048])),
      leaseTtl,
    };
    this.starts = new Map(SOURCES.map((source): [string, SourceSettings['start']] => [source, this.someStart()]));
    const shards = random.integer(2, 8);
    const settings: Omit<Settings, 'node' | 'rules'> = {
      prefix: PREFIX,
      shards,
      sources: SOURCES.map((name) => sourceSettings(name, this.starts.get(name)!)),
      leaseTtl,
      heartbeat: duration(random.integer(50, 500)),
      actorsMax: random.pick([shards, 4 * shards, 10_000]),
      atEnd: 'stop',
    };
    this.cluster = new Cluster(this.world, settings, random.integer(1, 3));
    this.publications = workload(random.fork(), this.window);
    for (const publication of this.publications) time.after(publication.at, () => this.publish(publication));
    for (let n = random.integer(0, 2); n > 0; n -= 1) {
      time.after(random.between(0, this.window), () => {
        if (this.cluster.drainSome()) this.world.plan.strikes.note('drain');
      });
    }
  }

  async go(): Promise<readonly string[]> {
    const { time, store } = this.world;
    const last = Math.max(this.window, this.publications.at(-1)!.at);
    await time.run(last, () => false);
    let checkedAt = 0;
    const complete = () => {
      if (time.now - checkedAt < 20) return false;
      checkedAt = time.now;
      return this.isComplete();
    };
    await time.run(last + PATIENCE_MS, complete);
    const late = this.isComplete() ? [] : this.late();
    if (late.length === 0 && this.random.chance(0.5)) {
      this.cluster.crashAll();
      this.world.plan.strikes.note('restartAll');
    }
    await time.run(time.now + QUIET_MS, () => false);
    const { complaints } = this.cluster;
    const violations = [...complaints, ...this.cluster.misdeeds(), ...this.startViolations(), ...late];
    violations.push(...check(store.stored, this.expectation()));
    return violations;
  }

  private publish(publication: Publication): void {
    const { source, subject, body } = publication;
    const { sequence: seq, stamp } = this.world.store.sources
      .get(source)!
      .publish({ subject, body: Buffer.from(body) });
    this.published.push({ ...publication, seq, stamp });
    this.world.trace.add(this.world.time.now, 'pub', `${source} ${seq} ${body}`);
  }

  private someStart(): SourceSettings['start'] {
    const { random } = this;
    if (random.chance(0.6)) return { kind: 'beginning' };
    return random.chance(0.5) ? { kind: 'now' } : { kind: 'time', ms: EPOCH + random.between(0, this.window / 3) };
  }

  private isComplete(): boolean {
    const { stored } = this.world.store;
    if (storedStarts(stored).size < SOURCES.length) return false;
    const { outcomeCount, dead } = this.expectation();
    const there = countOutputs(stored);
    return there.outcomes >= outcomeCount && there.dead >= dead.length;
  }

  /** Everything is published and the sources' starts are decided when this is asked. */
  expectation(): Expectation {
    this.expected ??= expect(PLAIN_RULES, this.published, storedStarts(this.world.store.stored));
    return this.expected;
  }

  private late(): readonly string[] {
    const waits = `not complete ${PATIENCE_MS} ms after the last fault and event`;
    return [[waits, ...this.cluster.notReady()].join('; ')];
  }

  /** A source's start is stored once, and is the one that the settings ask for. */
  private startViolations(): readonly string[] {
    const { stored } = this.world.store;
    const decided = storedStarts(stored);
    return SOURCES.flatMap((source) => {
      const start = this.starts.get(source)!;
      const count = stored.get(`${PREFIX}.lane.${source}`)?.length ?? 0;
      if (count !== 1) return [`the start of ${source} is stored ${count} times`];
      const after = decided.get(source)!;
      if (start.kind === 'beginning' && after !== 0) return [`${source} begins after ${after}, not at the beginning`];
      // A time that was still to come when the lane asked may read on from then; what it names is never passed over.
      const passedOver = ({ source: of, seq, stamp }: Published) =>
        of === source && seq <= after && start.kind === 'time' && stamp >= start.ms;
      return this.published.some(passedOver)
        ? [`${source} begins after ${after}, beyond the time it should begin at`]
        : [];
    });
  }

  /** Lets the code under test free what it holds. */
  async end(): Promise<void> {
    const quiescence = new Quiescence();
    try {
      this.cluster.end();
      await quiescence.reached();
      this.cluster.end();
      await quiescence.reached();
    } finally {
      quiescence.restore();
      this.world.time.clear();
    }
  }
}

function sourceSettings(name: string, start: SourceSettings['start']): SourceSettings {
  const field = (field: string) => (event: { data: unknown }) =>
    ({ ok: true, value: (event.data as Record<string, unknown>)[field] ?? null }) as const;
  return {
    name,
    stream: name.toUpperCase(),
    subject: 'in',
    format: 'auto',
    start,
    disorder: duration(0),
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

/** How long after the last fault and event everything may take to come out. */
const PATIENCE_MS = 60_000;
/** How long nothing more may come out after that; longer than any append is delayed. */
const QUIET_MS = 8_000;
