import type { Config } from '../../config.ts';
import type { RuleSet } from '../../core/rules/rule-set.ts';
import { DEFAULT_SNAPSHOTS } from '../../core/shards/snapshot-decision.ts';
import { type Corral, createCorral } from '../../corral.ts';
import { startHttp } from '../../http/http-server.ts';
import { metricsRegistry } from '../../http/metrics.ts';
import { connectNats } from '../../nats/connect.ts';
import type { NatsLink } from '../../nats/link.ts';
import { openNatsLeases } from '../../nats/nats-leases.ts';
import { openNatsLog } from '../../nats/nats-log.ts';
import { natsSource } from '../../nats/nats-source.ts';
import type { Logger } from '../../ports/logger.ts';
import type { Measures } from '../../ports/measures.ts';
import { systemClock } from '../../system/system-clock.ts';
import { systemRandom } from '../../system/system-random.ts';
import { VERSION } from '../version.ts';

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
  /** Unique among the living nodes. */
  readonly node: string;
  readonly logger: Logger;
}

/**
 * Starts a node on NATS: first the pages of its health, which say what it waits for; then, for as long as it takes, the
 * connection; then streams and leases; then the assembly. Resolves when the pages can be read.
 * @throws {HttpListenError}
 */
export async function startNode({ config, rules, node, logger }: NodeOptions): Promise<RunningNode> {
  let phase: string | undefined = 'the node is connecting to NATS';
  let trouble: string | undefined;
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
          if (status.trouble !== undefined) logger.warn({}, status.trouble);
          else logger.info({}, 'connected to NATS');
        }
        trouble = status.trouble;
      },
    });
    logger.info({ server: link.serverVersion }, `nats-server ${link.serverVersion}`);
    phase = "the node is opening the deployment's streams";
    const { prefix, streams } = config;
    const log = await openNatsLog(link, { prefix, ...streams });
    const leases = await openNatsLeases(link, { prefix, replicas: streams.replicas });
    const opened = link;
    const sources = new Map(config.sources.map((source) => [source.name, natsSource(opened, source)]));
    if (abort.signal.aborted) return;
    corral = createCorral(
      { sources, log, leases, clock: systemClock, random: systemRandom, logger },
      {
        prefix,
        node,
        shards: config.shards,
        sources: config.sources,
        rules,
        leaseTtl: config.lease.ttl,
        heartbeat: config.heartbeat,
        actorsMax: config.actorsMax,
        atEnd: 'stop',
        finite: false,
        replays: true,
        snapshots: DEFAULT_SNAPSHOTS,
      },
    );
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
