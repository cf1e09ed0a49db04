import t, { type Test } from 'tap';
import { deliveryLayout, parseDelivery, parseServerTime } from '../src/nats/delivery.ts';
import { isBefore, probeFence } from '../src/nats/fence-probe.ts';
import { openNatsLeases } from '../src/nats/nats-leases.ts';
import { openNatsLog } from '../src/nats/nats-log.ts';
import { natsSource } from '../src/nats/nats-source.ts';
import { appendedOf, parsePubAck } from '../src/nats/pub-ack.ts';
import { createPublisher } from '../src/nats/publisher.ts';
import { connected, stream, take } from './support/nats-streams.ts';
import { call } from './support/port-worlds.ts';
import { servers, type TestServer, withServer } from './support/servers.ts';

// What the ports on NATS do beyond the contract: streams, publishing, and what is read of the server's answers.

for (const testServer of await servers()) {
  t.test(`on the ${testServer.name} nats-server`, async (t) => {
    await t.test('streams of a deployment', (t) => deployment(t, testServer));
    await t.test('a publisher', (t) => publishing(t, testServer));
  });
}

async function deployment(t: Test, testServer: TestServer): Promise<void> {
  const link = await connected(t, await withServer(t, testServer));

  t.test('are created once, and taken as they are by the next node', async (t) => {
    const first = await openNatsLog(link, { prefix: 'two' });
    const second = await openNatsLog(link, { prefix: 'two' });
    t.same(await second.facts('two.journal.1'), await first.facts('two.journal.1'));
    const { config } = await call<{ config: object }>(link, 'STREAM.INFO.TWO_SHARD');
    t.match(config, { subjects: ['two.shard.>', 'two.lane.>'], discard: 'new', retention: 'limits', storage: 'file' });
  });

  t.test('are refused when they could lose a last message, with every difference named', async (t) => {
    await stream(link, 'BAD_JOURNAL', {
      subjects: ['bad.journal.>'],
      discard: 'old',
      max_age: 60e9,
      max_msgs: 1000,
      max_msgs_per_subject: 5,
      storage: 'memory',
    });
    const error = await openNatsLog(link, { prefix: 'bad' }).catch((error: Error) => error);
    t.match(error, { code: 'STREAM_MISCONFIGURED', retry: 'never' });
    const { message } = error as Error;
    for (const difference of [
      'BAD_JOURNAL',
      'subjects is bad.journal.>, must be bad.journal.> bad.page.>',
      'discard is old, must be new',
      'storage is memory, must be file',
      'max_age is 60000000000, must be 0',
      'max_msgs is 1000, must be -1',
      'max_msgs_per_subject is 5, must be -1',
      'nats stream edit BAD_JOURNAL',
    ]) {
      t.ok(message.includes(difference), difference);
    }
  });

  t.test('are refused when their subjects belong to another stream', async (t) => {
    await stream(link, 'OTHER', { subjects: ['taken.match.>'] });
    await t.rejects(openNatsLog(link, { prefix: 'taken' }), { code: 'STREAM_REFUSED', message: /TAKEN_MATCH/ });
  });

  t.test('have a prefix that can name them', async (t) => {
    await t.rejects(openNatsLog(link, { prefix: 'a.b' }), { code: 'NATS_OPTIONS' });
    await t.rejects(openNatsLog(link, { prefix: 'A' }), { code: 'NATS_OPTIONS' });
  });

  t.test('keep leases in a bucket that forgets nothing by itself', async (t) => {
    await stream(link, 'KV_old_leases', { subjects: ['$KV.old_leases.>'], max_age: 5e9, max_msgs_per_subject: 1 });
    await t.rejects(openNatsLeases(link, { prefix: 'old' }), { code: 'STREAM_MISCONFIGURED', message: /old_leases/ });
  });

  t.test('a full stream leaves an append open: it may be sent again after a trim', async (t) => {
    const log = await openNatsLog(link, { prefix: 'full' });
    const { config } = await call<{ config: object }>(link, 'STREAM.INFO.FULL_JOURNAL');
    await call(link, 'STREAM.UPDATE.FULL_JOURNAL', { ...config, max_bytes: 4000 });
    const body = Buffer.alloc(1000);
    let last = 0;
    let appended = await log.append('full.journal.1', last, body);
    while (appended.kind === 'stored') {
      last = appended.sequence;
      appended = await log.append('full.journal.1', last, body);
    }
    t.match(appended, { kind: 'unknown', cause: /maximum bytes/ });
    await log.trim('full.journal.1', last);
    t.equal((await log.append('full.journal.1', last, body)).kind, 'stored');
  });

  t.test('the probe of the fence passes where the fence holds', async (t) => {
    const log = await openNatsLog(link, { prefix: 'probe' });
    await probeFence(link, 'PROBE_JOURNAL', 'probe.page.probe');
    await Promise.all([1, 2].map(() => probeFence(link, 'PROBE_JOURNAL', 'probe.page.probe')));
    t.ok(await log.last('probe.page.probe'), 'and leaves its last message');
  });
}

async function publishing(t: Test, testServer: TestServer): Promise<void> {
  const link = await connected(t, await withServer(t, testServer));
  await stream(link, 'P');

  t.test('keeps the order, counts what was stored, and knows what was there', async (t) => {
    const publisher = createPublisher(link, { inFlightMax: 10 });
    for (let n = 0; n < 1000; n++) await publisher.publish('P.x', Buffer.from(String(n)), { 'Nats-Msg-Id': `id${n}` });
    t.match(await publisher.flush(), { stored: 1000, duplicates: 0, failed: 0, firstFailure: undefined });
    for (let n = 990; n < 1010; n++)
      await publisher.publish('P.x', Buffer.from(String(n)), { 'Nats-Msg-Id': `id${n}` });
    t.match(await publisher.flush(), { stored: 1010, duplicates: 10, failed: 0 });
    const reader = natsSource(link, { stream: 'P', subject: undefined }).read(1);
    const messages = await take(reader, 1010);
    t.same(
      messages.map(({ body }) => Number(Buffer.from(body).toString())),
      Array.from({ length: 1010 }, (_, n) => n),
    );
    await reader.close();
  });

  t.test('says what nobody stores, and what is too large', async (t) => {
    const publisher = createPublisher(link);
    await publisher.publish('nowhere', Buffer.from('x'));
    t.match(await publisher.flush(), { failed: 1, firstFailure: { subject: 'nowhere', cause: /no responders/ } });
    await publisher.publish('P.x', Buffer.alloc(publisher.bodyMax + 1));
    await publisher.publish('P.x', Buffer.alloc(10));
    t.match(await publisher.flush(), { stored: 1, failed: 2 });
  });
}

t.test('what the server writes', async (t) => {
  t.test('delivery subjects are read in both forms', async (t) => {
    const expected = { streamSequence: 12345, consumerSequence: 678, stamp: 1_700_000_000_123.5, pending: 42 };
    for (const reply of [
      '$JS.ACK.EVENTS.abc.1.12345.678.1700000000123500000.42',
      '$JS.ACK.hub.ACCHASH.EVENTS.abc.1.12345.678.1700000000123500000.42',
      '$JS.ACK.hub.ACCHASH.EVENTS.abc.1.12345.678.1700000000123500000.42.rnd',
    ]) {
      const layout = deliveryLayout(reply);
      t.same(layout === undefined ? undefined : parseDelivery(reply, layout), expected, reply);
    }
    for (const reply of ['', '_INBOX.x.y', '$JS.ACK.EVENTS.abc.1.2']) t.equal(deliveryLayout(reply), undefined);
  });

  t.test('times keep their nanoseconds', async (t) => {
    t.equal(parseServerTime('2026-01-02T03:04:05Z'), Date.UTC(2026, 0, 2, 3, 4, 5));
    t.equal(parseServerTime('2026-01-02T03:04:05.0005Z'), Date.UTC(2026, 0, 2, 3, 4, 5) + 0.5);
    t.equal(parseServerTime('2026-01-02T03:04:05.123456789Z'), Date.UTC(2026, 0, 2, 3, 4, 5, 123) + 0.456789);
    t.equal(parseServerTime('2026-01-02T05:04:05.1+02:00'), Date.UTC(2026, 0, 2, 3, 4, 5, 100));
    t.throws(() => parseServerTime('yesterday'), RangeError);
  });

  t.test('an acknowledgement means stored, refused or unknown', async (t) => {
    const meaning = (text: string) => appendedOf(parsePubAck(Buffer.from(text)));
    t.same(meaning('{"stream":"X","seq":12}'), { kind: 'stored', sequence: 12 });
    t.same(meaning('{"stream":"X", "domain":"hub", "seq":7}'), { kind: 'stored', sequence: 7 });
    t.same(meaning('{"stream":"X","seq":12,"duplicate":true}'), { kind: 'refused' });
    const wrong = { code: 400, err_code: 10071, description: 'wrong last sequence: 3' };
    t.same(meaning(JSON.stringify({ error: wrong, stream: 'X', seq: 0 })), { kind: 'refused' });
    const full = { code: 400, err_code: 10077, description: 'maximum bytes exceeded' };
    t.match(meaning(JSON.stringify({ error: full, stream: 'X', seq: 0 })), { kind: 'unknown', cause: /maximum bytes/ });
    for (const odd of ['', '+OK', '{"seq":"x"}', '[]', 'null', '{"stream":"X"}']) {
      t.match(meaning(odd), { kind: 'unknown', cause: /none of JetStream/ }, odd);
    }
  });

  t.test('versions compare by number', async (t) => {
    t.ok(isBefore('2.9.10', [2, 9, 21]));
    t.ok(isBefore('1.99.99', [2, 9, 21]));
    t.notOk(isBefore('2.9.21', [2, 9, 21]));
    t.notOk(isBefore('2.10.0-RC.1', [2, 9, 21]));
    t.notOk(isBefore('', [2, 9, 21]));
  });
});
