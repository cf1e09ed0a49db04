import type { InstantMs } from '../time/units.ts';
import { ByteReader } from './byte-reader.ts';
import { ByteWriter } from './byte-writer.ts';
import { mergeCells } from './cells.ts';
import { readWakes, writeEntry } from './entry-bytes.ts';
import { keyHash, keyHashOfBytes, pageOf } from './key-hash.ts';
import { KeyIndex } from './key-index.ts';
import { OpenEntry } from './open-entry.ts';
import { TimerIndex } from './timer-index.ts';
import type { Wake } from './wake.ts';

/**
 * The state of all keys of one shard, as bytes. It is the truth; actors are caches of it that live while a key is
 * active. A passive key costs its key text, its cells and about 30 bytes: entries lie one after another in one arena,
 * found by an index of entry numbers; there is no JavaScript object per key.
 *
 *     page   = format, (length, entry)*
 *
 * A key with large state is kept as a map of cells instead ("open"), so that changing one cell does not copy the rest.
 *
 * For snapshots the keys are divided into pages by their hash, and the table knows which pages have changed since they
 * were last packed.
 */
export class ShardTable {
  private arena = Buffer.allocUnsafe(4096);
  private arenaEnd = 0;
  private garbage = 0;
  private readonly index = new KeyIndex();
  private offsets = new Uint32Array(32);
  private lengths = new Uint32Array(32);
  private entries = 0;
  private free: number[] = [];
  private openBytes = 0;
  private readonly open = new Map<number, OpenEntry>();
  private readonly timers: TimerIndex;
  private readonly scratch = new ByteWriter(256);
  private bits = 0;
  private changed = new Uint8Array(1).fill(1);

  constructor() {
    this.timers = new TimerIndex((entry, scope) => this.wakesOf(entry).find((wake) => wake.scope === scope)?.at);
  }

  /** Keys that have state. */
  get size(): number {
    return this.index.size;
  }

  /** Bytes of keys and state. */
  get bytes(): number {
    return this.arenaEnd - this.garbage + this.openBytes;
  }

  get timersPending(): number {
    return this.timers.pending;
  }

  /** A key's packed cells, valid until the next change of the table; undefined when it has no state. */
  packed(keyspace: number, key: string): Uint8Array | undefined {
    const entry = this.find(keyHash(keyspace, key), keyspace, key);
    return entry < 0 ? undefined : (this.open.get(entry)?.pack() ?? this.parse(entry).cells);
  }

  /** A key's wake times. */
  wakes(keyspace: number, key: string): readonly Wake[] {
    const entry = this.find(keyHash(keyspace, key), keyspace, key);
    return entry < 0 ? [] : this.wakesOf(entry);
  }

  /**
   * Applies what one batch changed in a key.
   * @param change cells written or removed
   * @param wakes all wake times the key now has
   */
  apply(keyspace: number, key: string, change: Uint8Array, wakes: readonly Wake[]): void {
    const hash = keyHash(keyspace, key);
    this.changed[pageOf(hash, this.bits)] = 1;
    const entry = this.find(hash, keyspace, key);
    if (entry < 0) {
      const cells = mergeCells(EMPTY, change);
      if (cells.length > 0 || wakes.length > 0) this.insert(hash, keyspace, key, cells, wakes);
      return;
    }
    const open = this.open.get(entry);
    if (open !== undefined) {
      this.timers.changeAll(entry, open.wakes, wakes);
      open.wakes = wakes;
      this.openBytes -= open.bytes;
      open.change(change);
      this.openBytes += open.bytes;
      if (open.isEmpty && wakes.length === 0) this.remove(entry);
      return;
    }
    const before = this.parse(entry);
    const cells = mergeCells(before.cells, change);
    if (cells.length === 0 && wakes.length === 0) {
      this.remove(entry);
      return;
    }
    this.timers.changeAll(entry, before.wakes, wakes);
    if (cells.length > OPEN_BYTES) this.openEntry(entry, keyspace, key, cells, wakes);
    else this.write(entry, keyspace, key, cells, wakes);
  }

  /** Keys due at or before `now` by a scope's clock, in no order. Each call gives a due key once. */
  takeDue(scope: number, now: InstantMs): { keyspace: number; key: string }[] {
    return this.timers.takeDue(scope, now).map((entry) => this.nameOf(entry));
  }

  /** Every key that has state. */
  *names(): Generator<{ keyspace: number; key: string }> {
    for (let entry = 0; entry < this.entries; entry += 1) if (this.lengths[entry] !== 0) yield this.nameOf(entry);
  }

  /** Every key with its state. */
  *all(): Generator<KeyState> {
    for (let entry = 0; entry < this.entries; entry += 1) yield* this.piece(entry, 1).keys;
  }

  /** Keys a piece at a time, for walks that changes come between; undefined `next`: no more. @param from the last `next`, or 0 */
  piece(from: number, entriesMax: number): { readonly keys: readonly KeyState[]; readonly next: number | undefined } {
    const keys: KeyState[] = [];
    const end = Math.min(this.entries, from + entriesMax);
    for (let entry = from; entry < end; entry += 1) {
      if (this.lengths[entry] === 0) continue;
      const open = this.open.get(entry);
      if (open !== undefined) keys.push({ ...this.nameOf(entry), wakes: open.wakes, cells: open.pack() });
      else keys.push({ ...this.nameOf(entry), ...this.parse(entry) });
    }
    return { keys, next: end < this.entries ? end : undefined };
  }

  /** Keys are divided into 2^`pageBits` pages. */
  get pageBits(): number {
    return this.bits;
  }

  /** The page of a key. */
  pageOf(keyspace: number, key: string): number {
    return pageOf(keyHash(keyspace, key), this.bits);
  }

  /** Divides the keys anew. @param changed whether all pages count as changed */
  dividePages(bits: number, changed: boolean): void {
    this.bits = bits;
    this.changed = new Uint8Array(2 ** bits).fill(changed ? 1 : 0);
  }

  /** Pages changed since they were last packed or loaded. */
  changedPages(): number[] {
    const pages: number[] = [];
    for (let page = 0; page < this.changed.length; page += 1) if (this.changed[page] === 1) pages.push(page);
    return pages;
  }

  /** All keys of a page with their state, as bytes for `loadPage`. From now on the page counts as unchanged. */
  packPage(page: number): { readonly bytes: Buffer; readonly keys: number } {
    const writer = new ByteWriter(Math.ceil((this.bytes / 2 ** this.bits) * 1.25) + 64);
    writer.byte(PAGE_FORMAT);
    const entries = this.index.entriesOf(page, this.bits);
    for (const entry of entries) {
      const open = this.open.get(entry);
      if (open === undefined) {
        const offset = this.offsets[entry]!;
        writer.bytes(this.arena.subarray(offset, offset + this.lengths[entry]!));
        continue;
      }
      const { keyspace, key } = this.nameOf(entry);
      const start = writer.begin();
      writeEntry(writer, keyspace, key, open.pack(), open.wakes);
      writer.end(start);
    }
    this.changed[page] = 0;
    return { bytes: writer.view(), keys: entries.length };
  }

  /** Makes room for so many keys in so many bytes, to be loaded by page. */
  expect(keys: number, bytes: number): void {
    this.index.expect(keys);
    this.reserve(bytes);
  }

  /**
   * Adds what `packPage` packed, to a table that has no key of that page. Call `dividePages` and `expect` before.
   * @throws {RangeError} when the bytes are no such page
   */
  loadPage(page: number, bytes: Uint8Array): void {
    const reader = new ByteReader(bytes);
    const format = reader.byte();
    if (format !== PAGE_FORMAT)
      throw new RangeError(`page format ${format} is unknown; this Corral reads ${PAGE_FORMAT}`);
    this.reserve(bytes.length);
    const base = this.arenaEnd;
    this.arena.set(bytes, base);
    this.arenaEnd += bytes.length;
    this.garbage += bytes.length;
    const large: (() => void)[] = [];
    while (!reader.done) {
      const length = reader.varint();
      const start = reader.position;
      const keyspace = reader.varint();
      const key = reader.bytes();
      const wakes = readWakes(reader);
      const cells = reader.raw(start + length - reader.position);
      const hash = keyHashOfBytes(keyspace, key);
      if (pageOf(hash, this.bits) !== page) throw new RangeError(`it holds a key that does not belong to page ${page}`);
      if (cells.length > OPEN_BYTES) {
        // Later: it may move the arena.
        large.push(() => this.insert(hash, keyspace, key.toString('utf8'), cells, wakes));
        continue;
      }
      const entry = this.free.pop() ?? this.newEntry();
      this.index.insert(entry, hash);
      this.offsets[entry] = base + start;
      this.lengths[entry] = length;
      this.garbage -= length;
      this.timers.changeAll(entry, [], wakes);
    }
    for (const insert of large) insert();
  }

  private insert(hash: number, keyspace: number, key: string, cells: Uint8Array, wakes: readonly Wake[]): void {
    const entry = this.free.pop() ?? this.newEntry();
    this.lengths[entry] = 0;
    this.index.insert(entry, hash);
    if (cells.length > OPEN_BYTES) this.openEntry(entry, keyspace, key, cells, wakes);
    else this.write(entry, keyspace, key, cells, wakes);
    this.timers.changeAll(entry, [], wakes);
  }

  private remove(entry: number): void {
    this.timers.changeAll(entry, this.wakesOf(entry), []);
    const open = this.open.get(entry);
    if (open !== undefined) {
      this.openBytes -= open.bytes;
      this.open.delete(entry);
    }
    this.index.remove(entry);
    this.garbage += this.lengths[entry]!;
    this.lengths[entry] = 0;
    this.free.push(entry);
  }

  /** The entry keeps its name in the arena; cells and wakes move to a map. */
  private openEntry(entry: number, keyspace: number, key: string, cells: Uint8Array, wakes: readonly Wake[]): void {
    const open = new OpenEntry(cells, wakes);
    this.write(entry, keyspace, key, EMPTY, []);
    this.openBytes += open.bytes;
    this.open.set(entry, open);
  }

  private find(hash: number, keyspace: number, key: string): number {
    const { index } = this;
    let name: Buffer | undefined;
    for (let slot = index.first(hash); slot >= 0; slot = index.next(hash, slot)) {
      if (name === undefined) {
        this.scratch.reset();
        this.scratch.varint(keyspace);
        this.scratch.text(key);
        name = this.scratch.view();
      }
      const entry = index.at(slot);
      const offset = this.offsets[entry]!;
      const end = offset + name.length;
      if (end <= this.arenaEnd && this.arena.compare(name, 0, name.length, offset, end) === 0) return entry;
    }
    return -1;
  }

  private write(entry: number, keyspace: number, key: string, cells: Uint8Array, wakes: readonly Wake[]): void {
    this.scratch.reset();
    writeEntry(this.scratch, keyspace, key, cells, wakes);
    const bytes = this.scratch.view();
    const before = this.lengths[entry]!;
    if (bytes.length > before || before === 0) {
      this.garbage += before;
      this.lengths[entry] = 0;
      this.reserve(bytes.length);
      this.offsets[entry] = this.arenaEnd;
      this.arenaEnd += bytes.length;
    } else this.garbage += before - bytes.length;
    this.arena.set(bytes, this.offsets[entry]);
    this.lengths[entry] = bytes.length;
  }

  private reserve(bytes: number): void {
    if (this.arenaEnd + bytes <= this.arena.length) return;
    const needed = this.arenaEnd - this.garbage + bytes;
    const grown = Buffer.allocUnsafe(Math.max(4096, Math.ceil(needed * 1.5)));
    let end = 0;
    for (let entry = 0; entry < this.entries; entry += 1) {
      const length = this.lengths[entry]!;
      if (length === 0) continue;
      const offset = this.offsets[entry]!;
      this.arena.copy(grown, end, offset, offset + length);
      this.offsets[entry] = end;
      end += length;
    }
    this.arena = grown;
    this.arenaEnd = end;
    this.garbage = 0;
  }

  private newEntry(): number {
    if (this.entries === this.offsets.length) {
      const size = Math.ceil(this.entries * 1.5);
      this.offsets = grown(this.offsets, size);
      this.lengths = grown(this.lengths, size);
    }
    return this.entries++;
  }

  private wakesOf(entry: number): readonly Wake[] {
    return this.open.get(entry)?.wakes ?? (this.lengths[entry] === 0 ? [] : this.parse(entry).wakes);
  }

  private nameOf(entry: number): { keyspace: number; key: string } {
    const reader = new ByteReader(this.arena, this.offsets[entry]);
    return { keyspace: reader.varint(), key: reader.text() };
  }

  private parse(entry: number): { wakes: Wake[]; cells: Uint8Array } {
    const offset = this.offsets[entry]!;
    const reader = new ByteReader(this.arena, offset);
    reader.varint();
    reader.skip(reader.varint());
    const wakes = readWakes(reader);
    return { wakes, cells: reader.raw(offset + this.lengths[entry]! - reader.position) };
  }
}

/** A key of a table. The bytes are a view that holds until the table changes. */
export interface KeyState {
  readonly keyspace: number;
  readonly key: string;
  readonly wakes: readonly Wake[];
  readonly cells: Uint8Array;
}

/** State above this many bytes is kept cell by cell. */
const OPEN_BYTES = 2048;
const EMPTY = Buffer.alloc(0);
const PAGE_FORMAT = 1;

function grown(array: Uint32Array<ArrayBuffer>, size: number): Uint32Array<ArrayBuffer> {
  const larger = new Uint32Array(size);
  larger.set(array);
  return larger;
}
