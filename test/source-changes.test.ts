import { cp, rm } from 'node:fs/promises';
import t, { type Test } from 'tap';
import type { SourceSettings } from '../src/core/events/source-settings.ts';
import { decodeLaneStart, encodeLaneStart } from '../src/core/shards/lane-start.ts';
import { Numbering } from '../src/core/shards/numbering.ts';
import { type InstantMs, instant } from '../src/core/time/units.ts';
import type { Corral, Ports } from '../src/corral.ts';
import { MemoryLog } from '../src/memory/memory-log.ts';
import { MemorySource } from '../src/memory/memory-source.ts';
import type { NatsLink } from '../src/nats/link.ts';
import { natsSource } from '../src/nats/nats-source.ts';
import { createPublisher } from '../src/nats/publisher.ts';
import type { EventSource, FencedLog } from '../src/ports/log.ts';
import type { Logger } from '../src/ports/logger.ts';
import { memoryNode, messagesOf, silent, sourceSettings } from './support/memory-node.ts';
import { connected, stream, take } from './support/nats-streams.ts';
import { call } from './support/port-worlds.ts';
import { rulesOf } from './support/rules-of.ts';
import { servers, type TestServer, withServer } from './support/servers.ts';
import { until } from './support/until.ts';

// A source's stream that was purged, made anew, or has lost its tail is noticed, and answered as the source says.

t.setTimeout(240_000);

const RULES = rulesOf(
  `
rule: seen
from: orders
key: event.order
pattern:
  - begin: it
    type: Paid
emit: {n: "\${it.n}"}
`,
  ['orders'],
);

const body = (n: number): Buffer => Buffer.from(JSON.stringify({ kind: 'Paid', at: 1000 + n, order: `o${n % 7}`, n }));

/** A source of which each event becomes a match, and the nodes that read it one after another. */
class Reading {
  readonly log: FencedLog;
  private readonly source: EventSource;
  private readonly settings: Partial<SourceSettings>;
  private ports: Partial<Ports>;
  private corral: Corral | undefined;
  failure: unknown;

  constructor(source: EventSource, settings: Partial<SourceSettings>, logger: Logger = silent) {
    let now = 0;
    this.log = new MemoryLog({ prefix: 'corral', now: () => instant(++now) });
    this.source = source;
    this.settings = settings;
    this.ports = { log: this.log, logger };
  }

  start(): void {
    const sources = new Map([['orders', this.source]]);
    const settings = { atEnd: 'stop' as const, sources: [sourceSettings('orders', this.settings)] };
    const { corral, ports } = memoryNode(RULES, sources, { ports: this.ports, settings });
    this.ports = ports;
    this.corral = corral;
    this.failure = undefined;
    corral.failed.catch((error) => (this.failure = error));
    corral.start();
  }

  async stop(): Promise<void> {
    await this.corral?.drain();
  }

  get measures() {
    return this.corral!.measures.sources.get('orders')!;
  }

  /** The numbers of the events that were seen, in the order of the events. */
  async seen(): Promise<number[]> {
    const matches = await messagesOf(this.log, 'corral.match.>');
    return matches
      .map(({ body: match }) => JSON.parse(Buffer.from(match).toString()).data.emit.n)
      .sort((a, b) => a - b);
  }

  async sees(expected: readonly number[]): Promise<void> {
    await until(async () => {
      if (this.failure !== undefined) throw this.failure;
      return (await this.seen()).length >= expected.length;
    });
  }

  /** Ids of the first events of the matches: no two events may have the same. */
  async ids(): Promise<string[]> {
    const matches = await messagesOf(this.log, 'corral.match.>');
    return matches.map(({ body: match }) => JSON.parse(Buffer.from(match).toString()).data.events[0].refs[0].id);
  }

  /** How it failed. */
  async stays(): Promise<unknown> {
    await until(() => this.failure !== undefined);
    return this.failure;
  }
}

const range = (from: number, to: number): number[] => Array.from({ length: to - from + 1 }, (_, i) => from + i);

/** A stream and what may happen to it. */
interface World {
  readonly source: EventSource;
  publish(from: number, to: number): Promise<void>;
  purge(before: number): Promise<void>;
  recreate(): Promise<void>;
  /** Remembers the stream as it is. */
  remember(): Promise<void>;
  /** Makes it what it was then. */
  forget(): Promise<void>;
}

function memoryWorld(): World {
  let clock = 1_000_000;
  let kept = 0;
  const now = (): InstantMs => instant((clock += 5));
  const source = new MemorySource({ name: 'ORDERS', now });
  return {
    source,
    async publish(from, to) {
      for (const n of range(from, to)) source.publish({ subject: 'orders.new', body: body(n) });
    },
    purge: async (before) => source.expire(before),
    recreate: async () => source.recreate(),
    remember: async () => void (kept = (await source.facts()).lastSequence),
    forget: async () => source.loseTail(kept),
  };
}

async function natsWorld(t: Test, server: TestServer, subject?: string): Promise<World & { readonly link: NatsLink }> {
  const running = await withServer(t, server);
  const link = await connected(t, running);
  await stream(link, 'ORDERS');
  const copy = `${running.dataDir}-copy`;
  t.teardown(() => rm(copy, { recursive: true, force: true }));
  const back = async (): Promise<void> => {
    await running.start();
    await until(() => link.status.connected);
  };
  return {
    link,
    source: natsSource(link, { stream: 'ORDERS', subject, heartbeatMs: 500 }),
    async publish(from, to) {
      const publisher = createPublisher(link);
      for (const n of range(from, to)) await publisher.publish('ORDERS.new', body(n));
      const { stored } = await publisher.flush();
      if (stored !== to - from + 1) throw new Error(`${stored} were stored`);
    },
    purge: async (before) => void (await call(link, 'STREAM.PURGE.ORDERS', { seq: before })),
    async recreate() {
      await call(link, 'STREAM.DELETE.ORDERS');
      await stream(link, 'ORDERS');
    },
    async remember() {
      await running.stop();
      await cp(running.dataDir, copy, { recursive: true });
      await back();
    },
    async forget() {
      await running.kill();
      await rm(running.dataDir, { recursive: true });
      await cp(copy, running.dataDir, { recursive: true });
      await back();
    },
  };
}

type Make = (t: Test) => Promise<World>;

async function changes(t: Test, make: Make): Promise<void> {
  t.test('a purge of what was not read stops the source, or it goes on with what is left', async (t) => {
    const world = await make(t);
    const stopping = new Reading(world.source, {});
    const going = new Reading(world.source, { onStreamChanged: 'continue' });
    await world.publish(1, 10);
    for (const reading of [stopping, going]) {
      reading.start();
      await reading.sees(range(1, 10));
      await reading.stop();
    }
    await world.publish(21, 30);
    await world.purge(17);
    stopping.start();
    t.match(await stopping.stays(), { code: 'SOURCE_PURGED', message: /set onStreamChanged: continue/ });
    await stopping.stop();
    t.same(await stopping.seen(), range(1, 10), 'nothing is passed over in silence');
    going.start();
    await going.sees([...range(1, 10), ...range(27, 30)]);
    t.same(
      (await going.seen()).filter((n) => n > 10),
      range(27, 30),
    );
    t.same([...going.measures.streamChanges], [['purged', 1]]);
    const { messagesMissed } = going.measures;
    t.ok(
      messagesMissed >= 6 && messagesMissed <= 16,
      `${messagesMissed}: 6, and what a shard had not yet been told of`,
    );
    await world.publish(31, 33);
    await until(async () => (await going.seen()).includes(33));
    t.same(
      (await going.seen()).filter((n) => n > 10),
      [...range(27, 33)],
    );
    await going.stop();
  });

  t.test('a stream made anew stops the source, or its first message follows the last of the old one', async (t) => {
    const world = await make(t);
    await world.publish(1, 10);
    const stopping = new Reading(world.source, {});
    const going = new Reading(world.source, { onStreamChanged: 'continue' });
    for (const reading of [stopping, going]) {
      reading.start();
      await reading.sees(range(1, 10));
    }
    await world.recreate();
    await world.publish(11, 15);
    t.match(await stopping.stays(), { code: 'SOURCE_RECREATED' }, 'while it runs');
    await stopping.stop();
    stopping.start();
    t.match(await stopping.stays(), { code: 'SOURCE_RECREATED' }, 'and when it is started again');
    await stopping.stop();
    t.same(await stopping.seen(), range(1, 10));
    await going.sees(range(1, 15));
    t.same(await going.seen(), range(1, 15));
    t.equal(new Set(await going.ids()).size, 15, 'no two events have the same id');
    t.same([...going.measures.streamChanges], [['recreated', 1]]);
    await going.stop();
    await world.publish(16, 18);
    going.start();
    await going.sees(range(1, 18));
    await world.publish(19, 19);
    await going.sees(range(1, 19));
    t.same(await going.seen(), range(1, 19), 'another node goes on from there');
    t.same([...going.measures.streamChanges], [], 'and finds nothing new');
    await world.recreate();
    await world.publish(20, 22);
    await going.sees(range(1, 22));
    t.same(await going.seen(), range(1, 22), 'as often as it happens');
    await going.stop();
  });

  for (const replaced of [false, true]) {
    const name = replaced ? 'a lost tail whose numbers others have taken' : 'a lost tail';
    t.test(`${name} stops the source, or it goes on with what is new`, async (t) => {
      const world = await make(t);
      await world.publish(1, 10);
      const stopping = new Reading(world.source, {});
      const going = new Reading(world.source, { onStreamChanged: 'continue' });
      await world.remember();
      await world.publish(11, 20);
      for (const reading of [stopping, going]) {
        reading.start();
        await reading.sees(range(1, 20));
      }
      if (replaced) for (const reading of [stopping, going]) await reading.stop();
      await world.forget();
      if (replaced) {
        await world.publish(21, 40);
        for (const reading of [stopping, going]) reading.start();
      }
      t.match(await stopping.stays(), { code: 'SOURCE_LOST_TAIL', message: /ends at 10/ });
      t.same(await stopping.seen(), range(1, 20));
      await stopping.stop();
      if (!replaced) {
        await until(() => going.measures.streamChanges.size > 0);
        await world.publish(21, 40);
      }
      await going.sees(range(1, 40));
      t.same(await going.seen(), range(1, 40), 'what was read and lost stays seen, what is new is seen once');
      t.equal(new Set(await going.ids()).size, 40);
      t.same([...going.measures.streamChanges], [['lostTail', 1]]);
      await going.stop();
      going.start();
      await world.publish(41, 42);
      await going.sees(range(1, 42));
      t.same(await going.seen(), range(1, 42));
      await going.stop();
    });
  }
}

t.test('in memory', async (t) => changes(t, async () => memoryWorld()));

for (const server of await servers()) {
  t.test(`on the ${server.name} nats-server`, async (t) => {
    await t.test('streams', (t) => changes(t, (t) => natsWorld(t, server)));

    await t.test('a filtered source that retention overtakes while it is behind is told', async (t) => {
      const { link, publish, purge } = await natsWorld(t, server);
      const filler = Buffer.alloc(100_000, 'x');
      const fillUp = async (count: number): Promise<void> => {
        const publisher = createPublisher(link);
        for (let n = 0; n < count; n++) await publisher.publish('ORDERS.other', filler);
        for (let n = 0; n < count; n++) await publisher.publish('ORDERS.big', filler);
        await publisher.flush();
      };
      await fillUp(60);
      const filtered = natsSource(link, { stream: 'ORDERS', subject: 'ORDERS.big', readAheadBytes: 1_200_000 });
      const reader = filtered.read(1);
      await reader.next();
      await fillUp(1);
      await purge(118);
      const error = await take(reader, 60).catch((error: Error) => error);
      t.match(error, { code: 'POSITION_GONE' });
      await reader.close();

      const keeping = natsSource(link, { stream: 'ORDERS', subject: 'ORDERS.new' }).read(118);
      const first = keeping.next();
      await publish(1, 1);
      t.equal((await first)?.length, 1);
      await fillUp(2);
      await purge(125);
      const second = keeping.next();
      await publish(2, 2);
      t.equal((await second)?.length, 1, 'one that waits for its next message has missed nothing');
      await keeping.close();
    });
  });
}

t.test("a lane's numbers follow the stream's until it uses some again, and then count on", (t) => {
  const plain = new Numbering([]);
  t.same([plain.laneNumber(7), plain.streamSequence(7)], [7, 7]);
  const twice = new Numbering([
    { after: 0, shift: 100 },
    { after: 20, shift: 115 },
  ]);
  t.same(
    [1, 20, 21].map((n) => twice.laneNumber(n)),
    [101, 120, 136],
  );
  t.same(
    [0, 50, 100, 101, 120, 121, 135, 136].map((n) => twice.streamSequence(n)),
    [0, 0, 0, 1, 20, 20, 20, 21],
  );
  t.end();
});

t.test('the start of a lane is stored in the first format as long as that says all', (t) => {
  const start = { seq: 4, created: '2026-01-31T00:00:00Z', shards: 64 };
  // As Corral 0.1 wrote it.
  const first = '3gADo3NlcQSnY3JlYXRlZLQyMDI2LTAxLTMxVDAwOjAwOjAwWqZzaGFyZHNA';
  t.same(decodeLaneStart(Buffer.from(first, 'base64')), { ...start, renumberings: [] });
  t.equal(Buffer.from(encodeLaneStart({ ...start, renumberings: [] })).toString('base64'), first);
  const second = 'lQIEtDIwMjYtMDEtMzFUMDA6MDA6MDBaQJGSCmQ=';
  const renumbered = { ...start, renumberings: [{ after: 10, shift: 100 }] };
  t.same(decodeLaneStart(Buffer.from(second, 'base64')), renumbered);
  t.equal(Buffer.from(encodeLaneStart(renumbered)).toString('base64'), second);
  t.throws(() => decodeLaneStart(Buffer.from([0x91, 9])), RangeError);
  t.end();
});
