// biome-ignore-all lint/suspicious/noTemplateCurlyInString: rules have templates of Corral's own
import t from 'tap';
import { decodeDeadLetter } from '../src/core/events/dead-letter.ts';
import { replayableOf } from '../src/core/events/dead-letter-decision.ts';
import { decodeDeadRecord } from '../src/core/shards/dead-record.ts';
import { decodeRecord } from '../src/core/shards/record.ts';
import { instant } from '../src/core/time/units.ts';
import { MemoryLog } from '../src/memory/memory-log.ts';
import type { EventSource } from '../src/ports/log.ts';
import { messagesOf } from './support/memory-node.ts';
import { bucketOf, ReferenceWorld } from './support/reference-world.ts';
import { rulesOf } from './support/rules-of.ts';
import { until } from './support/until.ts';

/** Every purchase, with the tier that its user then had. */
const TIERS = rulesOf(
  `
rule: tiers
from: shop
key: event.user
pattern:
  - begin: bought
    type: Bought
emit: {n: "\${bought.n}", tier: '\${lookup("customers", key).tier}'}
`,
  ['shop'],
);

t.test('an event sees the newest entry that stands before it, of keys that come, change and go', async (t) => {
  const world = new ReferenceWorld(TIERS);
  world.put('ann', { tier: 'silver' });
  world.put('ann', { tier: 'gold' });
  const corral = world.node();
  corral.start();
  world.buy('ann', { n: 1 });
  world.buy('bob', { n: 2 });
  t.same(await world.matched(2), [
    { n: 1, tier: 'gold' },
    { n: 2, tier: null },
  ]);
  world.put('bob', { tier: 'new' });
  world.remove('ann');
  await world.loaded();
  world.buy('ann', { n: 3 });
  world.buy('bob', { n: 4 });
  await world.matched(4);
  world.put('ann', { tier: 'back' });
  world.remove('bob', { 'nats-marker-reason': 'MaxAge' });
  await world.loaded();
  world.buy('ann', { n: 5 });
  world.buy('bob', { n: 6 });
  await world.matched(6);
  world.put('ann', null);
  await world.loaded();
  world.buy('ann', { n: 7 });
  t.same((await world.matched(7)).slice(2), [
    { n: 3, tier: null },
    { n: 4, tier: 'new' },
    { n: 5, tier: 'back' },
    { n: 6, tier: null },
    { n: 7, tier: null },
  ]);
  const { entries, bytes } = corral.measures.references.get('customers')!;
  t.equal(entries, 0);
  t.equal(bytes, 0);
  await corral.drain();
});

/** A source whose messages wait until they are let go. */
function held(source: EventSource): { readonly source: EventSource; letGo(): void } {
  let letGo: () => void = () => undefined;
  const free = new Promise<void>((resolve) => (letGo = resolve));
  return {
    letGo,
    source: {
      facts: () => source.facts(),
      sequenceAt: (time) => source.sequenceAt(time),
      read(from) {
        const reader = source.read(from);
        return {
          next: () => free.then(() => reader.next()),
          close: () => reader.close(),
          caughtUp: async () => false,
        };
      },
    },
  };
}

t.test('no event is judged before the reference has all that its bucket held at first', async (t) => {
  const world = new ReferenceWorld(TIERS);
  for (let n = 0; n < 3000; n += 1) world.put(`user${n}`, { tier: `tier${n}` });
  for (let n = 0; n < 100; n += 1) world.buy(`user${2999 - n}`, { n });
  const { source, letGo } = held(world.bucket);
  const corral = world.node({}, source);
  corral.start();
  // The lane of the source is there, and has read on as far as it may.
  while ((await world.log.last('corral.lane.shop')) === undefined) await new Promise(setImmediate);
  for (let turns = 0; turns < 100; turns += 1) await new Promise(setImmediate);
  const before = await messagesOf(world.log, 'corral.shard.*.shop');
  t.equal(before.filter(({ body }) => decodeRecord(body).events.length > 0).length, 0, 'events wait');
  letGo();
  const matches = await world.matched(100);
  t.same(
    matches.map(({ n, tier }) => [n, tier]),
    Array.from({ length: 100 }, (_, n) => [n, `tier${2999 - n}`]),
  );
  for (let shard = 0; shard < 4; shard += 1) {
    const records = await messagesOf(world.log, `corral.shard.${shard}.*`);
    const read = records.map(({ subject, body }) => ({ subject, ...decodeRecord(body) }));
    const loaded = read.findIndex(({ subject, standing }) => subject.includes('reference') && standing === 'ended');
    const firstEvent = read.findIndex(({ subject, events }) => subject.endsWith('.shop') && events.length > 0);
    t.ok(loaded >= 0 && loaded < firstEvent, `shard ${shard}: loaded at ${loaded}, first event at ${firstEvent}`);
  }
  t.equal(corral.measures.references.get('customers')!.entries, 3000);
  t.equal(corral.measures.node.keys, 0, 'entries are no keys');
  await corral.drain();
});

t.test('an empty bucket holds nobody up', async (t) => {
  const world = new ReferenceWorld(TIERS);
  const corral = world.node();
  corral.start();
  world.buy('ann', { n: 1 });
  t.same(await world.matched(1), [{ n: 1, tier: null }]);
  await corral.drain();
});

t.test('the same log gives the same matches, whatever the batches', async (t) => {
  const world = new ReferenceWorld(TIERS);
  world.put('ann', { tier: 'tier0' });
  const first = world.node();
  first.start();
  // Record by record: each is in the log before the next is published.
  for (let n = 1; n <= 20; n += 1) {
    world.buy('ann', { n });
    await world.matched(n);
    world.put('ann', { tier: `tier${n}` });
    await world.loaded();
  }
  await first.drain();
  const expected = await world.matches();
  t.same(
    expected.map(({ tier }) => tier),
    Array.from({ length: 20 }, (_, n) => `tier${n}`),
  );
  // The shard logs as they are, all at once, and nothing of what came of them.
  const log = new MemoryLog({ prefix: 'corral', now: () => instant(0) });
  for (const filters of [['corral.shard.>', 'corral.lane.>'], ['corral.rules.>']]) {
    const messages = (await Promise.all(filters.map((filter) => messagesOf(world.log, filter)))).flat();
    const ends = new Map<string, number>();
    for (const { subject, body } of messages.sort((a, b) => a.sequence - b.sequence)) {
      const answer = await log.append(subject, ends.get(subject) ?? 0, body);
      if (answer.kind === 'stored') ends.set(subject, answer.sequence);
    }
  }
  world.log = log;
  const second = world.node();
  second.start();
  t.same(await world.matched(20), expected);
  await second.drain();
});

t.test('a node that goes on has the entries from journal and snapshots, not from the bucket', async (t) => {
  const world = new ReferenceWorld(TIERS);
  const snapshots = { afterBytes: 2048, pageBytes: 2048 };
  const first = world.node({ snapshots });
  first.start();
  for (let round = 0; first.measures.node.snapshots < 4; round += 1) {
    for (let n = 0; n < 250; n += 1) world.put(`user${n}`, { tier: `tier${n}`, more: 'x'.repeat((n + round) % 50) });
    await world.loaded();
  }
  for (let n = 0; n < 200; n += 1) world.buy(`user${n}`, { n });
  await world.matched(200);
  for (let n = 0; n < 50; n += 1) world.remove(`user${n}`);
  await world.loaded();
  for (let n = 200; n < 400; n += 1) world.buy(`user${n - 200}`, { n });
  await world.matched(400);
  const { entries, bytes } = first.measures.references.get('customers')!;
  t.equal(entries, 200);
  await first.drain();
  const second = world.node({ snapshots });
  second.start();
  for (let n = 400; n < 600; n += 1) world.buy(`user${n - 400}`, { n });
  const matches = await world.matched(600);
  t.same(
    matches.map(({ tier }) => tier),
    Array.from({ length: 600 }, (_, n) => (n >= 200 && n % 200 < 50 ? null : `tier${n % 200}`)),
  );
  t.same(second.measures.references.get('customers'), { entries, bytes, refused: 0 });
  // At most the last removals: the lane's last word on its dead letters may be from before them.
  t.ok(second.measures.sources.get('reference:customers')!.messagesIn <= 50, 'hardly anything was read again');
  await second.drain();
});

t.test('two nodes with the same rules in one process each look up what is theirs', async (t) => {
  const worlds = ['gold', 'silver'].map((tier) => {
    const world = new ReferenceWorld(TIERS);
    world.put('ann', { tier });
    return { world, tier, corral: world.node() };
  });
  for (const { corral } of worlds) corral.start();
  for (let n = 0; n < 50; n += 1) for (const { world } of worlds) world.buy('ann', { n });
  for (const { world, tier } of worlds) {
    t.same(
      (await world.matched(50)).map((match) => match.tier),
      Array.from({ length: 50 }, () => tier),
    );
  }
  for (const { corral } of worlds) await corral.drain();
});

t.test('what cannot be taken is a dead letter, and what stood under its key is gone', async (t) => {
  const world = new ReferenceWorld(TIERS, { entryBytesMax: 100 });
  for (const user of ['ann', 'bob', 'cid']) world.put(user, { tier: 'gold' });
  const corral = world.node();
  corral.start();
  await world.loaded();
  world.put('ann', { tier: 'x'.repeat(200) });
  world.bucket.publish({ subject: '$KV.customers.bob', body: Buffer.from('{"tier": ') });
  await world.loaded();
  for (const [n, user] of ['ann', 'bob', 'cid'].entries()) world.buy(user, { n });
  t.same(
    (await world.matched(3)).map(({ tier }) => tier),
    [null, null, 'gold'],
  );
  const records = await messagesOf(world.log, 'corral.dead.lane.reference:customers');
  const letters = records
    .flatMap(({ body }) => decodeDeadRecord(body).letters)
    .map((letter) => decodeDeadLetter(letter));
  t.match(letters, [
    { cause: 'tooLarge', source: 'reference:customers', stream: 'KV_customers', sequence: 4, body: undefined },
    { cause: 'undecodable', sequence: 5, subject: '$KV.customers.bob', message: /is not JSON/ },
  ]);
  t.match(replayableOf(letters[1]!), { kind: 'not', why: /Put it again/ });
  t.match(world.warnings, [/more than the 100 of entryBytesMax/]);
  t.same(
    [...corral.measures.sources.get('reference:customers')!.deadLetters],
    [
      ['tooLarge', 1],
      ['undecodable', 1],
    ],
  );
  await corral.drain();
});

t.test('a reference that has reached its limit takes no more entries, and says so', async (t) => {
  const world = new ReferenceWorld(TIERS, { bytesMax: 1000 });
  for (let n = 0; n < 100; n += 1) world.put(`user${n}`, { tier: `tier${n}` });
  const corral = world.node();
  corral.start();
  await world.loaded();
  const { entries, bytes, refused } = corral.measures.references.get('customers')!;
  world.buy('user0', { n: 0 });
  world.buy('user99', { n: 1 });
  t.same(
    (await world.matched(2)).map(({ tier }) => tier),
    ['tier0', null],
  );
  t.ok(entries > 10 && entries < 100 && entries + refused === 100, `${entries} entries, ${refused} refused`);
  t.ok(bytes > 900 * 4 && bytes <= 1000 * 4, `${bytes} bytes in four shards`);
  const letters = (await messagesOf(world.log, 'corral.dead.shard.>')).map(({ body }) => decodeDeadLetter(body));
  t.equal(letters.length, refused, 'one for each, not one for each shard');
  t.match(letters.at(-1), {
    cause: 'limit',
    source: 'reference:customers',
    sequence: 100,
    message: /more than the 1000/,
  });
  // Room for one more, and a change that grows too far takes its own entry out.
  world.remove('user1');
  world.put('user99', { tier: 'now' });
  world.put('user0', { tier: 'x'.repeat(500) });
  await world.loaded();
  world.buy('user0', { n: 2 });
  world.buy('user99', { n: 3 });
  t.same(
    (await world.matched(4)).slice(2).map(({ tier }) => tier),
    [null, 'now'],
  );
  t.match(world.warnings[0], /reference customers would have \d+ bytes in a shard, more than the 1000 of its bytesMax/);
  await corral.drain();
});

t.test('a bucket that was made anew stops its lane, not the source', async (t) => {
  const world = new ReferenceWorld(TIERS);
  world.put('ann', { tier: 'gold' });
  const first = world.node();
  first.start();
  world.buy('ann', { n: 1 });
  await world.matched(1);
  await first.drain();
  world.bucket.recreate();
  world.put('ann', { tier: 'other' });
  const second = world.node();
  second.start();
  await t.rejects(second.failed, { code: 'SOURCE_RECREATED' });
  world.buy('ann', { n: 2 });
  t.same((await world.matched(2)).at(-1), { n: 2, tier: 'gold' });
  await second.drain();
});

t.test('with `onStreamChanged: continue` the entries of a bucket that was made anew come on top', async (t) => {
  const world = new ReferenceWorld(TIERS, { onStreamChanged: 'continue' });
  world.put('ann', { tier: 'gold' });
  world.put('bob', { tier: 'silver' });
  const first = world.node();
  first.start();
  world.buy('ann', { n: 1 });
  await world.matched(1);
  await first.drain();
  world.bucket.recreate();
  world.put('ann', { tier: 'other' });
  const second = world.node();
  second.start();
  await until(() => second.measures.sources.get('reference:customers')!.messagesIn === 1);
  await until(() => second.measures.references.get('customers')!.bytes > 0);
  for (let n = 2; (await world.matches()).at(-1)!.tier !== 'other'; n += 1) {
    world.buy('ann', { n });
    await world.matched(n);
  }
  const count = (await world.matches()).length;
  world.buy('bob', { n: count + 1 });
  t.equal((await world.matched(count + 1)).at(-1)!.tier, 'silver', 'what it does not have stays');
  await second.drain();
});

t.test('every kind of rule looks up where it computes', async (t) => {
  const rules = rulesOf(
    `
rule: filtered
from: shop
key: event.user
where: lookup("customers", event.user).watched
pattern:
  - begin: one
  - next: two
    where: event.amount > lookup("customers", key).limit
within: 1h
afterMatch: skipPastLastEvent
emit: {rule: filtered, n: "\${two.n}"}
---
rule: summed
from: shop
key: event.user
window: {count: 2}
aggregate:
  points: sum(event.amount * lookup("customers", event.user).factor)
having: points > lookup("customers", key).limit
emit: {rule: summed, points: "\${points}", of: '\${lookup("customers", key).name}'}
---
rule: joined
from:
  a: {source: shop, where: 'lookup("customers", event.user).side == "a"', key: event.deal}
  b: {source: shop, where: 'lookup("customers", event.user).side == "b"', key: event.deal}
join:
  window: {tumbling: 1h}
  where: lookup("customers", a.user).name != lookup("customers", b.user).name
emit: {rule: joined, names: '\${lookup("customers", a.user).name} and \${lookup("customers", b.user).name}'}
---
rule: once
from: shop
key: event.user
pattern:
  - begin: any
dedupe: {events: 'lookup("customers", event.user).name', within: 1d}
emit: {rule: once, user: "\${any.user}"}
`,
    ['shop'],
  );
  t.same(
    rules.rules.map(({ references }) => references),
    [['customers'], ['customers'], ['customers'], ['customers']],
  );
  const world = new ReferenceWorld(rules);
  world.put('ann', { watched: true, limit: 10, factor: 2, name: 'Ann', side: 'a' });
  world.put('bob', { watched: false, limit: 10, factor: 1, name: 'Bob', side: 'b' });
  world.put('42', { name: 'Numbers', side: 'b' });
  const corral = world.node({ atEnd: 'close' });
  corral.start();
  await world.loaded();
  world.buy('ann', { n: 1, amount: 5, deal: 'd1' });
  world.buy('ann', { n: 2, amount: 11, deal: 'd2' });
  world.buy('bob', { n: 3, amount: 5, deal: 'd1' });
  world.buy('bob', { n: 4, amount: 5, deal: 'd3' });
  world.buy(42 as never, { n: 5, amount: 1, deal: 'd2' });
  world.shop.publish({
    subject: 'shop',
    body: Buffer.from('{"kind": "Late", "at": 7200000, "user": "nobody", "deal": "d9"}'),
  });
  const matches = await world.matched(8);
  const of = (rule: string) => matches.filter((match) => match.rule === rule);
  t.same(of('filtered'), [{ rule: 'filtered', n: 2 }]);
  t.same(of('summed'), [{ rule: 'summed', points: 32, of: 'Ann' }]);
  t.same(
    of('joined')
      .map(({ names }) => names)
      .sort(),
    ['Ann and Bob', 'Ann and Numbers'],
  );
  t.same(
    of('once').map(({ user }) => user),
    ['ann', 'bob', 42, 'nobody'],
  );
  await corral.drain();
});

t.test('a rule that looks up what is not configured is refused by the node', (t) => {
  const world = new ReferenceWorld(TIERS);
  t.throws(() => world.node({ references: [bucketOf('others')] }), /rule tiers looks up the reference customers/);
  t.end();
});
