import t, { type Test } from 'tap';
import { connectNats } from '../src/nats/connect.ts';
import { natsSource } from '../src/nats/nats-source.ts';
import { connected, fill, numberOf, stream, take } from './support/nats-streams.ts';
import { call } from './support/port-worlds.ts';
import { servers, type TestServer, withServer } from './support/servers.ts';

// What readers and sources on NATS do beyond the contract.

const MIB = 1024 * 1024;

for (const testServer of await servers()) {
  t.test(`on the ${testServer.name} nats-server`, async (t) => {
    await t.test('a reader', (t) => reading(t, testServer));
    await t.test('sources', (t) => sources(t, testServer));
  });
}

async function reading(t: Test, testServer: TestServer): Promise<void> {
  const link = await connected(t, await withServer(t, testServer, { maxPayload: 8 * MIB }));

  t.test('reads ahead no more than its bound', async (t) => {
    await stream(link, 'MANY');
    await fill(link, 'MANY.x', 400, 64 * 1024);
    const source = natsSource(link, { stream: 'MANY', subject: undefined, readAheadBytes: 9 * MIB });
    const reader = source.read(1);
    const first = await take(reader, 1);
    await source.facts();
    type Consumers = { consumers: { delivered: { stream_seq: number } }[] };
    const { consumers } = await call<Consumers>(link, 'CONSUMER.LIST.MANY');
    const inFlight = (consumers[0]!.delivered.stream_seq - first.length) * 64 * 1024;
    t.ok(inFlight <= 10 * MIB, `${inFlight} bytes sent ahead of 25 MiB`);
    const rest = await take(reader, 400 - first.length);
    t.same(
      [...first, ...rest].map(numberOf),
      Array.from({ length: 400 }, (_, n) => n + 1),
    );
    await reader.close();
  });

  t.test('reads a message that is larger than all it may read ahead', async (t) => {
    await stream(link, 'LARGE');
    for (const size of [10, 7 * MIB, 20, 8 * MIB - 100, 7 * MIB]) await fill(link, 'LARGE.x', 1, size);
    const reader = natsSource(link, { stream: 'LARGE', subject: undefined, readAheadBytes: 1024 }).read(1);
    const messages = await take(reader, 5);
    t.same(
      messages.map(({ body }) => body.length),
      [10, 7 * MIB, 20, 8 * MIB - 100, 7 * MIB],
    );
    await reader.close();
  });

  t.test('passes over messages that an operator removed', async (t) => {
    await stream(link, 'HOLES');
    await fill(link, 'HOLES.x', 10, 100);
    for (const seq of [3, 4, 7]) await call(link, 'STREAM.MSG.DELETE.HOLES', { seq });
    const reader = natsSource(link, { stream: 'HOLES', subject: undefined }).read(1);
    t.same((await take(reader, 7)).map(numberOf), [1, 2, 5, 6, 8, 9, 10]);
    await reader.close();
  });

  t.test('says so when the stream drops its oldest messages faster than they are read', async (t) => {
    await stream(link, 'FAST');
    await fill(link, 'FAST.x', 400, 64 * 1024);
    const reader = natsSource(link, { stream: 'FAST', subject: undefined, readAheadBytes: 9 * MIB }).read(1);
    await reader.next();
    await call(link, 'STREAM.PURGE.FAST', { seq: 390 });
    const error = await take(reader, 400).catch((error: Error) => error);
    t.match(error, { code: 'POSITION_GONE' });
    await reader.close();
  });

  t.test('makes another consumer when its own is removed', async (t) => {
    await stream(link, 'REMOVED');
    const reader = natsSource(link, { stream: 'REMOVED', subject: undefined }).read(1);
    await fill(link, 'REMOVED.x', 1, 10);
    t.same((await take(reader, 1)).map(numberOf), [1]);
    const { consumers } = await call<{ consumers: string[] }>(link, 'CONSUMER.NAMES.REMOVED');
    t.equal(consumers.length, 1);
    await call(link, `CONSUMER.DELETE.REMOVED.${consumers[0]}`);
    await fill(link, 'REMOVED.x', 1, 10);
    t.same(
      (await take(reader, 1)).map(({ sequence }) => sequence),
      [2],
    );
    await reader.close();
  });

  t.test('leaves no consumer behind', async (t) => {
    await stream(link, 'CLEAN');
    await fill(link, 'CLEAN.x', 1, 10);
    const reader = natsSource(link, { stream: 'CLEAN', subject: undefined }).read(1);
    await reader.next();
    await reader.close();
    // Removing it is not waited for. If it stayed, this would wait until the test's time is up.
    while ((await call<{ total: number }>(link, 'CONSUMER.NAMES.CLEAN')).total > 0);
    t.pass('it is gone');
  });

  t.test('ends with the connection', async (t) => {
    const other = await connectNats({ url: link.client.info ? `127.0.0.1:${link.client.info.port}` : '' });
    await stream(link, 'ENDS');
    const waiting = natsSource(other, { stream: 'ENDS', subject: undefined }).read(1).next();
    const ended = t.rejects(waiting, { code: 'CLOSED' });
    await other.close();
    await ended;
  });
}

async function sources(t: Test, testServer: TestServer): Promise<void> {
  const link = await connected(t, await withServer(t, testServer));

  t.test('with a filter give what fits, and go on where the stream does', async (t) => {
    await stream(link, 'F');
    for (const subject of ['F.a', 'F.b', 'F.a', 'F.b']) await fill(link, subject, 1, 10);
    const reader = natsSource(link, { stream: 'F', subject: 'F.b' }).read(1);
    t.same(
      (await take(reader, 2)).map(({ sequence, subject }) => [sequence, subject]),
      [
        [2, 'F.b'],
        [4, 'F.b'],
      ],
    );
    await reader.close();
  });

  t.test('with a filter move their position as the stream moves on without them', async (t) => {
    await stream(link, 'G');
    await fill(link, 'G.b', 1, 10);
    const reader = natsSource(link, { stream: 'G', subject: 'G.b', heartbeatMs: 500 }).read(1);
    await take(reader, 1);
    await fill(link, 'G.a', 20, 10);
    const waiting = reader.next();
    // Two heartbeats of the server later; the test ends when it has happened.
    while (reader.position !== 22) await new Promise((resolve) => setTimeout(resolve, 50));
    await fill(link, 'G.b', 1, 10);
    t.same(
      (await waiting)?.map(({ sequence }) => sequence),
      [22],
    );
    t.equal(reader.position, 23);
    await reader.close();
  });

  t.test('that are removed by their consumers are refused, with the way out', async (t) => {
    for (const retention of ['workqueue', 'interest']) {
      await stream(link, retention.toUpperCase(), { retention });
      const source = natsSource(link, { stream: retention.toUpperCase(), subject: undefined });
      await t.rejects(source.facts(), {
        code: 'SOURCE_RETENTION',
        message: /Add a limits stream that sources this one/,
      });
    }
  });

  t.test('that do not exist are an error that names the stream', async (t) => {
    const source = natsSource(link, { stream: 'MISSING', subject: undefined });
    await t.rejects(source.facts(), { code: 'STREAM_GONE', message: /MISSING/ });
    await t.rejects(source.sequenceAt(5 as never), { code: 'STREAM_GONE' });
    await t.rejects(source.read(1).next(), { code: 'STREAM_GONE' });
  });
}
