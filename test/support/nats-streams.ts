import type { Test } from 'tap';
import { connectNats } from '../../src/nats/connect.ts';
import type { NatsLink, NatsStatus } from '../../src/nats/link.ts';
import { createPublisher } from '../../src/nats/publisher.ts';
import type { LogMessage, LogReader } from '../../src/ports/log.ts';
import { call } from './port-worlds.ts';
import type { ServerOfTest } from './servers.ts';

/** A connection that is closed with the test. */
export async function connected(
  t: Test,
  server: ServerOfTest,
  onStatus?: (status: NatsStatus) => void,
): Promise<NatsLink> {
  const link = await connectNats({ url: server.url, ...(onStatus === undefined ? {} : { onStatus }) });
  t.teardown(() => link.close());
  return link;
}

/** Reads until so many messages have come, or the end. */
export async function take(reader: LogReader, count: number): Promise<LogMessage[]> {
  const messages: LogMessage[] = [];
  while (messages.length < count) {
    const more = await reader.next();
    if (more === undefined) break;
    messages.push(...more);
  }
  return messages;
}

/** Creates a stream for the subjects below its name. */
export async function stream(link: NatsLink, name: string, more: object = {}): Promise<void> {
  await call(link, `STREAM.CREATE.${name}`, {
    name,
    subjects: [`${name}.>`],
    retention: 'limits',
    storage: 'file',
    num_replicas: 1,
    ...more,
  });
}

/** Publishes bodies of `size` bytes that begin with their number, from 1. */
export async function fill(link: NatsLink, subject: string, count: number, size: number): Promise<void> {
  const publisher = createPublisher(link);
  for (let n = 1; n <= count; n++) {
    const body = Buffer.alloc(size);
    body.writeUInt32BE(n);
    await publisher.publish(subject, body);
  }
  const { stored } = await publisher.flush();
  if (stored !== count) throw new Error(`${stored} of ${count} messages were stored`);
}

export const numberOf = ({ body }: LogMessage): number => Buffer.from(body).readUInt32BE();
