import { DEFAULT_SNAPSHOTS } from '../src/core/shards/snapshot-decision.ts';
import type { Corral } from '../src/corral.ts';
import { createPublisher } from '../src/nats/publisher.ts';
import { RULE } from './event-maker.ts';
import { compile, openStage, SUBJECT } from './stage.ts';

/*
 * How long a node takes to take over all shards of one that is gone:
 *
 *     npm run build:test && node build/bench/takeover.js [keys, default 1000000]
 *
 * Every key has begun one partial match, and has come over the whole path. First all is rebuilt from journals alone, then,
 * after each shard was snapshotted, from pages and the few commits after them. Not in the figures: the time until a
 * lease is free.
 */

const SHARDS = 64;
const PACKED = 64;
const MB = 1024 * 1024;
const settle = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

async function main(keys: number): Promise<void> {
  const stage = await openStage();
  const rules = compile(RULE);
  const publisher = createPublisher(stage.link);
  let at = Date.UTC(2026, 0, 1);
  const publish = async (count: number): Promise<void> => {
    for (let sent = 0; sent < count; sent += PACKED) {
      const events = Array.from({ length: Math.min(PACKED, count - sent) }, (_, n) => {
        at += 0.001;
        return { kind: 'CardAdded', card: `card-${sent + n}`, at, note: 'added at the counter' };
      });
      await publisher.publish(SUBJECT, Buffer.from(JSON.stringify(events)));
    }
    await publisher.flush();
  };
  const takeOver = async (afterBytes: number): Promise<Corral> => {
    const cpu = process.cpuUsage();
    const began = performance.now();
    const node = await stage.startNode(rules, SHARDS, { ...DEFAULT_SNAPSHOTS, afterBytes });
    while (node.measures.node.recoveries < SHARDS) await settle(2);
    const seconds = (performance.now() - began) / 1000;
    const { user, system } = process.cpuUsage(cpu);
    const { keys: found, stateBytes, journalTailBytes } = node.measures.node;
    console.log(
      `${found} keys, ${(stateBytes / MB).toFixed(1)} MB of state, ${(journalTailBytes / MB).toFixed(1)} MB of commits: ` +
        `${seconds.toFixed(2)} s, of which this process computed ${((user + system) / 1e6).toFixed(2)} s`,
    );
    return node;
  };

  await publish(keys);
  const first = await stage.startNode(rules, SHARDS, { ...DEFAULT_SNAPSHOTS, afterBytes: Number.POSITIVE_INFINITY });
  while (first.measures.node.eventsCommitted < keys) await settle(50);
  await first.drain();
  console.log('from journals alone:');
  // Snapshots each shard at its next commit, whatever there is to gain.
  const second = await takeOver(1);
  while (second.measures.node.snapshots < SHARDS) {
    await publish(PACKED * 64);
    await settle(200);
  }
  await second.drain();
  console.log('from snapshots:');
  const third = await takeOver(Number.POSITIVE_INFINITY);
  await third.drain();
  await stage.close();
}

await main(Number(process.argv[2] ?? 1_000_000));
process.exit(0);
