import type { Measures } from '../ports/measures.ts';
import type { ShardOwner } from './shard-owner.ts';

/** Brings the gauges of what a node's shards hold up to date. @returns the measures given */
export function refreshGauges(measures: Measures, owners: readonly ShardOwner[]): Measures {
  const { node } = measures;
  node.keys = 0;
  node.stateBytes = 0;
  node.timersPending = 0;
  node.journalTailBytes = 0;
  node.relayBacklogBytes = 0;
  node.forwardsWaiting = 0;
  node.shardsOwned = owners.length;
  node.shardsCareful = owners.filter(({ isCareful }) => isCareful).length;
  for (const counts of measures.references.values()) Object.assign(counts, { entries: 0, bytes: 0 });
  for (const { holdings } of owners) {
    for (const [name, { entries, bytes }] of holdings?.references ?? []) {
      const counts = measures.references.get(name);
      if (counts === undefined) continue;
      counts.entries = Math.max(counts.entries, entries);
      counts.bytes += bytes;
    }
    node.keys += holdings?.keys ?? 0;
    node.stateBytes += holdings?.stateBytes ?? 0;
    node.timersPending += holdings?.timers ?? 0;
    node.journalTailBytes += holdings?.journalTailBytes ?? 0;
    node.relayBacklogBytes += holdings?.relayBytes ?? 0;
    node.forwardsWaiting += holdings?.forwardsWaiting ?? 0;
  }
  return measures;
}
