import { spawn } from 'node:child_process';
import { chmod, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createConnection } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { resolveNatsOptions } from '../src/nats/nats-options.ts';
import { parseListFile, parseSourcesFile, sourceLine } from '../src/nats/server/apt-sources.ts';
import { cachedServer, ownSuite } from '../src/nats/server/fetch-server.ts';
import { findServer } from '../src/nats/server/find-server.ts';
import { startServer } from '../src/nats/server/start-server.ts';

// How NATS is reached, and how a nats-server is found and started.

async function folder(t: Test): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), 'corral-test-'));
  t.teardown(() => rm(path, { recursive: true, force: true }));
  return path;
}

async function executable(path: string): Promise<string> {
  await mkdir(join(path, '..'), { recursive: true });
  await writeFile(path, '#!/bin/sh\n');
  await chmod(path, 0o755);
  return path;
}

t.test('where NATS is', async (t) => {
  t.test('is this machine when nobody says', async (t) => {
    t.same(resolveNatsOptions({}, {}), { servers: ['127.0.0.1:4222'], tls: false });
  });

  t.test('may be several servers, with scheme and identity taken out', async (t) => {
    t.same(resolveNatsOptions({ url: 'nats://ann:s%3Acret@one:1, tls://two , three:3' }, {}), {
      servers: ['one:1', 'two:4222', 'three:3'],
      tls: true,
      user: 'ann',
      password: 's:cret',
    });
    t.same(resolveNatsOptions({ url: 'nats://s3cr3t@one' }, {}), {
      servers: ['one:4222'],
      tls: false,
      token: 's3cr3t',
    });
    t.same(resolveNatsOptions({ url: 'nats://[::1]:4333' }, {}).servers, ['[::1]:4333']);
  });

  t.test('is refused when it is no URL, without showing what is secret in it', async (t) => {
    for (const url of ['http://one', 'nats://', 'ws://one:80', ',']) {
      t.throws(() => resolveNatsOptions({ url }, {}), { code: 'NATS_OPTIONS' }, url);
    }
    try {
      resolveNatsOptions({ url: 'http://ann:s3cr3t@one' }, {});
    } catch (error) {
      t.notMatch((error as Error).message, /s3cr3t/);
    }
  });

  t.test('is taken from what is given, then the environment, then the context', async (t) => {
    const home = await folder(t);
    const contexts = join(home, '.config', 'nats', 'context');
    await mkdir(contexts, { recursive: true });
    const context = {
      url: 'nats://from-context',
      creds: '~/nats.creds',
      ca: '/etc/ca.pem',
      jetstream_domain: 'hub',
      inbox_prefix: '_INBOX_ann',
    };
    await writeFile(join(contexts, 'work.json'), JSON.stringify(context));
    const environment = { HOME: home, NATS_CONTEXT: 'work' };
    t.same(resolveNatsOptions({}, environment), {
      servers: ['from-context:4222'],
      tls: false,
      creds: join(home, 'nats.creds'),
      ca: '/etc/ca.pem',
      domain: 'hub',
      inboxPrefix: '_INBOX_ann',
    });
    t.same(resolveNatsOptions({}, { ...environment, NATS_URL: 'env:1' }).servers, ['env:1']);
    t.same(resolveNatsOptions({ url: 'given:2' }, { ...environment, NATS_URL: 'env:1' }).servers, ['given:2']);
    t.match(
      resolveNatsOptions({}, { ...environment, NATS_USER: 'ann', NATS_PASSWORD: 'pw' }),
      { user: 'ann', password: 'pw', creds: undefined, ca: '/etc/ca.pem' },
      'an identity comes whole from one place',
    );
    t.throws(() => resolveNatsOptions({ context: 'none' }, environment), { code: 'NATS_OPTIONS', message: /'none'/ });
  });

  t.test('reads a context with a user and no password as one with a token', async (t) => {
    const home = await folder(t);
    await mkdir(join(home, 'nats', 'context'), { recursive: true });
    await writeFile(join(home, 'nats', 'context', 'a.json'), JSON.stringify({ user: 'tok' }));
    const resolved = resolveNatsOptions({ context: 'a' }, { XDG_CONFIG_HOME: home });
    t.match(resolved, { token: 'tok', user: undefined });
  });

  t.test('wants both halves of a client certificate', async (t) => {
    t.throws(() => resolveNatsOptions({ cert: 'a.pem' }, {}), { code: 'NATS_OPTIONS', message: /NATS_KEY/ });
    t.throws(() => resolveNatsOptions({}, { NATS_KEY: 'a.pem' }), { code: 'NATS_OPTIONS', message: /NATS_CERT/ });
  });
});

t.test('a nats-server', async (t) => {
  t.test('is the one that NATS_SERVER names', async (t) => {
    const named = await executable(join(await folder(t), 'mine'));
    t.equal(await findServer({ NATS_SERVER: named, PATH: '' }), named);
    await t.rejects(findServer({ NATS_SERVER: '/nowhere/nats-server' }), {
      code: 'NATS_SERVER_MISSING',
      message: /NATS_SERVER names \/nowhere\/nats-server/,
    });
  });

  t.test('else is one on PATH', async (t) => {
    const path = await folder(t);
    const found = await executable(join(path, 'nats-server'));
    t.equal(await findServer({ PATH: `/nowhere:${path}` }), found);
  });

  t.test('is kept by suite in the cache folder', async (t) => {
    t.equal(cachedServer('sid', { XDG_CACHE_HOME: '/c', HOME: '/h' }), '/c/corral/nats-server-sid/nats-server');
    t.equal(cachedServer('sid', { HOME: '/h' }), '/h/.cache/corral/nats-server-sid/nats-server');
    t.type(await ownSuite(), 'string');
  });

  t.test("is fetched from the archive that apt's settings name", async (t) => {
    const sources = [
      'Types: deb',
      '# a comment',
      'URIs: http://archive.example/debian',
      'Suites: bookworm bookworm-updates',
      'Components: main',
      ' contrib',
      'Signed-By: /usr/share/keyrings/archive.gpg',
      '',
      'Types: deb-src',
      'URIs: http://archive.example/source',
      'Suites: bookworm',
      '',
      'Types: deb',
      'Enabled: no',
      'URIs: http://archive.example/off',
      'Suites: bookworm',
      '',
      'Types: deb',
      'URIs: http://keyed.example/',
      'Suites: bookworm',
      'Components: main',
      'Signed-By:',
      ' -----BEGIN PGP PUBLIC KEY BLOCK-----',
    ].join('\n');
    const [first, second, ...more] = parseSourcesFile(sources);
    t.same(first, {
      uri: 'http://archive.example/debian',
      suites: ['bookworm', 'bookworm-updates'],
      components: ['main', 'contrib'],
      signedBy: '/usr/share/keyrings/archive.gpg',
    });
    t.match(second, { uri: 'http://keyed.example/', signedBy: undefined });
    t.same(more, []);
    t.equal(
      sourceLine(first!, 'sid'),
      'deb [signed-by=/usr/share/keyrings/archive.gpg] http://archive.example/debian sid main contrib',
    );
    const list = [
      '# deb http://archive.example/off bookworm main',
      'deb http://archive.example/ubuntu jammy main universe # note',
      'deb [arch=amd64 signed-by=/k.gpg] https://third.example/ stable main',
      'deb-src http://archive.example/ubuntu jammy main',
    ].join('\n');
    t.same(parseListFile(list), [
      {
        uri: 'http://archive.example/ubuntu',
        suites: ['jammy'],
        components: ['main', 'universe'],
        signedBy: undefined,
      },
      { uri: 'https://third.example/', suites: ['stable'], components: ['main'], signedBy: '/k.gpg' },
    ]);
    t.equal(sourceLine(parseListFile(list)[0]!, 'jammy'), 'deb http://archive.example/ubuntu jammy main universe');
  });

  t.test('starts on a port of its own, ends when told, and twice does no harm', async (t) => {
    const path = await findServer();
    const servers = await Promise.all([0, 1].map(async () => startServer({ path, dataDir: await folder(t) })));
    t.not(servers[0]!.port, servers[1]!.port);
    for (const server of servers) {
      t.ok(await listens(server.port));
      await server.stop();
      await server.stop();
      await server.kill();
      t.notOk(await listens(server.port));
    }
  });

  t.test('that does not start is an error with the end of its log', async (t) => {
    const path = await findServer();
    const first = await startServer({ path, dataDir: await folder(t) });
    t.teardown(() => first.kill());
    await t.rejects(startServer({ path, dataDir: await folder(t), port: first.port }), {
      code: 'NATS_SERVER_FAILED',
      message: /address already in use/,
    });
    await t.rejects(startServer({ path: '/nowhere/nats-server', dataDir: await folder(t) }), {
      code: 'NATS_SERVER_FAILED',
    });
  });

  t.test('ends with the process that started it, however that ends', async (t) => {
    const dataDir = await folder(t);
    const module = new URL('../src/nats/server/start-server.js', import.meta.url).href;
    const program = `
      const { startServer } = await import(${JSON.stringify(module)});
      const server = await startServer(${JSON.stringify({ path: await findServer(), dataDir })});
      console.log(server.port);
      setInterval(() => undefined, 1000);
    `;
    const parent = spawn(process.execPath, ['--input-type=module', '-e', program], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const port = Number(
      await new Promise<string>((resolve) => parent.stdout.once('data', (text) => resolve(String(text)))),
    );
    t.ok(await listens(port));
    parent.kill('SIGKILL');
    // If it did not end, this would wait until the test's time is up.
    while (await listens(port)) await new Promise((resolve) => setTimeout(resolve, 10));
    t.pass('nobody listens any more');
  });
});

function listens(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = createConnection(port, '127.0.0.1');
    socket.once('connect', () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', () => resolve(false));
  });
}
