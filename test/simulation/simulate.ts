import type { SourceSettings } from '../../src/core/events/source-settings.ts';
import { duration } from '../../src/core/time/units.ts';
import { check, countOutputs, storedStarts } from './checker.ts';
import { Cluster } from './cluster.ts';
import { type Expectation, expect, hear, type Published } from './expectation.ts';
import { FaultPlan } from './fault-plan.ts';
import { reachedEverywhere } from './judge.ts';
import type { World } from './life.ts';
import { Quiescence } from './quiescence.ts';
import { SeededRandom } from './random.ts';
import { SimulatedRules } from './rules.ts';
import { goesIdle, type Scenario, type SimulatedSource, someScenario } from './scenario.ts';
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
  readonly scenario: Scenario;
  /** What the store held at the end, and what it must hold. */
  readonly stored: Stored;
  readonly expected: Expectation;
}

/**
 * One run: one to three nodes, sources, rules, a workload and faults, all from the seed. The nodes work until everything
 * that must come out is there; then a while longer, to see whether something comes twice; then the checker looks.
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
    const { world, published, scenario } = run;
    const result = {
      seed,
      violations: [...violations, ...unhandled],
      strikes: world.plan.strikes,
      hash: world.trace.hash,
      trace: world.trace.last(traceLines),
      events: published.reduce((sum, { values }) => sum + (values?.length ?? 0), 0),
      outcomes: countOutputs(world.store.stored).outcomes,
      virtualMs: world.time.now,
      scenario,
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
  readonly scenario: Scenario;
  readonly published: Published[] = [];
  private readonly random: SeededRandom;
  private readonly publications: readonly Publication[];
  private readonly rules: SimulatedRules;
  private readonly cluster: Cluster;
  private readonly starts: ReadonlyMap<string, SourceSettings['start']>;
  /** Events are published and faults strike up to this time. */
  private readonly window: number;
  /** What the publishers on a paused machine have yet to send. */
  private heldBack: Publication[] = [];
  /** Set when everything is published. */
  private ends: ReturnType<Run['endTimes']> | undefined;
  /** What must be there; set when that cannot change any more. */
  private due: Expectation | undefined;

  constructor(random: SeededRandom, traceLines: number) {
    this.random = random;
    const scenario = someScenario(random.fork());
    this.scenario = scenario;
    const withIdle = scenario.sources.some(goesIdle);
    this.window = withIdle ? random.integer(4000, 7000) : random.integer(2000, 6000);
    const sources = scenario.sources.map(({ name }) => name);
    const time = new VirtualTime(random.fork());
    this.world = {
      time,
      random: random.fork(),
      plan: new FaultPlan(random.fork(), this.window, scenario),
      trace: new Trace(traceLines),
      store: new Store(() => time.now, sources, random.pick([1_000_000, 8192, 3072, 2048])),
      leaseTtl: duration(scenario.leaseTtl),
    };
    this.starts = new Map(sources.map((source): [string, SourceSettings['start']] => [source, this.someStart()]));
    this.rules = new SimulatedRules(scenario);
    const { shards } = scenario;
    const settings = {
      prefix: PREFIX,
      shards,
      sources: scenario.sources.map((source) => sourceSettings(source, this.starts.get(source.name)!)),
      leaseTtl: duration(scenario.leaseTtl),
      heartbeat: duration(scenario.heartbeat),
      actorsMax: random.pick([shards, shards, 4 * shards, 10_000]),
      atEnd: 'stop',
      finite: false,
    } as const;
    this.cluster = new Cluster(this.world, settings, this.rules, scenario.nodes);
    this.publications = workload(random.fork(), this.window, scenario);
    for (const publication of this.publications) time.after(publication.at, () => this.publish(publication));
    this.atSomeTimes(random.integer(0, 2), () => {
      if (this.cluster.drainSome()) this.world.plan.strikes.note('drain');
    });
    // Lanes and shards that go from hand to hand in the middle of things.
    const delicate = withIdle || scenario.sources.some(({ clocks }) => clocks.length > 1);
    this.atSomeTimes(delicate ? random.integer(2, 8) : random.integer(0, 2), () => void this.deleteLease());
  }

  private atSomeTimes(count: number, happen: () => void): void {
    const { time } = this.world;
    for (let n = 0; n < count; n += 1) time.after(this.random.between(0, this.window), happen);
  }

  /** What an operator may do: whoever holds it loses it, and somebody takes it again. */
  private async deleteLease(): Promise<void> {
    const { store, plan, trace, time } = this.world;
    const held = (await store.leases.list()).filter(({ name }) => !name.startsWith('node.'));
    if (held.length === 0) return;
    const { name, revision } = this.random.pick(held);
    await store.leases.release(name, revision);
    plan.strikes.note('deleteLease');
    trace.add(time.now, 'op', `deletes the lease ${name}`);
  }

  async go(): Promise<readonly string[]> {
    const { time, store } = this.world;
    await time.run(this.window, () => false);
    await time.run(Number.POSITIVE_INFINITY, () => this.published.length === this.publications.length);
    let checkedAt = 0;
    const complete = () => {
      if (time.now - checkedAt < 20) return false;
      checkedAt = time.now;
      return this.isComplete();
    };
    await time.run(time.now + PATIENCE_MS, complete);
    const late = this.isComplete() ? [] : this.late();
    if (late.length === 0 && this.random.chance(0.5)) {
      this.cluster.crashAll();
      this.world.plan.strikes.note('restartAll');
      await time.run(time.now + QUIET_MS, () => false);
    } else await time.run(Math.max(time.now + 1000, this.window + QUIET_MS), () => false);
    const { complaints } = this.cluster;
    const violations = [...complaints, ...this.cluster.misdeeds(), ...this.startViolations(), ...late];
    violations.push(...check(store.stored, this.scenario.sources, this.expectation()));
    return violations;
  }

  private publish(publication: Publication): void {
    const { oneMachine, sources } = this.scenario;
    const live = sources.some((source) => source.name === publication.source && goesIdle(source));
    if (oneMachine && live && (this.heldBack.length > 0 || this.cluster.stillPaused > 0)) {
      this.heldBack.push(publication);
      if (this.heldBack.length === 1) this.publishHeldBack();
    } else this.send(publication);
  }

  private publishHeldBack(): void {
    const wait = this.cluster.stillPaused;
    if (wait > 0) {
      this.world.time.after(wait + this.random.between(0, 20), () => this.publishHeldBack());
      return;
    }
    for (const publication of this.heldBack.splice(0)) this.send(publication);
  }

  private send(publication: Publication): void {
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
    if (this.due === undefined) {
      if (storedStarts(stored).size < this.scenario.sources.length || !this.isDecided()) return false;
      this.due = this.expectation();
    }
    const { outcomeCount, dead } = this.due;
    const there = countOutputs(stored);
    return there.outcomes >= outcomeCount && there.dead >= dead.length;
  }

  /** Whether silence has gone on until nothing is left that time could still decide: it must come so far. */
  private isDecided(): boolean {
    const { stored } = this.world.store;
    this.ends ??= this.endTimes();
    return this.ends.every(({ sources, at }) => reachedEverywhere(stored, sources) > at);
  }

  /** For the sources of each rule to which silence says something, when nothing of it is left to decide. */
  private endTimes(): readonly { readonly sources: readonly string[]; readonly at: number }[] {
    const { sources: all, rules } = this.scenario;
    const heard = hear(all, this.published, storedStarts(this.world.store.stored));
    return rules.flatMap(({ sources, withinMs }) => {
      if (!all.some((source) => sources.includes(source.name) && goesIdle(source))) return [];
      const times = sources.flatMap((source) => heard.get(source)!.map(({ time }) => time));
      return times.length === 0 ? [] : [{ sources, at: Math.max(...times) + withinMs }];
    });
  }

  /** Everything is published and the sources' starts are decided when this is asked. */
  expectation(): Expectation {
    const { stored } = this.world.store;
    return expect(this.scenario, this.rules, this.published, stored, storedStarts(stored));
  }

  private late(): readonly string[] {
    const waits = `not complete ${PATIENCE_MS} ms after the last fault and event`;
    return [[waits, ...this.cluster.notReady()].join('; ')];
  }

  /** A source's start is stored once, and is the one that the settings ask for. */
  private startViolations(): readonly string[] {
    const { stored } = this.world.store;
    const decided = storedStarts(stored);
    return this.scenario.sources.flatMap(({ name: source }) => {
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

function sourceSettings(
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

/** How long after the last fault and event everything may take to come out. */
const PATIENCE_MS = 60_000;
/** After that nothing more may come out: so long after the last fault, since no append is delayed longer, and after a restart. */
const QUIET_MS = 9_000;
