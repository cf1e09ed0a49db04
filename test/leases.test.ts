import t from 'tap';
import { duration } from '../src/core/time/units.ts';
import { MemoryLeases } from '../src/memory/memory-leases.ts';
import type { LeaseStore } from '../src/ports/lease-store.ts';
import type { NodeMeasures } from '../src/ports/measures.ts';
import { PortError } from '../src/ports/port-error.ts';
import { Leases } from '../src/supervision/leases.ts';

/** Membership and leases of several nodes over one store, in written time. */

const TTL = 3000;
const SHARDS = Array.from({ length: 64 }, (_, shard) => `shard.${shard}`);
const LANES = ['lane.auth', 'lane.auth~replay'];

/** Time that passes when told to; what is due happens in order, and all that follows from it before the next. */
class WrittenTime {
  now = 0;
  private due: { at: number; callback: () => void }[] = [];

  readonly clock = {
    now: () => this.now as never,
    monotonic: () => this.now,
    after: (delay: number, callback: () => void) => {
      const one = { at: this.now + delay, callback };
      this.due.push(one);
      return () => {
        this.due = this.due.filter((other) => other !== one);
      };
    },
  };

  async pass(ms: number): Promise<void> {
    const until = this.now + ms;
    await settled();
    for (;;) {
      const next = this.due.filter(({ at }) => at <= until).sort((a, b) => a.at - b.at)[0];
      if (next === undefined) break;
      this.now = Math.max(this.now, next.at);
      this.due = this.due.filter((other) => other !== next);
      next.callback();
      await settled();
    }
    this.now = until;
  }
}

/** Everything that only waits for promises has happened. */
const settled = () => new Promise<void>((resolve) => setImmediate(resolve));

/** A node's way to the store, which can be cut, and can lose the answers of what was done. */
class Way implements LeaseStore {
  isCut = false;
  losesAnswers = false;
  writes: string[] = [];
  private readonly store: MemoryLeases;

  constructor(store: MemoryLeases) {
    this.store = store;
  }

  async list() {
    if (this.isCut) throw new PortError('UNAVAILABLE', 'cut');
    return this.store.list();
  }

  async write(name: string, holder: string, revision: number) {
    if (this.isCut) return { kind: 'unknown', cause: 'cut' } as const;
    this.writes.push(name);
    const written = await this.store.write(name, holder, revision);
    return this.losesAnswers ? ({ kind: 'unknown', cause: 'no answer' } as const) : written;
  }

  async release(name: string, revision: number) {
    if (!this.isCut) await this.store.release(name, revision);
  }

  watch(changed: (name: string, released: boolean) => void) {
    return this.store.watch((name, released) => {
      if (!this.isCut) changed(name, released);
    });
  }
}

interface Node {
  readonly way: Way;
  readonly leases: Leases;
  readonly at: Set<string>;
  /** What it has had to give up, over all time. */
  readonly lost: string[];
  /** As a SIGKILL would end it. */
  kill(): void;
}

class World {
  readonly store = new MemoryLeases();
  readonly time = new WrittenTime();
  readonly warnings: string[] = [];
  private lives = 0;

  node(name: string): Node {
    const way = new Way(this.store);
    const at = new Set<string>();
    const lost: string[] = [];
    const say = (_: object, text: string) => this.warnings.push(`${name}: ${text}`);
    const clock = { ...this.time.clock };
    const leases = new Leases({
      store: way,
      clock,
      logger: { debug: () => undefined, info: () => undefined, warn: say, error: say },
      measures: { leaseRenewals: 0 } as NodeMeasures,
      node: name,
      life: `${name}.${++this.lives}`,
      ttl: duration(TTL),
      lanes: LANES,
      shards: SHARDS,
      gained: (lease) => at.add(lease),
      lost: async (lease) => {
        if (at.delete(lease)) lost.push(lease);
      },
    });
    leases.start();
    const kill = () => {
      way.isCut = true;
      clock.after = () => () => undefined;
    };
    return { way, leases, at, lost, kill };
  }

  /** By shard and lane, who works on it; every one of them, since two are possible for a while. */
  workers(...nodes: readonly Node[]): readonly number[] {
    return [...SHARDS, ...LANES].map((name) => nodes.filter(({ at }) => at.has(name)).length);
  }
}

const shardsOf = ({ at }: Node): number => [...at].filter((name) => name.startsWith('shard.')).length;
const onceEach = (workers: readonly number[]): boolean => workers.every((count) => count === 1);

t.test('one node takes everything at once; a second one has half of it a moment after it came', async (t) => {
  const world = new World();
  const a = world.node('a');
  await world.time.pass(10);
  t.equal(shardsOf(a), 64);
  const b = world.node('b');
  await world.time.pass(200);
  t.same([shardsOf(a), shardsOf(b)], [32, 32]);
  t.ok(onceEach(world.workers(a, b)));
});

t.test('three nodes share evenly, and at rest each writes once in a third of the time to live', async (t) => {
  const world = new World();
  const nodes = ['a', 'b', 'c'].map((name) => world.node(name));
  await world.time.pass(5000);
  t.same(nodes.map(shardsOf).sort(), [20, 22, 22]);
  t.ok(onceEach(world.workers(...nodes)));
  for (const { way, lost } of nodes) {
    way.writes = [];
    lost.length = 0;
  }
  await world.time.pass(30_000);
  for (const { way, lost } of nodes) {
    t.ok(way.writes.length >= 29 && way.writes.length <= 31, `${way.writes.length} writes in 30 s`);
    t.ok(way.writes.every((name) => name.startsWith('node.')));
    t.same(lost, []);
  }
});

t.test('after a kill others have its work within the time to live and a little more', async (t) => {
  for (const killedAt of [5000, 5300, 5700, 5999]) {
    const world = new World();
    const [a, b, c] = ['a', 'b', 'c'].map((name) => world.node(name)) as [Node, Node, Node];
    await world.time.pass(killedAt);
    c.kill();
    await world.time.pass(TTL / 2);
    t.notOk(onceEach(world.workers(a, b)), 'nobody is dead so soon');
    await world.time.pass(TTL / 2 + 300);
    t.ok(onceEach(world.workers(a, b)), `killed at ${killedAt}`);
    t.same([shardsOf(a), shardsOf(b)], [32, 32]);
  }
});

t.test('a node that leaves hands everything over in a moment', async (t) => {
  const world = new World();
  const [a, b, c] = ['a', 'b', 'c'].map((name) => world.node(name)) as [Node, Node, Node];
  await world.time.pass(5000);
  await c.leases.stop();
  await world.time.pass(100);
  t.equal(shardsOf(c), 0);
  t.ok(onceEach(world.workers(a, b)));
  t.notOk((await world.store.list()).some(({ name, holder }) => name === 'node.c' || holder === 'c'));
});

t.test('an answer that is lost costs nobody his leases', async (t) => {
  const world = new World();
  const [a, b] = ['a', 'b'].map((name) => world.node(name)) as [Node, Node];
  await world.time.pass(5000);
  a.lost.length = 0;
  b.lost.length = 0;
  a.way.losesAnswers = true;
  await world.time.pass(10_000);
  a.way.losesAnswers = false;
  await world.time.pass(5000);
  t.same([a.lost, b.lost], [[], []]);
  t.same([shardsOf(a), shardsOf(b)], [32, 32]);
  t.ok(onceEach(world.workers(a, b)));
});

t.test('a claim whose answer was lost is found again, and does not stay with nobody', async (t) => {
  const world = new World();
  const a = world.node('a');
  a.way.losesAnswers = true;
  await world.time.pass(1500);
  t.equal(shardsOf(a), 0);
  const b = world.node('b');
  await world.time.pass(1000);
  a.way.losesAnswers = false;
  await world.time.pass(3000);
  t.ok(onceEach(world.workers(a, b)));
  t.same([shardsOf(a), shardsOf(b)], [32, 32]);
});

t.test('when the store was away for long, all go on with what they had', async (t) => {
  const world = new World();
  const nodes = ['a', 'b', 'c'].map((name) => world.node(name));
  await world.time.pass(5000);
  const before = nodes.map(({ at }) => [...at].sort());
  for (const { lost, way } of nodes) {
    lost.length = 0;
    way.isCut = true;
  }
  await world.time.pass(300_000);
  // They come back one after another.
  for (const { way } of nodes) {
    way.isCut = false;
    await world.time.pass(TTL / 4);
  }
  await world.time.pass(20_000);
  t.same(
    nodes.map(({ lost }) => lost),
    [[], [], []],
  );
  t.same(
    nodes.map(({ at }) => [...at].sort()),
    before,
  );
});

t.test('a node that was cut off alone finds its work taken, and has its share again afterwards', async (t) => {
  const world = new World();
  const [a, b, c] = ['a', 'b', 'c'].map((name) => world.node(name)) as [Node, Node, Node];
  await world.time.pass(5000);
  c.way.isCut = true;
  await world.time.pass(TTL + 1500);
  t.ok(onceEach(world.workers(a, b)), 'others took it');
  c.way.isCut = false;
  await world.time.pass(3000);
  t.ok(onceEach(world.workers(a, b, c)));
  t.same([a, b, c].map(shardsOf).sort(), [20, 22, 22]);
});

t.test('whoever asks whether a lease is still held is answered after a look, and has lost it by then', async (t) => {
  const world = new World();
  const [a, b] = ['a', 'b'].map((name) => world.node(name)) as [Node, Node];
  await world.time.pass(5000);
  a.way.isCut = true;
  await world.time.pass(TTL + 2000);
  const [name] = [...a.at];
  t.ok(b.at.has(name!), 'two hold it');
  let told = false;
  void a.leases.confirmed().then(() => {
    told = true;
    t.notOk(a.at.has(name!));
  });
  await world.time.pass(5000);
  t.notOk(told, 'nobody can tell while the store is away');
  a.way.isCut = false;
  await world.time.pass(2000);
  t.ok(told);
});

t.test('a node that comes back under its name has its work at once', async (t) => {
  const world = new World();
  const [a, b] = ['a', 'b'].map((name) => world.node(name)) as [Node, Node];
  await world.time.pass(5000);
  b.kill();
  const again = world.node('b');
  await world.time.pass(200);
  t.ok(onceEach(world.workers(a, again)));
});

t.test('of two processes with one name the later one works, and the other says why it does not', async (t) => {
  const world = new World();
  const first = world.node('a');
  await world.time.pass(5000);
  const second = world.node('a');
  await world.time.pass(5000);
  t.same([first.at.size, shardsOf(second)], [0, 64]);
  t.match(first.leases.trouble, /another process runs as node a/);
  t.match(world.warnings.join('\n'), /give each process its own name/);
  second.kill();
  await world.time.pass(TTL + 2000);
  t.equal(shardsOf(first), 64, 'it takes over again when the other is gone');
  t.equal(first.leases.trouble, undefined);
});

t.test('a lease that somebody removes is taken again', async (t) => {
  const world = new World();
  const [a, b] = ['a', 'b'].map((name) => world.node(name)) as [Node, Node];
  await world.time.pass(5000);
  for (const { name, revision } of await world.store.list()) await world.store.release(name, revision);
  await world.time.pass(3000);
  t.ok(onceEach(world.workers(a, b)));
});
