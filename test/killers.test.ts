import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { natsSource } from '../src/nats/nats-source.ts';
import { createPublisher } from '../src/nats/publisher.ts';
import { type Deployment, deploy, type Serving, until } from './support/deployment.ts';
import { servers } from './support/servers.ts';

/**
 * Events that end the process they are handled in, on a real nats-server and with real processes, which the test starts
 * again each time as a container engine would: the event becomes a dead letter, and all others are worked on.
 */

t.setTimeout(300_000);

const RULE = `import { output, processRule, source, value } from 'corral/rules';
interface Order { readonly customer: string; readonly n: number; readonly does?: string }
const held: unknown[] = [];
export default processRule({
  rule: 'sums',
  from: { order: source<Order>('orders', { key: (event) => event.customer }) },
  state: { sum: value<number>() },
  timers: { later: eventTimer() },
  outputs: { sum: output<number>(), fired: output<number>() },
  on: {
    order({ n, does }, ctx) {
      if (does === 'loop') for (;;);
      if (does === 'eat') for (;;) held.push(new Array(1000).fill(n));
      if (does === 'loopLater') ctx.timers.later.after('1ms');
      const sum = (ctx.state.sum.get() ?? 0) + n;
      ctx.state.sum.set(sum);
      ctx.emit('sum', sum);
    },
  },
  onTimer: { later() { for (;;); } },
});
`.replace('import { output', 'import { eventTimer, output');
/** Sees the very same events of the very same keys, and must see all of them. */
const OTHER = `
rule: each
from: orders
key: event.customer
pattern: [{begin: a}]
emit: {n: "\${a.n}"}
`;

interface Teardown {
  teardown(handler: () => Promise<unknown> | unknown): void;
}

interface Order {
  readonly customer: string;
  readonly n: number;
  readonly does?: string;
}

// biome-ignore lint/suspicious/noExplicitAny: what a test reads of it, it checks
type Body = Record<string, any>;

const KEYS = 20;
const orders = (count: number, special: ReadonlyMap<number, string>): Order[] =>
  Array.from({ length: count }, (_, n) => {
    const does = special.get(n);
    return { customer: `c${n % KEYS}`, n, ...(does === undefined ? {} : { does }) };
  });

/** The sums that \`sums\` must say, per customer, when these orders are left out. */
function sumsOf(all: readonly Order[], isLeftOut: (order: Order) => boolean): Map<string, number[]> {
  const said = new Map<string, number[]>();
  for (const order of all) {
    if (isLeftOut(order)) continue;
    const before = said.get(order.customer) ?? [];
    said.set(order.customer, [...before, (before.at(-1) ?? 0) + order.n]);
  }
  return said;
}

async function setUp(test: Teardown): Promise<Deployment> {
  const folder = await mkdtemp(join(tmpdir(), 'corral-killers-'));
  test.teardown(() => rm(folder, { recursive: true }));
  await writeFile(join(folder, 'sums.ts'), RULE);
  await writeFile(join(folder, 'each.yaml'), OTHER);
  const [server] = await servers();
  const deployment = await deploy(test, server!, {
    sources: { orders: { stream: 'ORDERS', start: 'beginning', time: 'event.n * 1000' } },
    rules: [join(folder, '*.ts'), join(folder, '*.yaml')],
    ...{ shards: 4, lease: { ttl: '1s' }, heartbeat: '200ms', turnTimeout: '1500ms' },
  });
  await deployment.createStream('ORDERS', 'orders');
  return deployment;
}

async function publish({ link }: Deployment, all: readonly Order[]): Promise<void> {
  const publisher = createPublisher(link);
  for (const order of all) await publisher.publish('orders', Buffer.from(JSON.stringify(order)));
  const { failed, firstFailure } = await publisher.flush();
  if (failed > 0) throw new Error(String(firstFailure));
}

/** Starts a process again whenever one ends, until told to stop. */
function keepServing(test: Teardown, deployment: Deployment, environment: Readonly<Record<string, string>>) {
  const deaths: { code: number | null; log: string }[] = [];
  const start = (): Serving => {
    Object.assign(process.env, environment);
    const started = deployment.serve();
    for (const name of Object.keys(environment)) delete process.env[name];
    return started;
  };
  let serving = start();
  let stopped = false;
  test.teardown(() => {
    stopped = true;
  });
  const ended = (async () => {
    for (;;) {
      const code = await serving.ended();
      if (stopped) return;
      deaths.push({ code, log: serving.log() });
      serving = start();
    }
  })();
  return {
    deaths,
    async stop() {
      stopped = true;
      serving.child.kill('SIGTERM');
      await ended;
      return serving.log();
    },
  };
}

async function bodies({ link }: Deployment, stream: string): Promise<{ subject: string; body: Body }[]> {
  const source = natsSource(link, { stream, subject: undefined });
  const { lastSequence } = await source.facts().catch(() => ({ lastSequence: 0 }));
  const found: { subject: string; body: Body }[] = [];
  if (lastSequence === 0) return found;
  const reader = source.read(1);
  for (let reached = 0; reached < lastSequence; ) {
    for (const { sequence, subject, body } of (await reader.next()) ?? []) {
      // Records of lanes are of another form.
      if (!subject.includes('.dead.lane.')) found.push({ subject, body: JSON.parse(Buffer.from(body).toString()) });
      reached = sequence;
    }
  }
  await reader.close();
  return found;
}

async function sumsSaid(deployment: Deployment): Promise<Map<string, number[]>> {
  const said = new Map<string, number[]>();
  for (const { subject, body } of await bodies(deployment, 'CORRAL_MATCH')) {
    if (!subject.includes('.sums.sum.')) continue;
    const { key, emit } = body.data;
    said.set(key, [...(said.get(key) ?? []), emit]);
  }
  return said;
}

const sorted = <V>(map: Map<string, V>): [string, V][] => [...map].sort(([a], [b]) => (a < b ? -1 : 1));

for (const [does, environment] of [
  ['loop', {}],
  ['eat', { NODE_OPTIONS: '--max-old-space-size=60' }],
] as const) {
  t.test(`an event on which a rule ${does === 'loop' ? 'loops for ever' : 'takes all memory'} is parked`, async (t) => {
    const deployment = await setUp(t);
    const killer = 7 * KEYS + 3;
    const all = orders(15 * KEYS, new Map([[killer, does]]));
    await publish(deployment, all);
    const expected = sumsOf(all, ({ n }) => n === killer);
    const serving = keepServing(t, deployment, environment);
    await until(async () => {
      const said = await sumsSaid(deployment);
      return [...said.values()].flat().length >= all.length - 1;
    });
    // It goes on, also for the key that was hit.
    const more = orders(20 * KEYS, new Map()).slice(15 * KEYS);
    await publish(deployment, more);
    for (const { customer, n } of more) {
      const sums = expected.get(customer)!;
      sums.push(sums.at(-1)! + n);
    }
    const deathsBefore = serving.deaths.length;
    await until(async () => [...(await sumsSaid(deployment)).values()].flat().length >= 20 * KEYS - 1);
    await until(async () => (await deployment.storedCount()) >= 2 * 20 * KEYS - 1);
    t.equal(serving.deaths.length, deathsBefore, 'no process ends any more');
    await serving.stop();

    t.same(sorted(await sumsSaid(deployment)), sorted(expected), 'every other event is worked on once, in order');
    const matches = await deployment.storedMatches();
    t.same(
      matches
        .filter(({ data }) => data.rule === 'each')
        .map(({ data }) => data.emit.n)
        .sort((a, b) => Number(a) - Number(b)),
      Array.from({ length: 20 * KEYS }, (_, n) => n),
      'the other rule has seen the event that ended the process, too',
    );
    const dead = await bodies(deployment, 'CORRAL_DEAD');
    t.match(
      dead.map(({ body }) => body),
      [{ cause: 'killed', rule: 'sums', key: 'c3', events: [{ refs: [{ seq: killer + 1 }] }] }],
    );
    t.equal(dead.length, 1);
    t.comment(`${serving.deaths.length} processes ended: ${serving.deaths.map(({ code }) => code).join(', ')}`);
    t.ok(serving.deaths.length >= 3 && serving.deaths.length <= 6, `${serving.deaths.length} processes ended`);
    if (does === 'loop') {
      for (const { code, log } of serving.deaths) {
        t.equal(code, 1);
        t.match(
          log,
          /"code":"TURN_TIMEOUT".*rule sums, key .{1,2}sc3.{1,2}, event \w+ of orders; at order \(file:.*sums\.ts\S*:\d+\)/,
        );
      }
    } else for (const { code } of serving.deaths) t.not(code, 0);
  });
}

t.test('a timer that loops for ever costs its rule the state of its key, and nothing else', async (t) => {
  const deployment = await setUp(t);
  const all = orders(10 * KEYS, new Map([[3 * KEYS + 5, 'loopLater']]));
  await publish(deployment, all);
  const serving = keepServing(t, deployment, {});
  const sum = (numbers: readonly number[]) => numbers.reduce((total, number) => total + number, 0);
  await until(async () => (await deployment.storedCount()) >= 2 * 10 * KEYS);
  await serving.stop();
  const expected = sumsOf(all, () => false);
  // From the event after the timer on, the key's sum begins afresh.
  const mine = all.filter(({ customer }) => customer === 'c5').map(({ n }) => n);
  expected.set('c5', [
    ...mine.slice(0, 4).map((_, at) => sum(mine.slice(0, at + 1))),
    ...mine.slice(4).map((_, at) => sum(mine.slice(4, at + 5))),
  ]);
  t.same(sorted(await sumsSaid(deployment)), sorted(expected));
  const dead = await bodies(deployment, 'CORRAL_DEAD');
  t.match(
    dead.map(({ body }) => body),
    [{ cause: 'killed', rule: 'sums', key: 'c5', events: [], message: /a timer and lost its state for the key/ }],
  );
  t.equal(dead.length, 1);
});

t.test('processes that are killed from outside park nothing', async (t) => {
  const deployment = await setUp(t);
  const first = orders(5 * KEYS, new Map());
  await publish(deployment, first);
  const wanted = (count: number) => async () => (await deployment.storedCount()) >= 2 * count;
  let serving = deployment.serve();
  await until(wanted(5 * KEYS));
  // Idle, several times over, and then with work to do as soon as it has the shards again.
  for (let kill = 0; kill < 4; kill += 1) {
    serving.child.kill('SIGKILL');
    await serving.ended();
    serving = deployment.serve();
    await until(async () => /"readyz|metrics and health/.test(serving.log()));
    await deployment.caughtUp(serving, 2 * 5 * KEYS);
  }
  await publish(deployment, orders(10 * KEYS, new Map()).slice(5 * KEYS));
  for (let kill = 0; kill < 3; kill += 1) {
    serving.child.kill('SIGKILL');
    await serving.ended();
    serving = deployment.serve();
    await until(async () => /working carefully|"url"/.test(serving.log()));
  }
  await until(wanted(10 * KEYS));
  serving.child.kill('SIGTERM');
  await serving.ended();
  t.same(sorted(await sumsSaid(deployment)), sorted(sumsOf(orders(10 * KEYS, new Map()), () => false)));
  const dead = await bodies(deployment, 'CORRAL_DEAD');
  t.same(dead, []);
});
