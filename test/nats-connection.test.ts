import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { nkeys } from 'nats';
import t, { type Test } from 'tap';
import { connectNats } from '../src/nats/connect.ts';
import { isBefore, probeFence } from '../src/nats/fence-probe.ts';
import type { NatsStatus } from '../src/nats/link.ts';
import { openNatsLog } from '../src/nats/nats-log.ts';
import { natsSource } from '../src/nats/nats-source.ts';
import type { FencedLog } from '../src/ports/log.ts';
import { connected, numberOf, stream, take } from './support/nats-streams.ts';
import { servers, type TestServer, withServer } from './support/servers.ts';

// Connections that are refused, lost and come back, and clusters.

// Servers that are killed, and clusters that find their leader, take longer than half a minute on a busy machine.
t.setTimeout(180_000);

for (const testServer of await servers()) {
  t.test(`on the ${testServer.name} nats-server`, async (t) => {
    await t.test('a server that is killed and comes back', (t) => restarts(t, testServer));
    await t.test('a connection', (t) => connection(t, testServer));
    await t.test('replicated streams', (t) => replicated(t, testServer));
  });
}

async function restarts(t: Test, testServer: TestServer): Promise<void> {
  const COUNT = 300;
  const KILLS = 3;
  const server = await withServer(t, testServer);
  const trouble: string[] = [];
  const link = await connected(t, server, (status) => {
    if (status.trouble !== undefined) trouble.push(status.trouble);
  });
  const log = await openNatsLog(link, { prefix: 'r' });
  const readers = [log.read('r.journal.1', 1), log.read('r.journal.*', 1)];
  const read = Promise.all(readers.map((reader) => take(reader, COUNT)));
  const answers = await appendThrough(log, 'r.journal.1', COUNT, async (n) => {
    if (n % Math.floor(COUNT / (KILLS + 1)) !== 0 || n === 0 || n === COUNT) return;
    await server.kill();
    await server.start();
  });
  t.ok(answers.unknown >= KILLS, `${answers.unknown} answers were lost`);
  for (const [n, messages] of (await read).entries()) {
    t.same(
      messages.map(numberOf),
      Array.from({ length: COUNT }, (_, index) => index + 1),
      `reader ${n} got every append once and in order`,
    );
  }
  t.ok(
    trouble.some((text) => text.includes('disconnected')),
    'the status said why',
  );
  t.same(link.status, { connected: true, trouble: undefined }, 'and that it is over');
  await Promise.all(readers.map((reader) => reader.close()));

  const source = natsSource(link, { stream: 'R_JOURNAL', subject: undefined });
  const created = (await source.facts()).created;
  await server.stop();
  await t.rejects(source.facts(), { code: 'UNAVAILABLE', retry: 'here' });
  await server.start();
  await link.whenConnected(60_000);
  t.equal((await source.facts()).created, created, 'a stream is the same after a restart');
}

/** Appends numbers as an owner does: what is open is sent again with the same expected sequence until it is decided. */
async function appendThrough(
  log: FencedLog,
  subject: string,
  count: number,
  meanwhile: (n: number) => Promise<void>,
): Promise<{ unknown: number }> {
  let last = 0;
  let unknown = 0;
  for (let n = 1; n <= count; n++) {
    const body = Buffer.alloc(100);
    body.writeUInt32BE(n);
    const fault = meanwhile(n);
    for (;;) {
      const appended = await log.append(subject, last, body);
      if (appended.kind === 'stored') {
        last = appended.sequence;
        break;
      }
      if (appended.kind === 'unknown') {
        unknown += 1;
        continue;
      }
      const end = await log.last(subject);
      if (end === undefined || numberOf(end) !== n)
        throw new Error(`append ${n} was refused, and it is not at the end`);
      last = end.sequence;
      break;
    }
    await fault;
  }
  return { unknown };
}

async function connection(t: Test, testServer: TestServer): Promise<void> {
  t.test('gives its identity from the URL, and says when it is refused', async (t) => {
    const server = await withServer(t, testServer, {
      settings: { authorization: { user: 'ann', password: 'p@ss word' } },
    });
    const address = server.url.replace('nats://', '');
    const link = await connectNats({ url: `nats://ann:${encodeURIComponent('p@ss word')}@${address}`, tries: 'once' });
    await openNatsLog(link, { prefix: 'a' });
    await link.close();
    const refused = connectNats({ url: `nats://ann:wrong@${address}`, tries: 'once' });
    await t.rejects(refused, /authorization violation/i);
  });

  t.test('keeps trying, and says why, until the server is there', async (t) => {
    const server = await withServer(t, testServer);
    await server.stop();
    const troubles: (string | undefined)[] = [];
    let cameTrouble = (): void => undefined;
    const trouble = new Promise<void>((resolve) => {
      cameTrouble = resolve;
    });
    const connecting = connectNats({
      url: server.url,
      onStatus: ({ trouble }) => {
        troubles.push(trouble);
        cameTrouble();
      },
    });
    await trouble;
    await server.start();
    const link = await connecting;
    t.match(troubles[0], /cannot connect to NATS at 127\.0\.0\.1:\d+/);
    t.equal(troubles.at(-1), undefined);
    await link.close();
    await link.close();
  });

  t.test('reads its key from a file, again at every connect, and does without while it is away', async (t) => {
    const folder = await mkdtemp(join(tmpdir(), 'corral-test-'));
    t.teardown(() => rm(folder, { recursive: true, force: true }));
    const file = join(folder, 'user.nk');
    const user = nkeys.createUser();
    await t.rejects(connectNats({ nkey: file, tries: 'once' }), { code: 'NATS_OPTIONS', message: /user\.nk/ });
    await writeFile(file, user.getSeed());
    const server = await withServer(t, testServer, {
      settings: { authorization: { users: [{ nkey: user.getPublicKey() }] } },
    });
    const link = await connectNats({ url: server.url, nkey: file, tries: 'once' });
    t.teardown(() => link.close());
    const log = await openNatsLog(link, { prefix: 'n' });
    await rm(file);
    await server.kill();
    await server.start();
    t.equal(await log.last('n.journal.1'), undefined, 'connected again');
  });

  t.test('says which permission its account lacks', async (t) => {
    const server = await withServer(t, testServer, {
      settings: {
        authorization: {
          users: [
            { user: 'deaf', password: 'x', permissions: { publish: '>', subscribe: { deny: '_INBOX.>' } } },
            { user: 'mute', password: 'x', permissions: { publish: { deny: '$JS.>' } } },
          ],
        },
      },
    });
    const troubles: (string | undefined)[] = [];
    const options = { url: server.url, password: 'x', onStatus: ({ trouble }: NatsStatus) => troubles.push(trouble) };
    const deaf = await connectNats({ ...options, user: 'deaf' });
    t.teardown(() => deaf.close());
    await t.rejects(natsSource(deaf, { stream: 'S', subject: undefined }).facts(), {
      code: 'UNAVAILABLE',
      message: /Permissions Violation for Subscription to "_INBOX/,
    });
    const mute = await connectNats({ ...options, user: 'mute' });
    t.teardown(() => mute.close());
    await t.rejects(natsSource(mute, { stream: 'S', subject: undefined }).facts(), { code: 'UNAVAILABLE' });
    t.ok(
      troubles.some((text) => /publish to "\$JS\.API\.STREAM\.INFO\.S"/.test(text ?? '')),
      String(troubles),
    );
  });

  t.test('ends its tries when told', async (t) => {
    const stop = new AbortController();
    const connecting = connectNats({ url: 'nats://127.0.0.1:9', signal: stop.signal, onStatus: () => stop.abort() });
    await t.rejects(connecting, { name: 'AbortError' });
  });
}

async function freePort(): Promise<number> {
  const socket = createServer();
  await new Promise<void>((resolve) => socket.listen(0, '127.0.0.1', resolve));
  const address = socket.address();
  await new Promise((resolve) => socket.close(resolve));
  if (address === null || typeof address === 'string') throw new Error('no port');
  return address.port;
}

async function replicated(t: Test, testServer: TestServer): Promise<void> {
  const routes = await Promise.all([1, 2, 3].map(freePort));
  const cluster = await Promise.all(
    routes.map((port) =>
      withServer(t, testServer, {
        settings: {
          server_name: `s${port}`,
          cluster: {
            name: 'C',
            host: '127.0.0.1',
            port,
            routes: routes.map((other) => `nats://127.0.0.1:${other}`),
          },
        },
      }),
    ),
  );
  const link = await connected(t, cluster[0]!);
  const old = isBefore(link.serverVersion, [2, 9, 21]);
  if (old) {
    await t.rejects(openNatsLog(link, { prefix: 'v', replicas: 3 }), { code: 'SERVER_TOO_OLD', message: /2\.9\.21/ });
    const single = await openNatsLog(link, { prefix: 'v' });
    t.match(await single.append('v.journal.1', 0, Buffer.from('x')), { kind: 'stored' }, 'one replica is served');
    await stream(link, 'V3_JOURNAL', { subjects: ['v3.page.>'], num_replicas: 3 });
    const probe = probeFence(link, 'V3_JOURNAL', 'v3.page.probe');
    await t.rejects(probe, { code: 'FENCE_BROKEN', message: /2\.9\.21/ }, 'should the version not tell');
  } else {
    const log = await openNatsLog(link, { prefix: 'v', replicas: 3 });
    t.match(await log.append('v.journal.1', 0, Buffer.from('x')), { kind: 'stored' });
    await t.rejects(openNatsLog(link, { prefix: 'v' }), {
      code: 'STREAM_MISCONFIGURED',
      message: /num_replicas is 3, must be 1/,
    });
  }
}
