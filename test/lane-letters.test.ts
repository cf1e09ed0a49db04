import t from 'tap';
import { decodeDeadLetter } from '../src/core/events/dead-letter.ts';
import type { Extract } from '../src/core/events/extraction.ts';
import type { SourceSettings } from '../src/core/events/source-settings.ts';
import { decodeDeadRecord } from '../src/core/shards/dead-record.ts';
import { instant } from '../src/core/time/units.ts';
import { MemoryLog } from '../src/memory/memory-log.ts';
import { MemorySource } from '../src/memory/memory-source.ts';
import { memoryNode, messagesOf, sourceSettings } from './support/memory-node.ts';
import { rulesOf } from './support/rules-of.ts';
import { until } from './support/until.ts';

// A lane's dead letters: their subject holds letters alone, and whatever fits no record becomes one.

t.setTimeout(120_000);

const RULE = `
rule: seen
from: orders
key: event.order
pattern:
  - begin: it
    type: Paid
emit: {n: "\${it.n}"}
`;

const paid = (n: number, more: object = {}): object => ({ kind: 'Paid', at: 1000 + n, order: 'one', n, ...more });

function world(yaml = RULE, settings: Partial<SourceSettings> = {}) {
  const source = new MemorySource({ name: 'ORDERS', now: () => instant(1) });
  let now = 0;
  const log = new MemoryLog({ prefix: 'corral', now: () => instant(++now) });
  const rules = rulesOf(yaml, ['orders']);
  let nodes = 0;
  return {
    source,
    log,
    send: (content: object | string, headers?: Record<string, string>) =>
      source.publish({
        subject: 'orders.new',
        body: Buffer.from(typeof content === 'string' ? content : JSON.stringify(content)),
        ...(headers === undefined ? {} : { headers }),
      }),
    start() {
      const sources = [sourceSettings('orders', settings)];
      const given = { sources, atEnd: 'stop' as const, shards: 2, node: `n${++nodes}` };
      const { corral } = memoryNode(rules, new Map([['orders', source]]), { ports: { log }, settings: given });
      corral.start();
      return corral;
    },
    seen: async () =>
      (await messagesOf(log, 'corral.match.>')).map(({ body }) => JSON.parse(Buffer.from(body).toString()).data.emit.n),
    records: async () => (await messagesOf(log, 'corral.dead.lane.orders')).map(({ body }) => decodeDeadRecord(body)),
    noted: async () => (await log.last('corral.lane.orders.letters'))?.sequence ?? 0,
  };
}

t.test('while there are none, nothing is written where they lie, and a new lane knows all the same', async (t) => {
  const { source, log, send, start, seen, records, noted } = world();
  const node = start();
  for (let n = 1; n <= 5; n += 1) send(paid(n));
  await until(async () => (await seen()).length === 5);
  await until(async () => (await noted()) > 0);
  t.same(await records(), []);
  send('no json');
  await until(async () => (await records()).length === 1);
  const before = await noted();
  send(paid(7));
  await until(async () => (await noted()) > before);
  send('again no json');
  await until(async () => (await records()).length === 2);
  const two = await records();
  t.same(
    two.map(({ letters }) => letters.length),
    [1, 1],
    'two letters, and nothing else',
  );
  t.same(two[1]!.from, two[0]!.upto, 'the second goes on where the first ended');
  t.equal((await messagesOf(log, 'corral.lane.orders.letters')).length, 1);
  const last = await noted();
  send(paid(9));
  await until(async () => (await noted()) > last);
  await node.drain();
  // A lane that began before message 9 would find that the stream has dropped what it has to read.
  source.expire(9);
  const next = start();
  send(paid(10));
  await until(async () => (await seen()).length === 8);
  t.same(next.measures.sources.get('orders')!.messagesIn <= 2, true, 'it read on from the end');
  t.equal((await records()).length, 2);
  await next.drain();
});

t.test('letters that the log has lost are derived again, whatever was noted of them', async (t) => {
  const first = world();
  const node = first.start();
  first.send('no json');
  await until(async () => (await first.records()).length === 1);
  const before = await first.noted();
  first.send(paid(2));
  await until(async () => (await first.noted()) > before);
  await node.drain();
  // The same log without the letter, as after a restart of a server that had not synced it.
  const lost = world();
  for (const { subject, body, headers } of await messagesOf(first.log, 'corral.lane.>'))
    await lost.log.append(subject, 0, body, headers);
  lost.send('no json');
  lost.send(paid(2));
  const next = lost.start();
  await until(async () => (await lost.records()).length === 1);
  t.equal((await lost.records())[0]!.letters.length, 1);
  await next.drain();
});

const doubled =
  (name: string): Extract =>
  ({ data }) => {
    const text = (data as Record<string, unknown>)[name];
    return { ok: true, value: typeof text === 'string' ? text + text : null };
  };

const grows = [
  {
    how: 'through `let`',
    yaml: RULE,
    settings: {
      extraction: {
        ...sourceSettings('orders').extraction,
        derived: ['text', 'a', 'b', 'c', 'd', 'e'].map((of, at) => ({ name: 'abcdef'[at]!, value: doubled(of) })),
      },
    },
    large: paid(2, { text: 'x'.repeat(30_000) }),
    headers: undefined,
  },
  {
    how: 'by its headers',
    yaml: RULE,
    settings: {},
    large: paid(2),
    headers: { note: 'h'.repeat(1_048_000) },
  },
  {
    how: 'by the keys of many keyspaces',
    yaml: Array.from(
      { length: 300 },
      (_, n) =>
        `${RULE.replace('rule: seen', `rule: seen${n}`).replace('key: event.order', `key: [event.order, event.k, event.f${n}]`)}`,
    ).join('---'),
    settings: {},
    large: paid(2, {
      k: 'k'.repeat(8_000),
      ...Object.fromEntries(Array.from({ length: 300 }, (_, n) => [`f${n}`, n])),
    }),
    headers: undefined,
  },
];

for (const { how, yaml, settings, large, headers } of grows) {
  t.test(`an event that grows beyond a record ${how} is a dead letter, and the source goes on`, async (t) => {
    const { send, start, seen, records } = world(yaml, settings);
    const node = start();
    const few = { k: 'k', ...Object.fromEntries(Array.from({ length: 300 }, (_, n) => [`f${n}`, n])) };
    send(paid(1, few));
    send(large, headers);
    send(paid(3, few));
    await until(async () => (await seen()).includes(3));
    t.same(
      [...new Set(await seen())].filter((n) => n !== 2),
      [1, 3],
    );
    await until(async () => (await records()).length === 1);
    const letters = (await records()).flatMap((record) => record.letters.map((letter) => decodeDeadLetter(letter)));
    t.same(
      letters.map(({ cause, sequence }) => [cause, sequence]),
      [['tooLarge', 2]],
    );
    t.same(node.notReady(), []);
    await node.drain();
  });
}
