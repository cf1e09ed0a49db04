import type { CommitOutput, OutputName } from '../core/shards/commit.ts';
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
  private readonly isRelayed: (output: OutputName) => boolean;
  private waiting: Waiting[] = [];

  /**
   * @param start up to where everything is known to be relayed
   * @param isRelayed of a commit's outputs, the last of each subject is asked for
   */
  constructor(start: JournalPlace, isRelayed: (output: OutputName) => boolean) {
    this.place = { ...start, journalBytes: 0, logBytes: 0, records: new Map() };
    this.isRelayed = isRelayed;
  }

  /** Takes the next commit, which is stored. */
  add(commit: StoredCommit): void {
    const { outputs, ...place } = commit;
    const last = this.waiting.at(-1);
    if (last === undefined && outputs.length === 0) this.place = after(this.place, place);
    else if (last !== undefined && (outputs.length === 0 || this.waiting.length >= WAITING_MAX)) {
      for (const { subject, ordinal } of outputs) last.ends.set(subject, ordinal);
      last.commit = after(last.commit, place);
    } else
      this.waiting.push({ ends: new Map(outputs.map(({ subject, ordinal }) => [subject, ordinal])), commit: place });
  }

  /** The place now. */
  get now(): RelayedPlace {
    let done = 0;
    for (const { ends, commit } of this.waiting) {
      if (![...ends].every(([subject, ordinal]) => this.isRelayed({ subject, ordinal }))) break;
      this.place = after(this.place, commit);
      done += 1;
    }
    if (done > 0) this.waiting = this.waiting.slice(done);
    return this.place;
  }
}

/** One output that is stuck holds up all commits after it. Beyond so many they wait together, as one. */
const WAITING_MAX = 1024;

/** Without the outputs' bytes: this may wait for long. */
interface Waiting {
  /** Ordinal of the last output of each subject. */
  readonly ends: Map<string, number>;
  /** The last commit of those that wait together. */
  commit: RelayedPlace;
}

function after(place: Sums, commit: RelayedPlace): RelayedPlace {
  const { number, sequence, cursor } = commit;
  return { number, sequence, cursor, ...sum(place, commit) };
}

type Sums = Pick<RelayedPlace, 'journalBytes' | 'logBytes' | 'records'>;

function sum(a: Sums, b: Sums): Sums {
  return {
    journalBytes: a.journalBytes + b.journalBytes,
    logBytes: a.logBytes + b.logBytes,
    records: b.records.size === 0 ? a.records : new Map([...a.records, ...b.records]),
  };
}
