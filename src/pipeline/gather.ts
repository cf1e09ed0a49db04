import type { TurnResult } from '../core/behaviours/desk.ts';
import { compareSaid, type Said } from '../core/behaviours/said.ts';
import type { ShardReferences } from '../core/references/shard-references.ts';
import type { CommitOutput, KeyChange } from '../core/shards/commit.ts';
import type { ShardState } from '../core/shards/shard-state.ts';
import type { Wake } from '../core/shards/wake.ts';
import type { Batch } from './batch.ts';
import { noteIncident, outputsOf, withIdentities } from './outputs.ts';
import { refusedEntry } from './refused-entry.ts';
import type { ShardOwnerOptions } from './shard-owner.ts';

/** Applies what a batch's turns changed to the shard and puts what they said in order: the content of its commit. */
export function gather(
  options: ShardOwnerOptions,
  state: ShardState,
  references: ShardReferences,
  batch: Batch,
  results: readonly TurnResult[],
): { changes: KeyChange[]; outputs: CommitOutput[] } {
  const { ports, measures } = options;
  const started = ports.clock.monotonic();
  const said: Said[] = [];
  for (const { said: spoken } of results) for (const one of spoken) said.push(one);
  said.sort(compareSaid);
  // Numbered before changes are taken: some states keep the number of what they said first.
  const outputs = batch.refused.flatMap((one) => refusedEntry(options, state, one));
  for (const one of said) outputs.push(...outputsOf(options, state, one));
  const changes = references.takeChanges();
  for (const { keyspace, key, change, wakes } of changes) state.table.apply(keyspace, key, change, wakes);
  for (let i = 0; i < results.length; i += 1) {
    const { program, key } = batch.turns[i]!;
    const { changed, fired, hasLetGo, wakes, incidents } = results[i]!;
    measures.node.timersFired += fired;
    if (hasLetGo) measures.node.ruleStateDroppedKeys += 1;
    for (const incident of incidents) noteIncident(options, incident, key);
    if (!changed) continue;
    const change = withIdentities(results[i]!);
    if (change.length === 0 && sameWakes(wakes, state.table.wakes(program.keyspace, key))) continue;
    state.table.apply(program.keyspace, key, change, wakes);
    changes.push({ keyspace: program.keyspace, key, change, wakes });
  }
  measures.node.busySeconds.commit += (ports.clock.monotonic() - started) / 1000;
  return { changes, outputs };
}

function sameWakes(a: readonly Wake[], b: readonly Wake[]): boolean {
  return a.length === b.length && a.every((wake) => b.some(({ scope, at }) => scope === wake.scope && at === wake.at));
}
