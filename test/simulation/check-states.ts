import { readCells } from '../../src/core/shards/cells.ts';
import { ShardState } from '../../src/core/shards/shard-state.ts';
import { subjects } from '../../src/core/shards/subjects.ts';
import { openJournal } from '../../src/journal/journal.ts';
import { createMeasures } from '../../src/pipeline/create-measures.ts';
import type { FencedLog } from '../../src/ports/log.ts';
import { commitsOf } from './check-journals.ts';
import { PREFIX, type Stored } from './store.ts';

/**
 * Takes every shard over as a new owner would, from what is still there, and holds the state against all commits that
 * were ever stored, one after the other (K11 of the checker).
 * @param log as it is now, with what was trimmed gone; each shard's journal gets one more opening
 * @param stored everything that ever was there
 */
export async function checkStates(log: FencedLog, stored: Stored, shards: number): Promise<string[]> {
  const violations: string[] = [];
  const names = subjects(PREFIX);
  for (let shard = 0; shard < shards; shard += 1) {
    const journal = names.journal(shard);
    const before = stored.get(journal);
    if (before === undefined) continue;
    const folded = new ShardState();
    for (const { commit } of commitsOf(before)) folded.apply(commit);
    const of = {
      shard,
      journal,
      shardLog: (lane: string) => names.shardLog(shard, lane),
      page: (page: number) => names.page(shard, page),
    };
    const ports = {
      log,
      clock: NO_CLOCK,
      measures: createMeasures({ sources: [], rules: { version: '', keyspaces: [], rules: [] } }).node,
    };
    try {
      const { recovered } = await openJournal(ports, of, 'the checker');
      const [restored, wanted] = [shownState(recovered.state), shownState(folded)];
      for (const [what, value] of wanted)
        if (restored.get(what) !== value)
          violations.push(`shard ${shard}: after a restart ${what} is ${restored.get(what)}, by all commits ${value}`);
      for (const what of restored.keys())
        if (!wanted.has(what))
          violations.push(`shard ${shard}: after a restart there is ${what}, which no commit says`);
    } catch (error) {
      violations.push(`shard ${shard} cannot be taken over: ${String(error)}`);
    }
  }
  return violations;
}

/** Everything that a shard remembers, by name, as texts. */
function shownState({ table, head, lanes }: ShardState): Map<string, string> {
  const shown = new Map<string, string>();
  // In what order things came to be known has no meaning.
  const { lanes: _, clocks, ordinals, names, ...rest } = head;
  for (const [what, value] of Object.entries(rest)) shown.set(what, JSON.stringify(value));
  shown.set('names', names.join());
  for (const { scope, reading } of clocks) shown.set(`clock ${scope}`, String(reading));
  for (const [subject, ordinal] of ordinals) shown.set(`ordinal of ${subject}`, String(ordinal));
  for (const [lane, state] of lanes) shown.set(`lane ${lane}`, JSON.stringify(state));
  for (const { keyspace, key } of table.names()) {
    const cells = [...readCells(table.packed(keyspace, key) ?? new Uint8Array(0))]
      .map(({ slot, cell, bytes }) => `${slot}.${cell}=${Buffer.from(bytes ?? []).toString('hex')}`)
      .sort();
    const wakes = table.wakes(keyspace, key).map(({ scope, at }) => `${scope}@${at}`);
    shown.set(`key ${keyspace} ${key}`, `${cells.join()} ${wakes.sort().join()}`);
  }
  return shown;
}

/** Nothing in here waits for a clock: the store answers at once. */
const NO_CLOCK = {
  now: () => {
    throw new Error('who takes a shard over asks for the time');
  },
  monotonic: () => 0,
  after: () => {
    throw new Error('who takes a shard over waits');
  },
};
