import { pageOf } from './key-hash.ts';

/**
 * Finds a table's entries by the hash of their key: open addressing with linear probing. A key's home slot is given by
 * the high bits of its hash, so that the keys of one page lie next to each other.
 *
 *   I1. Between an entry's home slot and the slot where it stands no slot is empty (removed ones are marked, not emptied).
 */
export class KeyIndex {
  private slots = new Uint32Array(64);
  private shift = 26;
  private hashes = new Uint32Array(32);
  private live = 0;
  private removed = 0;

  /** Entries that stand in the index. */
  get size(): number {
    return this.live;
  }

  /** The slot of the first entry with this hash; -1 when there is none. */
  first(hash: number): number {
    return this.seek(hash, hash >>> this.shift);
  }

  /** The slot of the next entry with this hash, after that of another. */
  next(hash: number, slot: number): number {
    return this.seek(hash, (slot + 1) & (this.slots.length - 1));
  }

  /** The entry that stands in a slot found before. */
  at(slot: number): number {
    return this.slots[slot]! - 1;
  }

  /**
   * Makes room for so many entries in all. Whoever inserts them by page has to, since those of a page would crowd one
   * end of an index that is sized for them alone.
   */
  expect(entries: number): void {
    if (entries * 2 > this.slots.length) this.rebuild(entries);
  }

  insert(entry: number, hash: number): void {
    if (entry >= this.hashes.length) this.hashes = grown(this.hashes, Math.ceil((entry + 1) * 1.5));
    this.hashes[entry] = hash;
    if ((this.live + this.removed + 1) * 4 > this.slots.length * 3) this.rebuild(this.live + 1);
    this.live += 1;
    this.place(entry, hash);
  }

  remove(entry: number): void {
    const mask = this.slots.length - 1;
    let slot = this.hashes[entry]! >>> this.shift;
    while (this.slots[slot] !== entry + 1) slot = (slot + 1) & mask;
    this.slots[slot] = REMOVED;
    this.removed += 1;
    this.live -= 1;
  }

  /** The entries of one of 2^`bits` pages. */
  entriesOf(page: number, bits: number): number[] {
    const { slots, shift, hashes } = this;
    const mask = slots.length - 1;
    const low = bits === 0 ? 0 : (page << (32 - bits)) >>> 0;
    const high = bits === 0 ? 0xffffffff : low + 2 ** (32 - bits) - 1;
    const start = low >>> shift;
    const span = (high >>> shift) - start;
    const found: number[] = [];
    // Entries pushed out of their home slots follow it without a gap (I1), beyond the last slot from the first on.
    for (let visited = 0; visited < slots.length; visited += 1) {
      const number = slots[(start + visited) & mask]!;
      if (number === 0 && visited > span) break;
      if (number === 0 || number === REMOVED) continue;
      if (pageOf(hashes[number - 1]!, bits) === page) found.push(number - 1);
    }
    return found;
  }

  private seek(hash: number, from: number): number {
    const { slots, hashes } = this;
    const mask = slots.length - 1;
    for (let slot = from; slots[slot] !== 0; slot = (slot + 1) & mask) {
      const number = slots[slot]!;
      if (number !== REMOVED && hashes[number - 1] === hash) return slot;
    }
    return -1;
  }

  private place(entry: number, hash: number): void {
    const mask = this.slots.length - 1;
    let slot = hash >>> this.shift;
    while (this.slots[slot] !== 0 && this.slots[slot] !== REMOVED) slot = (slot + 1) & mask;
    if (this.slots[slot] === REMOVED) this.removed -= 1;
    this.slots[slot] = entry + 1;
  }

  private rebuild(entries: number): void {
    const before = this.slots;
    let bits = 6;
    while (2 ** bits < entries * 2) bits += 1;
    this.slots = new Uint32Array(2 ** bits);
    this.shift = 32 - bits;
    this.removed = 0;
    for (const number of before) {
      if (number !== 0 && number !== REMOVED) this.place(number - 1, this.hashes[number - 1]!);
    }
  }
}

const REMOVED = 0xffffffff;

function grown(array: Uint32Array<ArrayBuffer>, size: number): Uint32Array<ArrayBuffer> {
  const larger = new Uint32Array(size);
  larger.set(array);
  return larger;
}
