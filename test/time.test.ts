import fc from 'fast-check';
import { Packr } from 'msgpackr';
import t from 'tap';
import { decodeDeadLetter } from '../src/core/events/dead-letter.ts';
import { decodeCommit, encodeCommit } from '../src/core/shards/commit.ts';
import { decodeRecord } from '../src/core/shards/record.ts';
import type { Standing } from '../src/core/shards/standing.ts';
import { SourceClock } from '../src/core/time/source-clock.ts';
import { BEGINNING, duration, instant } from '../src/core/time/units.ts';
import { iterableSource } from '../src/memory/iterable-source.ts';
import { MemorySource } from '../src/memory/memory-source.ts';
import { BatchClocks } from '../src/pipeline/batch-clocks.ts';
import { memoryNode, messagesOf, sourceSettings } from './support/memory-node.ts';
import { rulesOf } from './support/rules-of.ts';
import { until } from './support/until.ts';

const NEVER_IDLE = duration(Number.POSITIVE_INFINITY);
const clock = (changes: { disorder?: number; idleAfter?: number; perPublisher?: boolean } = {}) =>
  new SourceClock({
    disorder: duration(changes.disorder ?? 0),
    idleAfter: duration(changes.idleAfter ?? 2000),
    perPublisher: changes.perPublisher ?? false,
  });

t.test('the watermark is the largest event time less the disorder, and tells how late an event is', async (t) => {
  const source = clock({ disorder: 5 });
  t.equal(source.watermark, BEGINNING);
  t.equal(source.observe(instant(100)), Number.POSITIVE_INFINITY);
  t.equal(source.watermark, 95);
  t.equal(source.observe(instant(96)), 1);
  t.equal(source.observe(instant(94)), -1, 'one older than the watermark is late');
  t.equal(source.observe(instant(95)), 0, 'one at the watermark is not');
  t.equal(source.watermark, 95);
});

t.test('in silence time moves on by what has elapsed, some way behind, and never back', async (t) => {
  const source = clock({ disorder: 5, idleAfter: 2000 });
  source.elapse(duration(10_000));
  t.equal(source.watermark, BEGINNING, 'nothing is known of a source without events');
  source.observe(instant(100));
  source.elapse(duration(1500));
  t.equal(source.watermark, 95);
  source.elapse(duration(1500));
  t.equal(source.watermark, 1095);
  t.equal(source.observe(instant(3100)), 2005, 'what comes in its own time is not late');
  source.observe(instant(1000));
  t.equal(source.watermark, 3095);
  const waiting = clock({ idleAfter: Number.POSITIVE_INFINITY });
  waiting.observe(instant(100));
  waiting.elapse(duration(1e9));
  t.equal(waiting.watermark, 100);
});

t.test('publishers with clocks of their own, 77 minutes apart, make no event of each other late', async (t) => {
  const behind = 77 * 60_000;
  const source = clock({ perPublisher: true });
  let late = 0;
  for (let second = 0; second < 7200; second += 1) {
    const now = 1e6 + second * 1000;
    if (source.observe(instant(now), 'fast') < 0) late += 1;
    if (source.observe(instant(now - behind), 'slow') < 0) late += 1;
  }
  t.equal(late, 0);
  t.equal(source.watermark, 1e6 + 7199_000 - behind, 'it is what the slowest has reached');
});

t.test('disorder of one publisher is not taken for silence of another', async (t) => {
  const behind = 77 * 60_000;
  const source = clock({ perPublisher: true, disorder: 40_000 });
  let late = 0;
  for (let second = 0; second < 7200; second += 1) {
    const now = 1e6 + second * 1000;
    // Most events of the one are on their way for up to 40 seconds, and one in a while comes at once.
    const delay = second % 97 === 50 ? 0 : 20_000 + ((second * 7919) % 20_001);
    if (source.observe(instant(now - delay), 'fast') < 0) late += 1;
    if (second % 30 === 5 && source.observe(instant(now - behind - 40_000), 'slow') < 0) late += 1;
  }
  t.equal(late, 0);
  source.elapse(duration(60_000));
  t.equal(source.watermark, 1e6 + 7175_000 - behind - 80_000 + 58_000, 'what elapses is no disorder');
});

t.test('a publisher that falls silent stops holding the others up, and comes back without being late', async (t) => {
  const source = clock({ perPublisher: true, idleAfter: 2000 });
  for (let ms = 0; ms <= 10_000; ms += 500) {
    source.observe(instant(ms), 'a');
    source.observe(instant(ms), 'b');
  }
  t.equal(source.watermark, 10_000);
  for (let ms = 10_500; ms <= 20_000; ms += 500) source.observe(instant(ms), 'a');
  t.equal(source.watermark, 18_000, 'as far as the other has moved on, less the silence that is allowed');
  t.equal(source.observe(instant(20_100), 'b') > 0, true);
});

t.test('a lane that starts over with the stored clock promises exactly as much', async () => {
  const event = fc.tuple(fc.constantFrom('a', 'b', 'c'), fc.integer({ min: 0, max: 60_000 }));
  fc.assert(
    fc.property(fc.array(event, { maxLength: 80 }), fc.nat(80), fc.nat(5000), (events, cut, disorder) => {
      const settings = { disorder: duration(disorder), idleAfter: duration(2000), perPublisher: true };
      const whole = new SourceClock(settings);
      let second: SourceClock | undefined;
      events.forEach(([name, time], n) => {
        if (n === cut) second = new SourceClock(settings, structuredClone(whole.state));
        const lag = whole.observe(instant(time), name);
        if (second !== undefined && second.observe(instant(time), name) !== lag) throw new Error(`event ${n}`);
        if (second !== undefined && second.watermark !== whole.watermark) throw new Error(`after event ${n}`);
      });
    }),
  );
});

t.test(
  'too many publishers do not take memory without end: the longest silent are given up, and counted',
  async (t) => {
    const source = clock({ perPublisher: true, idleAfter: Number.POSITIVE_INFINITY });
    for (let n = 0; n < 10_500; n += 1) source.observe(instant(n), `pod-${n}`);
    t.equal(source.publishersForgotten, 1000);
    t.ok((source.state.publishers?.clocks.length ?? 0) <= 10_000);
  },
);

const lane = (name: string, watermark: number, standing: Standing = 'leads') =>
  ({
    lane: name,
    watermark: instant(watermark),
    standing,
    upto: { seq: 1, part: 0 },
    created: '',
    ruleVersion: 1,
  }) as const;

t.test('the clock of several sources is the least of them, whoever follows the others aside', async (t) => {
  const kept = new Map<number, ReturnType<typeof instant>>();
  const read = (...lanes: readonly ReturnType<typeof lane>[]): number => {
    const clocks = new BatchClocks(1, new Map([[0, ['a', 'b']]]), kept);
    clocks.read(0, new Map(lanes.map((one) => [one.lane, one])), instant(0));
    return clocks.last(0);
  };
  t.equal(read(lane('a', 50)), BEGINNING, 'a lane not heard of yet holds it at the beginning');
  t.equal(read(lane('a', 50), lane('b', 40)), 40);
  t.equal(read(lane('a', 30), lane('b', 40)), 40, 'it never goes back');
  t.equal(read(lane('a', 90), lane('b', BEGINNING, duration(20))), 70, 'one without events keeps it so far behind');
  t.equal(read(lane('a', 100), lane('b', 80, 'ended')), 100, 'one that has ended holds nothing up');
  t.equal(
    read(lane('a', 100, 'ended'), lane('b', 120, 'closed')),
    120,
    'when all have ended, the last of them says the time',
  );
});

t.test('records and commits of the format before clocks could follow each other are read', async (t) => {
  const record = new Packr({ variableMapSize: true }).pack([1, 0, 0, 1, 0, 1, 2, 1, 's', 'c', [], []]);
  t.match(decodeRecord(record), { watermark: 2, standing: 'leads', source: 's', created: 'c', events: [] });
  // Format 1, as written by version 0.1.0: incarnation n, number 1, one lane l at 1/0 with watermark 2, created c, version 1.
  const old = Buffer.from(
    `01${'016e'}${'01'}${'00'}${'05'}${'000000000000f03f'}${'01'}${'016c'}${'0100'}${'0000000000000040'}${'0163'}${'01'}${'00'}${'00'}${'00'}`,
    'hex',
  );
  const commit = decodeCommit(old);
  t.match(commit, {
    incarnation: 'n',
    number: 1,
    cursor: 5,
    clocks: [],
    lanes: [{ lane: 'l', watermark: 2, created: 'c' }],
  });
  t.same(decodeCommit(encodeCommit(commit)), commit);
});

interface Told {
  kind: string;
  at: number;
  [name: string]: unknown;
}

/** A source that gives what it has in chunks, and ends. */
const told = (events: readonly Told[], chunk = 1000) =>
  iterableSource(
    (async function* () {
      for (let from = 0; from < events.length; from += chunk) {
        yield events
          .slice(from, from + chunk)
          .map((event) => ({ subject: 'in', body: Buffer.from(JSON.stringify(event)), stamp: instant(0) }));
      }
    })(),
    () => instant(0),
  );

interface RunOptions {
  readonly chunk?: number;
  readonly settings?: Parameters<typeof sourceSettings>[1];
  readonly actorsMax?: number;
  readonly atEnd?: 'close' | 'stop';
}

async function run(rule: string, inputs: Readonly<Record<string, readonly Told[]>>, options: RunOptions = {}) {
  const names = Object.keys(inputs);
  const sources = new Map(names.map((name) => [name, told(inputs[name]!, options.chunk)]));
  const node = memoryNode(rulesOf(rule, names), sources, {
    settings: {
      sources: names.map((name) => sourceSettings(name, { idleAfter: NEVER_IDLE, ...options.settings })),
      finite: true,
      actorsMax: options.actorsMax ?? 1000,
      atEnd: options.atEnd ?? 'close',
    },
  });
  node.corral.start();
  await Promise.race([node.corral.finished, node.corral.failed]);
  const read = async (filter: string) =>
    (await messagesOf(node.log, filter)).map(({ body }) => JSON.parse(Buffer.from(body).toString()));
  const matches = await read('corral.match.>');
  const sides = await read('corral.side.>');
  const dead = (await messagesOf(node.log, 'corral.dead.shard.>')).map(({ body }) => decodeDeadLetter(body));
  await node.corral.drain();
  return { matches, sides, dead, measures: node.corral.measures };
}

const SEQUENCE = `
rule: in-order
from: in
key: event.k
pattern:
  - begin: a
    type: A
  - next: b
    type: B
  - next: c
    type: C
emit: {abc: ["\${a.n}", "\${b.n}", "\${c.n}"]}
`;

t.test(
  'events that come out of order are sorted within their key, whatever the batches and who is in memory',
  async (t) => {
    const inOrder = Array.from({ length: 300 }, (_, n) => ({ kind: 'ABC'[n % 3]!, at: n * 10, n, k: 'x' }));
    const shuffled = [...inOrder];
    // Each moves by at most 9 places, which is 90 ms.
    for (let n = 0; n + 9 < shuffled.length; n += 9) shuffled.splice(n, 9, ...shuffled.slice(n, n + 9).reverse());
    const others = Array.from({ length: 300 }, (_, n) => ({ kind: 'A', at: n * 10, n, k: `other ${n}` }));
    const mixed = shuffled.flatMap((event, n) => [event, others[n]!]);
    const expected = Array.from({ length: 100 }, (_, n) => [3 * n, 3 * n + 1, 3 * n + 2]);
    const settings = { disorder: duration(100) };
    for (const options of [{ settings }, { settings, chunk: 7 }, { settings, chunk: 1, actorsMax: 1 }]) {
      const { matches, measures } = await run(SEQUENCE, { in: mixed }, options);
      t.same(
        matches.map(({ data }) => data.emit.abc),
        expected,
      );
      t.equal(measures.rules.get('in-order')!.late, 0);
    }
    const { matches } = await run(SEQUENCE, { in: mixed });
    t.ok(matches.length < 100, 'without `disorder` they are taken as they come');
  },
);

t.test('events at the same time keep the order in which they came', async (t) => {
  const events = 'ABC'.split('').map((kind, n) => ({ kind, at: 50, n, k: 'x' }));
  const later = { kind: 'A', at: 500, n: 9, k: 'y' };
  const { matches } = await run(SEQUENCE, { in: [...events, later] }, { settings: { disorder: duration(100) } });
  t.same(
    matches.map(({ data }) => data.emit.abc),
    [[0, 1, 2]],
  );
});

t.test('a late event is counted, and told with how late it was where the rule wants that', async (t) => {
  const events = [
    { kind: 'A', at: 1000, n: 1, k: 'x' },
    { kind: 'B', at: 700, n: 2, k: 'x' },
    { kind: 'Z', at: 1, n: 3, k: 'x' },
  ];
  const dropped = await run(SEQUENCE, { in: events });
  t.equal(
    dropped.measures.rules.get('in-order')!.late,
    2,
    'the next event decides, so the rule takes notice of all types',
  );
  t.same(dropped.sides, []);
  const kept = await run(`${SEQUENCE}onLate: sideOutput\n`, { in: events }, { settings: { disorder: duration(100) } });
  t.match(kept.sides, [
    {
      type: 'corral.side.in-order.late',
      data: { kind: 'late', emit: { lateByMs: 200, event: { n: 2 }, meta: { type: 'B', time: 700 } } },
    },
    { data: { emit: { lateByMs: 899, event: { n: 3 } } } },
  ]);
  t.equal(kept.sides[0].data.events[0].refs[0].seq, 2);
});

const TWO = `
rule: both
from: [orders, payments]
key: event.k
pattern:
  - begin: ordered
    type: Ordered
  - followedBy: paid
    type: Paid
within: 1m
afterMatch: skipPastLastEvent
emit: {pair: ["\${ordered.n}", "\${paid.n}"]}
onTimeout: emit
`;

t.test('a rule over two sources sees their events in order of time, whichever is read first', async (t) => {
  const orders = Array.from({ length: 50 }, (_, n) => ({ kind: 'Ordered', at: n * 1000, n, k: `k${n % 5}` }));
  const payments = Array.from({ length: 50 }, (_, n) => ({ kind: 'Paid', at: n * 1000 + 500, n, k: `k${n % 5}` }));
  const expected = Array.from({ length: 50 }, (_, n) => [n, n]);
  const byFirst = (a: readonly number[], b: readonly number[]) => a[0]! - b[0]!;
  for (const chunk of [1000, 3, 1]) {
    const { matches, measures } = await run(TWO, { orders, payments }, { chunk });
    t.same(matches.map(({ data }) => data.emit.pair).sort(byFirst), expected);
    t.equal(measures.rules.get('both')!.late, 0);
  }
});

t.test('of two sources one may end early, or never say anything, and the other decides the time', async (t) => {
  const orders = [0, 30_000, 61_000].map((at, n) => ({ kind: 'Ordered', at, n, k: 'x' }));
  const paid = { kind: 'Paid', at: 5000, n: 9, k: 'x' };
  const early = await run(TWO, { orders, payments: [paid] });
  t.same(
    early.matches.map(({ data }) => data.emit.pair),
    [[0, 9]],
  );
  t.equal(early.sides.length, 0, 'the second order has until 90 s, and time ends at 61 s');
  const silent = await run(TWO, { orders, payments: [] });
  t.same(
    silent.sides.map(({ time }) => time),
    ['1970-01-01T00:01:00.000Z'],
    'the first times out; time stands at 61 s',
  );
  const late = await run(TWO, { orders: orders.slice(0, 1), payments: [{ ...paid, k: 'y', at: 200_000 }] });
  t.same(late.sides.length, 1, 'the later end of the two is the end of input');
});

const ABSENCE = `
rule: unpaid
from: orders
key: event.k
pattern:
  - begin: ordered
    type: Ordered
  - notFollowedBy: paid
    type: Paid
within: 100ms
emit: {order: "\${ordered.n}"}
`;

t.test('on a source that falls silent a pending absence fires with no further event', async (t) => {
  const source = new MemorySource({ name: 'orders', now: () => instant(Date.now()) });
  const node = memoryNode(rulesOf(ABSENCE, ['orders']), new Map([['orders', source]]), {
    settings: { sources: [sourceSettings('orders', { idleAfter: duration(50) })] },
  });
  node.corral.start();
  // Long ago by its own time: what counts is the time that elapses, not what any clock says.
  source.publish({ subject: 'in', body: Buffer.from(JSON.stringify({ kind: 'Ordered', at: 1000, n: 1, k: 'x' })) });
  await until(() => node.corral.measures.rules.get('unpaid')!.matches === 1);
  const [match] = await messagesOf(node.log, 'corral.match.>');
  t.equal(JSON.parse(Buffer.from(match!.body).toString()).time, '1970-01-01T00:00:01.100Z');
  await node.corral.drain();
});

t.test(
  'a source without any event does not hold up a rule that also reads another, once that one falls silent too',
  async (t) => {
    const orders = new MemorySource({ name: 'orders', now: () => instant(Date.now()) });
    const payments = new MemorySource({ name: 'payments', now: () => instant(Date.now()) });
    const sources = new Map([
      ['orders', orders],
      ['payments', payments],
    ]);
    const rule = ABSENCE.replace('from: orders', 'from: [orders, payments]');
    const node = memoryNode(rulesOf(rule, ['orders', 'payments']), sources, {
      settings: { sources: [...sources.keys()].map((name) => sourceSettings(name, { idleAfter: duration(50) })) },
    });
    node.corral.start();
    orders.publish({ subject: 'in', body: Buffer.from(JSON.stringify({ kind: 'Ordered', at: 1000, n: 1, k: 'x' })) });
    await until(() => node.corral.measures.rules.get('unpaid')!.matches === 1);
    await node.corral.drain();
    t.equal(node.corral.measures.rules.get('unpaid')!.late, 0);
  },
);

t.test('each publisher has its own watermark where that is asked, also for a lane that starts over', async (t) => {
  const source = new MemorySource({ name: 'in', now: () => instant(0) });
  const publisher = ({ data }: { data: unknown }) => ({ ok: true, value: (data as { host: string }).host }) as const;
  const settings = { sources: [sourceSettings('in', { publisher, idleAfter: duration(1000) })] };
  const sources = new Map([['in', source]]);
  const first = memoryNode(rulesOf(SEQUENCE, ['in']), sources, { settings });
  const send = (host: string, kind: string, at: number, n: number, k: string) =>
    source.publish({ subject: 'in', body: Buffer.from(JSON.stringify({ kind, at, n, k, host })) });
  let n = 0;
  const both = (from: number, to: number) => {
    for (let s = from; s < to; s += 1) {
      send('ahead', 'ABC'[s % 3]!, s * 1000 + 3_600_000, n++, 'x');
      send('behind', 'ABC'[s % 3]!, s * 1000, n++, 'y');
    }
  };
  first.corral.start();
  both(0, 60);
  await until(() => first.corral.measures.node.eventsCommitted === 120);
  // The state of the clocks is stored a beat after what it belongs to.
  await until(async () => (await first.log.last('corral.lane.in.clock')) !== undefined);
  await first.corral.drain();
  const second = memoryNode(rulesOf(SEQUENCE, ['in']), sources, {
    ports: first.ports,
    settings: { ...settings, node: 'other' },
  });
  second.corral.start();
  both(60, 120);
  await until(async () => {
    const matches = await messagesOf(second.log, 'corral.match.>');
    return matches.filter(({ body }) => Buffer.from(body).includes('"key":"y"')).length >= 39;
  });
  t.equal(second.corral.measures.rules.get('in-order')!.late, 0);
  await second.corral.drain();
});

t.test('a rule that throws on one key fails there alone, with a dead letter, and begins afresh', async (t) => {
  const rule = SEQUENCE.replace('rule: in-order', 'rule: healthy');
  const rules = rulesOf(`${SEQUENCE}---\n${rule}`, ['in']);
  const keyspace = rules.keyspaces[0]!;
  const { behaviour } = keyspace.rules[0]!;
  const faulty = {
    ...keyspace.rules[0]!,
    behaviour: {
      ...behaviour,
      onEvent: ((state, event, output) => {
        if ((event.data as Told).poison === true) throw new Error('cannot go on');
        behaviour.onEvent(state, event, output);
      }) as typeof behaviour.onEvent,
    },
  };
  const members = [faulty, keyspace.rules[1]!];
  const broken = { ...rules, rules: members, keyspaces: [{ ...keyspace, rules: members }] };
  const abc = (k: string, at: number, poison = false) =>
    'ABC'.split('').map((kind, n) => ({ kind, at: at + n, n, k, ...(poison && n === 1 ? { poison } : {}) }));
  const events = [...abc('x', 0), ...abc('y', 10, true), ...abc('x', 20), ...abc('y', 30)];
  const node = memoryNode(broken, new Map([['in', told(events, 2)]]), { settings: { shards: 1 } });
  node.corral.start();
  await Promise.race([node.corral.finished, node.corral.failed]);
  await node.corral.drain();
  t.equal(node.corral.measures.rules.get('healthy')!.matches, 4);
  t.equal(node.corral.measures.rules.get('in-order')!.matches, 3, 'all but the one that was begun before the failure');
  t.equal(node.corral.measures.rules.get('in-order')!.failures, 1);
  const [letter, more] = (await messagesOf(node.log, 'corral.dead.shard.>')).map(({ body }) => decodeDeadLetter(body));
  t.equal(more, undefined);
  t.match(letter, { cause: 'failed', rule: 'in-order', key: 'y', sequence: 5, message: /cannot go on/ });
});
