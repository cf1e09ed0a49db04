import t from 'tap';
import { decodeDeadLetter } from '../src/core/events/dead-letter.ts';
import { decodeDeadRecord } from '../src/core/shards/dead-record.ts';
import { instant } from '../src/core/time/units.ts';
import { iterableSource } from '../src/memory/iterable-source.ts';
import { memoryNode, messagesOf } from './support/memory-node.ts';
import { rulesOf } from './support/rules-of.ts';

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
