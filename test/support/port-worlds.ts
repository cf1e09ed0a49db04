import { instant } from '../../src/core/time/units.ts';
import { MemoryLeases } from '../../src/memory/memory-leases.ts';
import { MemoryLog } from '../../src/memory/memory-log.ts';
import { MemorySource } from '../../src/memory/memory-source.ts';
import { callApi } from '../../src/nats/js-api.ts';
import type { NatsLink } from '../../src/nats/link.ts';
import { openNatsLeases } from '../../src/nats/nats-leases.ts';
import { openNatsLog } from '../../src/nats/nats-log.ts';
import { natsSource } from '../../src/nats/nats-source.ts';
import { createPublisher } from '../../src/nats/publisher.ts';
import { logStreamName } from '../../src/nats/stream-setup.ts';
import type { LeaseStore } from '../../src/ports/lease-store.ts';
import type { EventSource, FencedLog } from '../../src/ports/log.ts';
import { LOG_STREAMS } from '../../src/ports/log-streams.ts';

/** A fenced log and what an operator may do to it. */
export interface LogOfTest {
  readonly log: FencedLog;
  /** Names a subject of this log's deployment. */
  subject(rest: string): string;
  /** Removes all its streams and makes them anew. */
  recreate(): Promise<void>;
}

/** A source and what its publishers and operators may do. */
export interface SourceOfTest {
  readonly source: EventSource;
  publish(subject: string, text: string, headers?: Readonly<Record<string, string>>): Promise<void>;
  expire(before: number): Promise<void>;
  recreate(): Promise<void>;
  remove(): Promise<void>;
}

/** One implementation of all ports. Everything opened is fresh. */
export interface World {
  readonly name: string;
  log(): Promise<LogOfTest>;
  source(options?: { readonly filter?: string }): Promise<SourceOfTest>;
  leases(): Promise<LeaseStore>;
}

let opened = 0;

export function memoryWorld(): World {
  let clock = 1_000;
  const now = () => instant(clock++);
  return {
    name: 'memory',
    async log() {
      const log = new MemoryLog({ prefix: 'test', now });
      return {
        log,
        subject: (rest) => `test.${rest}`,
        recreate: async () => {
          for (const { kinds } of LOG_STREAMS) log.recreate(`test.${kinds[0]}.x`);
        },
      };
    },
    async source({ filter } = {}) {
      const source = new MemorySource({ name: 'EVENTS', now, ...(filter === undefined ? {} : { subject: filter }) });
      const encoder = new TextEncoder();
      return {
        source,
        publish: async (subject, text, headers) => {
          source.publish({ subject, body: encoder.encode(text), ...(headers === undefined ? {} : { headers }) });
        },
        expire: async (before) => source.expire(before),
        recreate: async () => source.recreate(),
        remove: async () => source.remove(),
      };
    },
    leases: async () => new MemoryLeases(),
  };
}

export function natsWorld(name: string, link: NatsLink): World {
  return {
    name,
    async log() {
      const prefix = `t${++opened}`;
      const log = await openNatsLog(link, { prefix });
      return {
        log,
        subject: (rest) => `${prefix}.${rest}`,
        recreate: async () => {
          for (const stream of LOG_STREAMS) await call(link, `STREAM.DELETE.${logStreamName(prefix, stream.name)}`);
          await openNatsLog(link, { prefix });
        },
      };
    },
    async source({ filter } = {}) {
      const stream = `EVENTS_${++opened}`;
      const create = (): Promise<unknown> =>
        call(link, `STREAM.CREATE.${stream}`, {
          name: stream,
          subjects: [`${stream}.>`],
          retention: 'limits',
          storage: 'file',
          num_replicas: 1,
        });
      await create();
      const encoder = new TextEncoder();
      return {
        source: natsSource(link, { stream, subject: filter === undefined ? undefined : `${stream}.${filter}` }),
        async publish(subject, text, headers) {
          const publisher = createPublisher(link);
          await publisher.publish(`${stream}.${subject}`, encoder.encode(text), headers);
          const { failed, firstFailure } = await publisher.flush();
          if (failed > 0) throw new Error(firstFailure?.cause);
        },
        expire: async (before) => void (await call(link, `STREAM.PURGE.${stream}`, { seq: before })),
        remove: async () => void (await call(link, `STREAM.DELETE.${stream}`)),
        async recreate() {
          await call(link, `STREAM.DELETE.${stream}`);
          await create();
        },
      };
    },
    leases: () => openNatsLeases(link, { prefix: `t${++opened}` }),
  };
}

/** A call to JetStream that has to succeed. */
export async function call<Value>(link: NatsLink, name: string, body?: object): Promise<Value> {
  const answer = await callApi<Value>(link, name, body);
  if (answer.kind !== 'ok') throw new Error(`${name}: ${JSON.stringify(answer)}`);
  return answer.value;
}
