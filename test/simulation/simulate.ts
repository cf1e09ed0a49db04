import type { SourceSettings } from '../../src/core/events/source-settings.ts';
import { duration } from '../../src/core/time/units.ts';
import { lastOfChain } from './check-chains.ts';
import { checkStates } from './check-states.ts';
import { check, countOutputs, storedStarts } from './checker.ts';
import { Cluster } from './cluster.ts';
import { type Expectation, expect, goesByLog, hear, type Published } from './expectation.ts';
import { FaultPlan } from './fault-plan.ts';
import { isReadUpto, processingTimes, reachedEverywhere } from './judge.ts';
import { LATE_MOST_MS, PAUSE_LEAST, PAUSE_MOST, type World } from './life.ts';
import { chainedRule } from './plain-rule.ts';
import { Quiescence } from './quiescence.ts';
import { SeededRandom } from './random.ts';
import { SimulatedRules } from './rules.ts';
import { goesIdle, type Scenario, settingsOf, someScenario } from './scenario.ts';
import type { Strikes } from './sites.ts';
import { EPOCH, PREFIX, Store, type Stored, type Trim } from './store.ts';
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
  readonly trims: readonly Trim[];
}

/**
 * One run: three or four nodes, or one, sources, rules, a workload and faults, all from the seed. The nodes work until everything
 * that must come out is there; then a while longer, to see whether something comes twice; then the checker looks.
 * @param traceLines how much of the trace to keep as text
 * @param big about 2,000 events instead of some hundreds
 */
export async function simulate(seed: number, traceLines = 400, big = false): Promise<SimulationResult> {
  const run = new Run(new SeededRandom(seed), traceLines, big);
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
      expected: run.expected!,
      trims: world.store.trims,
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
  /** What must have come out; set when the run is over. */
  expected: Expectation | undefined;
  /** Set when everything is published. */
  private ends: ReturnType<Run['endTimes']> | undefined;
  /** What the server's clock had shown at most when everything was in the log; set then. */
  private readAt: number | undefined;
  /** How many outputs rules must have that read sources; set when that cannot change any more. */
  private dueBefore: number | undefined;
  /** What must be there; set when that cannot change any more. */
  private due: Expectation | undefined;

  constructor(random: SeededRandom, traceLines: number, big: boolean) {
    this.random = random;
    const scenario = someScenario(random.fork(), big);
    this.scenario = scenario;
    const withIdle = scenario.sources.some(goesIdle);
    this.window = (withIdle ? random.integer(4000, 7000) : random.integer(2000, 6000)) * (big ? BIGGER : 1);
    const sources = scenario.sources.map(({ name }) => name);
    const time = new VirtualTime(random.fork());
    // A match of a loop can name a hundred events; one that no message can hold would be a dead letter.
    const loops = scenario.rules.some(({ shape }) => LOOPS.includes(shape));
    this.world = {
      time,
      random: random.fork(),
      plan: new FaultPlan(random.fork(), this.window, scenario),
      trace: new Trace(traceLines),
      store: new Store(
        () => time.now,
        sources,
        random.pick([1_000_000, loops ? 16_384 : 8192, ...(loops ? [] : [3072, 2048])]),
      ),
      leaseTtl: duration(scenario.leaseTtl),
      server: { downUntil: 0, slowUntil: 0 },
    };
    this.starts = new Map(sources.map((source): [string, SourceSettings['start']] => [source, this.someStart()]));
    this.rules = new SimulatedRules(scenario);
    const { shards } = scenario;
    const settings = {
      prefix: PREFIX,
      shards,
      sources: scenario.sources.map((source) => settingsOf(source, this.starts.get(source.name)!)),
      leaseTtl: duration(scenario.leaseTtl),
      heartbeat: duration(scenario.heartbeat),
      actorsMax: random.pick([shards, shards, 4 * shards, 10_000]),
      atEnd: 'stop',
      finite: false,
      ...(scenario.snapshots && { snapshots: scenario.snapshots }),
    } as const;
    this.cluster = new Cluster(this.world, settings, this.rules, scenario.nodes);
    this.publications = workload(random.fork(), this.window, scenario);
    for (const publication of this.publications) time.after(publication.at, () => this.publish(publication));
    this.atSomeTimes(random.integer(0, 2), () => {
      if (this.cluster.drainSome()) this.world.plan.strikes.note('drain');
    });
    for (const [fault, most] of [
      ['partition', 2],
      ['serverRestart', 1],
      ['slowDisk', 1],
      ['clockJump', 1],
    ] as const)
      this.atSomeTimes(random.chance(0.4) ? random.integer(1, most) : 0, () => this.disturb(fault));
    // Lanes and shards that go from hand to hand in the middle of things.
    const delicate = withIdle || scenario.sources.some(({ clocks }) => clocks.length > 1);
    this.atSomeTimes(delicate ? random.integer(2, 8) : random.integer(0, 2), () => void this.deleteLease());
  }

  private atSomeTimes(count: number, happen: () => void): void {
    const { time } = this.world;
    for (let n = 0; n < count; n += 1) time.after(this.random.between(0, this.window), happen);
  }

  /** What happens to the server, or to a node's connection with it. */
  private disturb(fault: 'partition' | 'serverRestart' | 'slowDisk' | 'clockJump'): void {
    const { world, random, cluster } = this;
    const { store, plan, trace, time, server, leaseTtl } = world;
    switch (fault) {
      case 'partition':
        if (!cluster.cutOffSome(leaseTtl * random.between(PAUSE_LEAST, PAUSE_MOST))) return;
        break;
      case 'serverRestart':
        server.downUntil = time.now + random.between(50, 2000);
        break;
      case 'slowDisk':
        server.slowUntil = time.now + random.between(200, 1500);
        break;
      case 'clockJump':
        store.jump(random.chance(0.5) ? random.integer(-3000, -1) : random.integer(1, 60_000));
    }
    plan.strikes.note(fault);
    trace.add(time.now, 'srv', fault);
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
    const { leaseTtl, sources } = this.scenario;
    await time.run(this.window, () => false);
    // No run passes in peace.
    while (this.world.plan.strikes.total < FAULTS_LEAST) {
      await this.deleteLease();
      await time.run(time.now + 20, () => false);
    }
    await time.run(Number.POSITIVE_INFINITY, () => this.published.length === this.publications.length);
    let checkedAt = 0;
    const complete = () => {
      if (time.now - checkedAt < 50) return false;
      checkedAt = time.now;
      return this.isComplete();
    };
    await time.run(time.now + PATIENCE_MS, complete);
    const late = this.isComplete() ? [] : this.late();
    // Nothing more may come out, neither of what is still on its way nor after a restart.
    let quietUntil = Math.max(time.now + 500, this.window + PAUSE_MOST * leaseTtl + LATE_MOST_MS + 500);
    if (late.length === 0 && this.random.chance(0.5)) {
      this.cluster.crashAll();
      this.world.plan.strikes.note('restartAll');
      quietUntil = Math.max(quietUntil, time.now + 5 * leaseTtl + 1000);
    }
    await time.run(quietUntil, () => false);
    const { complaints } = this.cluster;
    const violations = [...complaints, ...this.cluster.misdeeds(), ...this.startViolations(), ...late];
    this.expected = this.expectation();
    violations.push(...check(store.stored, sources, this.expected, store.trims));
    violations.push(...(await checkStates(store.log, store.stored, this.scenario.shards)));
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
      const starts = storedStarts(stored);
      if (!this.scenario.sources.every(({ name }) => starts.has(name)) || !this.isDecided()) return false;
      if (!this.areChainsRead()) return false;
      this.due = this.expectation();
    }
    const { outcomeCount, dead } = this.due;
    const there = countOutputs(stored);
    return there.outcomes >= outcomeCount && there.dead >= dead.length;
  }

  /** Whether the log has come so far that nothing is left in it to decide, for the rules that go by it. */
  private isDecided(): boolean {
    const { stored } = this.world.store;
    const { rules, sources, shards } = this.scenario;
    const byLog = rules.filter((rule) => goesByLog(rule, sources));
    if (byLog.length === 0) return true;
    const starts = storedStarts(stored);
    for (const name of new Set(byLog.flatMap((rule) => rule.sources))) {
      const last = this.published.findLast(({ source, subject }) => source === name && subject === 'in');
      if (last === undefined || last.seq <= starts.get(name)!) continue;
      if (!isReadUpto(stored, name, last.seq, shards)) return false;
    }
    this.ends ??= this.endTimes();
    if (!this.ends.every(({ sources, at }) => reachedEverywhere(stored, sources) > at)) return false;
    // Processing time goes on for as long as timers that are armed now may have to wait.
    const waits = Math.max(...byLog.map(({ meaning }) => meaning.settlesProcessingMs ?? 0));
    if (waits === 0) return true;
    const times = processingTimes(stored);
    this.readAt ??= Math.max(...times);
    return Math.min(...times) > this.readAt + waits;
  }

  /**
   * Whether everything that rules say which others read is there, and has been read, and time has come so far for those
   * that nothing of it is left to decide.
   */
  private areChainsRead(): boolean {
    const { stored } = this.world.store;
    const { rules, shards, sources } = this.scenario;
    const chains = rules.filter((rule) => chainedRule(rule.sources[0]!) !== undefined);
    if (chains.length === 0) return true;
    const isChain = (name: string) => chains.some((rule) => rule.name === name);
    this.dueBefore ??= expect(
      { ...this.scenario, rules: rules.filter(({ name }) => !isChain(name)) },
      this.rules,
      this.published,
      stored,
      storedStarts(stored),
    ).outcomeCount;
    if (countOutputs(stored, (name) => !isChain(name)).outcomes < this.dueBefore) return false;
    return chains.every(({ sources: [chain], meaning }) => {
      const rule = rules.find(({ name }) => name === chainedRule(chain!))!;
      const last = lastOfChain(stored, rule.name);
      if (last.sequence === 0) return last.isWhole;
      if (!last.isWhole || !isReadUpto(stored, chain!, last.sequence, shards)) return false;
      const reached = reachedEverywhere(stored, [chain!]);
      const silence = sources.some((source) => rule.sources.includes(source.name) && goesIdle(source));
      return silence ? reached > last.time + meaning.settlesMs : reached >= reachedEverywhere(stored, rule.sources);
    });
  }

  /** For the sources of each rule to which silence says something, when nothing of it is left to decide. */
  private endTimes(): readonly { readonly sources: readonly string[]; readonly at: number }[] {
    const { sources: all, rules } = this.scenario;
    const heard = hear(all, this.published, storedStarts(this.world.store.stored));
    return rules.flatMap(({ sources, meaning }) => {
      if (!all.some((source) => sources.includes(source.name) && goesIdle(source))) return [];
      const times = sources.flatMap((source) => heard.get(source)!.map(({ time }) => time));
      return times.length === 0 ? [] : [{ sources, at: Math.max(...times) + meaning.settlesMs }];
    });
  }

  /** Everything is published and the sources' starts are decided when this is asked. */
  private expectation(): Expectation {
    const { stored } = this.world.store;
    const { due, scenario } = this;
    // Where the log has a say, it has gone on.
    if (due !== undefined && !scenario.rules.some((rule) => goesByLog(rule, scenario.sources))) return due;
    return expect(scenario, this.rules, this.published, stored, storedStarts(stored));
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

/** Shapes whose matches hold any number of events. */
const LOOPS = ['tries', 'each-first', 'from-last'];

/** How much longer a big run is. */
const BIGGER = 6;

/** Faults that take effect in each run, at least. */
const FAULTS_LEAST = 5;

/** How long after the last fault and event everything may take to come out. */
const PATIENCE_MS = 60_000;
