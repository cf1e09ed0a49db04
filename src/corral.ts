import { ActorPool } from './actors/actor-pool.ts';
import type { SourceSettings } from './core/events/source-settings.ts';
import { type ReferenceSettings, referenceSource } from './core/references/reference-settings.ts';
import { keyText } from './core/rules/key-text.ts';
import type { KeyValue, RuleSet } from './core/rules/rule-set.ts';
import type { SnapshotSettings } from './core/shards/snapshot-decision.ts';
import { replayLane, subjects } from './core/shards/subjects.ts';
import type { DurationMs } from './core/time/units.ts';
import { SnapshotGate } from './journal/snapshot-gate.ts';
import { chainedRules, chainSettings, chainSource } from './pipeline/chains.ts';
import { createMeasures } from './pipeline/create-measures.ts';
import { Lane } from './pipeline/lane.ts';
import { nodeRules, type RegistrySettings } from './pipeline/node-rules.ts';
import { Pace } from './pipeline/pace.ts';
import { refreshGauges } from './pipeline/refresh-gauges.ts';
import { replaySettings, replaySource } from './pipeline/replays.ts';
import { ShardOwner } from './pipeline/shard-owner.ts';
import type { Clock, Random } from './ports/clock.ts';
import type { LeaseStore } from './ports/lease-store.ts';
import type { EventSource, FencedLog } from './ports/log.ts';
import type { Logger } from './ports/logger.ts';
import type { Measures } from './ports/measures.ts';
import type { Outbox } from './ports/outbox.ts';
import { pause } from './ports/pause.ts';
import { NO_WATCH, type TurnWatch } from './ports/turn-watch.ts';
import { Leases } from './supervision/leases.ts';
import { STARTING, Supervised } from './supervision/supervised.ts';
import { Survivors } from './supervision/survivors.ts';

/** Everything outside the process, handed in. `serve`, `replay` and the simulation differ in these alone. */
export interface Ports {
  /** By source name. */
  readonly sources: ReadonlyMap<string, EventSource>;
  /** By name of the reference; may be absent when there is none. */
  readonly references?: ReadonlyMap<string, EventSource>;
  readonly log: FencedLog;
  readonly leases: LeaseStore;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  /** Takes matches to the subjects that rules name with `to`; absent: they go to the match stream alone. */
  readonly outbox?: Outbox;
  /** Absent: a rule may compute for ever. */
  readonly watch?: TurnWatch;
}

/** What a node is told, resolved and complete. */
export interface Settings {
  /** First token of every subject and stream of the deployment. */
  readonly prefix: string;
  /** Unique among the living nodes. */
  readonly node: string;
  readonly shards: number;
  readonly sources: readonly SourceSettings[];
  /** Data that rules look up. */
  readonly references?: readonly ReferenceSettings[];
  readonly rules: RuleSet;
  /** Absent: the rules are version 1 for ever, as in a run over files. */
  readonly registry?: RegistrySettings;
  readonly leaseTtl: DurationMs;
  readonly heartbeat: DurationMs;
  /** Actors kept in memory; beyond it the longest unused are passivated. */
  readonly actorsMax: number;
  /** What the end of a finite source means (see `corral replay --at-end`). */
  readonly atEnd: 'close' | 'stop' | 'drain';
  /** The sources end, and all of them are read by this node: their lanes keep in step by event time. */
  readonly finite: boolean;
  /** Whether dead letters that somebody replays are read; absent: nobody can, as in a run over files. */
  readonly replays?: boolean;
  /** Absent: shards are not snapshotted, and nothing is trimmed, as for a run that nobody ever takes over. */
  readonly snapshots?: SnapshotSettings;
}

/** One node. */
export interface Corral {
  /** Begins to claim shards and lanes. */
  start(): void;
  /** Stops reading, ends what is in flight, gives leases back. Idempotent; nothing acknowledged is lost by it. */
  drain(): Promise<void>;
  /** Resolves when every source has ended and all that it implies is relayed; never for sources without end. */
  readonly finished: Promise<void>;
  /**
   * Rejects when a shard or lane stays down, so that matches may be missing until someone acts. The rest of the node
   * works on; `notReady` gives the reason.
   */
  readonly failed: Promise<never>;
  /** Counts of this node; gauges are brought up to date by reading this property. */
  readonly measures: Measures;
  /** Why the node is not ready; empty when it is. Each a sentence. */
  notReady(): readonly string[];
  /** Stops one key's actor, as a fault would. For tests: its memory comes back from its packed state. */
  killActor(shard: number, key: KeyValue): boolean;
}

export function createCorral(ports: Ports, settings: Settings): Corral {
  const names = subjects(settings.prefix);
  const chains = chainedRules(settings.rules).map(({ name: rule }): LaneJob => {
    const chain = chainSettings(rule, `${settings.prefix.toUpperCase()}_MATCH`, settings.shards);
    return { name: chain.name, settings: chain, source: chainSource(ports.log, names.chainOf(rule)), replays: false };
  });
  const pace = settings.finite ? new Pace(settings.sources.map(({ name }) => name)) : undefined;
  const fromSources = settings.sources.flatMap((source): LaneJob[] => {
    const own = { name: source.name, settings: source, source: ports.sources.get(source.name)!, replays: false };
    if (settings.replays !== true) return [own];
    const decided = replaySource(ports.log, names.decisionsOf(source.name));
    return [own, { name: replayLane(source.name), settings: replaySettings(source), source: decided, replays: true }];
  });
  const { references = [] } = settings;
  for (const { name: rule, references: names } of settings.rules.rules) {
    const unknown = names.find((name) => !references.some((reference) => reference.name === name));
    if (unknown !== undefined)
      throw new RangeError(`rule ${rule} looks up the reference ${unknown}, which is not configured`);
  }
  const ofReferences = references.map((reference): LaneJob => {
    const source = ports.references!.get(reference.name)!;
    const read = referenceSource(reference);
    return { name: read.name, settings: read, source, replays: false, reference };
  });
  const lanesOf = [...fromSources, ...chains, ...ofReferences];
  const measures = createMeasures({ sources: lanesOf, rules: settings.rules, references });
  const pool = new ActorPool(settings.actorsMax, measures.node, ports.watch);
  const snapshots = settings.snapshots && { settings: settings.snapshots, gate: new SnapshotGate() };
  const owners = new Map<number, ShardOwner>();
  const lanes = new Map<string, Lane>();
  const atWork = new Map<string, Supervised>();
  const ended = new Set<string>();
  let life = 0;
  let draining: Promise<void> | undefined;
  let finish: () => void;
  const finished = new Promise<void>((resolve) => (finish = resolve));
  let fail: (reason: unknown) => void;
  const failed = new Promise<never>((_, reject) => (fail = reject));
  failed.catch(() => undefined); // whoever needs it listens; nobody has to
  const stayedDown = (error: unknown) => fail(error);

  /** A name no owner ever had: the node's, how often it began something, and chance. */
  const incarnation = () => `${settings.node}.${++life}.${Math.floor(ports.random.next() * 2 ** 32).toString(36)}`;

  const survivors = new Survivors();
  const shardNames = Array.from({ length: settings.shards }, (_, shard) => shardLease(shard));
  const laneNames = lanesOf.map(({ name }) => laneLease(name));
  const leases = new Leases({
    store: ports.leases,
    clock: ports.clock,
    logger: ports.logger,
    measures: measures.node,
    node: settings.node,
    life: incarnation(),
    ttl: settings.leaseTtl,
    lanes: laneNames,
    shards: shardNames,
    mayClaim: (kind) => rules.number !== undefined && (kind === 'shard' || rules.mayRead),
    gained: begin,
    lost: end,
  });
  const rules = nodeRules({
    ...{ rules: settings.rules, registry: settings.registry, sources: settings.sources, node: settings.node },
    ...{ heartbeat: settings.heartbeat, leaseTtl: settings.leaseTtl, ports, measures: measures.node },
    subject: names.ruleVersions,
    seen: () => leases,
    began: () => leases.hurry(),
    overtaken: () => void (standing ??= standBack().finally(() => (standing = undefined))),
    refused: (error) => fail(error),
  });
  let standing: Promise<void> | undefined;

  /** Newer rules are active: lanes end first, and shards when they have worked off what those have written. */
  async function standBack(): Promise<void> {
    if (draining !== undefined || leases.count === 0) return;
    await leases.giveUp(laneNames);
    await Promise.all(
      shardNames.map(async (lease, shard) => {
        await Promise.race([owners.get(shard)?.handOver(), pause(ports.clock, HAND_OVER_MS)]);
        await leases.giveUp([lease]);
      }),
    );
  }

  function begin(lease: string): void {
    // A round of claims may have been under way when the drain began; it gives back what it still got.
    if (draining !== undefined || rules.number === undefined) return;
    const work = lease.startsWith(SHARD_LEASES) ? shardWork(lease) : laneWork(lease);
    const before = atWork.get(lease);
    atWork.set(lease, work);
    // The run of an earlier lease may still be ending.
    work.start(before?.stop());
  }

  async function end(lease: string): Promise<void> {
    const work = atWork.get(lease);
    await work?.stop();
    if (atWork.get(lease) !== work) return;
    atWork.delete(lease);
    if (lease.startsWith(SHARD_LEASES)) owners.delete(Number(lease.slice(SHARD_LEASES.length)));
  }

  function shardWork(lease: string): Supervised {
    const shard = Number(lease.slice(SHARD_LEASES.length));
    return new Supervised({
      name: `shard ${shard}`,
      clock: ports.clock,
      logger: ports.logger,
      stayedDown,
      stillOurs: () => leases.confirmed(),
      begin: () => {
        const owner = new ShardOwner({
          ports,
          shard,
          prefix: settings.prefix,
          subjects: names,
          versions: rules,
          references: new Map(references.map(({ name, bytesMax }) => [name, bytesMax])),
          pool,
          survived: survivors.has,
          snapshots,
          measures,
        });
        owners.set(shard, owner);
        return { run: (ready) => owner.run(survivors.add(incarnation()), ready), stop: () => owner.stop() };
      },
    });
  }

  function laneWork(lease: string): Supervised {
    const name = lease.slice(LANE_LEASES.length);
    const job = lanesOf.find((candidate) => candidate.name === name)!;
    return new Supervised({
      name: `lane ${name}`,
      clock: ports.clock,
      logger: ports.logger,
      stayedDown,
      stillOurs: () => leases.confirmed(),
      begin: () => {
        let ruleVersion = rules.number ?? 0;
        const lane = new Lane({
          ports: { log: ports.log, clock: ports.clock, logger: ports.logger, measures: measures.node },
          ...job,
          rules: settings.rules,
          // Until it is stopped, a lane goes on with what it has written before.
          ruleVersion: () => (ruleVersion = rules.number ?? ruleVersion),
          shards: settings.shards,
          subjects: names,
          heartbeat: settings.heartbeat,
          atEnd: settings.atEnd,
          pace: chains.includes(job) || ofReferences.includes(job) ? undefined : pace,
          finite: settings.finite,
          measures: measures.sources.get(name)!,
          watch: ports.watch ?? NO_WATCH,
        });
        lanes.set(name, lane);
        let given = false;
        return {
          run: async (ready) => {
            if ((await lane.run(ready)) === 'ended') await laneEnded(name, lane, () => given);
          },
          stop: () => {
            given = true;
            lane.stop();
          },
        };
      },
    });
  }

  async function laneEnded(name: string, lane: Lane, given: () => boolean): Promise<void> {
    for (let shard = 0; shard < settings.shards; shard += 1) {
      // An owner that fails meanwhile is followed by another, which has to come as far.
      while (!given() && !(await owners.get(shard)?.settled(name, lane.reached))) await pause(ports.clock, 20);
    }
    if (given()) return;
    ended.add(name);
    if (ended.size === settings.sources.length + chains.length + ofReferences.length) finish();
  }

  async function drain(): Promise<void> {
    await leases.stop();
    await rules.stop();
    // Those whose lease was lost before may still be ending.
    await Promise.all([...atWork.keys()].map(end));
    pool.stop();
  }

  return {
    get measures() {
      for (const [name, source] of measures.sources) source.laneOwned = atWork.has(laneLease(name)) ? 1 : 0;
      return refreshGauges(measures, [...owners.values()]);
    },
    finished,
    failed,
    start() {
      leases.start();
      rules.start();
    },
    drain: () => (draining ??= drain()),
    notReady() {
      const reasons: string[] = [];
      if (draining !== undefined) reasons.push('the node is draining');
      if (leases.trouble !== undefined) reasons.push(leases.trouble);
      else if (!leases.joined) reasons.push('the node has no lease yet');
      if (rules.trouble !== undefined) reasons.push(rules.trouble);
      let starting = 0;
      for (const [lease, { trouble }] of atWork) {
        if (trouble === STARTING) starting += 1;
        else if (trouble !== undefined) reasons.push(`${lease.replace('.', ' ')} ${trouble}`);
      }
      if (starting > 0) reasons.push(`${starting} of ${atWork.size} shards and lanes are starting`);
      return reasons;
    },
    killActor: (shard, key) => owners.get(shard)?.killActor(keyText(key)) ?? false,
  };
}

/** What a lane of this deployment reads. */
interface LaneJob {
  readonly name: string;
  readonly settings: SourceSettings;
  readonly source: EventSource;
  readonly replays: boolean;
  readonly reference?: ReferenceSettings;
}

const SHARD_LEASES = 'shard.';
const LANE_LEASES = 'lane.';
const shardLease = (shard: number): string => `${SHARD_LEASES}${shard}`;
const laneLease = (source: string): string => `${LANE_LEASES}${source}`;

/** A shard that has not worked off its log by then is given back all the same: whoever has it next does the rest. */
const HAND_OVER_MS = 20_000;
