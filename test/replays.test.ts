import t, { type Test } from 'tap';
import { decodeDeadLetter } from '../src/core/events/dead-letter.ts';
import { type DeadLetterDecision, encodeDecision, replayableOf } from '../src/core/events/dead-letter-decision.ts';
import { decodeDeadRecord } from '../src/core/shards/dead-record.ts';
import { subjects } from '../src/core/shards/subjects.ts';
import { duration, instant } from '../src/core/time/units.ts';
import { MemorySource } from '../src/memory/memory-source.ts';
import { memoryNode, messagesOf, sourceSettings } from './support/memory-node.ts';
import { rulesOf } from './support/rules-of.ts';
import { until } from './support/until.ts';

/** What a replayed dead letter does to rules: it is seen once, by those that have not seen it, at its key's present. */

const RULES = `
rule: seen
from: orders
key: event.user
pattern:
  - begin: one
    type: Seen
emit: {n: "\${one.n}"}
---
rule: also
from: orders
key: event.user
pattern:
  - begin: one
    type: Seen
---
rule: pair
from: orders
key: event.user
pattern:
  - begin: a
    type: A
  - followedBy: b
    type: B
within: 10s
afterMatch: skipPastLastEvent
---
rule: silence
from: orders
key: event.user
pattern:
  - begin: asked
    type: Asked
  - notFollowedBy: answered
    type: Answered
within: 5s
afterMatch: skipPastLastEvent
---
rule: hourly
from: orders
key: event.user
window: {tumbling: 1m, allowedLateness: 10m}
aggregate: {n: count()}
where: meta.type == "Counted"
emit: {n: "\${n}"}
---
rule: strict
from: orders
key: event.user
pattern:
  - begin: first
    type: S1
  - followedBy: hint
    type: Hint
    optional: true
  - followedBy: last
    type: S2
afterMatch: {skipToFirst: hint, throwOnMiss: true}
`;

const names = subjects('corral');

interface Match {
  readonly rule: string;
  readonly time: string;
  readonly refs: readonly (readonly [seq: number, time: string])[];
  readonly emit: unknown;
}

function world(t: Test) {
  const orders = new MemorySource({ name: 'orders', now: () => instant(0) });
  const { corral, log } = memoryNode(rulesOf(RULES, ['orders']), new Map([['orders', orders]]), {
    settings: {
      replays: true,
      shards: 2,
      sources: [sourceSettings('orders', { idleAfter: duration(Number.POSITIVE_INFINITY) })],
    },
  });
  t.teardown(() => corral.drain());
  corral.start();
  const matches = async (): Promise<Match[]> =>
    (await messagesOf(log, 'corral.match.>')).map(({ body }) => {
      const { time, data } = JSON.parse(Buffer.from(body).toString());
      const refs = data.events.flatMap((step: { refs: { seq: number; time: string }[] }) =>
        step.refs.map(({ seq, time: at }) => [seq, at]),
      );
      return { rule: data.rule, time, refs, emit: data.emit };
    });
  return {
    log,
    corral,
    event: (kind: string, at: number, more: object = {}) =>
      orders.publish({ subject: 'orders.new', body: Buffer.from(JSON.stringify({ kind, at, user: 'u', ...more })) }),
    async decide(decision: DeadLetterDecision): Promise<void> {
      const answer = await log.append(names.decision('orders', decision.id), 0, encodeDecision(decision));
      if (answer.kind !== 'stored') throw new Error(`the decision was ${answer.kind}`);
    },
    matches,
    /** Waits until so many matches are there, and gives those of one rule. */
    async matched(count: number, rule: string): Promise<Match[]> {
      await until(async () => (await matches()).length >= count);
      return (await matches()).filter((one) => one.rule === rule);
    },
    /** The letters that came of replays. */
    async lettersAgain() {
      return (await messagesOf(log, names.laneDead('orders~replay'))).flatMap(({ body }) =>
        decodeDeadRecord(body).letters.map((bytes) => decodeDeadLetter(bytes)),
      );
    },
  };
}

const replay = (
  id: string,
  event: object | string,
  more: { index?: number; rules?: readonly string[]; sequence?: number } = {},
): DeadLetterDecision => ({
  kind: 'replay',
  id,
  source: 'orders',
  index: more.index,
  rules: more.rules,
  message: {
    sequence: more.sequence ?? 77,
    stamp: instant(0),
    subject: 'orders.new',
    headers: undefined,
    body: Buffer.from(typeof event === 'string' ? event : JSON.stringify({ user: 'u', ...event })),
  },
});

const at = (seconds: number): string => new Date(seconds * 1000).toISOString();

t.test('a replayed event names the original, and takes place at the present time of its key', async (t) => {
  const { event, decide, matched } = world(t);
  event('Seen', 100_000, { n: 1 });
  await matched(2, 'seen');
  await decide(replay('lane.orders.77', { kind: 'Seen', at: 5_000, n: 2 }));
  const [, again] = await matched(4, 'seen');
  t.strictSame(again, { rule: 'seen', time: at(100), refs: [[77, at(100)]], emit: { n: 2 } });
});

t.test('only the rules that have not seen it see it', async (t) => {
  const { event, decide, matched, matches } = world(t);
  event('Seen', 100_000, { n: 1 });
  await matched(2, 'seen');
  await decide(replay('lane.orders.5.0', { kind: 'Seen', at: 5_000 }, { rules: ['also'] }));
  await decide(replay('lane.orders.6', { kind: 'Seen', at: 6_000 }));
  t.equal((await matched(5, 'also')).length, 3);
  t.equal((await matches()).filter(({ rule }) => rule === 'seen').length, 2);
});

t.test('it continues what its key has begun, whatever its own time was', async (t) => {
  const { event, decide, matched } = world(t);
  event('A', 100_000);
  event('Seen', 104_000);
  await matched(2, 'seen');
  await decide(replay('lane.orders.8', { kind: 'B', at: 1_000 }));
  const [pair] = await matched(3, 'pair');
  t.strictSame(pair?.refs, [
    [1, at(100)],
    [77, at(104)],
  ]);
});

t.test('no clock waits for replays', async (t) => {
  const { event, decide, matched } = world(t);
  await decide(replay('lane.orders.9', { kind: 'Seen', at: 1_000 }));
  event('Asked', 100_000);
  event('Seen', 106_000);
  const [silence] = await matched(5, 'silence');
  t.equal(silence?.time, at(105), 'an absence is decided by the source alone');
});

t.test('before its source has ever told the time, it waits for that', async (t) => {
  const { event, decide, matched, matches } = world(t);
  await decide(replay('lane.orders.10', { kind: 'Seen', at: 50_000 }));
  await decide({ kind: 'drop', id: 'lane.orders.11' });
  t.equal((await matches()).length, 0);
  event('Other', 60_000);
  const [seen] = await matched(2, 'seen');
  t.strictSame(seen?.refs, [[77, at(50)]], 'and then has its own time');
});

t.test('a window takes it at its own time, if that window can still be told', async (t) => {
  const { event, decide, matched } = world(t);
  event('Counted', 10_000);
  event('Counted', 130_000);
  await matched(1, 'hourly');
  await decide(replay('lane.orders.12', { kind: 'Counted', at: 20_000 }));
  const told = await matched(2, 'hourly');
  t.strictSame(
    told.map(({ emit }) => emit),
    [{ n: 1 }, { n: 2 }],
    'the minute of its own time is told again',
  );
});

t.test('one event of a message comes back, not its neighbours', async (t) => {
  const { event, decide, matched, matches } = world(t);
  event('Other', 100_000);
  const three = [1, 2, 3].map((n) => JSON.stringify({ user: 'u', kind: 'Seen', at: 1_000, n })).join('\n');
  await decide(replay('lane.orders.13.1', three, { index: 1, rules: ['seen'] }));
  t.strictSame(
    (await matched(1, 'seen')).map(({ emit }) => emit),
    [{ n: 2 }],
  );
  t.equal((await matches()).length, 1);
});

t.test('what fails again is a letter of its own that names the first, and may be replayed too', async (t) => {
  const { event, decide, lettersAgain, log } = world(t);
  event('Other', 100_000);
  await decide(replay('lane.orders.14', '{still no JSON'));
  await until(async () => (await lettersAgain()).length === 1);
  t.match(await lettersAgain(), [
    { cause: 'undecodable', source: 'orders', sequence: 77, replayed: { id: 'lane.orders.14', sequence: 1 } },
  ]);
  await decide(
    replay('shard.0.1', '{"user":"u","kind":"S1","at":1}\n{"user":"u","kind":"S2","at":2}', { rules: ['strict'] }),
  );
  await until(async () => (await messagesOf(log, 'corral.dead.shard.>')).length === 1);
  const [failed] = (await messagesOf(log, 'corral.dead.shard.>')).map(({ body }) => decodeDeadLetter(body));
  t.match(failed, { cause: 'failed', rule: 'strict', events: [{ step: 'event', refs: [{ seq: 77, index: 1 }] }] });
  t.match(replayableOf(failed!), { kind: 'event', sequence: 77, index: 1, rules: ['strict'] });
});

t.test('a node that starts over replays nothing twice', async (t) => {
  const first = world(t);
  first.event('Other', 100_000);
  await first.decide(replay('lane.orders.15', { kind: 'Seen', at: 1_000 }));
  await first.matched(2, 'seen');
  await first.corral.drain();
  const orders = new MemorySource({ name: 'orders', now: () => instant(0) });
  orders.publish({
    subject: 'orders.new',
    body: Buffer.from(JSON.stringify({ kind: 'Other', at: 100_000, user: 'u' })),
  });
  orders.publish({
    subject: 'orders.new',
    body: Buffer.from(JSON.stringify({ kind: 'Seen', at: 101_000, user: 'u' })),
  });
  const { corral } = memoryNode(rulesOf(RULES, ['orders']), new Map([['orders', orders]]), {
    ports: { log: first.log },
    settings: { replays: true, shards: 2 },
  });
  t.teardown(() => corral.drain());
  corral.start();
  t.equal((await first.matched(4, 'seen')).length, 2);
});
