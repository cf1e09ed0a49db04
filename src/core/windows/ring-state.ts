import type { Cells, CellWriter } from '../behaviours/behaviour.ts';
import type { KeyValue } from '../rules/rule-set.ts';
import type { ByteReader } from '../shards/byte-reader.ts';
import { ByteWriter } from '../shards/byte-writer.ts';
import { BEGINNING, NEVER } from '../time/units.ts';
import type { AggregateSet } from './aggregate-set.ts';
import { Ring } from './ring.ts';
import { FORMAT, openCell, reading } from './state-unreadable.ts';

// A ring and its cells. The first byte of every cell is the format's version.
//
//     cell 0       flags, number of the first entry, flip, events counted; and the entries, while they are few
//     other cells  range, number of the first entry in it, entries one after another to the end of the range
//
// One event changes cell 0 and the last range. Entries that have gone stay in their range until all of it goes.

/** How many entries a cell holds. */
export const perRange = 16;
const entriesOfLarge = 32;
const entriesOfSmall = 16;

const INLINE = 1;
const HELD = 2;

export class RingState {
  readonly key: KeyValue;
  readonly ring: Ring;
  /** Windows by count: how many events came, in as far as it matters. */
  counted = 0;
  /** Edges across windows: whether the window last looked at held. */
  held = false;
  now: number = BEGINNING;
  wake: number = NEVER;
  /** The earliest entry that was added or changed since the last save. */
  changedFrom = Number.POSITIVE_INFINITY;
  changed = false;
  /** Undefined while the entries are in cell 0. */
  ranges: Ranges | undefined = undefined;
  saved = false;

  constructor(key: KeyValue, set: AggregateSet) {
    this.key = key;
    this.ring = new Ring(set);
  }

  get isEmpty(): boolean {
    return this.ring.isEmpty && this.counted === 0 && !this.held;
  }
}

/** Which cell holds which range of numbers. */
interface Ranges {
  /** Ascending by range. */
  readonly cells: Map<number, number>;
  /** Cells below the greatest one that hold nothing. */
  readonly free: number[];
  greatest: number;
  /** The ring's life that the numbers belong to. */
  life: number;
}

const writer = new ByteWriter(1024);

export function saveRing(state: RingState, set: AggregateSet, cells: CellWriter): void {
  const { ring } = state;
  if (!state.changed) return;
  if (state.isEmpty || (state.ranges !== undefined && ring.size < entriesOfSmall)) {
    for (const cell of state.ranges?.cells.values() ?? []) cells.remove(cell);
    state.ranges = undefined;
  } else if (state.ranges === undefined && ring.size > entriesOfLarge) {
    state.ranges = { cells: new Map(), free: [], greatest: 0, life: ring.lives };
    state.changedFrom = ring.first;
  }
  if (state.isEmpty) {
    if (state.saved) cells.remove(0);
  } else {
    if (state.ranges !== undefined) saveRanges(state.ranges, state, set, cells);
    saveHead(state, set, cells);
  }
  state.saved = !state.isEmpty;
  state.changed = false;
  state.changedFrom = Number.POSITIVE_INFINITY;
}

function saveHead({ ring, ranges, held, counted }: RingState, set: AggregateSet, cells: CellWriter): void {
  writer.reset();
  writer.byte(FORMAT);
  writer.byte((ranges === undefined ? INLINE : 0) + (held ? HELD : 0));
  // Numbers begin anew where nothing refers to them.
  const base = ranges === undefined ? ring.first : 0;
  writer.varint(ring.first - base);
  writer.varint(Math.max(0, ring.flip - base));
  writer.varint(ring.size);
  writer.varint(counted);
  if (ranges === undefined) for (let number = ring.first; number < ring.next; number++) writeEntry(ring, number, set);
  cells.put(0, writer.copy());
}

function saveRanges(ranges: Ranges, state: RingState, set: AggregateSet, cells: CellWriter): void {
  const { ring } = state;
  const gone: number[] = [];
  for (const [range, cell] of ranges.cells) {
    if (ranges.life === ring.lives && (range + 1) * perRange > ring.first) break;
    ranges.cells.delete(range);
    gone.push(cell);
  }
  const from = ranges.life === ring.lives ? Math.max(state.changedFrom, ring.first) : ring.first;
  ranges.life = ring.lives;
  for (let range = Math.floor(from / perRange); range * perRange < ring.next; range++) {
    let cell = ranges.cells.get(range);
    if (cell === undefined) {
      cell = gone.pop() ?? ranges.free.pop() ?? ++ranges.greatest;
      ranges.cells.set(range, cell);
    }
    writer.reset();
    writer.byte(FORMAT);
    writer.varint(range);
    const first = Math.max(range * perRange, ring.first);
    const end = Math.min((range + 1) * perRange, ring.next);
    writer.byte(first - range * perRange);
    writer.byte(end - first);
    for (let number = first; number < end; number++) writeEntry(ring, number, set);
    cells.put(cell, writer.copy());
  }
  for (const cell of gone) {
    cells.remove(cell);
    ranges.free.push(cell);
  }
}

function writeEntry(ring: Ring, number: number, set: AggregateSet): void {
  set.write(ring.at(number).accs, writer);
}

/** @throws {WindowStateUnreadable} */
export function loadRing(cells: Cells, key: KeyValue, set: AggregateSet): RingState {
  return reading(() => {
    const state = new RingState(key, set);
    const { ring } = state;
    const head = cells.get(0);
    if (head === undefined) return state;
    const reader = openCell(head, 0);
    const flags = reader.byte();
    const first = reader.varint();
    const flip = reader.varint();
    const size = reader.varint();
    state.counted = reader.varint();
    state.held = (flags & HELD) !== 0;
    state.saved = true;
    ring.restore(first, flip);
    if ((flags & INLINE) !== 0) {
      for (let left = size; left > 0; left--) ring.push(readEntry(reader, set));
      return state;
    }
    const ranges = [...cells]
      .filter(([cell]) => cell !== 0)
      .map(([cell, bytes]) => {
        const part = openCell(bytes, cell);
        return { cell, part, range: part.varint() };
      })
      .sort((one, other) => one.range - other.range);
    const used = new Set(ranges.map(({ cell }) => cell));
    const greatest = Math.max(0, ...used);
    state.ranges = {
      cells: new Map(ranges.map(({ cell, range }) => [range, cell])),
      free: Array.from({ length: greatest }, (_, index) => index + 1).filter((cell) => !used.has(cell)),
      greatest,
      life: ring.lives,
    };
    for (const { part, range } of ranges) {
      let number = range * perRange + part.byte();
      for (let left = part.byte(); left > 0; left--, number++) {
        const entry = readEntry(part, set);
        if (number >= first) ring.push(entry);
      }
    }
    if (ring.size !== size) throw new RangeError(`${ring.size} entries where there should be ${size}`);
    return state;
  });
}

function readEntry(reader: ByteReader, set: AggregateSet): { accs: unknown[]; bytes: number } {
  const accs = set.read(reader);
  return { accs, bytes: set.sizeOf(accs) };
}
