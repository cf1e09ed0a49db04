import { BEGINNING, type InstantMs } from '../time/units.ts';
import type { Commit, LaneState } from './commit.ts';
import type { PageRef, ShardHead } from './manifest.ts';
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
  /** What the snapshot it was restored from includes: the head up to a commit, each page up to its label. */
  private included: { readonly head: number; readonly pages: readonly PageRef[] } | undefined;

  /**
   * Goes on from a snapshot, whose pages are then loaded into the table. Of the commits applied afterwards only that
   * counts which the snapshot does not include yet (protocol.md, S4).
   * @param number of the commit that holds the manifest
   * @param start number of the commit the snapshot starts at: the next to be applied is the one after it
   */
  restore(head: ShardHead, number: number, start: number, pages: readonly PageRef[]): void {
    this.commitNumber = start;
    this.cursor = head.cursor;
    this.processingTime = head.processingTime;
    for (const lane of head.lanes) this.lanes.set(lane.lane, lane);
    for (const { scope, reading } of head.clocks) this.clocks.set(scope, reading);
    for (const name of head.names) this.define(name);
    for (const [subject, ordinal] of head.ordinals) this.ordinals.set(subject, ordinal);
    this.table.dividePages(Math.log2(pages.length), false);
    const sum = (of: 'keys' | 'bytes') => pages.reduce((all, page) => all + page[of], 0);
    this.table.expect(sum('keys'), sum('bytes'));
    this.included = { head: number, pages };
  }

  /** Applies a commit of the journal: recovery does this with every commit since the last snapshot. */
  apply(commit: Commit): void {
    this.commitNumber = commit.number;
    // An opening says nothing but its name, an attempt nothing but what is about to be run.
    if (commit.opening || commit.attempt !== undefined) return;
    const { included, table } = this;
    if (included === undefined || commit.number > included.head) this.applyHead(commit);
    for (const { keyspace, key, change, wakes } of commit.changes) {
      if (included !== undefined && commit.number <= included.pages[table.pageOf(keyspace, key)]!.label) continue;
      table.apply(keyspace, key, change, wakes);
    }
  }

  /** All that is remembered beside the keys. */
  get head(): ShardHead {
    return {
      cursor: this.cursor,
      processingTime: this.processingTime,
      lanes: [...this.lanes.values()],
      clocks: [...this.clocks].map(([scope, reading]) => ({ scope, reading })),
      names: [...this.names],
      ordinals: [...this.ordinals],
    };
  }

  private applyHead(commit: Commit): void {
    this.cursor = commit.cursor;
    this.processingTime = commit.processingTime;
    for (const lane of commit.lanes) this.lanes.set(lane.lane, lane);
    for (const { scope, reading } of commit.clocks) this.clocks.set(scope, reading);
    for (const name of commit.names) this.define(name);
    for (const { subject, ordinal } of commit.outputs) this.ordinals.set(subject, ordinal);
  }

  /** The shard's number of a name; undefined when it has none yet. */
  numberOf(name: string): number | undefined {
    return this.numbers.get(name);
  }

  nameOf(number: number): string | undefined {
    return this.names[number];
  }

  /** Gives a name the next number, also when it has one: the older then names nothing new. The commit in preparation must list it. */
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
