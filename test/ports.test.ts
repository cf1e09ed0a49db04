import t, { type Test } from 'tap';
import { instant } from '../src/core/time/units.ts';
import { connectNats } from '../src/nats/connect.ts';
import type { Appended, FencedLog, LogMessage, LogReader } from '../src/ports/log.ts';
import { memoryWorld, natsWorld, type World } from './support/port-worlds.ts';
import { servers, withServer } from './support/servers.ts';
import { until } from './support/until.ts';

// The contract of the ports, held against every implementation alike.

const encoder = new TextEncoder();
const decoder = new TextDecoder();
const bytes = (text: string): Uint8Array => encoder.encode(text);
const texts = (messages: readonly LogMessage[]): string[] => messages.map(({ body }) => decoder.decode(body));

function stored(appended: Appended): number {
  if (appended.kind !== 'stored') throw new Error(`not stored: ${JSON.stringify(appended)}`);
  return appended.sequence;
}

/** Appends texts one after the other; gives their sequences. */
async function appendAll(log: FencedLog, subject: string, all: readonly string[], after = 0): Promise<number[]> {
  const sequences: number[] = [];
  for (const text of all) sequences.push(stored(await log.append(subject, sequences.at(-1) ?? after, bytes(text))));
  return sequences;
}

/** Reads until so many messages have come, or the end. */
async function take(reader: LogReader, count: number): Promise<LogMessage[]> {
  const messages: LogMessage[] = [];
  while (messages.length < count) {
    const more = await reader.next();
    if (more === undefined) break;
    messages.push(...more);
  }
  return messages;
}

const openWorlds: ((test: Test) => Promise<World>)[] = [async () => memoryWorld()];
for (const server of await servers()) {
  openWorlds.push(async (test) => {
    const { url } = await withServer(test, server);
    const link = await connectNats({ url });
    test.teardown(() => link.close());
    return natsWorld(`nats-server ${link.serverVersion}`, link);
  });
}

for (const open of openWorlds) {
  const world = await open(t);
  t.test(world.name, async (t) => {
    await t.test('fenced append', (t) => fencedAppend(t, world));
    await t.test('reading a log', (t) => readingALog(t, world));
    await t.test('trim', (t) => trim(t, world));
    await t.test('sources', (t) => sources(t, world));
    await t.test('leases', (t) => leases(t, world));
  });
}

async function fencedAppend(t: Test, world: World): Promise<void> {
  t.test('stores the first message of a subject only if none is expected', async (t) => {
    const { log, subject } = await world.log();
    const journal = subject('journal.1');
    t.same(await log.append(journal, 7, bytes('early')), { kind: 'refused' });
    t.same(await log.append(journal, 0, bytes('first')), { kind: 'stored', sequence: 1 });
    t.same(await log.append(journal, 0, bytes('again')), { kind: 'refused' });
    t.same(texts([(await log.last(journal))!]), ['first']);
  });

  t.test('stores one of many that expect the same last message', async (t) => {
    const { log, subject } = await world.log();
    const journal = subject('journal.1');
    let last = 0;
    for (let round = 0; round < 20; round++) {
      const racers = await Promise.all(
        ['a', 'b', 'c', 'd'].map((name) => log.append(journal, last, bytes(`${name}${round}`))),
      );
      const won = racers.filter(({ kind }) => kind === 'stored');
      t.equal(won.length, 1, `round ${round}`);
      t.equal(racers.filter(({ kind }) => kind === 'refused').length, 3);
      last = stored(won[0]!);
    }
  });

  t.test('minds only its own subject', async (t) => {
    const { log, subject } = await world.log();
    const [one] = await appendAll(log, subject('shard.1.auth'), ['a']);
    const [two] = await appendAll(log, subject('shard.2.auth'), ['b']);
    t.equal(two, one! + 1, 'of one stream, so of one order');
    t.same(await log.append(subject('shard.1.auth'), one!, bytes('c')), { kind: 'stored', sequence: two! + 1 });
  });

  t.test('gives back the last message and any by its sequence', async (t) => {
    const { log, subject } = await world.log();
    const side = subject('side.rule.late.0');
    t.equal(await log.last(side), undefined);
    const [first, second] = await appendAll(log, side, ['eins', 'zwei ☃']);
    const [other] = await appendAll(log, subject('match.rule.0'), ['other']);
    const last = await log.last(side);
    t.equal(last?.sequence, second);
    t.equal(last?.subject, side);
    t.equal(last?.headers, undefined);
    t.same(texts([last!]), ['zwei ☃']);
    t.same(texts([(await log.get(side, first!))!]), ['eins']);
    t.equal(
      (await log.get(side, first!))?.stamp,
      (await take(log.read(side, 1), 1))[0]?.stamp,
      'one stamp, however read',
    );
    t.equal(await log.get(side, other!), undefined, 'the sequence of another subject');
    t.equal(await log.get(side, 99), undefined);
  });

  t.test('takes a body of bodyMax and no byte more', async (t) => {
    const { log, subject } = await world.log();
    const body = new Uint8Array(log.bodyMax).fill(7);
    const sequence = stored(await log.append(subject('page.1'), 0, body));
    t.ok(Buffer.from((await log.last(subject('page.1')))!.body).equals(body));
    const more = log.append(subject('page.1'), sequence, new Uint8Array(log.bodyMax + 1));
    await t.rejects(more, { code: 'TOO_LARGE' });
  });

  t.test('gives back the headers of a message, and none of its own', async (t) => {
    const { log, subject } = await world.log();
    const match = subject('match.rule.0');
    const headers = { 'corral-ordinal': '1', 'x-note': 'größe: 1' };
    const sequence = stored(await log.append(match, 0, bytes('m'), headers));
    await log.append(match, sequence, bytes('n'));
    const reader = log.read(match, 1);
    const [first, second] = await take(reader, 2);
    await reader.close();
    for (const message of [first, await log.get(match, sequence)]) t.same({ ...message?.headers }, headers);
    for (const message of [second, await log.last(match)]) t.equal(message?.headers, undefined);
    const long = { 'x-long': 'x'.repeat(2000) };
    await t.rejects(log.append(match, sequence, bytes(''), long), { code: 'TOO_LARGE' });
  });

  t.test('takes an empty body', async (t) => {
    const { log, subject } = await world.log();
    await appendAll(log, subject('lane.auth'), ['']);
    t.equal((await log.last(subject('lane.auth')))?.body.length, 0);
  });

  t.test('knows only the subjects of its deployment', async (t) => {
    const { log, subject } = await world.log();
    await t.rejects(log.append('elsewhere.shard.1', 0, bytes('x')), TypeError);
    await t.rejects(log.append(subject('nothing.1'), 0, bytes('x')), TypeError);
  });
}

async function readingALog(t: Test, world: World): Promise<void> {
  t.test('gives all messages of a subject in order, then waits for more', async (t) => {
    const { log, subject } = await world.log();
    const journal = subject('journal.1');
    const all = Array.from({ length: 50 }, (_, n) => `m${n}`);
    const sequences = await appendAll(log, journal, all.slice(0, 30));
    const reader = log.read(journal, 1);
    const before = await take(reader, 30);
    const waiting = take(reader, 20);
    await appendAll(log, journal, all.slice(30), sequences.at(-1));
    const messages = [...before, ...(await waiting)];
    t.same(texts(messages), all);
    t.ok(
      messages.every(({ stamp }, n) => n === 0 || stamp >= messages[n - 1]!.stamp),
      'stamps ascend',
    );
    t.ok(messages.every((message) => message.subject === journal && message.headers === undefined));
    await reader.close();
  });

  t.test('begins where it is told, whatever else is in the stream', async (t) => {
    const { log, subject } = await world.log();
    const sequences = await appendAll(log, subject('journal.1'), ['a', 'b', 'c', 'd']);
    await appendAll(log, subject('journal.2'), ['x', 'y']);
    const reader = log.read(subject('journal.1'), sequences[2]!);
    t.same(texts(await take(reader, 2)), ['c', 'd']);
    await reader.close();
    const beyond = log.read(subject('journal.1'), sequences[3]! + 1);
    const waiting = take(beyond, 1);
    await appendAll(log, subject('journal.1'), ['e'], sequences[3]);
    t.same(texts(await waiting), ['e']);
    await beyond.close();
  });

  t.test('gives the messages of several subjects in the order of the stream', async (t) => {
    const { log, subject } = await world.log();
    const ends = new Map<string, number>();
    for (const [n, name] of [...'abcabbacaabc'].entries()) {
      const to = subject(`shard.3.${name}`);
      ends.set(to, stored(await log.append(to, ends.get(to) ?? 0, bytes(`${name}${n}`))));
      await log.append(subject(`shard.4.${name}${n}`), 0, bytes('another shard'));
    }
    const reader = log.read(subject('shard.3.*'), 1);
    const messages = await take(reader, 12);
    t.same(
      texts(messages),
      [...'abcabbacaabc'].map((name, n) => `${name}${n}`),
    );
    t.ok(messages.every(({ sequence }, n) => n === 0 || sequence > messages[n - 1]!.sequence));
    await reader.close();
    const whole = log.read(subject('shard.>'), 1);
    t.equal((await take(whole, 24)).length, 24);
    await whole.close();
  });

  t.test('serves any number of readers, each by itself', async (t) => {
    const { log, subject } = await world.log();
    const [, second] = await appendAll(log, subject('journal.1'), ['a', 'b', 'c']);
    const readers = [1, second!, 1].map((from) => log.read(subject('journal.1'), from));
    const taken = await Promise.all(readers.map((reader, n) => take(reader, n === 1 ? 2 : 3)));
    t.same(taken.map(texts), [
      ['a', 'b', 'c'],
      ['b', 'c'],
      ['a', 'b', 'c'],
    ]);
    await Promise.all(readers.map((reader) => reader.close()));
  });

  t.test('ends a waiting reader that is closed', async (t) => {
    const { log, subject } = await world.log();
    const reader = log.read(subject('journal.1'), 1);
    const waiting = reader.next();
    await reader.close();
    await reader.close();
    t.equal(await waiting, undefined);
    t.equal(await reader.next(), undefined);
  });

  t.test('gives no message after it was closed', async (t) => {
    const { log, subject } = await world.log();
    await appendAll(log, subject('journal.1'), ['a']);
    const reader = log.read(subject('journal.1'), 1);
    await reader.close();
    t.equal(await reader.next(), undefined);
  });

  t.test('says how far it has come', async (t) => {
    const { log, subject } = await world.log();
    const sequences = await appendAll(log, subject('journal.1'), ['a', 'b']);
    const reader = log.read(subject('journal.1'), 1);
    t.equal(reader.position, 1);
    await take(reader, 2);
    t.equal(reader.position, sequences[1]! + 1);
    t.equal(reader.pending, 0);
    await reader.close();
  });

  t.test('refuses a position beyond the end: the stream has lost its tail', async (t) => {
    const { log, subject } = await world.log();
    const [sequence] = await appendAll(log, subject('journal.1'), ['a']);
    await t.rejects(log.read(subject('journal.1'), sequence! + 2).next(), { code: 'POSITION_GONE' });
  });

  t.test('refuses a stream that was made anew', async (t) => {
    const { log, subject, recreate } = await world.log();
    await appendAll(log, subject('journal.1'), ['a', 'b']);
    const reader = log.read(subject('journal.1'), 1);
    await take(reader, 2);
    const before = await log.facts(subject('journal.1'));
    const waiting = t.rejects(reader.next(), { code: /^STREAM_(CHANGED|GONE)$/ }, 'while it is read');
    await recreate();
    await waiting;
    await t.rejects(reader.next(), { code: /^STREAM_(CHANGED|GONE)$/ }, 'and from then on');
    t.not((await log.facts(subject('journal.1'))).created, before.created);
  });

  t.test('gives the facts of the stream that holds a subject', async (t) => {
    const { log, subject } = await world.log();
    const empty = await log.facts(subject('journal.1'));
    t.match(empty, { firstSequence: 1, lastSequence: 0 });
    await appendAll(log, subject('journal.1'), ['a', 'b', 'c']);
    t.same(await log.facts(subject('journal.2')), { ...empty, lastSequence: 3 });
    t.match(await log.facts(subject('match.x.1')), { firstSequence: 1, lastSequence: 0 }, 'another stream');
  });
}

async function trim(t: Test, world: World): Promise<void> {
  t.test('removes what is before a message, of this subject only', async (t) => {
    const { log, subject } = await world.log();
    const [first, second, third] = await appendAll(log, subject('journal.1'), ['a', 'b', 'c']);
    const [other] = await appendAll(log, subject('journal.2'), ['x']);
    await log.trim(subject('journal.1'), second!);
    t.equal(await log.get(subject('journal.1'), first!), undefined);
    t.same(texts([(await log.get(subject('journal.1'), second!))!]), ['b']);
    t.same(texts([(await log.get(subject('journal.2'), other!))!]), ['x']);
    const reader = log.read(subject('journal.1'), 1);
    t.same(texts(await take(reader, 2)), ['b', 'c'], 'a reader begins with what is there');
    await reader.close();
    t.same(await log.append(subject('journal.1'), third!, bytes('d')), { kind: 'stored', sequence: other! + 1 });
  });

  t.test('keeps the last message, and with it the fence, whatever it is asked', async (t) => {
    const { log, subject } = await world.log();
    const sequences = await appendAll(log, subject('journal.1'), ['a', 'b', 'c']);
    await log.trim(subject('journal.1'), sequences[2]!);
    t.same(texts([(await log.last(subject('journal.1')))!]), ['c']);
    await appendAll(log, subject('journal.2'), ['x', 'y']);
    await log.trim(subject('journal.1'), 1_000);
    t.same(texts([(await log.last(subject('journal.1')))!]), ['c']);
    t.same(await log.append(subject('journal.1'), 0, bytes('zombie')), { kind: 'refused' });
    stored(await log.append(subject('journal.1'), sequences[2]!, bytes('d')));
  });

  t.test('does no harm when it comes late, or to a subject that never was', async (t) => {
    const { log, subject } = await world.log();
    const sequences = await appendAll(log, subject('journal.1'), ['a', 'b', 'c', 'd']);
    await log.trim(subject('journal.1'), sequences[2]!);
    await log.trim(subject('journal.1'), sequences[1]!);
    await log.trim(subject('journal.9'), 5);
    const reader = log.read(subject('journal.1'), 1);
    t.same(texts(await take(reader, 2)), ['c', 'd']);
    await reader.close();
  });
}

async function sources(t: Test, world: World): Promise<void> {
  t.test('give events with their headers, in lower case, from any position', async (t) => {
    const { source, publish } = await world.source();
    t.match(await source.facts(), { firstSequence: 1, lastSequence: 0 });
    await publish('a', 'one', { 'ce-id': 'x 1', 'content-type': 'text/plain' });
    await publish('b', 'two');
    await publish('a', 'three');
    t.match(await source.facts(), { firstSequence: 1, lastSequence: 3 });
    const reader = source.read(1);
    const messages = await take(reader, 3);
    t.same(texts(messages), ['one', 'two', 'three']);
    t.same({ ...messages[0]?.headers }, { 'ce-id': 'x 1', 'content-type': 'text/plain' });
    t.equal(messages[1]?.headers, undefined);
    await reader.close();
    const later = source.read(3);
    t.same(texts(await take(later, 1)), ['three']);
    await later.close();
  });

  t.test('say that all there is has been given out, and are not sure before it is', async (t) => {
    for (const filter of [undefined, 'in.a']) {
      const { source, publish } = await world.source(filter === undefined ? {} : { filter });
      await publish('in.a', 'one');
      await publish('in.b', 'two');
      await source.facts();
      const reader = source.read(1);
      await take(reader, filter === undefined ? 2 : 1);
      await until(() => reader.caughtUp!());
      await publish('in.b', 'three');
      await publish('in.a', 'four');
      t.equal(await reader.caughtUp!(), false, 'one is on its way');
      await take(reader, filter === undefined ? 2 : 1);
      await until(() => reader.caughtUp!());
      await reader.close();
      t.equal(await reader.caughtUp!(), false);
    }
  });

  t.test('find the first message at or after a time', async (t) => {
    const { source, publish } = await world.source();
    t.equal(await source.sequenceAt(instant(1)), 1, 'of an empty stream');
    for (const text of ['a', 'b', 'c']) await publish('x', text);
    const reader = source.read(1);
    const messages = await take(reader, 3);
    await reader.close();
    for (const { sequence, stamp } of messages) t.equal(await source.sequenceAt(stamp), sequence);
    t.equal(await source.sequenceAt(instant(-1)), 1);
    t.equal(await source.sequenceAt(instant(messages[2]!.stamp + 3_600_000)), 4);
    t.equal(await source.sequenceAt(instant(Number.MAX_SAFE_INTEGER)), 4);
  });

  t.test('say that a position was dropped by the retention, or is beyond the end', async (t) => {
    const { source, publish, expire } = await world.source();
    for (const text of ['a', 'b', 'c', 'd', 'e']) await publish('x', text);
    await expire(4);
    t.match(await source.facts(), { firstSequence: 4, lastSequence: 5 });
    await t.rejects(source.read(3).next(), { code: 'POSITION_GONE' });
    await t.rejects(source.read(7).next(), { code: 'POSITION_GONE' });
    const reader = source.read(4);
    t.same(texts(await take(reader, 2)), ['d', 'e']);
    await reader.close();
    await expire(6);
    t.match(await source.facts(), { firstSequence: 6, lastSequence: 5 }, 'an emptied stream goes on where it was');
  });

  t.test('say that the stream is not there, or is another than was looked at', async (t) => {
    const { source, publish, recreate, remove } = await world.source();
    for (const text of ['a', 'b']) await publish('x', text);
    await source.facts();
    await recreate();
    for (const text of ['c', 'd']) await publish('x', text);
    await t.rejects(source.read(1).next(), { code: 'STREAM_CHANGED' });
    await source.facts();
    const reader = source.read(1);
    t.same(texts(await take(reader, 2)), ['c', 'd'], 'after it was looked at anew');
    await reader.close();
    await remove();
    await t.rejects(source.facts(), { code: 'STREAM_GONE' });
  });
}

async function leases(t: Test, world: World): Promise<void> {
  t.test('are written by revision only', async (t) => {
    const store = await world.leases();
    t.same(await store.list(), []);
    const first = await store.write('shard.1', 'node-a', 0);
    if (first.kind !== 'written') throw new Error(first.kind);
    t.same(await store.write('shard.1', 'node-b', 0), { kind: 'conflict' });
    t.same(await store.write('shard.1', 'node-b', first.revision + 5), { kind: 'conflict' });
    const second = await store.write('shard.1', 'node-b', first.revision);
    if (second.kind !== 'written') throw new Error(second.kind);
    t.same(await store.write('shard.1', 'node-a', first.revision), { kind: 'conflict' });
    t.same(await store.list(), [{ name: 'shard.1', holder: 'node-b', revision: second.revision }]);
  });

  t.test('are free again after a release', async (t) => {
    const store = await world.leases();
    const held = await store.write('lane.auth', 'node-a', 0);
    if (held.kind !== 'written') throw new Error(held.kind);
    await store.release('lane.auth', held.revision + 1);
    t.equal((await store.list()).length, 1, 'another revision is another holder');
    await store.release('lane.auth', held.revision);
    t.same(await store.list(), []);
    t.same(await store.write('lane.auth', 'node-b', held.revision), { kind: 'conflict' }, 'the old revision is gone');
    const claims = await Promise.all(['b', 'c', 'd'].map((holder) => store.write('lane.auth', holder, 0)));
    t.same(claims.map(({ kind }) => kind).sort(), ['conflict', 'conflict', 'written']);
    t.equal((await store.list()).length, 1);
  });

  t.test('tell who watches of what is written and released', async (t) => {
    const store = await world.leases();
    const told: string[] = [];
    const unwatch = store.watch!((name, released) => told.push(`${name} ${released}`));
    const held = await store.write('shard.7', 'node-a', 0);
    if (held.kind !== 'written') throw new Error(held.kind);
    await store.release('shard.7', held.revision);
    await until(() => told.length >= 2);
    t.same(told.slice(0, 2), ['shard.7 false', 'shard.7 true']);
    unwatch();
    await store.write('shard.8', 'node-a', 0);
    await store.list();
    t.notOk(told.some((text) => text.startsWith('shard.8')));
  });

  t.test('have any name', async (t) => {
    const store = await world.leases();
    const names = ['lane.a b', 'lane..', '.x.', 'größe=1', 'a/b_c-d', '✓ *.>'];
    for (const name of names) t.equal((await store.write(name, 'node', 0)).kind, 'written', name);
    t.same((await store.list()).map(({ name }) => name).sort(), [...names].sort());
  });
}
