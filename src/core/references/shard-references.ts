import { ByteWriter } from '../shards/byte-writer.ts';
import { readCells, writeCell } from '../shards/cells.ts';
import type { KeyChange } from '../shards/commit.ts';
import type { RoutedEvent } from '../shards/record.ts';
import type { ShardState } from '../shards/shard-state.ts';
import { type InstantMs, instant } from '../time/units.ts';
import { entryValue, entryVersion, writeEntryCell } from './entry-cell.ts';
import type { ReferenceTables } from './lookups.ts';
import { REFERENCE_BYTES_MAX } from './reference-settings.ts';

/**
 * Reference data as one shard has it.
 *
 *   E1. An entry is a key of the shard's table, under the shard's number of the reference, which also names its cell. So
 *       journal, snapshots and recovery carry it as they carry the state of keys.
 *   E2. Entries come by the shard's log. What a batch brings is seen by its turns at once, and gets into the table with
 *       all else that the batch changes: pages of a snapshot may be packed in between.
 *   E3. An older entry never takes the place of a newer one: its version is where it stands in the reference's stream.
 *   E4. How many there are, and their bytes, are kept with the shard's clocks.
 */
export class ShardReferences implements ReferenceTables {
  private readonly state: ShardState;
  private readonly numberOf: (name: string) => number;
  private readonly bytesMax: (reference: string) => number;
  private readonly known = new Map<string, Known>();

  /**
   * @param numberOf the shard's number of a name, defining it when it is new
   * @param bytesMax of a reference; undefined = it is not configured any more
   */
  constructor(
    state: ShardState,
    numberOf: (name: string) => number,
    bytesMax: (reference: string) => number | undefined,
  ) {
    this.state = state;
    this.numberOf = numberOf;
    this.bytesMax = (reference) => bytesMax(reference) ?? REFERENCE_BYTES_MAX;
    for (const name of state.head.names) {
      const reference = referenceOf(name);
      if (reference !== undefined) this.knownAs(reference, false);
    }
  }

  /**
   * Takes in an entry of a reference's lane. Also of a reference that nobody looks up now: its lane goes on from where
   * it is when somebody does again.
   * @returns what a limit keeps out: none, or this entry
   */
  take({ event, routes }: RoutedEvent): readonly RefusedEntry[] {
    const [route] = routes;
    const reference = referenceOf(route!.keyspace)!;
    const { key } = route!;
    const known = this.knownAs(reference, true)!;
    const before = this.cellOf(known, key);
    if (before !== undefined && entryVersion(before) >= event.seq) return NONE;
    const cell = event.type === REMOVE ? undefined : writeEntryCell(event.seq, event.data);
    const keyBytes = Buffer.byteLength(key);
    const without = this.bytesOf(known) - (before === undefined ? 0 : keyBytes + before.length);
    const bytes = without + (cell === undefined ? 0 : keyBytes + cell.length);
    const most = this.bytesMax(reference);
    // With a limit that was lowered, entries that grow no further may still change.
    const isRefused = cell !== undefined && bytes > most && bytes > this.bytesOf(known);
    // What stood there before is not true any more.
    this.put(known, key, before, isRefused ? undefined : cell, isRefused ? without : bytes);
    if (!isRefused) return NONE;
    const message = `The entry ${JSON.stringify(key)} is refused: with it, reference ${reference} would have ${bytes} bytes in a shard, more than the ${most} of its bytesMax.`;
    return [{ reference, key, sequence: event.seq, time: event.time, message }];
  }

  valueOf(reference: string, key: string): unknown {
    const known = this.knownAs(reference, false);
    if (known === undefined) return null;
    const kept = known.values.get(key);
    if (kept !== undefined) return kept;
    const cell = this.cellOf(known, key);
    if (cell === undefined) return null;
    const value = entryValue(cell) ?? null;
    if (known.values.size >= VALUES_KEPT) known.values.clear();
    known.values.set(key, value);
    return value;
  }

  /** What was taken since the last call, as changes of the table; to be applied by whoever asks. */
  takeChanges(): KeyChange[] {
    const changes: KeyChange[] = [];
    for (const { keyspace, pending } of this.known.values()) {
      for (const [key, cell] of pending) {
        const writer = new ByteWriter(16 + (cell?.length ?? 0));
        writeCell(writer, keyspace, CELL, cell);
        changes.push({ keyspace, key, change: writer.copy(), wakes: [] });
      }
      pending.clear();
    }
    return changes;
  }

  /** Entries of all references. */
  get entries(): number {
    let sum = 0;
    for (const { entries } of this.known.values()) sum += this.state.clocks.get(entries) ?? 0;
    return sum;
  }

  /** How much there is of each reference, also of one that is not configured any more. */
  holdings(): ReadonlyMap<string, ReferenceHoldings> {
    const held = new Map<string, ReferenceHoldings>();
    for (const [reference, known] of this.known) {
      held.set(reference, { entries: this.state.clocks.get(known.entries) ?? 0, bytes: this.bytesOf(known) });
    }
    return held;
  }

  private put(
    known: Known,
    key: string,
    before: Uint8Array | undefined,
    cell: Uint8Array | undefined,
    bytes: number,
  ): void {
    if (before === undefined && cell === undefined) return;
    known.pending.set(key, cell);
    known.values.delete(key);
    const { clocks } = this.state;
    const more = (cell === undefined ? 0 : 1) - (before === undefined ? 0 : 1);
    clocks.set(known.entries, instant((clocks.get(known.entries) ?? 0) + more));
    clocks.set(known.bytes, instant(bytes));
  }

  private bytesOf({ bytes }: Known): number {
    return this.state.clocks.get(bytes) ?? (0 as InstantMs);
  }

  private cellOf({ keyspace, pending }: Known, key: string): Uint8Array | undefined {
    if (pending.has(key)) return pending.get(key);
    const packed = this.state.table.packed(keyspace, key);
    if (packed === undefined) return undefined;
    for (const { bytes } of readCells(packed)) return bytes;
    return undefined;
  }

  private knownAs(reference: string, define: boolean): Known | undefined {
    let known = this.known.get(reference);
    if (known !== undefined) return known;
    const name = referenceKeyspace(reference);
    if (!define && this.state.numberOf(name) === undefined) return undefined;
    known = {
      keyspace: this.numberOf(name),
      entries: this.numberOf(`entries of ${name}`),
      bytes: this.numberOf(`bytes of ${name}`),
      pending: new Map(),
      values: new Map(),
    };
    this.known.set(reference, known);
    return known;
  }
}

export interface ReferenceHoldings {
  readonly entries: number;
  /** Of keys and values. */
  readonly bytes: number;
}

/** An entry that a limit keeps out. */
export interface RefusedEntry {
  readonly reference: string;
  readonly key: string;
  readonly sequence: number;
  readonly time: InstantMs;
  readonly message: string;
}

interface Known {
  /** The shard's numbers: of the reference, and of its two counts. */
  readonly keyspace: number;
  readonly entries: number;
  readonly bytes: number;
  /** Taken, and not in the table yet; undefined = removed. */
  readonly pending: Map<string, Uint8Array | undefined>;
  /** Values looked up lately, so that an entry asked for often is not unpacked each time. */
  readonly values: Map<string, unknown>;
}

const NONE: readonly RefusedEntry[] = [];
const CELL = 0;
const VALUES_KEPT = 1024;

/** Types of the events by which entries come in records. */
export const PUT = 'put';
export const REMOVE = 'remove';

const KEYSPACE = 'reference ';

/** What an entry is routed to: a name that no keyspace of rules has, since theirs are hashes. */
export const referenceKeyspace = (reference: string): string => `${KEYSPACE}${reference}`;

/** The reference that an entry is of; undefined for events. */
export const referenceOf = (keyspace: string): string | undefined =>
  keyspace.startsWith(KEYSPACE) ? keyspace.slice(KEYSPACE.length) : undefined;
