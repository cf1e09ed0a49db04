import type { CommitOutput } from '../core/shards/commit.ts';
import type { JournalPlace } from '../core/shards/manifest.ts';
import type { RelayedPlace } from '../journal/snapshots.ts';

/** What a stored commit adds to what came before it. */
export interface StoredCommit extends JournalPlace {
  readonly outputs: readonly CommitOutput[];
  /** Bytes that the commit has in the journal, and bytes of the records it includes. */
  readonly journalBytes: number;
  readonly logBytes: number;
  /** Shard-log sequence of the last of those records, by lane. */
  readonly records: ReadonlyMap<string, number>;
}

/**
 * Up to which commit everything is relayed: that is where a snapshot may start (protocol.md, S1). Commits wait in order
 * until their own outputs are relayed; one without any goes along with the one before it.
 */
export class RelayedUpto {
  private place: RelayedPlace;
  private readonly isRelayed: (output: CommitOutput) => boolean;
  private waiting: Waiting[] = [];

  /**
   * @param start up to where everything is known to be relayed
   * @param isRelayed of a commit's outputs, the last of each subject is asked for
   */
  constructor(start: JournalPlace, isRelayed: (output: CommitOutput) => boolean) {
    this.place = { ...start, journalBytes: 0, logBytes: 0, records: new Map() };
    this.isRelayed = isRelayed;
  }

  /** Takes the next commit, which is stored. */
  add(commit: StoredCommit): void {
    const ends = new Map(commit.outputs.map((output) => [output.subject, output]));
    const last = this.waiting.at(-1);
    if (ends.size > 0) this.waiting.push({ ends: [...ends.values()], commit });
    else if (last !== undefined) last.commit = { ...commit, ...sum(last.commit, commit) };
    else this.place = after(this.place, commit);
  }

  /** The place now. */
  get now(): RelayedPlace {
    let done = 0;
    for (const { ends, commit } of this.waiting) {
      if (!ends.every(this.isRelayed)) break;
      this.place = after(this.place, commit);
      done += 1;
    }
    if (done > 0) this.waiting = this.waiting.slice(done);
    return this.place;
  }
}

interface Waiting {
  readonly ends: readonly CommitOutput[];
  /** The one that has these outputs, and those after it that have none, taken together. */
  commit: StoredCommit;
}

function after(place: RelayedPlace, commit: StoredCommit): RelayedPlace {
  const { number, sequence, cursor } = commit;
  return { number, sequence, cursor, ...sum(place, commit) };
}

type Sums = Pick<StoredCommit, 'journalBytes' | 'logBytes' | 'records'>;

function sum(a: Sums, b: Sums): Sums {
  return {
    journalBytes: a.journalBytes + b.journalBytes,
    logBytes: a.logBytes + b.logBytes,
    records: b.records.size === 0 ? a.records : new Map([...a.records, ...b.records]),
  };
}
