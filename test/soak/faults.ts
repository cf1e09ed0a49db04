import { setTimeout as sleep } from 'node:timers/promises';
import { isBefore } from '../../src/nats/fence-probe.ts';
import { storedLeases } from '../../src/nats/inspect.ts';
import { callApi, persistApi } from '../../src/nats/js-api.ts';
import type { NatsLink } from '../../src/nats/link.ts';
import type { SeededRandom } from '../simulation/random.ts';
import type { Servers } from './servers.ts';
import type { ServingNode } from './serving-node.ts';

/** Everything that is done to a deployment, each with how often. */
export const FAULTS = [
  'kill',
  'killAndTakeOver',
  'killAll',
  'pause',
  'leave',
  'join',
  'serverKill',
  'serverPause',
  'cut',
  'cutAll',
  'slow',
  'hole',
  'deaf',
  'streamFull',
  'diskFull',
] as const;
export type Fault = (typeof FAULTS)[number];

/** What a fault did, for figures about what followed. */
export interface Struck {
  readonly fault: Fault;
  readonly node: string;
  /** Milliseconds since the epoch. */
  readonly at: number;
  readonly until: number;
  /** Shards that the node owned. */
  readonly shards: readonly number[];
}

export interface FaultsOptions {
  readonly link: NatsLink;
  readonly servers: Servers;
  readonly nodes: readonly ServingNode[];
  /** A node that only joins and leaves. */
  readonly guest: ServingNode;
  readonly random: SeededRandom;
  readonly leaseTtlMs: number;
  /** Those that strike; empty: all. */
  readonly only: readonly Fault[];
  readonly say: (text: string) => void;
}

/**
 * A server before it that was restarted, and in which a stream is edited then, gives that stream the time of the restart
 * as its creation after the next one: another stream, to all who read it. Seen on 2.9.10, not on 2.15.1.
 */
const EDITS_ARE_SAFE = [2, 10, 0] as const;

const STREAMS = ['CORRAL_SHARD', 'CORRAL_JOURNAL', 'CORRAL_MATCH'];

/** Does what is asked, one thing after another; each is over when it returns, though its consequences may not be. */
export class Faults {
  readonly struck: Struck[] = [];
  readonly counts = new Map<Fault, number>(FAULTS.map((fault) => [fault, 0]));
  /** Restarts of the server that a full disk made necessary. */
  serverRepairs = 0;
  private readonly options: FaultsOptions;
  private bag: Fault[] = [];

  constructor(options: FaultsOptions) {
    this.options = options;
  }

  /** Each fault comes once before any comes again. */
  async some(): Promise<void> {
    const { random, servers, only } = this.options;
    if (this.bag.length === 0) {
      this.bag = FAULTS.filter(
        (fault) =>
          (fault !== 'diskFull' || servers.hasOwnDisk) &&
          (fault !== 'streamFull' || !isBefore(this.options.link.serverVersion, EDITS_ARE_SAFE)),
      );
      if (only.length > 0) this.bag = this.bag.filter((fault) => only.includes(fault));
      for (let at = this.bag.length - 1; at > 0; at -= 1) {
        const other = random.integer(0, at);
        [this.bag[at], this.bag[other]] = [this.bag[other]!, this.bag[at]!];
      }
    }
    await this.strike(this.bag.pop()!);
  }

  async strike(fault: Fault): Promise<void> {
    const { random, nodes, say } = this.options;
    const running = nodes.filter(({ isRunning }) => isRunning);
    const node = random.pick(running);
    const at = Date.now();
    const shards =
      fault === 'kill' || fault === 'killAndTakeOver' || fault === 'leave' ? await this.shardsOf(node) : [];
    const struckAt = Date.now();
    await this.do(fault, node);
    this.counts.set(fault, this.counts.get(fault)! + 1);
    this.struck.push({ fault, node: node.name, at: struckAt, until: Date.now(), shards });
    say(`${fault} ${node.name}, ${((Date.now() - at) / 1000).toFixed(1)} s`);
  }

  private async do(fault: Fault, node: ServingNode): Promise<void> {
    const { random, nodes, guest, servers, leaseTtlMs } = this.options;
    switch (fault) {
      case 'kill':
        await node.kill();
        await sleep(random.between(1000, 5000));
        node.start();
        return;
      case 'killAndTakeOver':
        await node.kill();
        await sleep(leaseTtlMs + 5000);
        node.start();
        return;
      case 'killAll':
        await Promise.all(nodes.map((one) => one.kill()));
        await sleep(random.between(0, 2000));
        for (const one of nodes) one.start();
        return;
      case 'pause':
        node.pause();
        await sleep(random.between(1.2, 2) * leaseTtlMs);
        node.resume();
        return;
      case 'leave':
        await node.leave();
        await sleep(random.between(2000, 4000));
        node.start();
        return;
      case 'join':
        guest.start();
        await sleep(random.between(4000, 7000));
        await guest.leave();
        return;
      case 'serverKill': {
        const which = random.integer(0, servers.count - 1);
        await servers.kill(which);
        await sleep(random.between(0, 3000));
        await servers.start(which);
        return;
      }
      case 'serverPause': {
        const which = random.integer(0, servers.count - 1);
        servers.signal(which, 'SIGSTOP');
        await sleep(random.between(2000, 8000));
        servers.signal(which, 'SIGCONT');
        return;
      }
      case 'cut':
        node.proxy.cut();
        return;
      case 'cutAll':
        for (const { proxy } of nodes) proxy.cut();
        return;
      case 'slow':
        node.proxy.set({ kind: 'slow', delayMs: random.between(50, 400) });
        await sleep(random.between(2000, 5000));
        node.proxy.set({ kind: 'open' });
        return;
      case 'hole':
      case 'deaf':
        node.proxy.set({ kind: fault });
        await sleep(random.between(0.5, 2) * leaseTtlMs);
        node.proxy.set({ kind: 'open' });
        return;
      case 'streamFull':
        await this.fillStream(random.pick(STREAMS), random.between(1000, 4000));
        return;
      case 'diskFull':
        servers.fillDisk();
        await sleep(random.between(1000, 4000));
        servers.emptyDisk();
        await this.repairServer();
    }
  }

  /** A stream takes no byte more for a while. */
  private async fillStream(stream: string, ms: number): Promise<void> {
    const { link } = this.options;
    const info = await persistApi<{ config: object; state: { bytes: number } }>(link, `STREAM.INFO.${stream}`);
    if (info.kind === 'error') throw new Error(`${stream}: ${info.description}`);
    const update = async (bytes: number) => {
      const answer = await persistApi(link, `STREAM.UPDATE.${stream}`, { ...info.value.config, max_bytes: bytes });
      if (answer.kind === 'error') throw new Error(`${stream}: ${answer.description}`);
    };
    await update(Math.max(1, info.value.state.bytes));
    await sleep(ms);
    await update(-1);
  }

  /** A server that was out of space gives JetStream up, or writes no more to a stream, until it is started again. */
  private async repairServer(): Promise<void> {
    const { servers, link } = this.options;
    const answer = await callApi(link, 'INFO');
    this.options.say(`after the full disk JetStream says ${JSON.stringify(answer).slice(0, 120)}`);
    this.serverRepairs += 1;
    await servers.kill(0);
    await servers.start(0);
  }

  private async shardsOf(node: ServingNode): Promise<readonly number[]> {
    const leases = (await storedLeases(this.options.link, 'corral')) ?? [];
    return leases.flatMap(({ name, holder }) =>
      name.startsWith('shard.') && holder === node.name ? [Number(name.slice('shard.'.length))] : [],
    );
  }
}
