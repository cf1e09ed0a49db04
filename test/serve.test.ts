// biome-ignore-all lint/suspicious/noTemplateCurlyInString: the subject is a template of Corral's own
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import t from 'tap';
import { packageRoot } from '../src/cli/package-root.ts';
import { connectNats } from '../src/nats/connect.ts';
import type { NatsLink } from '../src/nats/link.ts';
import { natsSource } from '../src/nats/nats-source.ts';
import { corral, MAIN, type MatchOutput, replay } from './support/replay.ts';
import { servers, withServer } from './support/servers.ts';

/**
 * `corral publish` and `corral serve` on a real nats-server give what `corral replay` gives, each match once, however
 * often serving is killed. The seed decides the moments of the kills; SEED=<n> repeats them as far as a real machine can.
 */

t.setTimeout(400_000);

const SEED = Number(process.env.SEED ?? Math.floor(Math.random() * 2 ** 31));
const KILLS = 10;
const EVENTS = join(packageRoot, 'examples/demo/auth-ec2.ndjson.gz');
const RULES = ['demo/break-in', 'demo/name-guessing', 'demo/cut-off', 'demo/two-addresses', 'answers/ssh-burst'].map(
  (name) => join(packageRoot, 'examples', `${name}.yaml`),
);

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

const expected = (
  await replay(
    ...RULES,
    '--events',
    EVENTS,
    '--time',
    'event.ts',
    '--type',
    'event.type',
    '--id',
    'event.seq',
    '--at-end',
    'stop',
  )
)
  .map(essence)
  .sort();

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

async function storedMatches(link: NatsLink): Promise<MatchOutput[]> {
  const source = natsSource(link, { stream: 'CORRAL_MATCH', subject: undefined });
  const { lastSequence } = await source.facts();
  if (lastSequence === 0) return [];
  const reader = source.read(1);
  const matches: MatchOutput[] = [];
  for (let reached = 0; reached < lastSequence; ) {
    for (const { sequence, body } of (await reader.next()) ?? []) {
      matches.push(JSON.parse(Buffer.from(body).toString()) as MatchOutput);
      reached = sequence;
    }
  }
  await reader.close();
  return matches;
}

/** 0 as long as no node has made the stream. */
async function storedCount(link: NatsLink): Promise<number> {
  const answer = await link.request(`${link.api}.STREAM.INFO.CORRAL_MATCH`, new Uint8Array(0));
  return answer.data === undefined ? 0 : (JSON.parse(Buffer.from(answer.data).toString()).state?.messages ?? 0);
}

/** Waits until a condition holds; the test's own time limit ends it otherwise. */
async function until(condition: () => Promise<boolean>): Promise<void> {
  while (!(await condition())) await sleep(50);
}

for (const server of await servers()) {
  t.test(`serving on the ${server.name} nats-server`, { timeout: 240_000 }, async (t) => {
    const random = chance(SEED);
    const nats = await withServer(t, server);
    const link = await connectNats({ url: nats.url, tries: 'once' });
    t.teardown(() => link.close());
    const folder = await mkdtemp(join(tmpdir(), 'corral-serve-'));
    t.teardown(() => rm(folder, { recursive: true }));
    const config = join(folder, 'corral.yaml');
    await writeFile(
      config,
      JSON.stringify({
        nats: { url: nats.url },
        sources: {
          auth: { stream: 'AUTH', start: 'beginning', time: 'event.ts', type: 'event.type', id: 'event.seq' },
        },
        rules: RULES,
        shards: 8,
        http: { host: '127.0.0.1', port: 0 },
        lease: { ttl: '1s' },
        heartbeat: '200ms',
      }),
    );
    const running = new Set<ChildProcess>();
    t.teardown(() => {
      for (const child of running) child.kill('SIGKILL');
    });
    let log = '';
    function serve(): ChildProcess {
      const child = spawn(process.execPath, [MAIN, 'serve', '--config', config], { stdio: ['ignore', 'pipe', 'pipe'] });
      running.add(child);
      child.once('exit', () => running.delete(child));
      for (const stream of [child.stdout, child.stderr])
        stream?.on('data', (text) => (log = (log + text).slice(-20_000)));
      return child;
    }

    await createStream(link);
    const publishing = corral(
      'publish',
      EVENTS,
      '--subject',
      'auth.${event.type}',
      '--stream',
      'AUTH',
      '--rate',
      '400/s',
      '--server',
      nats.url,
    );

    const storedAtKill: number[] = [];
    for (let kill = 1; kill <= KILLS; kill++) {
      const child = serve();
      if (kill % 2 === 0) {
        // Anywhere in the start, the claiming of leases and the recovery.
        await sleep(100 + random() * 1500);
      } else {
        // In the middle of work: a little after it has stored some more matches.
        const enough = Math.min((storedAtKill.at(-1) ?? 0) + 1 + Math.floor(random() * 8), expected.length);
        await until(async () => child.exitCode !== null || (await storedCount(link)) >= enough);
        await sleep(random() * 100);
      }
      child.kill('SIGKILL');
      if (child.exitCode === null) await once(child, 'exit');
      storedAtKill.push(await storedCount(link));
      t.equal(child.signalCode, 'SIGKILL', `it was running until kill ${kill}`) || t.comment(log);
    }
    const published = await publishing;
    t.equal(published.code, 0, published.stderr);

    log = '';
    const last = serve();
    await until(async () => {
      if (last.exitCode !== null) return true;
      const url = /"url":"(http:[^"]+)"/.exec(log)?.[1];
      if (url === undefined || (await fetch(`${url}/readyz`)).status !== 200) return false;
      const metrics = await (await fetch(`${url}/metrics`)).text();
      const nothingLeft = /^corral_source_pending_messages\{[^}]*\} 0$/m.test(metrics);
      return nothingLeft && (await storedCount(link)) >= expected.length;
    });
    last.kill('SIGTERM');
    if (last.exitCode === null) await once(last, 'exit');
    t.equal(last.exitCode, 0, 'SIGTERM drains') || t.comment(log);

    const matches = await storedMatches(link);
    t.strictSame(matches.map(essence).sort(), expected, `the same matches, each once; SEED=${SEED} repeats the kills`);
    const ids = matches.map(({ id }) => id);
    t.equal(new Set(ids).size, ids.length, 'no id twice');
    t.comment(
      `SEED=${SEED}: matches stored at the ${KILLS} kills ${storedAtKill.join(', ')}; in all ${matches.length}`,
    );
  });
}

async function createStream(link: NatsLink): Promise<void> {
  const answer = await link.request(
    `${link.api}.STREAM.CREATE.AUTH`,
    Buffer.from(JSON.stringify({ name: 'AUTH', subjects: ['auth.>'], retention: 'limits', storage: 'file' })),
  );
  if (answer.data === undefined) throw new Error(answer.cause);
}
