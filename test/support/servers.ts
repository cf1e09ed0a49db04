import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fetchServer, isExecutable } from '../../src/nats/server/fetch-server.ts';
import { findServer } from '../../src/nats/server/find-server.ts';
import { type RunningServer, type StartOptions, startServer } from '../../src/nats/server/start-server.ts';

/** A nats-server that tests run on. */
export interface TestServer {
  readonly name: 'oldest' | 'newest';
  readonly path: string;
}

/** Debian's suite that has the newest nats-server. */
const NEWEST_SUITE = 'sid';

/**
 * The servers every test of NATS runs on: the machine's own (`NATS_SERVER`, Debian's 2.9.10) and the newest to be had
 * (`NATS_SERVER_NEWEST`, else fetched). One that is missing is an error, never a skipped test.
 */
export async function servers(): Promise<readonly TestServer[]> {
  const newest = process.env.NATS_SERVER_NEWEST;
  if (newest !== undefined && newest !== '' && !(await isExecutable(newest))) {
    throw new Error(`NATS_SERVER_NEWEST names ${newest}, which cannot be executed`);
  }
  return [
    { name: 'oldest', path: await findServer() },
    { name: 'newest', path: newest || (await fetchServer(NEWEST_SUITE)) },
  ];
}

/** What a test has to clean up through; `tap` tests are. */
interface Teardown {
  teardown(handler: () => Promise<void> | void): void;
}

/** A server with a folder of its own, which may be killed and started again on the same port and folder. */
export interface ServerOfTest {
  readonly url: string;
  readonly dataDir: string;
  kill(): Promise<void>;
  stop(): Promise<void>;
  start(): Promise<void>;
}

/** Starts a server for one test; it ends and its folder goes with the test. */
export async function withServer(
  t: Teardown,
  server: TestServer,
  options: Omit<StartOptions, 'path' | 'dataDir'> = {},
): Promise<ServerOfTest> {
  const dataDir = await mkdtemp(join(tmpdir(), 'corral-nats-'));
  let running: RunningServer = await startServer({ ...options, path: server.path, dataDir });
  const { url, port } = running;
  t.teardown(async () => {
    await running.kill();
    await rm(dataDir, { recursive: true, force: true });
  });
  return {
    url,
    dataDir,
    kill: () => running.kill(),
    stop: () => running.stop(),
    async start() {
      running = await startServer({ ...options, path: server.path, dataDir, port });
    },
  };
}
