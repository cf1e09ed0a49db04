import { execFileSync } from 'node:child_process';
import { closeSync, mkdirSync, openSync, rmSync, writeSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { type RunningServer, startServer } from '../../src/nats/server/start-server.ts';

/** The nats-servers of a run: one, or a cluster, each in a folder and on a port that it keeps. */
export interface Servers {
  readonly count: number;
  readonly urls: readonly string[];
  readonly ports: readonly number[];
  /** Whether the disk of the only server can be made full: its folder is a file system of its own. */
  readonly hasOwnDisk: boolean;
  kill(index: number): Promise<void>;
  start(index: number): Promise<void>;
  signal(index: number, signal: 'SIGSTOP' | 'SIGCONT'): void;
  /** Leaves no byte free on the server's disk. */
  fillDisk(): void;
  emptyDisk(): void;
  stop(): Promise<void>;
}

export interface ServersOptions {
  readonly path: string;
  readonly folder: string;
  readonly count: 1 | 3;
}

const DISK_MB = 2048;

export async function startServers({ path, folder, count }: ServersOptions): Promise<Servers> {
  const dataDir = (index: number) => join(folder, `nats-${index + 1}`);
  for (let index = 0; index < count; index += 1) mkdirSync(dataDir(index), { recursive: true });
  const hasOwnDisk = count === 1 && mountDisk(dataDir(0));
  const routes = count === 1 ? [] : await freePorts(count);
  let starts = 0;
  const settingsOf = (index: number) => ({
    // Not on the disk that will be full.
    log_file: join(folder, `nats-${index + 1}.${starts}.log`),
    ...(count === 1 ? {} : clusterOf(index)),
  });
  const clusterOf = (index: number) => ({
    server_name: `n${index + 1}`,
    cluster: {
      name: 'soak',
      host: '127.0.0.1',
      port: routes[index],
      routes: routes.map((port) => `nats://127.0.0.1:${port}`),
      // Nodes reach the servers through their proxies, and shall not be told of another way.
      no_advertise: true,
    },
  });
  const ports = await freePorts(count);
  const running: RunningServer[] = [];
  const start = async (index: number) => {
    starts += 1;
    const settings = settingsOf(index);
    running[index] = await startServer({ path, dataDir: dataDir(index), port: ports[index]!, settings });
  };
  await Promise.all(ports.map((_, index) => start(index)));
  const ballast = join(dataDir(0), 'ballast');
  return {
    count,
    ports,
    urls: ports.map((port) => `nats://127.0.0.1:${port}`),
    hasOwnDisk,
    start,
    kill: (index) => running[index]!.kill(),
    signal: (index, signal) => process.kill(running[index]!.pid, signal),
    fillDisk() {
      const file = openSync(ballast, 'a');
      for (const size of [16 * 1024 * 1024, 64 * 1024, 1024, 1]) {
        const piece = Buffer.alloc(size);
        try {
          // A write that does not fit may be done in part.
          while (writeSync(file, piece) === size);
        } catch (error) {
          if ((error as { code?: string }).code !== 'ENOSPC') throw error;
        }
      }
      closeSync(file);
    },
    emptyDisk: () => rmSync(ballast, { force: true }),
    async stop() {
      await Promise.all(running.map((server) => server.kill()));
      if (hasOwnDisk) execFileSync('umount', [dataDir(0)]);
    },
  };
}

/** A small file system in memory, where this machine lets us have one. Killing a process loses nothing of it. */
function mountDisk(folder: string): boolean {
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${DISK_MB}m`, 'corral-soak', folder], { stdio: 'ignore' });
    return true;
  } catch {
    return false; // not root: the run does without, and says so
  }
}

async function freePorts(count: number): Promise<readonly number[]> {
  const servers = Array.from({ length: count }, () => createServer());
  const ports = await Promise.all(
    servers.map(
      (server) =>
        new Promise<number>((resolve) => {
          server.listen(0, '127.0.0.1', () => resolve((server.address() as { port: number }).port));
        }),
    ),
  );
  await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))));
  return ports;
}
