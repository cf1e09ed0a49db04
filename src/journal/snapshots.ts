import { encodeManifest, type JournalPlace, type PageRef } from '../core/shards/manifest.ts';
import { isSnapshotDue, pageBits, type SnapshotSettings } from '../core/shards/snapshot-decision.ts';
import { observeSeconds } from '../ports/observe-seconds.ts';
import { pause } from '../ports/pause.ts';
import type { JournalNames, JournalPorts } from './journal-ports.ts';
import { PageStore } from './page-store.ts';
import type { Recovered } from './recovery.ts';
import type { SnapshotGate } from './snapshot-gate.ts';

/** How far everything that commits hold has been relayed (S1), with what was read and written up to there. */
export interface RelayedPlace extends JournalPlace {
  /** Bytes of the journal since this owner's recovery began to read it, and of the shard log since it reads that. */
  readonly journalBytes: number;
  readonly logBytes: number;
  /** Shard-log sequence of each lane's last record that is included, for lanes heard from since the recovery. */
  readonly records: ReadonlyMap<string, number>;
}

/**
 * The snapshots of one shard, while one owner has it (protocol.md §5).
 *
 * A snapshot is written beside the work: page by page, each packed at one go between two batches and stored before the
 * next is packed. Only pages that have changed since they were last stored are written; the others are listed again. When
 * the last one is stored the manifest goes into the next commit, and after the acknowledgement of that goes what it has
 * made superfluous: commits, records, pages.
 *
 *   S1. It starts at the last commit of which everything was relayed when it was begun.
 *   S2. Each page is labelled with the last batch that its content includes, committed or not yet.
 *   S3. The manifest stands in a commit computed after the last page was packed: had any commit on the way been
 *       refused, so would be that one.
 *   S5. Nothing is removed before the manifest is acknowledged.
 */
export class Snapshots {
  private readonly options: SnapshotsOptions;
  private readonly store: PageStore;
  /** As the newest manifest lists them. */
  private pages: readonly PageRef[];
  /** Where the last snapshot begun starts. */
  private start: { readonly journalBytes: number; readonly logBytes: number } = { journalBytes: 0, logBytes: 0 };
  private trimmedAll = false;
  private writing = false;
  private packed: Packed | undefined;
  private stopped = false;

  constructor(options: SnapshotsOptions) {
    const { ports, names, recovered } = options;
    this.options = options;
    this.pages = recovered.pages;
    this.store = new PageStore(ports, names.page, recovered.pages);
  }

  /** Whether a manifest waits for the next commit. */
  get isPacked(): boolean {
    return this.packed !== undefined;
  }

  /** Where the newest snapshot starts, in bytes of journal since this owner's recovery began to read it. */
  get startBytes(): number {
    return this.start.journalBytes;
  }

  /** Begins a snapshot when it is time. To be asked whenever more has been committed. */
  consider(): void {
    if (this.writing || this.stopped) return;
    const { relayed, recovered, settings, failed } = this.options;
    const { journalBytes, logBytes } = relayed();
    const gain = {
      journalBytes: journalBytes - this.start.journalBytes,
      logBytes: logBytes - this.start.logBytes,
      stateBytes: recovered.state.table.bytes,
    };
    if (!isSnapshotDue(gain, settings)) return;
    this.writing = true;
    this.write().catch((error) => {
      if (!this.stopped) failed(error);
    });
  }

  /**
   * The manifest for a commit, once its pages are stored. The commit must be computed: the manifest says what the shard
   * remembers after it. Given once; the commit it is for must be sent.
   */
  takeManifest(): { readonly bytes: Uint8Array; readonly stored: () => void } | undefined {
    const { packed } = this;
    if (packed === undefined) return undefined;
    this.packed = undefined;
    const { start, pages } = packed;
    const { state, streams } = this.options.recovered;
    return {
      bytes: encodeManifest({ start, head: state.head, streams, pages }),
      stored: () => this.stored(packed),
    };
  }

  /** Ends what is under way. Pages that no manifest lists yet are never read. */
  stop(): void {
    this.stopped = true;
    this.store.stop();
  }

  private async write(): Promise<void> {
    const { gate, ports, recovered, relayed, settings } = this.options;
    const { state } = recovered;
    const { table } = state;
    const leave = await gate.enter();
    try {
      const begun = ports.clock.monotonic();
      const start = relayed();
      const bits = pageBits(table.bytes, table.pageBits, settings);
      if (this.pages.length !== 2 ** bits) table.dividePages(bits, true);
      const changed = table.changedPages();
      // What has not changed is up to date, whenever it was stored.
      const pages = this.pages.map((page): PageRef => ({ ...page, label: state.commitNumber }));
      for (const page of changed) {
        await pause(ports.clock, PAUSE_MS);
        if (this.stopped) return;
        const label = state.commitNumber;
        const { bytes, keys } = table.packPage(page);
        const stored = await this.store.store(page, bytes, { label, keys });
        if (stored === undefined) return;
        pages[page] = stored;
      }
      this.packed = { start, pages, changed, begun };
    } finally {
      leave();
    }
  }

  private stored({ start, pages, changed, begun }: Packed): void {
    const { ports, failed } = this.options;
    const { measures, clock } = ports;
    this.pages = pages;
    this.start = start;
    measures.snapshots += 1;
    for (const page of changed) measures.snapshotBytes += pages[page]!.bytes;
    observeSeconds(measures.snapshotSeconds, (clock.monotonic() - begun) / 1000);
    this.trim(start, changed).then(
      () => (this.writing = false),
      (error) => {
        if (!this.stopped) failed(error);
      },
    );
  }

  /** Removes what recovery does not need any more, each subject up to a message that is known to be on it (P3). */
  private async trim({ sequence, records }: RelayedPlace, changed: readonly number[]): Promise<void> {
    const { ports, names } = this.options;
    const trims: [subject: string, sequence: number][] = [];
    if (sequence > 0) trims.push([names.journal, sequence]);
    for (const [lane, record] of records) trims.push([names.shardLog(lane), record]);
    // A predecessor may have ended before it came to trim what its last manifest let go of.
    const superseded = this.trimmedAll ? changed : this.pages.keys();
    for (const page of superseded) trims.push([names.page(page), this.pages[page]!.sequences[0]!]);
    for (const [subject, upto] of trims) {
      if (this.stopped) return;
      await ports.log.trim(subject, upto);
    }
    this.trimmedAll = true;
  }
}

/**
 * Between two pages of a snapshot, so that batches come in between: no more than a page in this time is what snapshots
 * take of a node's processor.
 */
const PAUSE_MS = 2;

interface Packed {
  readonly start: RelayedPlace;
  readonly pages: readonly PageRef[];
  /** The ones written anew. */
  readonly changed: readonly number[];
  readonly begun: number;
}

export interface SnapshotsOptions {
  readonly ports: JournalPorts;
  readonly names: JournalNames;
  readonly recovered: Recovered;
  readonly settings: SnapshotSettings;
  readonly gate: SnapshotGate;
  /** How far everything is relayed now. */
  readonly relayed: () => RelayedPlace;
  /** Called when the shard's owner cannot go on. */
  readonly failed: (error: unknown) => void;
}
