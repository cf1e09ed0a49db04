import type { Commit, CommitOutput, OutputName } from '../core/shards/commit.ts';
import type { SnapshotSettings } from '../core/shards/snapshot-decision.ts';
import { isForward } from '../core/shards/subjects.ts';
import type { Journal } from '../journal/journal.ts';
import type { JournalNames, JournalPorts } from '../journal/journal-ports.ts';
import type { SnapshotGate } from '../journal/snapshot-gate.ts';
import { Snapshots } from '../journal/snapshots.ts';
import { observeSeconds } from '../ports/observe-seconds.ts';
import { Forwarder, type ForwarderOptions } from './forwarder.ts';
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
 *   L2. While more than `RELAY_MAX` outputs, or `RELAY_BYTES_MAX` of them, wait for the relay, or matches for their rules'
 *       `to`, no commit is sent: a slow stream of matches slows its shard.
 */
export class CommitLine {
  private readonly options: CommitLineOptions;
  private readonly relay: Relay;
  private readonly forwarder: Forwarder | undefined;
  private readonly relayed: RelayedUpto;
  private readonly snapshots: Snapshots | undefined;
  private flying: Promise<void> = Promise.resolve();
  private stopped = false;
  /** Since where the recovery began to read. */
  private journalBytes = 0;
  /** The shard's, after the last commit that is stored. */
  private cursor = 0;

  /** Takes over what the journal's recovery left to be relayed. */
  constructor(options: CommitLineOptions) {
    this.options = options;
    const { ports, names, journal, outputSubject, snapshots, failed } = options;
    const { recovered } = journal;
    const relay = new Relay(
      { ...ports, failed, stored: (output) => this.forwarder?.matchStored(output) },
      outputSubject,
    );
    const isStored = (match: CommitOutput): boolean => relay.isRelayed(match);
    this.forwarder = options.forwards && new Forwarder({ ...options.forwards, ...ports, isStored, failed });
    const isDone = (output: OutputName): boolean =>
      isForward(output.subject) ? (this.forwarder?.isDone(output) ?? true) : relay.isRelayed(output);
    const relayed = new RelayedUpto(recovered.start, isDone);
    for (const { bytes, ...commit } of recovered.tail.splice(0)) {
      relay.add(commit.outputs);
      this.forwarder?.add(commit.outputs);
      relayed.add({ ...commit, journalBytes: bytes, logBytes: 0, records: new Map() });
      this.journalBytes += bytes;
      this.cursor = commit.cursor;
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

  /** Bytes of outputs that wait for the relay. */
  get relayBytes(): number {
    return this.relay.backlogBytes;
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
    await this.room();
    if (this.stopped) return;
    const started = clock.monotonic();
    this.follow(
      journal.commit({ ...commit, manifest: manifest?.bytes }).then(({ bytes, sequence }) => {
        measures.commits += 1;
        measures.commitBytes += bytes;
        measures.eventsCommitted += included.events;
        observeSeconds(measures.commitSeconds, (clock.monotonic() - started) / 1000);
        this.relay.add(commit.outputs);
        this.forwarder?.add(commit.outputs);
        stored();
        this.journalBytes += bytes;
        const { number, cursor, outputs } = commit;
        this.cursor = cursor;
        this.relayed.add({ number, sequence, cursor, outputs, journalBytes: bytes, ...included });
        manifest?.stored();
        this.snapshots?.consider();
      }),
    );
  }

  /**
   * Stores a commit that only says what is about to be run; resolves when it is acknowledged. It holds no manifest, since
   * the shard's state may be ahead of it.
   */
  async announce(commit: Commit): Promise<void> {
    await this.flying;
    // Whoever waits for it is given up with the owner.
    if (this.stopped) return new Promise(() => undefined);
    this.follow(
      this.options.journal.commit(commit).then(({ bytes, sequence }) => {
        this.journalBytes += bytes;
        const { number } = commit;
        const { cursor } = this;
        this.relayed.add({ number, sequence, cursor, outputs: [], journalBytes: bytes, logBytes: 0, records: NONE });
      }),
    );
    return this.flying;
  }

  /** Resolves when few enough outputs wait for the next commit to be sent, or this was stopped. */
  async room(): Promise<void> {
    await this.relay.below(RELAY_MAX, RELAY_BYTES_MAX);
    await this.forwarder?.below(RELAY_MAX, RELAY_BYTES_MAX);
  }

  /** Resolves when everything sent is acknowledged. */
  stored(): Promise<void> {
    return this.flying;
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

  /** Resolves when everything that is committed is relayed and forwarded, or this was stopped. */
  async relayedAll(): Promise<void> {
    await this.relay.below(0);
    await this.forwarder?.below(0);
  }

  /** Resolves when everything sent is stored and relayed, or this was stopped. */
  async settled(): Promise<void> {
    await this.flying;
    await this.relayedAll();
  }

  stop(): void {
    this.stopped = true;
    this.options.journal.stop();
    this.snapshots?.stop();
    this.relay.stop();
    this.forwarder?.stop();
  }

  /** After `stop`: resolves when all that was under way has ended. */
  async closed(): Promise<void> {
    await this.forwarder?.closed();
  }

  /** Matches that wait for a subject of `to`. */
  get forwardsWaiting(): number {
    return this.forwarder?.backlog ?? 0;
  }

  private follow(flying: Promise<void>): void {
    this.flying = flying;
    flying.catch(this.options.failed);
  }
}

const NONE: ReadonlyMap<string, number> = new Map();

/** Outputs of a shard that may wait for the relay before its next commit waits too. */
const RELAY_MAX = 10_000;
/** And their bytes; the outputs of one commit more may come on top. */
const RELAY_BYTES_MAX = 4 * 1024 * 1024;

export interface CommitLineOptions {
  readonly ports: JournalPorts;
  readonly names: JournalNames;
  readonly journal: Journal;
  /** The full subject of an output name. */
  readonly outputSubject: (name: string) => string;
  readonly snapshots: ShardSnapshots | undefined;
  /** Undefined: matches go to the match stream alone. */
  readonly forwards: ShardForwards | undefined;
  /** Called when the shard's owner cannot go on. */
  readonly failed: (error: unknown) => void;
}

/** How the matches of a shard come to the subjects that their rules name. */
export type ShardForwards = Pick<ForwarderOptions, 'outbox' | 'logger' | 'prefix' | 'progressSubject' | 'measuresOf'>;

/** How the shards of a node are snapshotted, and the gate they share. */
export interface ShardSnapshots {
  readonly settings: SnapshotSettings;
  readonly gate: SnapshotGate;
}
