import t from 'tap';
import { decodeDeadLetter } from '../src/core/events/dead-letter.ts';
import { decodeDeadRecord } from '../src/core/shards/dead-record.ts';
import { shardOf } from '../src/core/shards/shard-of.ts';
import { duration, instant } from '../src/core/time/units.ts';
import { iterableSource } from '../src/memory/iterable-source.ts';
import { MemorySource } from '../src/memory/memory-source.ts';
import { systemClock } from '../src/system/system-clock.ts';
import { memoryNode, messagesOf } from './support/memory-node.ts';
import { rulesOf } from './support/rules-of.ts';
import { until } from './support/until.ts';

const RULE = `
rule: paid-twice
from: orders
key: event.order
pattern:
  - begin: first
    type: Paid
  - followedBy: second
    type: Paid
within: 1m
afterMatch: skipPastLastEvent
emit: {amounts: ["\${first.amount}", "\${second.amount}"]}
`;

interface Order {
  kind: string;
  at: number;
  order?: unknown;
  amount?: number;
}

const orders = (events: readonly (Order | string)[]) =>
  iterableSource(
    (async function* () {
      yield events.map((event) => ({
        subject: 'orders.new',
        body: Buffer.from(typeof event === 'string' ? event : JSON.stringify(event)),
        stamp: instant(0),
      }));
    })(),
    () => instant(0),
  );

async function run(events: readonly (Order | string)[]) {
  const node = memoryNode(rulesOf(RULE, ['orders']), new Map([['orders', orders(events)]]));
  node.corral.start();
  await Promise.race([node.corral.finished, node.corral.failed]);
  const matches = (await messagesOf(node.log, 'corral.match.>')).map(({ subject, body, headers }) => ({
    subject,
    ordinal: headers?.['corral-ordinal'],
    ...JSON.parse(Buffer.from(body).toString()),
  }));
  const dead = (await messagesOf(node.log, 'corral.dead.lane.orders')).flatMap(({ body }) =>
    decodeDeadRecord(body).letters.map((letter) => decodeDeadLetter(letter)),
  );
  await node.corral.drain();
  return { matches, dead, measures: node.corral.measures };
}

t.test('an event goes from its source to a match through lane, shard log, actor, commit and relay', async (t) => {
  const { matches, dead, measures } = await run([
    { kind: 'Paid', at: 1000, order: 'a', amount: 1 },
    { kind: 'Paid', at: 2000, order: 'b', amount: 2 },
    { kind: 'Paid', at: 3000, order: 'a', amount: 3 },
    { kind: 'Paid', at: 62000, order: 'b', amount: 4 },
  ]);
  t.equal(matches.length, 1);
  t.match(matches[0], {
    type: 'corral.match.paid-twice',
    ordinal: '1',
    data: { rule: 'paid-twice', key: 'a', kind: 'match', emit: { amounts: [1, 3] } },
  });
  t.equal(dead.length, 0);
  t.equal(measures.sources.get('orders')!.eventsIn, 4);
  t.equal(measures.rules.get('paid-twice')!.matches, 1);
});

t.test('what cannot be processed has a stated end: dead letters with cause, and counts', async (t) => {
  const long = 'k'.repeat(10_000);
  const { dead, matches, measures } = await run([
    'no json at all',
    { kind: 'Paid', at: 'not a time' as never, order: 'a' },
    { kind: 'Paid', at: 1000 },
    { kind: 'Paid', at: 1000, order: { a: 'map is no key' } },
    { kind: 'Paid', at: 1000, order: long },
    { kind: 'Paid', at: 1000, order: '🔑 ключ', amount: 1 },
    { kind: 'Paid', at: 2000, order: '🔑 ключ', amount: 2 },
  ]);
  t.same(
    dead.map(({ cause, sequence }) => [cause, sequence]),
    [
      ['undecodable', 1],
      ['time', 2],
      ['key', 4],
      ['key', 5],
    ],
  );
  t.equal(Buffer.from(dead[0]!.body!).toString(), 'no json at all', 'the original bytes are kept');
  t.equal(measures.sources.get('orders')!.eventsWithoutKey, 1);
  t.same(
    [...measures.sources.get('orders')!.deadLetters],
    [
      ['undecodable', 1],
      ['time', 1],
      ['key', 2],
    ],
  );
  t.equal(matches.length, 1, 'any Unicode is a key');
});

t.test(
  'an event too large for any record becomes a dead letter that points at it, and its neighbours go on',
  async (t) => {
    const big = { kind: 'Paid', at: 1500, order: 'a', amount: 9, text: 'x'.repeat(1_048_300) };
    const { dead, matches } = await run([
      { kind: 'Paid', at: 1000, order: 'a', amount: 1 },
      big as Order,
      { kind: 'Paid', at: 2000, order: 'a', amount: 2 },
    ]);
    t.same(
      dead.map(({ cause, sequence, body }) => [cause, sequence, body]),
      [['tooLarge', 2, undefined]],
    );
    t.match(matches[0], { data: { emit: { amounts: [1, 2] } } });
  },
);

t.test("removing one key's actor loses nothing but its memory, which comes back from the packed state", async (t) => {
  const source = new MemorySource({ name: 'ORDERS', now: () => instant(0) });
  const rules = rulesOf(RULE, ['orders']);
  const node = memoryNode(rules, new Map([['orders', source]]), { settings: { atEnd: 'stop', shards: 2 } });
  const publish = (event: Order) => source.publish({ subject: 'orders.new', body: Buffer.from(JSON.stringify(event)) });
  const seen = (events: number) => until(() => node.corral.measures.node.eventsCommitted === events);
  node.corral.start();
  for (const order of ['a', 'b', 'c']) publish({ kind: 'Paid', at: 1000, order, amount: 1 });
  await seen(3);
  t.equal(node.corral.measures.node.actorsActive, 3, 'one actor per live key');
  t.equal(node.corral.measures.node.keys, 3);

  t.ok(node.corral.killActor(shardOf('b', 2), 'b'), 'the actor was there');
  await until(() => node.corral.measures.node.actorsActive === 2);
  t.notOk(node.corral.killActor(shardOf('b', 2), 'b'), 'and is no more');
  t.equal(node.corral.measures.node.keys, 3, 'its state is still in the table');

  for (const order of ['a', 'b', 'c']) publish({ kind: 'Paid', at: 2000, order, amount: 2 });
  await seen(6);
  await until(() => node.corral.measures.rules.get('paid-twice')!.matches === 3);
  t.equal(node.corral.measures.node.actorsSpawned, 4, 'only the removed one was made again');
  t.equal(node.corral.measures.node.keys, 0, 'nothing half-finished is left');
  await node.corral.drain();
  t.equal(node.corral.measures.node.actorsActive, 0);
  const matched = (await messagesOf(node.log, 'corral.match.>')).map(({ body }) =>
    JSON.parse(Buffer.from(body).toString()),
  );
  t.same(matched.map(({ data }) => [data.key, data.emit.amounts]).sort(), [
    ['a', [1, 2]],
    ['b', [1, 2]],
    ['c', [1, 2]],
  ]);
});

t.test('a node that takes over finds every key as its predecessor left it, and repeats no match', async (t) => {
  const source = new MemorySource({ name: 'ORDERS', now: () => instant(0) });
  const rules = rulesOf(RULE, ['orders']);
  const sources = new Map([['orders', source]]);
  const publish = (event: Order) => source.publish({ subject: 'orders.new', body: Buffer.from(JSON.stringify(event)) });
  const first = memoryNode(rules, sources, { settings: { atEnd: 'stop' } });
  first.corral.start();
  publish({ kind: 'Paid', at: 1000, order: 'a', amount: 1 });
  publish({ kind: 'Paid', at: 1000, order: 'b', amount: 1 });
  publish({ kind: 'Paid', at: 1500, order: 'b', amount: 2 });
  await until(() => first.corral.measures.node.eventsCommitted === 3);
  await first.corral.drain();
  const second = memoryNode(rules, sources, { ports: first.ports, settings: { atEnd: 'stop', node: 'other' } });
  second.corral.start();
  publish({ kind: 'Paid', at: 2000, order: 'a', amount: 2 });
  await until(() => second.corral.measures.rules.get('paid-twice')!.matches === 1);
  await second.corral.drain();
  const matched = (await messagesOf(first.log, 'corral.match.>')).map(({ body }) =>
    JSON.parse(Buffer.from(body).toString()),
  );
  t.same(matched.map(({ data }) => data.key).sort(), ['a', 'b']);
});

t.test('actors beyond the allowed number are passivated, and their keys go on from packed state', async (t) => {
  const source = new MemorySource({ name: 'ORDERS', now: () => instant(0) });
  const node = memoryNode(rulesOf(RULE, ['orders']), new Map([['orders', source]]), {
    settings: { atEnd: 'stop', shards: 1, actorsMax: 10 },
  });
  const publish = (event: Order) => source.publish({ subject: 'orders.new', body: Buffer.from(JSON.stringify(event)) });
  node.corral.start();
  for (let n = 0; n < 500; n += 1) {
    publish({ kind: 'Paid', at: 1000, order: `o${n}`, amount: 1 });
    if (n % 50 === 49) await until(() => node.corral.measures.node.eventsCommitted === n + 1);
  }
  t.equal(node.corral.measures.node.keys, 500);
  t.ok(node.corral.measures.node.actorsActive < 200, `${node.corral.measures.node.actorsActive} of 500 are active`);
  for (let n = 0; n < 500; n += 1) publish({ kind: 'Paid', at: 2000, order: `o${n}`, amount: 2 });
  await until(() => node.corral.measures.rules.get('paid-twice')!.matches === 500);
  await node.corral.drain();
  t.equal((await messagesOf(node.log, 'corral.match.>')).length, 500);
});

t.test(
  'a fault of Corral itself in a turn is no silence: the shard begins again, stays down in the end, and says why',
  async (t) => {
    const rules = rulesOf(RULE, ['orders']);
    const [keyspace] = rules.keyspaces;
    const broken = {
      ...keyspace!.rules[0]!,
      behaviour: {
        ...keyspace!.rules[0]!.behaviour,
        save: () => {
          throw new Error('a broken invariant');
        },
      },
    };
    const faulty = { ...rules, rules: [broken], keyspaces: [{ ...keyspace!, rules: [broken] }] };
    const told: string[] = [];
    const note = (_: object, message: string) => told.push(message);
    const node = memoryNode(faulty, new Map([['orders', orders([{ kind: 'Paid', at: 1000, order: 'a' }])]]), {
      ports: {
        logger: { debug: note, info: note, warn: note, error: note },
        // Pauses between restarts pass at once.
        clock: {
          ...systemClock,
          after: (delay, callback) => systemClock.after(duration(Math.min(delay, 20)), callback),
        },
      },
      settings: { shards: 1 },
    });
    node.corral.start();
    await t.rejects(node.corral.failed, /a broken invariant/);
    t.match(node.corral.notReady().join('\n'), /shard 0 is down: a broken invariant/);
    t.equal(told.filter((line) => line.startsWith('shard 0 begins again')).length, 5);
    t.equal(told.filter((line) => line.startsWith('shard 0 stays down')).length, 1);
    await node.corral.drain();
  },
);

t.test(
  'a match that cannot be stored and a partial match over a limit become dead letters of the shard, in order',
  async (t) => {
    const rules = rulesOf(
      `
rule: too-much
from: orders
key: event.order
pattern:
  - begin: first
    type: Paid
emit: {text: "\${first.text}", again: "\${first.text}"}
---
rule: at-limit
from: orders
key: event.order
pattern:
  - begin: first
    type: Opened
  - followedBy: second
    type: Closed
within: 1h
limits: {partialMatches: 1}
`,
      ['orders'],
    );
    const text = 'x'.repeat(600_000);
    const node = memoryNode(
      rules,
      new Map([
        [
          'orders',
          orders([
            { kind: 'Opened', at: 1000, order: 'a' },
            { kind: 'Opened', at: 1100, order: 'a' },
            { kind: 'Paid', at: 1200, order: 'a', text } as Order,
            { kind: 'Closed', at: 1300, order: 'a' },
            { kind: 'Paid', at: 1400, order: 'a' },
          ]),
        ],
      ]),
      { settings: { shards: 1 } },
    );
    node.corral.start();
    await Promise.race([node.corral.finished, node.corral.failed]);
    const letters = (await messagesOf(node.log, 'corral.dead.shard.0')).map(({ body, headers }) => ({
      ordinal: headers?.['corral-ordinal'],
      ...decodeDeadLetter(body),
    }));
    t.same(
      letters.map(({ ordinal, cause, rule, key, sequence }) => [ordinal, cause, rule, key, sequence]),
      [
        ['1', 'limit', 'at-limit', 'a', 2],
        ['2', 'emit', 'too-much', 'a', 3],
      ],
    );
    t.match(letters[1]?.message, /has 1\d{6} bytes, more than/);
    const matched = (await messagesOf(node.log, 'corral.match.>')).map(({ subject }) => subject).sort();
    t.same(matched, ['corral.match.at-limit.0', 'corral.match.too-much.0']);
    t.equal(node.corral.measures.rules.get('at-limit')!.limitsReached.get('partialMatches'), 1);
    await node.corral.drain();
  },
);
