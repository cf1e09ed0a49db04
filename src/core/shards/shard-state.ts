import { BEGINNING, type InstantMs } from '../time/units.ts';
import type { Commit, LaneState } from './commit.ts';
import { ShardTable } from './table.ts';

/**
 * All that one shard remembers: the fold of its commits. An owner computes on it ahead of the journal's
 * acknowledgements; when a commit is refused the whole value is thrown away and folded anew (C4), so there is no undo.
 */
export class ShardState {
  readonly table = new ShardTable();
  readonly lanes = new Map<string, LaneState>();
  /** Shard-log sequence of the last record included. */
  cursor = 0;
  commitNumber = 0;
  processingTime: InstantMs = BEGINNING;
  /** Clocks of several sources, by scope. */
  readonly clocks = new Map<number, InstantMs>();
  private readonly numbers = new Map<string, number>();
  private readonly names: string[] = [];
  private readonly ordinals = new Map<string, number>();

  /** Applies a commit of the journal: recovery does this with every commit since the last snapshot. */
  apply(commit: Commit): void {
    this.commitNumber = commit.number;
    this.cursor = commit.cursor;
    this.processingTime = commit.processingTime;
    for (const lane of commit.lanes) this.lanes.set(lane.lane, lane);
    for (const { scope, reading } of commit.clocks) this.clocks.set(scope, reading);
    for (const name of commit.names) this.define(name);
    for (const { keyspace, key, change, wakes } of commit.changes) this.table.apply(keyspace, key, change, wakes);
    for (const { subject, ordinal } of commit.outputs) this.ordinals.set(subject, ordinal);
  }

  /** The shard's number of a name; undefined when it has none yet. */
  numberOf(name: string): number | undefined {
    return this.numbers.get(name);
  }

  nameOf(number: number): string | undefined {
    return this.names[number];
  }

  /** Gives a name the next number. The commit in preparation must list it. */
  define(name: string): number {
    const number = this.names.length;
    this.names.push(name);
    this.numbers.set(name, number);
    return number;
  }

  /** The ordinal of a subject's last output (C6); 0 when it has none. */
  lastOrdinal(subject: string): number {
    return this.ordinals.get(subject) ?? 0;
  }

  setOrdinal(subject: string, ordinal: number): void {
    this.ordinals.set(subject, ordinal);
  }
}
