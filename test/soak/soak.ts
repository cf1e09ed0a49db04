import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { connectNats } from '../../src/nats/connect.ts';
import { persistApi } from '../../src/nats/js-api.ts';
import type { NatsLink } from '../../src/nats/link.ts';
import { SeededRandom } from '../simulation/random.ts';
import { readSource, type SourceRead } from './events-read.ts';
import { type Fault, Faults } from './faults.ts';
import { JournalWatch } from './journal-watch.ts';
import { expectedOutputs } from './model.ts';
import { Publishing } from './publishing.ts';
import { RULE_MODULE, RULES_YAML, SOURCES, type SourceName, sourceSettings, streamOf, subjectOf } from './rules.ts';
import { type Servers, startServers } from './servers.ts';
import { ServingNode } from './serving-node.ts';
import { readDeadLetters, readOutputs, type StoredOutput } from './stored-outputs.ts';
import { startProxy } from './tcp-proxy.ts';
import { judge, type Verdict } from './verdict.ts';

export interface SoakOptions {
  readonly scenario: 'faults' | 'outage' | 'membership';
  readonly minutes: number;
  readonly seed: number;
  readonly nodes: number;
  /** Events a second over both sources. */
  readonly rate: number;
  readonly keys: number;
  readonly serverPath: string;
  readonly servers: 1 | 3;
  readonly replicas: number;
  /** Undefined: Corral's own default. */
  readonly leaseTtlMs: number | undefined;
  /** How the outage is made: the server is ended, or stopped while its connections stand. */
  readonly outage: 'kill' | 'stop';
  /** Longest pause between two faults, in ms. */
  readonly pauseMs: number;
  /** Faults that strike; empty: all. */
  readonly only: readonly Fault[];
  readonly folder: string;
  readonly say: (text: string) => void;
}

export interface SoakResult {
  readonly verdict: Verdict;
  readonly sources: Readonly<Record<SourceName, SourceRead>>;
  readonly faults: Faults;
  readonly outputs: readonly StoredOutput[];
  readonly watch: JournalWatch;
  readonly nodes: readonly ServingNode[];
  readonly repeats: number;
  /** From the end of publishing to the last output that was due; undefined when it never came. */
  readonly completeAfterMs: number | undefined;
  readonly outage: Outage | undefined;
  readonly serverVersion: string;
}

/** What an outage of NATS cost. */
export interface Outage {
  readonly forMs: number;
  /** Resident memory of the nodes when it began, and the most of each during it, in bytes. */
  readonly memoryBefore: readonly number[];
  readonly memoryMost: readonly number[];
  /** From the server's return to the first commit of any shard, and of the last shard, in ms. */
  readonly firstCommitMs: number;
  readonly lastCommitMs: number;
  readonly shards: number;
}

/** How much event time passes after the last event, so that everything is decided. */
const PASS_MS = 60_000;
/** What must come out has so long to do so after the last fault and event. */
const PATIENCE_MS = 120_000;
const WARM_UP_MS = 10_000;
const PACKED = 16;
const DEFAULT_TTL_MS = 3_000;

/** One run: servers, nodes, publishers, faults; then the verdict. Everything it starts ends with it. */
export async function soak(options: SoakOptions): Promise<SoakResult> {
  const { folder, say } = options;
  await mkdir(folder, { recursive: true });
  const servers = await startServers({ path: options.serverPath, folder, count: options.servers });
  const link = await connectNats({ url: servers.urls.join(','), name: 'soak' });
  const everybody: ServingNode[] = [];
  try {
    await createStreams(link, options);
    const config = await writeConfig(options);
    for (let n = 1; n <= options.nodes + 1; n += 1) {
      const proxy = await startProxy(rotated(servers.ports, n));
      everybody.push(new ServingNode(`node-${n}`, folder, config, proxy));
    }
    const nodes = everybody.slice(0, options.nodes);
    for (const node of nodes) node.start();
    await allReady(nodes);
    say(`${nodes.length} nodes are ready on nats-server ${link.serverVersion}`);
    return await underLoad(options, { servers, link, nodes, guest: everybody.at(-1)! });
  } finally {
    for (const node of everybody) {
      await node.kill();
      await node.proxy.close();
    }
    await link.close();
    await servers.stop();
  }
}

interface Running {
  readonly servers: Servers;
  readonly link: NatsLink;
  readonly nodes: readonly ServingNode[];
  readonly guest: ServingNode;
}

async function underLoad(options: SoakOptions, running: Running): Promise<SoakResult> {
  const { say, rate, keys, seed } = options;
  const { link, nodes } = running;
  const random = new SeededRandom(seed);
  const watch = new JournalWatch(link);
  const publishing = SOURCES.map(
    (source) =>
      new Publishing({
        link,
        source,
        random: random.fork(),
        rate: rate / SOURCES.length,
        packed: source === 'orders' ? PACKED : 1,
        keys,
      }),
  );
  const memory = setInterval(() => {
    for (const node of nodes) node.sampleMemory();
  }, 1000);
  const leaseTtlMs = options.leaseTtlMs ?? DEFAULT_TTL_MS;
  const faults = new Faults({ ...running, random: random.fork(), leaseTtlMs, only: options.only, say });
  let outage: Outage | undefined;
  try {
    await sleep(WARM_UP_MS);
    if (options.scenario === 'outage') outage = await suffer(options, running, watch);
    else if (options.scenario === 'membership') await comeAndGo(faults, options, leaseTtlMs);
    else await strikeAtRandom(faults, options, random.fork());
    if (options.scenario !== 'faults') await sleep(WARM_UP_MS);
  } finally {
    clearInterval(memory);
  }
  for (const node of nodes) if (!node.isRunning) node.start();
  await Promise.all(publishing.map((one) => one.stop(PASS_MS)));
  const ended = Date.now();
  say('published; what is due is computed');
  const sources = Object.fromEntries(
    await Promise.all(
      SOURCES.map(async (source, at) => [source, await readSource(link, source, publishing[at]!.acknowledged)]),
    ),
  ) as Record<SourceName, SourceRead>;
  const expected = expectedOutputs(sources);
  const due = [...expected.values()].reduce((sum, { length }) => sum + length, 0);
  const complete = await untilStored(link, due, say);
  // Nothing more may come.
  await sleep(5000);
  const outputs = await readOutputs(link);
  const verdict = judge(expected, outputs, sources, await readDeadLetters(link));
  await watch.close();
  const last = outputs.reduce((latest, { stamp }) => Math.max(latest, stamp), 0);
  return {
    verdict,
    sources,
    faults,
    outputs,
    watch,
    nodes,
    repeats: publishing.reduce((sum, { repeats }) => sum + repeats, 0),
    completeAfterMs: complete ? Math.max(0, last - ended) : undefined,
    outage,
    serverVersion: link.serverVersion,
  };
}

async function strikeAtRandom(faults: Faults, { minutes, pauseMs }: SoakOptions, random: SeededRandom): Promise<void> {
  for (const until = Date.now() + minutes * 60_000; Date.now() < until; ) {
    await faults.some();
    await sleep(random.between(0.2, 1) * pauseMs);
  }
}

/** Only what nodes do in everyday life, with time between to see what each costs. */
async function comeAndGo(faults: Faults, { minutes }: SoakOptions, leaseTtlMs: number): Promise<void> {
  for (const until = Date.now() + minutes * 60_000; Date.now() < until; ) {
    for (const fault of ['leave', 'killAndTakeOver', 'join'] as const) {
      await faults.strike(fault);
      await sleep(leaseTtlMs + 3000);
    }
  }
}

/** All of NATS goes away for as long as asked, and comes back. */
async function suffer(options: SoakOptions, running: Running, watch: JournalWatch): Promise<Outage> {
  const { servers, nodes } = running;
  const all = Array.from({ length: servers.count }, (_, index) => index);
  const memoryBefore = nodes.map((node) => node.sampleMemory());
  const memoryMost = [...memoryBefore];
  const began = Date.now();
  options.say(`NATS goes away for ${options.minutes} minutes (${options.outage})`);
  if (options.outage === 'kill') await Promise.all(all.map((index) => servers.kill(index)));
  else for (const index of all) servers.signal(index, 'SIGSTOP');
  for (const until = began + options.minutes * 60_000; Date.now() < until; await sleep(500)) {
    for (const [at, node] of nodes.entries()) memoryMost[at] = Math.max(memoryMost[at]!, node.sampleMemory());
  }
  const firsts = watch.sinceNow();
  const shards = 64;
  if (options.outage === 'kill') await Promise.all(all.map((index) => servers.start(index)));
  else for (const index of all) servers.signal(index, 'SIGCONT');
  const back = Date.now();
  options.say('NATS is back');
  for (const until = back + 60_000; Date.now() < until && firsts.size < shards; ) await sleep(50);
  const after = [...firsts.values()].map((stamp) => stamp - back);
  return {
    forMs: back - began,
    memoryBefore,
    memoryMost,
    firstCommitMs: Math.min(...after),
    lastCommitMs: Math.max(...after),
    shards: after.length,
  };
}

async function createStreams(link: NatsLink, { replicas }: SoakOptions): Promise<void> {
  for (const source of SOURCES) {
    const answer = await persistApi(link, `STREAM.CREATE.${streamOf(source)}`, {
      name: streamOf(source),
      subjects: [subjectOf(source)],
      retention: 'limits',
      storage: 'file',
      num_replicas: replicas,
      // A publisher that had no answer sends again, also after a long outage.
      duplicate_window: 20 * 60 * 1e9,
    });
    if (answer.kind === 'error') throw new Error(`stream ${streamOf(source)}: ${answer.description}`);
  }
}

async function writeConfig({ folder, replicas, leaseTtlMs }: SoakOptions): Promise<string> {
  await writeFile(join(folder, 'rules.yaml'), RULES_YAML);
  await writeFile(join(folder, 'tally.ts'), RULE_MODULE);
  const config = join(folder, 'corral.yaml');
  await writeFile(
    config,
    JSON.stringify({
      http: { host: '127.0.0.1', port: 0 },
      sources: sourceSettings,
      rules: ['rules.yaml', 'tally.ts'],
      streams: { replicas },
      ...(leaseTtlMs === undefined ? {} : { lease: { ttl: `${leaseTtlMs}ms` } }),
    }),
  );
  return config;
}

async function allReady(nodes: readonly ServingNode[]): Promise<void> {
  const until = Date.now() + PATIENCE_MS;
  for (const node of nodes) {
    for (;;) {
      const page = await node.page('/readyz');
      if (page?.includes('"ready":true')) break;
      if (node.deaths.length > 0) throw new Error(node.deaths[0]);
      if (Date.now() > until) throw new Error(`${node.name} does not become ready: ${page}`);
      await sleep(100);
    }
  }
}

/** Waits for as many outputs as are due. @returns whether they came */
async function untilStored(link: NatsLink, due: number, say: (text: string) => void): Promise<boolean> {
  const until = Date.now() + PATIENCE_MS;
  for (;;) {
    const info = await persistApi<{ state: { messages: number } }>(link, 'STREAM.INFO.CORRAL_MATCH');
    const stored = info.kind === 'ok' ? info.value.state.messages : 0;
    if (stored >= due) return true;
    if (Date.now() > until) {
      say(`only ${stored} of ${due} outputs have come out ${PATIENCE_MS / 1000} s after the last event`);
      return false;
    }
    await sleep(250);
  }
}

const rotated = <T>(list: readonly T[], by: number): T[] => list.map((_, at) => list[(at + by) % list.length]!);
