import type { InstantMs } from '../time/units.ts';
import { ByteReader } from './byte-reader.ts';
import { ByteWriter } from './byte-writer.ts';
import { type Cell, mergeCells, readCells, writeCell } from './cells.ts';
import { fnv1a32 } from './shard-of.ts';
import { TimerIndex } from './timer-index.ts';
import type { Wake } from './wake.ts';

/**
 * The state of all keys of one shard, as bytes. It is the truth; actors are caches of it that live while a key is
 * active. A passive key costs its key text, its cells and about 30 bytes: entries lie one after another in one arena,
 * found by an open-addressing index of entry numbers; there is no JavaScript object per key.
 *
 *     entry  = keyspace, key text, number of wakes, (scope, at)*, cells
 *
 * A key with large state is kept as a map of cells instead ("open"), so that changing one cell does not copy the rest.
 */
export class ShardTable {
  private arena = Buffer.allocUnsafe(4096);
  private arenaEnd = 0;
  private garbage = 0;
  private index = new Uint32Array(64);
  private hashes = new Uint32Array(32);
  private offsets = new Uint32Array(32);
  private lengths = new Uint32Array(32);
  private entries = 0;
  private free: number[] = [];
  private tombstones = 0;
  private count = 0;
  private openBytes = 0;
  private readonly open = new Map<number, OpenEntry>();
  private readonly timers: TimerIndex;
  private readonly scratch = new ByteWriter(256);

  constructor() {
    this.timers = new TimerIndex((entry, scope) => this.wakesOf(entry).find((wake) => wake.scope === scope)?.at);
  }

  /** Keys that have state. */
  get size(): number {
    return this.count;
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
    const entry = this.find(keyspace, key);
    if (entry < 0) return undefined;
    const open = this.open.get(entry);
    return open === undefined ? this.parse(entry).cells : packOpen(open);
  }

  /** A key's wake times. */
  wakes(keyspace: number, key: string): readonly Wake[] {
    const entry = this.find(keyspace, key);
    return entry < 0 ? [] : this.wakesOf(entry);
  }

  /**
   * Applies what one batch changed in a key.
   * @param change cells written or removed
   * @param wakes all wake times the key now has
   */
  apply(keyspace: number, key: string, change: Uint8Array, wakes: readonly Wake[]): void {
    const entry = this.find(keyspace, key);
    if (entry < 0) {
      const cells = mergeCells(EMPTY, change);
      if (cells.length > 0 || wakes.length > 0) this.insert(keyspace, key, cells, wakes);
      return;
    }
    const open = this.open.get(entry);
    if (open !== undefined) {
      this.setWakes(entry, open.wakes, wakes);
      open.wakes = wakes;
      this.openBytes -= open.bytes;
      for (const cell of readCells(change)) applyCell(open, cell);
      this.openBytes += open.bytes;
      if (open.cells.size === 0 && wakes.length === 0) this.remove(entry);
      return;
    }
    const before = this.parse(entry);
    const cells = mergeCells(before.cells, change);
    if (cells.length === 0 && wakes.length === 0) {
      this.remove(entry);
      return;
    }
    this.setWakes(entry, before.wakes, wakes);
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

  /** Every key with its state, for snapshots. */
  *all(): Generator<{ keyspace: number; key: string; wakes: readonly Wake[]; cells: Uint8Array }> {
    for (let entry = 0; entry < this.entries; entry += 1) {
      if (this.lengths[entry] === 0) continue;
      const open = this.open.get(entry);
      if (open !== undefined) yield { ...this.nameOf(entry), wakes: open.wakes, cells: packOpen(open) };
      else yield { ...this.nameOf(entry), ...this.parse(entry) };
    }
  }

  private insert(keyspace: number, key: string, cells: Uint8Array, wakes: readonly Wake[]): void {
    const entry = this.free.pop() ?? this.newEntry();
    const hash = hashOf(keyspace, key);
    this.hashes[entry] = hash;
    this.lengths[entry] = 0;
    if ((this.count + this.tombstones + 1) * 4 > this.index.length * 3) this.rebuildIndex();
    const mask = this.index.length - 1;
    let at = hash & mask;
    while (this.index[at] !== 0 && this.index[at] !== TOMBSTONE) at = (at + 1) & mask;
    if (this.index[at] === TOMBSTONE) this.tombstones -= 1;
    this.index[at] = entry + 1;
    this.count += 1;
    if (cells.length > OPEN_BYTES) {
      this.write(entry, keyspace, key, EMPTY, []);
      this.openEntry(entry, keyspace, key, cells, wakes);
    } else this.write(entry, keyspace, key, cells, wakes);
    this.setWakes(entry, [], wakes);
  }

  private remove(entry: number): void {
    this.setWakes(entry, this.wakesOf(entry), []);
    const open = this.open.get(entry);
    if (open !== undefined) {
      this.openBytes -= open.bytes;
      this.open.delete(entry);
    }
    const mask = this.index.length - 1;
    let at = this.hashes[entry]! & mask;
    while (this.index[at] !== entry + 1) at = (at + 1) & mask;
    this.index[at] = TOMBSTONE;
    this.tombstones += 1;
    this.garbage += this.lengths[entry]!;
    this.lengths[entry] = 0;
    this.free.push(entry);
    this.count -= 1;
  }

  /** The entry keeps its name in the arena; cells and wakes move to a map. */
  private openEntry(entry: number, keyspace: number, key: string, cells: Uint8Array, wakes: readonly Wake[]): void {
    this.write(entry, keyspace, key, EMPTY, []);
    const open: OpenEntry = { cells: new Map(), wakes, bytes: 0 };
    // A copy: the packed cells may be a view of the arena, which moves.
    for (const cell of readCells(Buffer.from(cells))) applyCell(open, cell);
    this.openBytes += open.bytes;
    this.open.set(entry, open);
  }

  private find(keyspace: number, key: string): number {
    const hash = hashOf(keyspace, key);
    const mask = this.index.length - 1;
    let name: Buffer | undefined;
    for (let at = hash & mask; this.index[at] !== 0; at = (at + 1) & mask) {
      const number = this.index[at]!;
      if (number === TOMBSTONE || this.hashes[number - 1] !== hash) continue;
      if (name === undefined) {
        this.scratch.reset();
        this.scratch.varint(keyspace);
        this.scratch.text(key);
        name = this.scratch.view();
      }
      const offset = this.offsets[number - 1]!;
      const end = offset + name.length;
      if (end <= this.arenaEnd && this.arena.compare(name, 0, name.length, offset, end) === 0) return number - 1;
    }
    return -1;
  }

  private write(entry: number, keyspace: number, key: string, cells: Uint8Array, wakes: readonly Wake[]): void {
    const writer = this.scratch;
    writer.reset();
    writer.varint(keyspace);
    writer.text(key);
    writer.varint(wakes.length);
    for (const wake of wakes) {
      writer.varint(wake.scope);
      writer.double(wake.at);
    }
    writer.raw(cells);
    const bytes = writer.view();
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
    if (this.entries === this.hashes.length) {
      const size = Math.ceil(this.entries * 1.5);
      this.hashes = grow(this.hashes, size);
      this.offsets = grow(this.offsets, size);
      this.lengths = grow(this.lengths, size);
    }
    return this.entries++;
  }

  private rebuildIndex(): void {
    let size = 64;
    while (size < (this.count + 1) * 2) size *= 2;
    this.index = new Uint32Array(size);
    this.tombstones = 0;
    const mask = size - 1;
    for (let entry = 0; entry < this.entries; entry += 1) {
      if (this.lengths[entry] === 0) continue;
      let at = this.hashes[entry]! & mask;
      while (this.index[at] !== 0) at = (at + 1) & mask;
      this.index[at] = entry + 1;
    }
  }

  private setWakes(entry: number, before: readonly Wake[], now: readonly Wake[]): void {
    if (before.length === 0 && now.length === 0) return;
    if (before.length === 1 && now.length === 1 && before[0]!.scope === now[0]!.scope) {
      if (before[0]!.at !== now[0]!.at) this.timers.change(entry, now[0]!.scope, before[0]!.at, now[0]!.at);
      return;
    }
    for (const { scope, at } of before) {
      if (!now.some((wake) => wake.scope === scope)) this.timers.change(entry, scope, at, undefined);
    }
    for (const { scope, at } of now) {
      this.timers.change(entry, scope, before.find((wake) => wake.scope === scope)?.at, at);
    }
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
    const wakes: Wake[] = [];
    for (let n = reader.varint(); n > 0; n -= 1) {
      wakes.push({ scope: reader.varint(), at: reader.double() as InstantMs });
    }
    return { wakes, cells: reader.raw(offset + this.lengths[entry]! - reader.position) };
  }
}

/** State above this many bytes is kept cell by cell. */
const OPEN_BYTES = 2048;
const TOMBSTONE = 0xffffffff;
const EMPTY = Buffer.alloc(0);

interface OpenEntry {
  readonly cells: Map<string, Cell>;
  wakes: readonly Wake[];
  bytes: number;
}

function applyCell(open: OpenEntry, cell: Cell): void {
  const name = `${cell.slot}.${cell.cell}`;
  open.bytes -= open.cells.get(name)?.bytes?.length ?? 0;
  if (cell.bytes === undefined) {
    open.cells.delete(name);
    return;
  }
  open.cells.set(name, { ...cell, bytes: Buffer.from(cell.bytes) });
  open.bytes += cell.bytes.length;
}

function packOpen(open: OpenEntry): Buffer {
  const writer = new ByteWriter(open.bytes + 16 * open.cells.size);
  for (const { slot, cell, bytes } of open.cells.values()) writeCell(writer, slot, cell, bytes);
  return writer.copy();
}

function hashOf(keyspace: number, key: string): number {
  // FNV's low bits are weak for short texts that differ in the last character; one round of mixing is enough.
  const hash = fnv1a32(key, (0x811c9dc5 ^ Math.imul(keyspace, 0x9e3779b1)) >>> 0);
  return (Math.imul(hash ^ (hash >>> 15), 0x85ebca6b) ^ (hash >>> 13)) >>> 0;
}

function grow(array: Uint32Array<ArrayBuffer>, size: number): Uint32Array<ArrayBuffer> {
  const grown = new Uint32Array(size);
  grown.set(array);
  return grown;
}
