import type { Commit } from '../core/shards/commit.ts';
import type { SnapshotSettings } from '../core/shards/snapshot-decision.ts';
import type { Journal } from '../journal/journal.ts';
import type { JournalNames, JournalPorts } from '../journal/journal-ports.ts';
import type { SnapshotGate } from '../journal/snapshot-gate.ts';
import { Snapshots } from '../journal/snapshots.ts';
import { observeSeconds } from '../ports/observe-seconds.ts';
import { Relay } from './relay.ts';
import { RelayedUpto } from './relayed-upto.ts';

/** What a commit takes up from the shard log. */
export interface Included {
  readonly events: number;
  readonly logBytes: number;
  /** Shard-log sequence of the last record, by lane. */
  readonly records: ReadonlyMap<string, number>;
}

/**
 * Where the batches of a shard's owner become commits: stored one after another, then relayed, and from time to time
 * made superfluous by a snapshot.
 *
 *   L1. A commit is sent when the one before it is acknowledged, and what it says is relayed when it is itself.
 *   L2. While more than `RELAY_MAX` outputs wait for the relay, no commit is sent: a slow match stream slows its shard.
 */
export class CommitLine {
  private readonly options: CommitLineOptions;
  private readonly relay: Relay;
  private readonly relayed: RelayedUpto;
  private readonly snapshots: Snapshots | undefined;
  private flying: Promise<void> = Promise.resolve();
  private stopped = false;
  /** Since where the recovery began to read. */
  private journalBytes = 0;

  /** Takes over what the journal's recovery left to be relayed. */
  constructor(options: CommitLineOptions) {
    this.options = options;
    const { ports, names, journal, outputSubject, snapshots, failed } = options;
    const { recovered } = journal;
    const relay = new Relay({ ...ports, failed }, outputSubject);
    const relayed = new RelayedUpto(recovered.start, (output) => relay.isRelayed(output));
    for (const { bytes, ...commit } of recovered.tail.splice(0)) {
      relay.add(commit.outputs);
      relayed.add({ ...commit, journalBytes: bytes, logBytes: 0, records: new Map() });
      this.journalBytes += bytes;
    }
    this.relay = relay;
    this.relayed = relayed;
    this.snapshots =
      snapshots && new Snapshots({ ...snapshots, ports, names, recovered, failed, relayed: () => relayed.now });
  }

  /** Whether the next batch should be committed although it changes nothing: a snapshot waits for it. */
  get wantsCommit(): boolean {
    return this.snapshots?.isPacked === true;
  }

  /** Bytes of journal that a takeover would read now. */
  get journalTailBytes(): number {
    return this.journalBytes - (this.snapshots?.startBytes ?? 0);
  }

  /**
   * Adds the next commit: the shard's state is as it is after it. Resolves when it is under way; a failure goes to
   * `failed`.
   * @param stored called when it is acknowledged
   */
  async send(commit: Omit<Commit, 'manifest'>, included: Included, stored: () => void): Promise<void> {
    const { journal, ports } = this.options;
    const { measures, clock } = ports;
    const manifest = this.snapshots?.takeManifest();
    await this.flying;
    await this.relay.below(RELAY_MAX);
    if (this.stopped) return;
    const started = clock.monotonic();
    this.follow(
      journal.commit({ ...commit, manifest: manifest?.bytes }).then(({ bytes, sequence }) => {
        measures.commits += 1;
        measures.commitBytes += bytes;
        measures.eventsCommitted += included.events;
        observeSeconds(measures.commitSeconds, (clock.monotonic() - started) / 1000);
        this.relay.add(commit.outputs);
        stored();
        this.journalBytes += bytes;
        const { number, cursor, outputs } = commit;
        this.relayed.add({ number, sequence, cursor, outputs, journalBytes: bytes, ...included });
        manifest?.stored();
        this.snapshots?.consider();
      }),
    );
  }

  /** A batch of which nothing needs to be stored: it is settled as soon as what came before it is. */
  pass(events: number, settled: () => void): void {
    this.follow(
      this.flying.then(() => {
        this.options.ports.measures.eventsCommitted += events;
        settled();
      }),
    );
  }

  /** Resolves when everything that is committed is relayed, or this was stopped. */
  relayedAll(): Promise<void> {
    return this.relay.below(0);
  }

  stop(): void {
    this.stopped = true;
    this.options.journal.stop();
    this.snapshots?.stop();
    this.relay.stop();
  }

  private follow(flying: Promise<void>): void {
    this.flying = flying;
    flying.catch(this.options.failed);
  }
}

/** Outputs of a shard that may wait for the relay before its next commit waits too. */
const RELAY_MAX = 10_000;

export interface CommitLineOptions {
  readonly ports: JournalPorts;
  readonly names: JournalNames;
  readonly journal: Journal;
  /** The full subject of an output name. */
  readonly outputSubject: (name: string) => string;
  readonly snapshots: ShardSnapshots | undefined;
  /** Called when the shard's owner cannot go on. */
  readonly failed: (error: unknown) => void;
}

/** How the shards of a node are snapshotted, and the gate they share. */
export interface ShardSnapshots {
  readonly settings: SnapshotSettings;
  readonly gate: SnapshotGate;
}
