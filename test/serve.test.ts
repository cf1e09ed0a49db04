// biome-ignore-all lint/suspicious/noTemplateCurlyInString: the subject is a template of Corral's own
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import t from 'tap';
import { packageRoot } from '../src/cli/package-root.ts';
import { deploy, until } from './support/deployment.ts';
import { corral, corralProcess, type MatchOutput, replay } from './support/replay.ts';
import { servers } from './support/servers.ts';

/**
 * `corral publish` and `corral serve` on a real nats-server give what `corral replay` gives, each match once, however
 * often serving is killed. The seed decides the moments of the kills; SEED=<n> repeats them as far as a real machine can.
 */

t.setTimeout(600_000);

const SEED = Number(process.env.SEED ?? Math.floor(Math.random() * 2 ** 31));
const KILLS = 10;

const at = (...path: string[]): string => join(packageRoot, ...path);
const rules = (...names: string[]): string[] => names.map((name) => at('examples', `${name}.yaml`));

const FIELDS = { time: 'event.ts', type: 'event.type', id: 'event.seq' };
const source = (stream: string) => ({ stream, start: 'beginning', ...FIELDS });
const FLAGS = Object.entries(FIELDS).flatMap(([name, expression]) => [`--${name}`, expression]);

/** Quick to notice a killed node, so that the tests are short. */
const QUICK = { shards: 8, lease: { ttl: '1s' }, heartbeat: '200ms' };

/** What a match says, without what may differ between runs: its number, its shard and the stream sequences. */
const essence = ({ time, data }: MatchOutput): string =>
  JSON.stringify([
    data.rule,
    data.key,
    data.kind,
    time,
    data.events.map(({ step, count, refs }) => [step, count, refs.map(({ id }) => id)]),
    data.emit,
  ]);

/** Numbers from 0 to 1, the same for the same seed (mulberry32). */
function chance(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

const DEMO_EVENTS = at('examples/demo/auth-ec2.ndjson.gz');
const DEMO_RULES = [
  ...rules('demo/break-in', 'demo/name-guessing', 'demo/cut-off', 'demo/two-addresses'),
  ...rules('answers/ssh-burst', 'answers/ssh-burst-then-accepted'),
];
const expected = (await replay(...DEMO_RULES, '--events', DEMO_EVENTS, ...FLAGS, '--at-end', 'stop'))
  .map(essence)
  .sort();

const ANSWERS = [
  { question: 'ssh-auth.burst', rule: 'ssh-burst', rows: 95 },
  { question: 'ssh-auth.burst-then-accepted', rule: 'ssh-burst-then-accepted', rows: 0 },
  { question: 'billing.rebilled', rule: 'billing-rebilled', rows: 300 },
  { question: 'openstack.lifecycle', rule: 'openstack-lifecycle', rows: 20 },
] as const;

for (const server of await servers()) {
  t.test(`killed ten times on the ${server.name} nats-server, serving gives what replay gives`, async (t) => {
    const random = chance(SEED);
    const deployment = await deploy(t, server, { ...QUICK, sources: { auth: source('AUTH') }, rules: DEMO_RULES });
    await deployment.createStream('AUTH', 'auth.>');
    const publishing = corralProcess(
      ...['publish', DEMO_EVENTS, '--subject', 'auth.${event.type}', '--stream', 'AUTH', '--rate', '400/s'],
      ...['--server', deployment.url],
    );

    const storedAtKill: number[] = [];
    for (let kill = 1; kill <= KILLS; kill++) {
      const { child, log, ended } = deployment.serve();
      if (kill % 2 === 0) {
        // Anywhere in the start, the claiming of leases and the recovery.
        await sleep(100 + random() * 1500);
      } else {
        // In the middle of work: a little after it has stored some more matches.
        const enough = Math.min((storedAtKill.at(-1) ?? 0) + 1 + Math.floor(random() * 8), expected.length);
        await until(async () => child.exitCode !== null || (await deployment.storedCount()) >= enough);
        await sleep(random() * 100);
      }
      child.kill('SIGKILL');
      await ended();
      storedAtKill.push(await deployment.storedCount());
      t.equal(child.signalCode, 'SIGKILL', `it was running until kill ${kill}`) || t.comment(log());
    }
    const published = await publishing;
    t.equal(published.code, 0, published.stderr);

    const last = deployment.serve();
    await deployment.caughtUp(last, expected.length);
    last.child.kill('SIGTERM');
    t.equal(await last.ended(), 0, 'SIGTERM drains') || t.comment(last.log());

    const matches = await deployment.storedMatches();
    t.strictSame(matches.map(essence).sort(), expected, `the same matches, each once; SEED=${SEED} repeats the kills`);
    t.equal(new Set(matches.map(({ id }) => id)).size, matches.length, 'no id twice');
    t.comment(`SEED=${SEED}: stored at the ${KILLS} kills ${storedAtKill.join(', ')}; in all ${matches.length}`);
  });

  t.test(`several sources on the ${server.name} nats-server give the rows that are known`, async (t) => {
    const deployment = await deploy(t, server, {
      ...QUICK,
      sources: { auth: source('SSH'), billing: source('BILLING'), cloud: source('CLOUD') },
      rules: rules(...ANSWERS.map(({ rule }) => `answers/${rule}`)),
    });
    const inputs = [
      ['SSH', 'ssh-auth.ndjson', 'ssh.${event.host}'],
      ['BILLING', 'billing.ndjson.gz', 'billing'],
      ['CLOUD', 'openstack.ndjson', 'cloud.${event.src}.${event.level}'],
    ] as const;
    for (const [stream, file, subject] of inputs) {
      const { code, stderr } = await corral(
        ...['publish', at('test/data', file), '--subject', subject, '--stream', stream, '--create'],
        ...['--batch', '64', '--server', deployment.url, ...(stream === 'CLOUD' ? ['--msgpack'] : [])],
      );
      t.equal(code, 0, stderr);
    }
    const serving = deployment.serve();
    await deployment.caughtUp(serving, 95 + 300 + 20);
    serving.child.kill('SIGTERM');
    t.equal(await serving.ended(), 0, 'SIGTERM drains') || t.comment(serving.log());

    const matches = await deployment.storedMatches();
    for (const { question, rule, rows } of ANSWERS) {
      const known = JSON.parse(await readFile(at('test/data/answers', `${question}.json`), 'utf8')).answer
        .rows as object[];
      const found = matches.filter(({ data }) => data.rule === rule).map(({ data }) => JSON.stringify(data.emit));
      t.equal(found.length, rows, question);
      t.strictSame(found.sort(), known.map((row) => JSON.stringify(row)).sort(), `the rows of ${question}`);
    }
  });
}

const ABSENCE = `
rule: not-paid
from: orders
key: event.order
pattern:
  - begin: placed
    type: Placed
  - notFollowedBy: paid
    type: Paid
within: 3s
emit: {order: "\${key}"}
`;

for (const server of await servers()) {
  t.test(`on the ${server.name} nats-server a pending absence fires though no further event comes`, async (t) => {
    const folder = t.testdir({ 'not-paid.yaml': ABSENCE });
    const deployment = await deploy(t, server, {
      ...QUICK,
      sources: {
        orders: { stream: 'ORDERS', start: 'beginning', time: 'event.at', type: 'event.type', idleAfter: '1s' },
      },
      rules: [join(folder, 'not-paid.yaml')],
    });
    await deployment.createStream('ORDERS', 'orders.>');
    const serving = deployment.serve();
    await deployment.caughtUp(serving, 0);
    // Yesterday by its own time: what counts is what elapses after the last event.
    const placed = Date.now() - 86_400_000;
    for (const [order, at] of [
      ['a', placed],
      ['b', placed + 500],
    ] as const) {
      deployment.link.client.publish('orders.new', JSON.stringify({ type: 'Placed', order, at }));
    }
    await until(async () => (await deployment.storedCount()) === 2);
    const matches = await deployment.storedMatches();
    t.same(matches.map(({ data, time }) => [data.key, Date.parse(time)]).sort(), [
      ['a', placed + 3000],
      ['b', placed + 3500],
    ]);
    serving.child.kill('SIGTERM');
    t.equal(await serving.ended(), 0);
  });
}
