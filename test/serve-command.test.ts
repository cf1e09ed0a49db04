import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import t from 'tap';
import { packageRoot } from '../src/cli/package-root.ts';
import { startServer } from '../src/nats/server/start-server.ts';
import { corral, corralProcess, MAIN } from './support/replay.ts';
import { servers } from './support/servers.ts';

/** How `corral serve` and `corral demo` behave as processes: what they say, and how they end. */

const DEMO = join(packageRoot, 'examples/demo');
const [oldest] = await servers();

interface Served {
  readonly child: ChildProcess;
  /** Resolves with the first log line whose message fits; every line since the start counts. */
  said(message: RegExp): Promise<Record<string, unknown>>;
  /** Exit code, or the signal that ended it. */
  readonly ended: Promise<number | string | null>;
}

interface Teardown {
  teardown(handler: () => unknown): void;
}

function serve(t: Teardown, args: readonly string[], environment: Record<string, string> = {}): Served {
  const child = spawn(process.execPath, [MAIN, 'serve', '--http-host', '127.0.0.1', '--http-port', '0', ...args], {
    stdio: ['ignore', 'pipe', 'inherit'],
    env: { ...process.env, ...environment },
  });
  const lines: Record<string, unknown>[] = [];
  const waiting = new Set<() => void>();
  createInterface({ input: child.stdout! }).on('line', (line) => {
    lines.push(JSON.parse(line) as Record<string, unknown>);
    for (const look of [...waiting]) look();
  });
  const ended = once(child, 'close').then(([code, signal]) => (code ?? signal) as number | string | null);
  t.teardown(async () => {
    child.kill('SIGKILL');
    await ended;
  });
  return {
    child,
    ended,
    said: (message) =>
      new Promise((resolve, reject) => {
        const look = (): void => {
          const found = lines.find(({ msg }) => message.test(String(msg)));
          if (found === undefined) return;
          waiting.delete(look);
          resolve(found);
        };
        waiting.add(look);
        look();
        void ended.then((code) => reject(new Error(`it ended with ${code} before it said ${message}`)));
      }),
  };
}

async function page(url: string, path: string): Promise<{ status: number; body: string }> {
  const answer = await fetch(url + path);
  return { status: answer.status, body: await answer.text() };
}

/** Asks /readyz until its answer fits; each request is answered before the next is made. */
async function readyz(url: string, fits: (status: number, body: string) => boolean): Promise<string> {
  for (;;) {
    const { status, body } = await page(url, '/readyz');
    if (fits(status, body)) return body;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

/** A port at which nobody listens. */
async function deadPort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as { port: number };
  server.close();
  await once(server, 'close');
  return port;
}

t.test('without NATS it keeps trying, says so on /readyz, and still ends in order', async (t) => {
  const nats = `nats://127.0.0.1:${await deadPort()}`;
  const served = serve(t, ['--config', join(DEMO, 'corral.yaml'), '--server', nats]);
  const { url } = await served.said(/^metrics and health/);
  t.match(await page(String(url), '/livez'), { status: 200 });
  t.match(await readyz(String(url), (_, body) => body.includes('cannot connect')), nats.replace('nats://', ''));
  t.match((await page(String(url), '/metrics')).body, /^corral_ready 0$/m);
  served.child.kill('SIGTERM');
  await served.said(/^drained$/);
  t.equal(await served.ended, 0);
});

t.test('a server that takes the connection and says nothing does not hold up the end', async (t) => {
  const silent = createServer().listen(0, '127.0.0.1');
  await once(silent, 'listening');
  t.teardown(() => silent.close());
  const connected = once(silent, 'connection');
  const { port } = silent.address() as { port: number };
  const served = serve(t, ['--config', join(DEMO, 'corral.yaml'), '--server', `nats://127.0.0.1:${port}`]);
  await connected;
  served.child.kill('SIGINT');
  t.equal(await served.ended, 0);
});

t.test('a second signal ends it at once, though NATS is frozen and draining waits for it', async (t) => {
  const nats = await startServer({ path: oldest!.path, dataDir: t.testdir({}) });
  t.teardown(() => nats.kill());
  const served = serve(t, ['--config', join(DEMO, 'corral.yaml'), '--server', nats.url]);
  const url = String((await served.said(/^metrics and health/)).url);
  await readyz(url, (_, body) => body.includes('no stream AUTH') && !body.includes('starting'));
  process.kill(nats.pid, 'SIGSTOP');
  served.child.kill('SIGTERM');
  await served.said(/^SIGTERM: draining$/);
  served.child.kill('SIGTERM');
  t.equal(await served.ended, 1);
});

t.test('embedded: a missing stream is named until it is there, then events match, and SIGTERM drains', async (t) => {
  const folder = t.testdir({});
  const args = ['--config', join(DEMO, 'corral.yaml'), '--embedded', '--data-dir', folder, '--nats-port', '0'];
  const served = serve(t, args, { NATS_SERVER: oldest!.path });
  const nats = String((await served.said(/^nats-server at /)).url);
  const url = String((await served.said(/^metrics and health/)).url);
  t.match(await readyz(url, (status, body) => status === 503 && body.includes('AUTH')), 'there is no stream AUTH');
  t.ok(await served.said(/^an acknowledgement of JetStream is not a write to disk/), 'it says what is not promised');
  const events = join(DEMO, 'auth-ec2.ndjson.gz');
  const made = ['--subject', 'auth.all', '--stream', 'AUTH', '--create', '--server', nats];
  t.match(await corral('publish', events, '--batch', '100', ...made), { code: 0 });
  await readyz(url, (status) => status === 200);
  for (;;) {
    const { body } = await page(url, '/metrics');
    if (/^corral_matches_total\{rule="break-in"\} 1$/m.test(body)) break;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  served.child.kill('SIGTERM');
  await served.said(/^drained$/);
  t.equal(await served.ended, 0);
});

t.test('a taken port is said by name, with exit code 2', async (t) => {
  const taken = createServer().listen(0, '127.0.0.1');
  await once(taken, 'listening');
  t.teardown(() => taken.close());
  const { port } = taken.address() as { port: number };
  const served = serve(t, ['--config', join(DEMO, 'corral.yaml'), '--http-port', String(port)]);
  t.match(await served.said(/cannot listen/), { code: 'HTTP_LISTEN', level: 'error' });
  t.equal(await served.ended, 2);
});

t.test('the demo prints the break-in once, as a person wants to read it, and ends by itself', async (t) => {
  const { code, stdout, stderr } = await corralProcess('demo');
  t.strictSame([code, stderr], [0, '']);
  const lines = stdout.split('\n');
  const found = lines.filter((line) => line.includes('147 guesses from 24.151.103.17, then a login as elastic_user_0'));
  t.equal(found.length, 1);
  t.match(lines[lines.indexOf(found[0]!) + 1], /148 events within 7 min 17 s/);
  t.match(stdout, /33 matches, each stored once/);
  t.match(stdout, /the same 33 matches in \d+ ms/);
  t.match(stdout, /http:\/\/127\.0\.0\.1:\d+\/metrics/);
  t.notOk(stdout.includes('\u001b'), 'no colour in a pipe');
});
