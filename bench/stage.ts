import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Extract } from '../src/core/events/extraction.ts';
import type { SourceSettings } from '../src/core/events/source-settings.ts';
import { compileRules } from '../src/core/rules/compile-rules.ts';
import { Problems } from '../src/core/rules/document.ts';
import type { RuleSet } from '../src/core/rules/rule-set.ts';
import { readYaml } from '../src/core/rules/yaml-document.ts';
import { DEFAULT_SNAPSHOTS, type SnapshotSettings } from '../src/core/shards/snapshot-decision.ts';
import { duration } from '../src/core/time/units.ts';
import { type Corral, createCorral } from '../src/corral.ts';
import { connectNats } from '../src/nats/connect.ts';
import type { NatsLink } from '../src/nats/link.ts';
import { openNatsLeases } from '../src/nats/nats-leases.ts';
import { openNatsLog } from '../src/nats/nats-log.ts';
import { natsSource } from '../src/nats/nats-source.ts';
import { findServer } from '../src/nats/server/find-server.ts';
import { type RunningServer, startServer } from '../src/nats/server/start-server.ts';
import type { Logger } from '../src/ports/logger.ts';
import { systemClock } from '../src/system/system-clock.ts';
import { systemRandom } from '../src/system/system-random.ts';

/** A nats-server of its own with one source stream, and nodes of the real assembly on it. */
export interface BenchStage {
  readonly link: NatsLink;
  readonly url: string;
  /** Bytes that the server keeps for all streams of the deployment and for the source. */
  storedBytes(): Promise<{ source: number; deployment: number }>;
  /** A node that works on the source from its beginning. */
  startNode(rules: RuleSet, shards?: number, snapshots?: SnapshotSettings): Promise<Corral>;
  close(): Promise<void>;
}

export const STREAM = 'PAYMENTS';
export const SUBJECT = 'payments.new';

export async function openStage(): Promise<BenchStage> {
  const dataDir = await mkdtemp(join(tmpdir(), 'corral-bench-'));
  const server: RunningServer = await startServer({ path: await findServer(), dataDir });
  const link = await connectNats({ url: server.url });
  const manager = await link.client.jetstreamManager();
  await manager.streams.add({ name: STREAM, subjects: ['payments.>'] });
  return {
    link,
    url: server.url,
    async storedBytes() {
      let source = 0;
      let deployment = 0;
      for (const { config, state } of await manager.streams.list().next()) {
        if (config.name === STREAM) source += state.bytes;
        else deployment += state.bytes;
      }
      return { source, deployment };
    },
    async startNode(rules, shards = 64, snapshots = DEFAULT_SNAPSHOTS) {
      const log = await openNatsLog(link, { prefix: 'corral' });
      const leases = await openNatsLeases(link, { prefix: 'corral' });
      const sources = new Map([['payments', natsSource(link, { stream: STREAM, subject: undefined })]]);
      const corral = createCorral(
        { sources, log, leases, clock: systemClock, random: systemRandom, logger },
        {
          prefix: 'corral',
          node: 'bench',
          shards,
          sources: [settings],
          rules,
          leaseTtl: duration(15_000),
          heartbeat: duration(1000),
          actorsMax: 50_000,
          atEnd: 'stop',
          finite: false,
          snapshots,
        },
      );
      corral.start();
      return corral;
    },
    async close() {
      await link.close();
      await server.kill();
      await rm(dataDir, { recursive: true, force: true });
    },
  };
}

export function compile(yaml: string): RuleSet {
  const problems = new Problems();
  const compiled = compileRules(readYaml('bench.yaml', yaml, problems), { sources: ['payments'] }, problems);
  if (compiled.ok) return compiled.ruleSet;
  throw new Error(compiled.problems.map(({ message }) => message).join('\n'));
}

const field =
  (name: string): Extract =>
  ({ data }) => ({ ok: true, value: (data as Record<string, unknown>)[name] ?? null });

const settings: SourceSettings = {
  name: 'payments',
  stream: STREAM,
  subject: undefined,
  format: 'auto',
  start: { kind: 'beginning' },
  disorder: duration(0),
  idleAfter: duration(2000),
  publisher: undefined,
  eventBytesMax: 1024 * 1024,
  extraction: { each: undefined, derived: [], where: undefined, id: undefined, type: field('kind'), time: field('at') },
};

const complain = (fields: object, message: string): void => console.error(message, JSON.stringify(fields));
const logger: Logger = { debug: () => undefined, info: () => undefined, warn: complain, error: complain };
