import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import type { DeadLetter } from '../src/core/events/dead-letter.ts';
import { replayableOf } from '../src/core/events/dead-letter-decision.ts';
import { parseDeadLetterId, showDeadLetterId } from '../src/core/events/dead-letter-id.ts';
import { instant } from '../src/core/time/units.ts';
import { createPublisher } from '../src/nats/publisher.ts';
import { type Deployment, deploy, until } from './support/deployment.ts';
import { type CommandResult, corral } from './support/replay.ts';
import { servers } from './support/servers.ts';

/** What `corral dead-letters` shows and decides, on a real nats-server with letters of a real node. */

t.setTimeout(600_000);

const RULES = `
rule: by-user
from: orders
key: event.user
pattern:
  - begin: placed
    type: Placed
---
rule: by-shop
from: orders
key: event.shop
pattern:
  - begin: placed
    type: Placed
---
rule: strict
from: orders
key: event.user
pattern:
  - begin: placed
    type: Strict
  - followedBy: hint
    type: Hint
    optional: true
  - followedBy: sealed
    type: Sealed
afterMatch: {skipToFirst: hint, throwOnMiss: true}
---
rule: crowded
from: orders
key: event.user
pattern:
  - begin: opened
    type: Opened
  - followedBy: closed
    type: Closed
within: 1h
limits: {partialMatches: 1, onLimit: deadLetter}
`;

const line = (value: object): Uint8Array => Buffer.from(JSON.stringify(value));

interface Listed {
  readonly id: string;
  readonly cause: string;
  readonly rule?: string;
  readonly source: string;
  readonly sequence: number;
  readonly index?: number;
  readonly key?: unknown;
  readonly replayed?: { readonly id: string };
}

/** A deployment with one node, and a stream of orders. */
async function ordersDeployment(t: Test, server: Parameters<typeof deploy>[1]) {
  const folder = await mkdtemp(join(tmpdir(), 'corral-letters-'));
  t.teardown(() => rm(folder, { recursive: true }));
  await writeFile(join(folder, 'rules.yaml'), RULES);
  const deployment = await deploy(t, server, {
    shards: 2,
    lease: { ttl: '1s' },
    heartbeat: '100ms',
    sources: { orders: { stream: 'ORDERS', start: 'beginning', type: 'event.type' } },
    rules: [join(folder, 'rules.yaml')],
  });
  await deployment.createStream('ORDERS', 'orders.>');
  return { ...deployment, folder };
}

async function publish({ link }: Deployment, bodies: readonly (Uint8Array | string)[]): Promise<void> {
  const publisher = createPublisher(link);
  for (const body of bodies) await publisher.publish('orders.new', typeof body === 'string' ? Buffer.from(body) : body);
  const { stored } = await publisher.flush();
  if (stored !== bodies.length) throw new Error(`${stored} of ${bodies.length} messages were stored`);
}

const lines = ({ stdout }: CommandResult): Listed[] =>
  stdout
    .split('\n')
    .filter((text) => text !== '')
    .map((text) => JSON.parse(text) as Listed);

t.test('an id of a dead letter says where it lies, and can be typed', (t) => {
  for (const text of ['lane.orders.17', 'lane.orders.17.0', 'lane.orders~replay.3.2', 'shard.63.12']) {
    const id = parseDeadLetterId(text);
    t.equal(id && showDeadLetterId(id), text);
  }
  for (const text of [
    '',
    'orders.17',
    'lane.orders',
    'lane.a.b.c.1',
    'shard.7',
    'shard.x.1',
    'lane.a>.1',
    'lane.orders.17.',
  ])
    t.equal(parseDeadLetterId(text), undefined, `'${text}' is none`);
  t.end();
});

t.test('what is an event can be replayed; what stands for events that were seen says why not', (t) => {
  const letter: DeadLetter = {
    cause: 'failed',
    message: 'Rule r failed.',
    time: instant(0),
    source: 'orders',
    stream: '',
    sequence: 9,
    index: 2,
    subject: '',
    rule: 'r',
    key: 'k',
    events: [{ step: 'event', count: 1, refs: [{ source: 'orders', seq: 9, index: 2, id: '9.2', time: instant(0) }] }],
    headers: undefined,
    body: undefined,
  };
  const lane: DeadLetter = { ...letter, cause: 'key', rule: undefined, key: undefined, events: undefined };
  t.strictSame(replayableOf(letter), { kind: 'event', sequence: 9, index: 2, rules: ['r'] });
  t.strictSame(replayableOf(lane), { kind: 'event', sequence: 9, index: 2, rules: undefined });
  t.match(
    replayableOf({ ...lane, rules: ['a', 'b'] }),
    { kind: 'event', rules: ['a', 'b'] },
    'only by who has not seen it',
  );
  const [events] = letter.events!;
  const refused = [
    [{ ...letter, events: [] }, /timer/],
    [{ ...letter, events: undefined, omitted: ['events'] }, /not kept/],
    [{ ...letter, cause: 'limit', events: [{ ...events!, step: 'opened' }] }, /partial match/],
    [{ ...letter, cause: 'limit', events: [events!, events!] }, /partial match/],
    [{ ...letter, cause: 'emit' }, /Correct `emit`/],
    [{ ...lane, further: 400 }, /400 values/],
    [{ ...lane, rules: [] }, /some of its keys/],
  ] as const;
  for (const [one, why] of refused) t.match(replayableOf(one as DeadLetter), { kind: 'not', why });
  t.end();
});

t.test('a command line that cannot be meant is refused before anything is looked at', async (t) => {
  const cases = [
    ['show orders/2', /such as lane\.auth\.1523/],
    ['list --since yesterday', /duration such as/],
    ['list --limit none', /whole number/],
    ['drop', /give ids, or --all/],
    ['drop --all lane.orders.2', /give ids, or --all/],
    ['replay lane.orders.2 --cause key', /filters go with --all/],
  ] as const;
  await Promise.all(
    cases.map(async ([words, stderr]) =>
      t.match(await corral('dead-letters', ...words.split(' ')), { code: 2, stderr }),
    ),
  );
});

for (const server of await servers()) {
  t.test(`dead letters on the ${server.name} nats-server`, async (t) => {
    const deployment = await ordersDeployment(t, server);
    const letters = (...args: string[]) => corral('dead-letters', ...args, '--server', deployment.url);
    const node = deployment.serve();
    await publish(deployment, [
      line({ type: 'Placed', user: 'u1', shop: 's1' }),
      '{"type": "Placed", oops',
      '{"type":"Placed","user":"u2","shop":"s2"}\n{"type":"Placed"\nnot json either\n{"type":"Placed","user":"u3","shop":"s3"}',
      line({ type: 'Placed', user: 'u4', shop: { no: 'key' } }),
      '{"type":"Strict","user":"u5","shop":"s5"}\n{"type":"Sealed","user":"u5","shop":"s5"}',
      line({ type: 'Opened', user: 'u6', shop: 's6' }),
      line({ type: 'Opened', user: 'u6', shop: 's6' }),
    ]);
    let listed: Listed[] = [];
    await until(async () => {
      listed = lines(await letters('list'));
      return listed.length >= 6 || node.child.exitCode !== null;
    });
    t.equal(node.child.exitCode, null, 'the node runs') || t.comment(node.log());
    const byId = new Map(listed.map((one) => [one.id, one]));
    const idOf = (cause: string): string => listed.find((one) => one.cause === cause)?.id ?? `no letter of ${cause}`;

    await t.test('are listed newest first, each with where it came from', async (t) => {
      t.match(byId.get('lane.orders.2'), { cause: 'undecodable', source: 'orders', sequence: 2 });
      t.match(byId.get('lane.orders.3.1'), { cause: 'undecodable', sequence: 3, index: 1 });
      t.match(byId.get('lane.orders.3.2'), { cause: 'undecodable', sequence: 3, index: 2 });
      t.match(byId.get('lane.orders.4.0'), { cause: 'key', sequence: 4, index: 0 });
      t.match(byId.get(idOf('failed')), { rule: 'strict', key: 'u5', sequence: 5 });
      t.match(byId.get(idOf('limit')), { rule: 'crowded', key: 'u6', sequence: 7 });
      const newest = lines(await letters('list', '--limit', '2')).map(({ id }) => id);
      t.strictSame(
        newest,
        listed.slice(0, 2).map(({ id }) => id),
      );
    });

    await t.test('can be chosen by source, rule, cause and time', async (t) => {
      const ids = async (...filters: string[]) => lines(await letters('list', ...filters)).map(({ id }) => id);
      const [ofRule, ofCause, ofBoth, ofOthers, ofLast, ofNone] = await Promise.all([
        ids('--rule', 'strict'),
        ids('--cause', 'key'),
        ids('--source', 'orders', '--cause', 'undecodable'),
        ids('--source', 'others'),
        ids('--since', '1h'),
        ids('--since', '2100-01-01T00:00:00Z'),
      ]);
      t.strictSame([ofRule, ofCause], [[idOf('failed')], ['lane.orders.4.0']]);
      t.equal(ofBoth.length, 3);
      t.equal(ofLast.length, listed.length);
      t.strictSame([ofOthers, ofNone], [[], []]);
    });

    await t.test('are shown with the original, wherever its bytes are kept', async (t) => {
      const own = await letters('show', 'lane.orders.2');
      t.match(own.stdout, /not JSON|JSON/);
      t.match(own.stdout, 'original, 23 bytes, from the dead letter:');
      t.match(own.stdout, '{"type": "Placed", oops');
      const sibling = JSON.parse((await letters('show', 'lane.orders.3.2', '--json')).stdout);
      t.match(sibling.original, { from: 'the dead letter lane.orders.3.1', text: /not json either/ });
      const ofRule = JSON.parse((await letters('show', idOf('failed'), '--json')).stdout);
      t.match(ofRule.original, { from: 'stream ORDERS', text: /^\{"type":"Strict"/ });
      t.match(ofRule.events, [{ step: 'event', count: 1, refs: [{ source: 'orders', seq: 5, index: 1 }] }]);
      t.match(await letters('show', 'lane.orders.99'), { code: 1, stderr: /DEAD_LETTER_UNKNOWN.*lane\.orders\.99/ });
    });

    await t.test('are replayed once: the second time is refused and says when the first was', async (t) => {
      t.match(await letters('replay', 'lane.orders.2'), { code: 0, stdout: 'lane.orders.2 replayed\n' });
      const again = await letters('replay', 'lane.orders.2');
      t.match(again, { code: 1, stdout: /^lane\.orders\.2 DEAD_LETTER_DECIDED: It was replayed at 2\d{3}-/ });
      t.match(await letters('drop', 'lane.orders.2'), { code: 1, stdout: /DEAD_LETTER_DECIDED/ }, 'nor is it dropped');
      t.notOk(
        lines(await letters('list')).some(({ id }) => id === 'lane.orders.2'),
        'it is no longer listed',
      );
      const decided = lines(await letters('list', '--decided')).map(({ id }) => id);
      t.strictSame(decided, ['lane.orders.2']);
      t.match((await letters('show', 'lane.orders.2')).stdout, /decided +replayed at/);
    });

    await t.test('that fail again are letters of their own, and name the first', async (t) => {
      let again: Listed[] = [];
      await until(async () => {
        again = lines(await letters('list', '--cause', 'undecodable'));
        return again.length === 3;
      });
      t.match(again[0], { id: 'lane.orders~replay.1', sequence: 2, replayed: { id: 'lane.orders.2' } });
      t.match((await letters('show', 'lane.orders~replay.1')).stdout, /replay of +lane\.orders\.2/);
    });

    await t.test('of a partial match are not replayed, with the reason', async (t) => {
      const { code, stdout } = await letters('replay', idOf('limit'), '--json');
      t.equal(code, 1);
      t.match(JSON.parse(stdout), { kind: 'refused', code: 'DEAD_LETTER_NOT_REPLAYABLE', why: /count them twice/ });
      t.ok(
        lines(await letters('list')).some(({ cause }) => cause === 'limit'),
        'nothing was decided',
      );
    });

    await t.test('of which the original is gone say so', async (t) => {
      await deployment.link.request(`${deployment.link.api}.STREAM.MSG.DELETE.ORDERS`, Buffer.from('{"seq":5}'));
      const { code, stdout } = await letters('replay', idOf('failed'));
      t.equal(code, 1);
      t.match(stdout, /DEAD_LETTER_ORIGINAL_GONE: Stream ORDERS no longer holds message 5; it begins at 1/);
    });

    await t.test('are dropped: lists leave them out, and they stay', async (t) => {
      t.match(await letters('drop', idOf('failed'), 'shard.0.999'), {
        code: 1,
        stdout: /dropped\nshard.0.999 DEAD_LETTER_UNKNOWN/,
      });
      t.match((await letters('show', idOf('failed'))).stdout, /decided +dropped at/);
      t.match(await letters('replay', idOf('failed')), { code: 1, stdout: /DEAD_LETTER_DECIDED: It was dropped/ });
      const { code, stdout } = await letters('drop', '--all', '--cause', 'undecodable', '--json');
      t.equal(code, 0);
      t.strictSame(
        lines({ stdout } as CommandResult).map(({ id }) => id),
        ['lane.orders.3.1', 'lane.orders.3.2', 'lane.orders~replay.1'],
      );
      t.equal(lines(await letters('list', '--cause', 'undecodable')).length, 0);
    });

    await t.test('of a deployment that is not there are an error, and make none', async (t) => {
      t.match(await letters('list', '--prefix', 'other'), { code: 1, stderr: /STREAM_GONE.*OTHER_DEAD/ });
      const { data } = await deployment.link.request(`${deployment.link.api}.STREAM.NAMES`, new Uint8Array(0));
      t.notMatch(Buffer.from(data!).toString(), /OTHER_/);
    });

    await t.test('reach, once the rule is corrected, that rule and no other', async (t) => {
      node.child.kill('SIGTERM');
      t.equal(await node.ended(), 0, 'SIGTERM drains') || t.comment(node.log());
      await writeFile(
        join(deployment.folder, 'rules.yaml'),
        RULES.replace('key: event.shop\n', 'key: event.shop.no\n'),
      );
      const { child, ended, log } = deployment.serve();
      t.match(await letters('replay', '--all', '--cause', 'key'), {
        code: 0,
        stdout: /^lane\.orders\.4\.0 replayed\n1 letter done/,
      });
      const ofFour = async () =>
        (await deployment.storedMatches()).filter(({ data }) => data.events.some(({ refs }) => refs[0]?.seq === 4));
      await until(async () => (await ofFour()).length > 1 || child.exitCode !== null);
      t.strictSame(
        (await ofFour()).map(({ data }) => [data.rule, data.key]),
        [
          ['by-user', 'u4'],
          ['by-shop', 'key'],
        ],
      );
      child.kill('SIGTERM');
      t.equal(await ended(), 0, 'SIGTERM drains') || t.comment(log());
    });
  });
}
