// biome-ignore-all lint/suspicious/noTemplateCurlyInString: templates of Corral's own
import { readFile, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import t from 'tap';
import { createPublisher } from '../src/nats/publisher.ts';
import { type Deployment, deploy, type Serving, until } from './support/deployment.ts';
import { corral, corralProcess, type MatchOutput, replay } from './support/replay.ts';
import { servers } from './support/servers.ts';

/** Rules that change while a deployment runs, on real servers with real processes. */

t.setTimeout(600_000);

const SETTINGS = {
  sources: { auth: { stream: 'AUTH', subject: 'auth.>', start: 'beginning', time: 'event.at', type: 'event.kind' } },
  rules: ['rules.yaml'],
  shards: 8,
  lease: { ttl: '2s' },
  heartbeat: '200ms',
};

/** Ten rules over the same events; one of them says `form`. */
const rules = (form: string): string =>
  Array.from(
    { length: 10 },
    (_, n) => `
rule: r${n}
from: auth
key: event.ip
pattern:
  - begin: guess
    type: Failed
    times: {min: ${2 + (n % 3)}}
  - followedBy: login
    type: Accepted
within: 1h
afterMatch: skipPastLastEvent
emit: {form: ${n === 5 ? form : 'same'}, login: "\${login.n}"}
`,
  ).join('---');

const EVENTS = 6000;

/** Over fifty addresses; three of four are failures. */
const event = (n: number): string =>
  JSON.stringify({
    kind: n % 4 === 3 ? 'Accepted' : 'Failed',
    ip: `10.0.0.${(n * 7 + Math.floor(n / 50)) % 50}`,
    at: 1_700_000_000_000 + n * 100,
    n,
  });

interface World {
  readonly deployment: Deployment;
  /** Configuration with rules of its own, for another node. */
  with(name: string, text: string, kind?: 'yaml' | 'mjs'): Promise<string>;
  write(text: string): Promise<void>;
  /** Publishes in the background, evenly over some seconds. */
  publish(from: number, upto: number, ms: number): Promise<void>;
}

async function world(t: Parameters<typeof deploy>[0], server: (typeof list)[number]): Promise<World> {
  const deployment = await deploy(t, server, SETTINGS);
  await deployment.createStream('AUTH', 'auth.>');
  const at = (name: string): string => join(dirname(deployment.config), name);
  const publisher = createPublisher(deployment.link);
  return {
    deployment,
    write: (text) => writeFile(at('rules.yaml'), text),
    async with(name, text, kind = 'yaml') {
      await writeFile(at(`${name}.${kind}`), text);
      const config = JSON.parse(await readFile(deployment.config, 'utf8'));
      await writeFile(at(`${name}.json`), JSON.stringify({ ...config, node: name, rules: [`${name}.${kind}`] }));
      return at(`${name}.json`);
    },
    async publish(from, upto, ms) {
      const pieces = 40;
      for (let piece = 0; piece < pieces; piece += 1) {
        const end = from + Math.floor(((upto - from) * (piece + 1)) / pieces);
        for (let n = from + Math.floor(((upto - from) * piece) / pieces); n < end; n += 1)
          await publisher.publish('auth.x', Buffer.from(event(n)));
        await sleep(ms / pieces);
      }
      await publisher.flush();
    },
  };
}

/** What a match says, without what may differ between runs. */
const essence = ({ data }: MatchOutput): string =>
  JSON.stringify([
    data.rule,
    data.key,
    data.events.map(({ step, count, refs }) => [step, count, refs.length]),
    data.emit,
  ]);

const ofOthers = (matches: readonly MatchOutput[]): string[] =>
  matches
    .filter(({ data }) => data.rule !== 'r5')
    .map(essence)
    .sort();

/** Matches of a run in which nothing changes. */
async function withoutEdit(t: { testdir(files: Record<string, string>): string }): Promise<readonly MatchOutput[]> {
  const folder = t.testdir({
    'rules.yaml': rules('one'),
    'events.ndjson': Array.from({ length: EVENTS }, (_, n) => event(n)).join('\n'),
  });
  const flags = ['--time', 'event.at', '--type', 'event.kind', '--at-end', 'stop'];
  return await replay(join(folder, 'rules.yaml'), '--events', `auth=${join(folder, 'events.ndjson')}`, ...flags);
}

const urlOf = ({ log }: Serving): string | undefined => /"url":"(http:[^"]+)"/.exec(log())?.[1];

async function readiness(serving: Serving): Promise<{ ready: boolean; reasons?: string[] }> {
  const url = urlOf(serving);
  return url === undefined ? { ready: false } : ((await (await fetch(`${url}/readyz`)).json()) as { ready: boolean });
}

const isReady = async (serving: Serving): Promise<boolean> => (await readiness(serving)).ready;

async function metric(serving: Serving, name: string): Promise<number> {
  const text = await (await fetch(`${urlOf(serving)}/metrics`)).text();
  return Number(
    text
      .split('\n')
      .find((line) => line.startsWith(`${name} `))
      ?.slice(name.length),
  );
}

const list = await servers();
const [oldest, newest] = list;
const expected = await withoutEdit(t);

/** The edited rule: its old form up to some event, its new form after that, and never state of the one in the other. */
function checkEdited(
  t: { ok(value: unknown, message: string): void },
  matches: readonly MatchOutput[],
  forms: readonly string[],
): void {
  const known = new Set(
    expected.filter(({ data }) => data.rule === 'r5').map(({ data }) => `${data.key} ${data.emit.login}`),
  );
  const byShard = new Map<string, string[]>();
  for (const { id, data } of matches) {
    if (data.rule !== 'r5') continue;
    const shard = /\d+(?=\D+\d+$)/.exec(id)?.[0] ?? '';
    byShard.set(shard, [...(byShard.get(shard) ?? []), String(data.emit.form)]);
  }
  for (const [shard, said] of byShard) {
    const distinct = said.filter((form, at) => form !== said[at - 1]);
    t.ok(forms.join().includes(distinct.join()), `shard ${shard}: ${distinct.join(', then ')}`);
  }
  const all = matches.filter(({ data }) => data.rule === 'r5');
  t.ok(
    forms.every((form) => all.some(({ data }) => data.emit.form === form)),
    `${all.length} matches of ${forms}`,
  );
  t.ok(all.length < known.size, 'what was half matched when it was edited is gone');
}

for (const server of list) {
  t.test(
    `one of ten rules is edited between restarts under load: the others notice nothing (${server.name})`,
    async (t) => {
      const { deployment, write, publish } = await world(t, server);
      await write(rules('one'));
      const first = deployment.serve();
      await until(() => isReady(first));
      const load = publish(0, EVENTS, 9000);
      await until(async () => (await deployment.storedCount()) > 200);
      first.child.kill('SIGTERM');
      t.equal(await first.ended(), 0);
      await write(rules('two'));
      const second = deployment.serve();
      await until(async () => (await isReady(second)) && (await deployment.storedCount()) > expected.length / 2);
      // Its rules stay: killed, it goes on from the journal in the midst of it.
      second.child.kill('SIGKILL');
      await second.ended();
      const third = deployment.serve();
      await load;
      const others = ofOthers(expected);
      await deployment.caughtUp(third, others.length + 1);
      await until(async () => ofOthers(await deployment.storedMatches()).length >= others.length);
      const matches = await deployment.storedMatches();
      t.same(ofOthers(matches), others, `${others.length} matches of nine rules`);
      checkEdited(t, matches, ['one', 'two']);
      t.equal(await metric(third, 'corral_rules_version{version="own"}'), 2);
      third.child.kill('SIGTERM');
      t.equal(await third.ended(), 0);
    },
  );
}

t.test(
  'a node with newer rules takes over from one with older ones, and gives back when those are active again',
  async (t) => {
    const { deployment, publish, ...more } = await world(t, oldest!);
    const old = deployment.serve('--config', await more.with('old', rules('one')));
    await until(() => isReady(old));
    const load = publish(0, EVENTS, 15_000);
    await until(async () => (await deployment.storedCount()) > 200);
    const fresh = deployment.serve('--config', await more.with('fresh', rules('two')));
    await until(async () => (await isReady(fresh)) && !(await isReady(old)));
    const { reasons } = await readiness(old);
    t.match(reasons?.join(), 'waits: newer rules are active (version 2)');
    t.equal(await metric(old, 'corral_rules_version{version="own"}'), 0);
    t.equal(await metric(old, 'corral_rules_version{version="active"}'), 2);
    t.match(old.log(), /RULES_OVERTAKEN/);
    await until(async () => (await metric(fresh, 'corral_shards_owned')) === 8);
    t.equal(await metric(old, 'corral_shards_owned'), 0, 'a node that waits counts for nothing');
    const listed = await corral('rules', 'list', '--config', deployment.config);
    t.match(listed.stdout, /2 .*r5.*fresh/);
    t.match(listed.stdout, /1 .*old \(waits\)/);
    const json = JSON.parse((await corral('rules', 'list', '--json', '--config', deployment.config)).stdout);
    t.match(json.versions, [
      { number: 2, edited: ['r5'], removed: [], added: [], nodes: ['fresh'], modules: [] },
      { number: 1, rules: 10, nodes: ['old (waits)'] },
    ]);
    const status = await corral('status', '--config', deployment.config);
    t.match(status.stdout, 'active version of the rules: 2');
    t.match(status.stdout, /old .*1, waits/);
    // Another node with the older rules waits as well, and does not bring them back.
    const straggler = deployment.serve('--config', await more.with('straggler', rules('one')));
    await until(async () => /newer rules are active/.test((await readiness(straggler)).reasons?.join() ?? ''));
    await until(async () => (await deployment.storedCount()) > expected.length / 2);
    const activated = await corral('rules', 'activate', '1', '--config', deployment.config);
    t.match(activated.stdout, 'version 1 is active again, as version 3');
    await until(async () => (await isReady(old)) && (await isReady(straggler)) && !(await isReady(fresh)));
    t.equal(await metric(old, 'corral_rules_version{version="own"}'), 3);
    await load;
    const others = ofOthers(expected);
    await until(async () => ofOthers(await deployment.storedMatches()).length >= others.length);
    const matches = await deployment.storedMatches();
    t.same(ofOthers(matches), others, 'nine rules never changed');
    checkEdited(t, matches, ['one', 'two', 'one']);
  },
);

t.test('killed instead of drained: who has only newer rules works off what was routed by older ones', async (t) => {
  const { deployment, publish, write } = await world(t, newest!);
  await write(rules('one'));
  const first = deployment.serve();
  await until(() => isReady(first));
  const load = publish(0, EVENTS, 6000);
  await until(async () => (await deployment.storedCount()) > 200);
  first.child.kill('SIGKILL');
  await first.ended();
  await write(rules('two'));
  const second = deployment.serve();
  await load;
  const others = ofOthers(expected);
  await deployment.caughtUp(second, others.length + 1);
  await until(async () => ofOthers(await deployment.storedMatches()).length >= others.length);
  const matches = await deployment.storedMatches();
  t.same(ofOthers(matches), others);
  checkEdited(t, matches, ['one', 'two']);
  t.equal(await metric(second, 'corral_rule_events_unseen_total'), 0);
  t.ok((await metric(second, 'corral_rule_state_dropped_keys_total')) > 0);
});

t.test(
  'a node may be told not to start when rules would lose state, and to make its rules active at once',
  async (t) => {
    const { deployment, publish, ...more } = await world(t, newest!);
    const one = await more.with('one', rules('one'));
    const first = deployment.serve('--config', one);
    await until(() => isReady(first));
    await publish(0, 400, 100);
    const two = await more.with('two', rules('two').replace('rule: r9', 'rule: r10'));
    const refused = await corralProcess('serve', '--config', two, '--require-compatible');
    t.equal(refused.code, 2);
    t.match(refused.stdout, /RULES_INCOMPATIBLE.*edited: r5; removed: r9/);
    const added = await more.with('added', `${rules('one')}---${rules('one').split('---')[0]!.replace('r0', 'r11')}`);
    const second = deployment.serve('--config', added, '--require-compatible');
    await until(() => isReady(second));
    // Only the first lease round of the newer one ends the older one's work.
    await until(async () => !(await isReady(first)));
    const third = deployment.serve('--config', await more.with('back', rules('one')), '--activate-rules');
    await until(async () => (await isReady(third)) && !(await isReady(second)));
    t.equal(await metric(third, 'corral_rules_version{version="own"}'), 3);
    await until(() => isReady(first));
  },
);

/** A rule with code: one match for each login. */
const module = (form: number): string => `
export default {
  rule: 'login',
  from: 'auth',
  key: 'event.ip',
  pattern: [{ begin: 'it', where: (event) => event.kind === 'Accepted' }],
  emit: { form: ${form}, n: '\${it.n}' },
};
`;

t.test('an edited rule of a module: the node that has the old one finishes what was routed to it', async (t) => {
  const { deployment, publish, ...more } = await world(t, oldest!);
  const old = deployment.serve('--config', await more.with('old', module(1), 'mjs'));
  await until(() => isReady(old));
  const load = publish(0, EVENTS - 1000, 8000);
  await until(async () => (await deployment.storedCount()) > 100);
  const fresh = deployment.serve('--config', await more.with('fresh', module(2), 'mjs'));
  await load;
  await until(() => isReady(fresh));
  await publish(EVENTS - 1000, EVENTS, 100);
  await until(async () => (await deployment.storedCount()) >= EVENTS / 4);
  const matches = await deployment.storedMatches();
  const numbers = matches.map(({ data }) => Number(data.emit.n)).sort((a, b) => a - b);
  t.same(
    numbers,
    Array.from({ length: EVENTS / 4 }, (_, n) => 4 * n + 3),
    'each login is seen by the old form or the new one, and by one of them only',
  );
  t.same([...new Set(matches.map(({ data }) => data.emit.form))].sort(), [1, 2]);
  await until(() => isReady(fresh));
  t.equal(await metric(old, 'corral_rule_events_unseen_total'), 0);
  t.equal(await metric(fresh, 'corral_rule_events_unseen_total'), 0);
  const listed = JSON.parse((await corral('rules', 'list', '--json', '--config', deployment.config)).stdout);
  t.same(listed.versions[0].modules, ['login']);
});
