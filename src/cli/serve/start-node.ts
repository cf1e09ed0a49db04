import type { Config } from '../../config.ts';
import type { RuleSet } from '../../core/rules/rule-set.ts';
import { DEFAULT_SNAPSHOTS } from '../../core/shards/snapshot-decision.ts';
import { type Corral, createCorral, type Settings } from '../../corral.ts';
import { startHttp } from '../../http/http-server.ts';
import { metricsRegistry } from '../../http/metrics.ts';
import { connectNats } from '../../nats/connect.ts';
import type { NatsLink } from '../../nats/link.ts';
import { openNatsLeases } from '../../nats/nats-leases.ts';
import { openNatsLog } from '../../nats/nats-log.ts';
import { natsOutbox } from '../../nats/nats-outbox.ts';
import { natsSource } from '../../nats/nats-source.ts';
import type { Logger } from '../../ports/logger.ts';
import type { Measures } from '../../ports/measures.ts';
import type { TurnWatch } from '../../ports/turn-watch.ts';
import { systemClock } from '../../system/system-clock.ts';
import { systemRandom } from '../../system/system-random.ts';
import { VERSION } from '../version.ts';
import { sayCopies } from './say-copies.ts';

/** A node as a process runs it. */
export interface RunningNode {
  /** Address of /metrics, /livez and /readyz. */
  readonly url: string;
  /** Why it is not ready, each a sentence; empty when it is. */
  notReady(): readonly string[];
  /** Undefined until NATS has been reached. */
  measures(): Measures | undefined;
  /**
   * Rejects when the process must end: NATS or the deployment's streams cannot be used as they are. A shard or lane
   * that stays down is no reason: the others work on, and /readyz says what is wrong.
   */
  readonly failed: Promise<never>;
  /** Stops reading, ends what is in flight, gives leases back, closes. Idempotent. */
  stop(): Promise<void>;
}

export interface NodeOptions {
  readonly config: Config;
  readonly rules: RuleSet;
  /** Absent: they are version 1 for ever, for a deployment that always has the same. */
  readonly registry?: Settings['registry'];
  /** Unique among the living nodes. */
  readonly node: string;
  readonly logger: Logger;
  readonly watch: TurnWatch;
}

/**
 * Starts a node on NATS: first the pages of its health, which say what it waits for; then, for as long as it takes, the
 * connection; then streams and leases; then the assembly. Resolves when the pages can be read.
 * @throws {HttpListenError}
 */
export async function startNode(options: NodeOptions): Promise<RunningNode> {
  const { config, rules, registry, node, logger, watch } = options;
  let phase: string | undefined = 'the node is connecting to NATS';
  let trouble: string | undefined;
  /** Troubles logged since all was well: many readers find the same one in turn, each in its own words. */
  const told = new Set<string>();
  let link: NatsLink | undefined;
  let corral: Corral | undefined;
  let stopping: Promise<void> | undefined;
  const abort = new AbortController();

  const notReady = (): readonly string[] => {
    if (stopping !== undefined) return ['the node is draining'];
    const reasons = [phase, trouble].filter((reason) => reason !== undefined);
    return [...reasons, ...(corral?.notReady() ?? [])];
  };
  const http = await startHttp({
    ...config.http,
    registry: metricsRegistry({ measures: () => corral?.measures, notReady, version: VERSION, rules: rules.version }),
    notReady,
  });
  logger.info({ url: http.url }, `metrics and health at ${http.url}`);

  let fail: (reason: unknown) => void = () => undefined;
  const failed = new Promise<never>((_, reject) => {
    fail = reject;
  });
  failed.catch(() => undefined); // whoever runs the node listens; while it stops nobody has to

  const begun = begin().catch((error: unknown) => {
    if (stopping === undefined) fail(error);
  });

  async function begin(): Promise<void> {
    link = await connectNats({
      ...config.nats,
      name: `corral ${node}`,
      signal: abort.signal,
      onStatus: (status) => {
        if (status.trouble !== trouble && stopping === undefined) {
          if (status.trouble === undefined) {
            logger.info({}, link === undefined ? 'connected to NATS' : 'NATS works again');
            told.clear();
          } else if (!told.has(status.trouble)) {
            logger.warn({}, status.trouble);
            told.add(status.trouble);
          }
        }
        trouble = status.trouble;
      },
    });
    logger.info({ server: link.serverVersion }, `nats-server ${link.serverVersion}`);
    phase = "the node is opening the deployment's streams";
    const { prefix, streams } = config;
    const log = await openNatsLog(link, { prefix, ...streams });
    const leases = await openNatsLeases(link, { prefix, replicas: streams.replicas });
    await sayCopies(link, prefix, config.sources, logger);
    const opened = link;
    const sources = new Map(config.sources.map((source) => [source.name, natsSource(opened, source)]));
    const references = new Map(
      config.references.map((one) => [one.name, natsSource(opened, { ...one, onlyNewest: true })]),
    );
    if (abort.signal.aborted) return;
    corral = createCorral(
      {
        ...{ sources, references, log, leases, clock: systemClock, random: systemRandom, logger, watch },
        outbox: natsOutbox(link),
      },
      {
        prefix,
        node,
        shards: config.shards,
        sources: config.sources,
        references: config.references,
        rules,
        ...(registry === undefined ? {} : { registry }),
        leaseTtl: config.lease.ttl,
        heartbeat: config.heartbeat,
        actorsMax: config.actorsMax,
        atEnd: 'stop',
        finite: false,
        replays: true,
        snapshots: DEFAULT_SNAPSHOTS,
      },
    );
    corral.failed.catch((error: { readonly code?: unknown }) => {
      if (error.code === 'RULES_INCOMPATIBLE') fail(error);
    });
    corral.start();
    phase = undefined;
  }

  async function stop(): Promise<void> {
    abort.abort();
    await corral?.drain();
    if (link !== undefined) {
      // Ends what opening streams may still wait for.
      await link.close();
      await begun;
    }
    await http.close();
  }

  return {
    url: http.url,
    notReady,
    measures: () => corral?.measures,
    failed,
    stop: () => {
      stopping ??= stop();
      return stopping;
    },
  };
}
