import { isKeyspaceName, type KeyspaceProgram } from '../core/behaviours/keyspace-program.ts';
import { ByteWriter } from '../core/shards/byte-writer.ts';
import { type Cell, readCells, writeCell } from '../core/shards/cells.ts';
import type { KeyChange } from '../core/shards/commit.ts';
import type { ShardState } from '../core/shards/shard-state.ts';

/**
 * Removes from a shard's table what rules that do not run any more have left, a piece at a time. A key of which nothing
 * else is left goes; one that rules still use has a turn of its own, in which its actor lets go of the rest and tells its
 * timers anew.
 *
 * Keys that are new or have had a turn since the rules changed hold nothing of the kind, so the walk may meet them or
 * not. Commits of the shard hold what it removes; if it is not finished when the shard changes hands, it begins again.
 */
export class StateSweep {
  /** What it removes. */
  readonly slots: readonly number[];
  private readonly state: ShardState;
  private readonly ofRules: (slot: number) => boolean;
  private next = 0;
  private walked = false;

  /** @param ofRules whether a slot is of rules, as opposed to whatever else a key may hold */
  constructor(state: ShardState, slots: readonly number[], ofRules: (slot: number) => boolean) {
    this.state = state;
    this.slots = slots;
    this.ofRules = ofRules;
  }

  /** @param programs those that run, by the shard's number of the keyspace */
  piece(programs: ReadonlyMap<number, KeyspaceProgram>): SweptPiece {
    const { table } = this.state;
    const changes: KeyChange[] = [];
    const mixed: { keyspace: number; key: string }[] = [];
    // The turns of the piece before are over.
    if (this.walked) return { changes, mixed, done: true };
    const { keys, next } = table.piece(this.next, KEYS_AT_ONCE);
    for (const { keyspace, key, cells } of keys) {
      if (!isKeyspaceName(this.state.nameOf(keyspace))) continue;
      const program = programs.get(keyspace);
      const isGone = (slot: number): boolean => program?.isGone(slot) ?? this.ofRules(slot);
      const held = [...readCells(cells)];
      const gone = held.filter(({ slot }) => isGone(slot));
      if (gone.length === 0) continue;
      if (gone.length < held.length && program !== undefined) mixed.push({ keyspace, key });
      else changes.push({ keyspace, key, change: removalOf(gone), wakes: [] });
    }
    for (const { keyspace, key, change, wakes } of changes) table.apply(keyspace, key, change, wakes);
    this.next = next ?? 0;
    this.walked = next === undefined;
    return { changes, mixed, done: this.walked };
  }
}

function removalOf(cells: readonly Cell[]): Uint8Array {
  const writer = new ByteWriter(8 * cells.length);
  for (const { slot, cell } of cells) writeCell(writer, slot, cell, undefined);
  return writer.copy();
}

/** Keys looked at between two batches: some milliseconds. */
const KEYS_AT_ONCE = 4096;

export interface SweptPiece {
  readonly changes: readonly KeyChange[];
  /** Keys that need a turn. */
  readonly mixed: readonly { readonly keyspace: number; readonly key: string }[];
  /** Nothing is left, once those turns are over. */
  readonly done: boolean;
}
