import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { connectNats } from '../../src/nats/connect.ts';
import type { NatsLink } from '../../src/nats/link.ts';
import { natsSource } from '../../src/nats/nats-source.ts';
import { MAIN, type MatchOutput } from './replay.ts';
import { type TestServer, withServer } from './servers.ts';

interface Teardown {
  teardown(handler: () => Promise<unknown> | unknown): void;
}

/** A process of `corral serve`. */
export interface Serving {
  readonly child: ChildProcess;
  /** The end of what it has logged. */
  log(): string;
  /** Its exit code, or null when a signal ended it; waits for the end. */
  ended(): Promise<number | null>;
}

/** A nats-server with processes of `corral serve` on it, all from one configuration. */
export interface Deployment {
  readonly url: string;
  readonly link: NatsLink;
  /** Path of the configuration. */
  readonly config: string;
  createStream(name: string, subject: string): Promise<void>;
  /** @param args further arguments of the command */
  serve(...args: string[]): Serving;
  /** Matches in the match stream; 0 as long as no node has made it. */
  storedCount(): Promise<number>;
  storedMatches(): Promise<MatchOutput[]>;
  /** Waits until a node is ready and has read all of its sources, and `count` matches are stored; or it has ended. */
  caughtUp(serving: Serving, count: number): Promise<void>;
}

/** @param settings the configuration besides `nats` and `http` */
export async function deploy(t: Teardown, server: TestServer, settings: object): Promise<Deployment> {
  const { url } = await withServer(t, server);
  const link = await connectNats({ url, tries: 'once' });
  t.teardown(() => link.close());
  const folder = await mkdtemp(join(tmpdir(), 'corral-serve-'));
  t.teardown(() => rm(folder, { recursive: true }));
  const config = join(folder, 'corral.yaml');
  await writeFile(config, JSON.stringify({ nats: { url }, http: { host: '127.0.0.1', port: 0 }, ...settings }));
  const running = new Set<ChildProcess>();
  t.teardown(() => {
    for (const child of running) child.kill('SIGKILL');
  });
  const storedCount = async (): Promise<number> => {
    const { data } = await link.request(`${link.api}.STREAM.INFO.CORRAL_MATCH`, new Uint8Array(0));
    return data === undefined ? 0 : (JSON.parse(Buffer.from(data).toString()).state?.messages ?? 0);
  };

  return {
    url,
    link,
    config,
    storedCount,
    async createStream(name, subject) {
      const stream = { name, subjects: [subject], retention: 'limits', storage: 'file' };
      const { data, cause } = await link.request(
        `${link.api}.STREAM.CREATE.${name}`,
        Buffer.from(JSON.stringify(stream)),
      );
      if (data === undefined) throw new Error(cause);
    },
    serve(...args) {
      const child = spawn(process.execPath, [MAIN, 'serve', '--config', config, ...args], {
        stdio: ['ignore', 'pipe', 'pipe'],
      });
      let log = '';
      running.add(child);
      child.once('exit', () => running.delete(child));
      for (const stream of [child.stdout, child.stderr]) {
        stream.on('data', (text) => {
          log = (log + text).slice(-20_000);
        });
      }
      return {
        child,
        log: () => log,
        async ended() {
          if (running.has(child)) await once(child, 'exit');
          return child.exitCode;
        },
      };
    },
    async storedMatches() {
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
    },
    async caughtUp({ child, log }, count) {
      await until(async () => {
        if (!running.has(child)) return true;
        const http = /"url":"(http:[^"]+)"/.exec(log())?.[1];
        if (http === undefined || (await fetch(`${http}/readyz`)).status !== 200) return false;
        const pending = (await (await fetch(`${http}/metrics`)).text()).match(/^corral_source_pending_messages\{.*$/gm);
        return pending?.every((line) => line.endsWith(' 0')) === true && (await storedCount()) >= count;
      });
    },
  };
}

/** Waits until a condition holds; the test's own time limit ends it otherwise. */
export async function until(condition: () => Promise<boolean>): Promise<void> {
  while (!(await condition())) await sleep(50);
}
