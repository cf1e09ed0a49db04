import { type ChildProcess, spawn } from 'node:child_process';
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { NatsSetupError } from '../setup-error.ts';

export interface StartOptions {
  /** Path of the executable; see `findServer`. */
  readonly path: string;
  /** Everything the server keeps: streams, its configuration, its log. Made if it is not there. */
  readonly dataDir: string;
  /** Default: one that is free. */
  readonly port?: number;
  /** Largest message in bytes. Default: the server's, 1 MiB. */
  readonly maxPayload?: number;
  /** `always` syncs every write to disk before acknowledging it; default: the server's, every two minutes. */
  readonly sync?: 'always';
  /** Further fields of the server's configuration. */
  readonly settings?: Readonly<Record<string, unknown>>;
}

export interface RunningServer {
  readonly url: string;
  readonly port: number;
  readonly pid: number;
  /** Resolves when the process has ended, for whatever reason. */
  readonly ended: Promise<void>;
  /** Ends it in order and waits for that. Idempotent. */
  stop(): Promise<void>;
  /** Ends it at once (SIGKILL) and waits for that. */
  kill(): Promise<void>;
}

/** A server starts in tens of milliseconds; recovering large streams takes longer. */
const START_MS = 60_000;
const POLL_MS = 5;

/**
 * Starts a nats-server with JetStream that only this machine can reach.
 *
 * It is in a process group of its own, so that Ctrl-C reaches Corral alone and Corral can still write while it drains.
 * A shell waits on a pipe that ends with this process, however that ends, and then ends the server.
 * @throws {NatsSetupError} NATS_SERVER_FAILED with the end of the server's log
 */
export async function startServer(options: StartOptions): Promise<RunningServer> {
  const { path, dataDir } = options;
  await mkdir(dataDir, { recursive: true });
  const log = join(dataDir, 'nats-server.log');
  const configuration = join(dataDir, 'nats-server.conf');
  await rm(log, { force: true });
  // The server's configuration format includes JSON.
  await writeFile(
    configuration,
    JSON.stringify(
      {
        host: '127.0.0.1',
        port: options.port ?? -1,
        ports_file_dir: dataDir,
        log_file: log,
        jetstream: {
          store_dir: join(dataDir, 'jetstream'),
          ...(options.sync === undefined ? {} : { sync_interval: options.sync }),
        },
        ...(options.maxPayload === undefined ? {} : { max_payload: options.maxPayload }),
        ...options.settings,
      },
      undefined,
      2,
    ),
  );
  const child = spawn(path, ['-c', configuration], { stdio: 'ignore', detached: true });
  const ended = new Promise<void>((resolve) => {
    child.once('exit', () => resolve());
    child.once('error', () => resolve());
  });
  const { pid } = child;
  if (pid === undefined) throw failed(path, 'it cannot be executed');
  const watcher = watch(pid);
  void ended.then(() => watcher.kill('SIGKILL'));
  const url = await ready(child, join(dataDir, `nats-server_${pid}.ports`)).catch(async (cause) => {
    child.kill('SIGKILL');
    throw failed(path, (await readFile(log, 'utf8').catch(() => '')).trim().split('\n').slice(-3).join(' | '), cause);
  });
  const end = (signal: NodeJS.Signals): Promise<void> => {
    if (child.exitCode === null && child.signalCode === null) child.kill(signal);
    return ended;
  };
  return { url, port: Number(new URL(url).port), pid, ended, stop: () => end('SIGTERM'), kill: () => end('SIGKILL') };
}

/** Ends the server when this process ends without having done so. */
function watch(pid: number): ChildProcess {
  const watcher = spawn('/bin/sh', ['-c', 'cat >/dev/null; kill -TERM "$0"', String(pid)], {
    stdio: ['pipe', 'ignore', 'ignore'],
    detached: true,
  });
  watcher.on('error', () => undefined); // no shell here: then the server outlives a kill of this process
  watcher.stdin?.on('error', () => undefined); // it ended first
  watcher.unref();
  (watcher.stdin as unknown as { unref?: () => void } | null)?.unref?.();
  return watcher;
}

/** The server writes where it listens once it does. */
async function ready(child: ChildProcess, portsFile: string): Promise<string> {
  for (const until = performance.now() + START_MS; performance.now() < until; await sleep(POLL_MS)) {
    if (child.exitCode !== null || child.signalCode !== null) throw new Error('it ended at once');
    const text = await readFile(portsFile, 'utf8').catch(() => '');
    const url = /"nats":\s*\[\s*"([^"]+)"/.exec(text)?.[1];
    if (url !== undefined) return url;
  }
  throw new Error(`it did not listen within ${START_MS} ms`);
}

function failed(path: string, why: string, cause?: unknown): NatsSetupError {
  return new NatsSetupError('NATS_SERVER_FAILED', `${path} did not start: ${why}`, { cause });
}
