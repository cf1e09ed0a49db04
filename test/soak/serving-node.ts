import { type ChildProcess, spawn } from 'node:child_process';
import { createWriteStream, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { MAIN } from '../support/replay.ts';
import type { TcpProxy } from './tcp-proxy.ts';

/** One process of `corral serve`, which may be killed and started again under the same name. */
export class ServingNode {
  readonly name: string;
  readonly proxy: TcpProxy;
  /** Ends of its process that nobody asked for, with the last lines of its log. */
  readonly deaths: string[] = [];
  /** Greatest resident memory seen, in bytes, over all its processes. */
  residentMost = 0;
  paused = false;
  private readonly config: string;
  private readonly log: ReturnType<typeof createWriteStream>;
  private child: ChildProcess | undefined;
  private ended: Promise<void> = Promise.resolve();
  private url: string | undefined;

  constructor(name: string, folder: string, config: string, proxy: TcpProxy) {
    this.name = name;
    this.proxy = proxy;
    this.config = config;
    this.log = createWriteStream(join(folder, `${name}.log`));
  }

  get isRunning(): boolean {
    return this.child !== undefined;
  }

  start(): void {
    const server = `nats://127.0.0.1:${this.proxy.port}`;
    const child = spawn(
      process.execPath,
      [MAIN, 'serve', '--config', this.config, '--node', this.name, '--server', server],
      { stdio: ['ignore', 'pipe', 'pipe'] },
    );
    this.child = child;
    this.url = undefined;
    let tail = '';
    for (const stream of [child.stdout!, child.stderr!]) {
      stream.setEncoding('utf8').on('data', (text: string) => {
        this.log.write(text);
        this.url ??= /"url":"(http:[^"]+)"/.exec(text)?.[1];
        tail = (tail + text).slice(-2000);
      });
    }
    this.ended = new Promise((resolve) => {
      child.once('exit', (code, signal) => {
        if (this.child === child) {
          this.child = undefined;
          this.deaths.push(`${this.name} ended by itself with ${code ?? signal}: ${tail}`);
        }
        resolve();
      });
    });
  }

  /** Ends it at once. */
  async kill(): Promise<void> {
    await this.end('SIGKILL');
  }

  /** Lets it drain. Gives how long that took, in milliseconds. */
  async leave(): Promise<number> {
    const began = performance.now();
    await this.end('SIGTERM');
    return performance.now() - began;
  }

  pause(): void {
    this.paused = true;
    this.child?.kill('SIGSTOP');
  }

  resume(): void {
    this.paused = false;
    this.child?.kill('SIGCONT');
  }

  /** A page of its health; undefined when it does not answer. */
  async page(path: string): Promise<string | undefined> {
    if (this.url === undefined || this.paused || !this.isRunning) return undefined;
    try {
      return await (await fetch(this.url + path, { signal: AbortSignal.timeout(2000) })).text();
    } catch {
      return undefined;
    }
  }

  /** Resident memory now, in bytes; 0 when it does not run. */
  sampleMemory(): number {
    const { child } = this;
    if (child?.pid === undefined) return 0;
    try {
      const kilobytes = /^VmRSS:\s+(\d+)/m.exec(readFileSync(`/proc/${child.pid}/status`, 'utf8'))?.[1];
      const bytes = Number(kilobytes ?? 0) * 1024;
      this.residentMost = Math.max(this.residentMost, bytes);
      return bytes;
    } catch {
      return 0; // it has just ended
    }
  }

  private async end(signal: NodeJS.Signals): Promise<void> {
    const { child, ended } = this;
    if (child === undefined) return;
    this.child = undefined;
    this.paused = false;
    if (signal !== 'SIGKILL') child.kill('SIGCONT');
    child.kill(signal);
    await ended;
  }
}
