import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { paintFor } from '../src/cli/paint.ts';
import { elapsed, statusText } from '../src/cli/status/print.ts';
import { problemsOf, ranges, type Status } from '../src/cli/status/status.ts';
import { formatTable, TABLE_WIDTH } from '../src/cli/table.ts';
import { resolveDeployment } from '../src/config.ts';
import { instant } from '../src/core/time/units.ts';
import { createPublisher } from '../src/nats/publisher.ts';
import { deploy, until } from './support/deployment.ts';
import { corral } from './support/replay.ts';
import { servers } from './support/servers.ts';

/** What `corral status` says of deployments that are well and that are not. */

t.setTimeout(600_000);

const plain = paintFor({ isTTY: false });
const alive = (node: string) => ({ node, seenMs: 400, alive: true });
const dead = (node: string) => ({ node, seenMs: 60_000, alive: false });

const well: Status = {
  prefix: 'corral',
  server: '2.9.10',
  at: instant(1_700_000_000_000),
  nodes: [alive('a'), alive('b')],
  shards: Array.from({ length: 64 }, (_, shard) => ({
    shard,
    owner: alive(shard % 2 === 0 ? 'a' : 'b'),
    lag: shard === 7 ? 1200 : 2,
  })),
  lanes: [
    {
      lane: 'auth',
      owner: alive('a'),
      stream: 'AUTH',
      position: 1234,
      countsOn: 0,
      pending: 5,
      watermark: instant(1_699_999_990_000),
      watermarkAgeMs: 10_000,
    },
  ],
  rules: [
    {
      rule: 'break-in',
      matches: 12,
      sides: new Map([
        ['timeout', 3],
        ['late', 1],
      ]),
      deadLetters: new Map([['failed', 2]]),
    },
  ],
  deadLetters: { undecided: 2, byCause: new Map([['failed', 2]]), byRule: new Map() },
  streams: ['SHARD', 'JOURNAL', 'MATCH', 'DEAD', 'REPLAY'].map((name) => ({
    name: `CORRAL_${name}`,
    created: '2026-01-01T00:00:00Z',
    storage: 'file',
    replicas: 1,
    replicasMissing: [],
    messages: 100_000,
    bytes: 123_456_789,
    firstSequence: 1,
    lastSequence: 100_000,
  })),
  missing: [],
  disk: { bytes: 123_456_789, limit: undefined },
};

t.test('a deployment is healthy when every shard and lane has a living owner and its streams are whole', (t) => {
  const problems = (change: Partial<Status>): string => problemsOf({ ...well, ...change }).join('\n');
  t.equal(problems({}), '');
  t.match(problems({ nodes: [dead('a')] }), 'no node is alive');
  const owners = well.shards.map((one) =>
    one.shard < 3 ? { ...one, owner: undefined } : one.shard === 9 ? { ...one, owner: dead('c') } : one,
  );
  t.match(problems({ shards: owners }), '4 of 64 shards have no living owner: 0-2, 9');
  t.match(problems({ lanes: [{ ...well.lanes[0]!, owner: dead('a') }] }), 'lane auth has no living owner');
  t.match(problems({ lanes: [{ ...well.lanes[0]!, stream: undefined }] }), /lane auth has read is gone/);
  t.match(problems({ streams: [{ ...well.streams[0]!, replicasMissing: ['n3'] }] }), 'CORRAL_SHARD lacks replicas: n3');
  t.match(problems({ disk: { bytes: 95, limit: 100 } }), 'stored 95 % of what it may');
  t.match(problems({ at: undefined, missing: ['CORRAL_DEAD'] }), "no deployment 'corral' here");
  t.match(problems({ shards: [], lanes: [] }), 'no lane has ever run');
  t.equal(
    problems({ shards: well.shards.map((one) => ({ ...one, lag: undefined })) }),
    '',
    'a lag that is not known is no fault',
  );
  t.end();
});

t.test('what a person reads fits 100 columns, whatever the names are', (t) => {
  const long = 'x'.repeat(150);
  const wide: Status = {
    ...well,
    nodes: [alive(long), dead(long)],
    lanes: [{ ...well.lanes[0]!, lane: `${long}1`, stream: `${long}2`, owner: dead(long) }],
    rules: [{ rule: long, matches: 12_345_678, sides: new Map([[long, 1]]), deadLetters: new Map([['failed', 9]]) }],
    shards: well.shards.map((one, at) => (at % 2 === 0 ? { ...one, owner: undefined, lag: undefined } : one)),
  };
  for (const status of [well, wide])
    for (const line of statusText(status, plain, true)) t.ok([...line].length <= TABLE_WIDTH, line);
  const text = statusText(well, plain, false).join('\n');
  t.match(text, /^corral on nats-server 2\.9\.10: healthy$/m);
  t.match(text, /^shards: 64; 1,326 records not yet committed, most in 7: 1,200,/m);
  t.match(text, /^auth +AUTH +a +1234 +5 +2023-11-14 22:13:10 +10 s$/m);
  t.match(text, /^break-in +12 +timeout 3, late 1 +failed 2$/m);
  t.match(text, /sync_interval/, 'it says what it cannot know');
  t.end();
});

t.test('tables cut what is flexible first and show nothing that moves the cursor', (t) => {
  const columns = [{ title: 'id' }, { title: 'n', right: true }, { title: 'text', flexible: true }];
  t.strictSame(
    formatTable(
      columns,
      [
        ['a', '1', 'short'],
        ['b', '22', 'a\u001b[2Jtext'],
      ],
      14,
    ),
    ['id   n  text', 'a    1  short', 'b   22  a [2J…'],
  );
  t.equal(ranges([0, 1, 2, 5, 7, 8]), '0-2, 5, 7-8');
  t.strictSame([850, 12_000, 180_000, 18_000_000, 900_000_000, -3000].map(elapsed), [
    '850 ms',
    '12 s',
    '3 min',
    '5 h',
    '10 d',
    '-3 s',
  ]);
  t.end();
});

const RULES = `
rule: pairs
from: orders
key: event.user
pattern:
  - begin: a
    type: A
  - followedBy: b
    type: B
within: 1h
onTimeout: emit
`;

async function ordersDeployment(t: Test, server: Parameters<typeof deploy>[1]) {
  const folder = await mkdtemp(join(tmpdir(), 'corral-status-'));
  t.teardown(() => rm(folder, { recursive: true }));
  await writeFile(join(folder, 'rules.yaml'), RULES);
  return deploy(t, server, {
    shards: 4,
    lease: { ttl: '1s' },
    heartbeat: '100ms',
    sources: { orders: { stream: 'ORDERS', start: 'beginning', type: 'event.type' } },
    rules: [join(folder, 'rules.yaml')],
  });
}

for (const server of await servers()) {
  t.test(`of a deployment on the ${server.name} nats-server`, async (t) => {
    const deployment = await ordersDeployment(t, server);
    const environment = ['--server', deployment.url, '--config', deployment.config];
    const status = async () => {
      const { code, stdout, stderr } = await corral('status', '--json', ...environment);
      return { code, stderr, ...(stdout === '' ? {} : JSON.parse(stdout)) };
    };

    const nothing = await status();
    t.match(nothing, { code: 1, healthy: false, problems: [/no deployment 'corral' here: CORRAL_SHARD, /] });

    await deployment.createStream('ORDERS', 'orders.>');
    const serving = deployment.serve();
    const publisher = createPublisher(deployment.link);
    for (let user = 0; user < 20; user += 1)
      for (const type of ['A', 'B'])
        await publisher.publish('orders.new', Buffer.from(JSON.stringify({ type, user: `u${user}` })));
    await publisher.publish('orders.new', Buffer.from('{oops'));
    await publisher.flush();
    await deployment.caughtUp(serving, 20);

    let running = await status();
    // The letter and the leases may come a moment after the matches.
    await until(async () => (running = await status()).healthy === true && running.deadLetters.undecided === 1);
    t.equal(running.code, 0);
    t.match(running, {
      prefix: 'corral',
      nodes: [{ alive: true }],
      lanes: [{ lane: 'orders', stream: 'ORDERS', position: 41, pending: 0, owner: { alive: true } }],
      rules: [{ rule: 'pairs', matches: 20 }],
      deadLetters: { undecided: 1, byCause: { undecodable: 1 } },
      missing: [],
    });
    t.strictSame(
      running.shards.map(({ shard }: { shard: number }) => shard),
      [0, 1, 2, 3],
    );
    for (const { lag } of running.shards) t.type(lag, 'number', 'how far each shard is committed is known');
    t.same(
      new Set(running.shards.map(({ owner }: { owner: { node: string } }) => owner.node)),
      new Set([running.nodes[0].node]),
    );
    t.ok(running.lanes[0].watermark, 'and the watermark');
    t.equal(running.streams.length, 6);

    const text = await corral('status', '--shards', ...environment);
    t.equal(text.code, 0);
    t.match(text.stdout, /: healthy\n/);
    for (const line of text.stdout.split('\n')) t.ok(line.length <= TABLE_WIDTH, line);

    serving.child.kill('SIGKILL');
    await serving.ended();
    let after = running;
    await until(async () => (after = await status()).healthy === false);
    t.equal(after.code, 1);
    await until(async () => (after = await status()).problems.includes('no node is alive'));
    t.match(after.problems, [
      'no node is alive',
      /^4 of 4 shards have no living owner: 0-3$/,
      /^lane orders has no living owner/,
    ]);

    const next = deployment.serve();
    await until(async () => (after = await status()).healthy === true);
    for (const { lag } of after.shards)
      t.type(lag, 'number', 'also where the last commit is the opening of a new owner');
    next.child.kill('SIGKILL');
    await next.ended();

    await deployment.link.request(`${deployment.link.api}.STREAM.DELETE.ORDERS`, new Uint8Array(0));
    t.match((await status()).problems.join('\n'), /stream that lane orders has read is gone/);
  });
}

t.test('a configuration that is half edited still says where the deployment is', (t) => {
  const file = {
    path: 'corral.yaml',
    text: 'prefix: shop\nnats: {url: "nats://n1:4222"}\nlease: {ttl: 3s}\nsources: nothing yet\n',
  };
  t.match(resolveDeployment({ file, flags: {}, environment: { CORRAL_PREFIX: 'other' } }), {
    ok: true,
    config: { prefix: 'other', nats: { url: 'nats://n1:4222' }, lease: { ttl: 3000 } },
  });
  t.match(resolveDeployment({ file: undefined, flags: {}, environment: {} }), {
    ok: true,
    config: { prefix: 'corral' },
  });
  const wrong = resolveDeployment({ file: { ...file, text: 'prefix: A.B' }, flags: {}, environment: {} });
  t.match(wrong, { ok: false, problems: [{ code: 'CONFIG_NAME' }] });
  t.end();
});

t.test('without NATS it says so and is not healthy', async (t) => {
  const { code, stderr } = await corral('status', '--server', 'nats://127.0.0.1:1');
  t.equal(code, 1);
  t.match(stderr, /^corral status: /);
});
