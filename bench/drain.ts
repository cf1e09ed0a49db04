import { createPublisher } from '../src/nats/publisher.ts';
import { STAGES } from '../src/ports/measures.ts';
import { eventMaker, RULE } from './event-maker.ts';
import { compile, openStage, SUBJECT } from './stage.ts';

/** How a preloaded stream is drained. */
export interface DrainCase {
  readonly name: string;
  readonly events: number;
  readonly keys: number;
  /** Events in one message. */
  readonly packed: number;
}

export interface DrainResult {
  readonly eventsPerSecond: number;
  /** µs of the process's time per event, by stage of the path; what is left is the client, the garbage collector and waiting. */
  readonly stageMicros: Readonly<Record<string, number>>;
  readonly matches: number;
  readonly eventsPerBatch: number;
  readonly residentMb: number;
  /** Bytes the server stored for the deployment, per byte of the source. */
  readonly writeFactor: number;
}

/** Called around the measured part. */
export interface Profile {
  start(): void;
  stop(): void;
}

/** Publishes everything, then starts a node and measures until the consequences of every event are committed. */
export async function drain({ events, keys, packed }: DrainCase, profile?: Profile): Promise<DrainResult> {
  const stage = await openStage();
  try {
    const publisher = createPublisher(stage.link);
    const next = eventMaker(keys);
    for (let sent = 0; sent < events; sent += packed) {
      const body = packed === 1 ? next() : Array.from({ length: packed }, next);
      await publisher.publish(SUBJECT, Buffer.from(JSON.stringify(body)));
    }
    const { failed, firstFailure } = await publisher.flush();
    if (failed > 0) throw new Error(`${failed} messages could not be published: ${firstFailure}`);
    profile?.start();
    const corral = await stage.startNode(compile(RULE));
    let began = 0;
    let cpu = process.cpuUsage();
    while (began === 0) {
      await settle(2);
      if (corral.measures.node.recoveries >= 64) began = performance.now();
      cpu = process.cpuUsage();
    }
    const total = Math.ceil(events / packed) * packed;
    let resident = 0;
    const source = corral.measures.sources.get('payments')!;
    while (source.eventsIn < total || corral.measures.node.eventsCommitted < source.eventsRouted) {
      await settle(10);
      resident = Math.max(resident, process.memoryUsage.rss());
    }
    const seconds = (performance.now() - began) / 1000;
    profile?.stop();
    const { node, rules } = corral.measures;
    const stageMicros = Object.fromEntries(STAGES.map((name) => [name, (node.busySeconds[name] * 1e6) / total]));
    const spent = process.cpuUsage(cpu);
    stageMicros['process'] = (spent.user + spent.system) / total;
    stageMicros['all'] = (seconds * 1e6) / total;
    const stored = await stage.storedBytes();
    const matches = rules.get('three-steps')!.matches;
    await corral.drain();
    return {
      eventsPerSecond: total / seconds,
      stageMicros,
      matches,
      eventsPerBatch: node.batchEvents / node.batches,
      residentMb: resident / 1024 / 1024,
      writeFactor: stored.deployment / stored.source,
    };
  } finally {
    await stage.close();
  }
}

const settle = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));
