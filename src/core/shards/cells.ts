import { ByteReader } from './byte-reader.ts';
import { ByteWriter } from './byte-writer.ts';

/**
 * A key's packed state is a list of cells, each named by (slot, cell): slot is the shard's number for a rule version,
 * cell is the rule's own numbering. A change is the same list, with removals. Cells hold absolute values, so a change
 * can be applied twice without harm.
 *
 *     cell   = slot, cell, length + 1, bytes      (length + 1 = 0: removed)
 */
export interface Cell {
  readonly slot: number;
  readonly cell: number;
  /** Undefined = removed. */
  readonly bytes: Uint8Array | undefined;
}

export function writeCell(writer: ByteWriter, slot: number, cell: number, bytes: Uint8Array | undefined): void {
  writer.varint(slot);
  writer.varint(cell);
  if (bytes === undefined) {
    writer.varint(0);
    return;
  }
  writer.varint(bytes.length + 1);
  writer.raw(bytes);
}

export function* readCells(packed: Uint8Array): Generator<Cell> {
  const reader = new ByteReader(packed);
  while (!reader.done) {
    const slot = reader.varint();
    const cell = reader.varint();
    const length = reader.varint();
    yield { slot, cell, bytes: length === 0 ? undefined : reader.raw(length - 1) };
  }
}

/** Cells by slot: what an actor loads its rules' states from. Views into `packed`, so load before it changes. */
export function cellsBySlot(packed: Uint8Array): Map<number, Map<number, Uint8Array>> {
  const slots = new Map<number, Map<number, Uint8Array>>();
  for (const { slot, cell, bytes } of readCells(packed)) {
    if (bytes === undefined) continue;
    let cells = slots.get(slot);
    if (cells === undefined) {
      cells = new Map();
      slots.set(slot, cells);
    }
    cells.set(cell, bytes);
  }
  return slots;
}

/** The packed state after a change. The result may be `change` itself. */
export function mergeCells(packed: Uint8Array, change: Uint8Array): Uint8Array {
  // Most keys have one cell, and most changes replace it.
  if (holdsOneCell(change) && (packed.length === 0 || sameSingleCell(packed, change))) return change;
  const merged = new Map<string, Cell>();
  for (const cell of readCells(packed)) merged.set(`${cell.slot}.${cell.cell}`, cell);
  for (const cell of readCells(change)) {
    const name = `${cell.slot}.${cell.cell}`;
    if (cell.bytes === undefined) merged.delete(name);
    else merged.set(name, cell);
  }
  const writer = new ByteWriter(packed.length + change.length + 16);
  for (const cell of merged.values()) writeCell(writer, cell.slot, cell.cell, cell.bytes);
  return writer.copy();
}

/** True when there is exactly one cell, and it is written, not removed. */
function holdsOneCell(packed: Uint8Array): boolean {
  const start = bodyStart(packed);
  return start > 0 && start + lengthBefore(packed, start) === packed.length;
}

/** True when both hold exactly one cell, of the same name. */
function sameSingleCell(packed: Uint8Array, change: Uint8Array): boolean {
  if (!holdsOneCell(packed)) return false;
  for (let at = 0; ; at += 1) {
    if (packed[at] !== change[at]) return false;
    // The names are two numbers, each ending with a byte below 0x80.
    if (packed[at]! < 0x80 && at > 0 && endsSecondNumber(packed, at)) return true;
  }
}

function endsSecondNumber(packed: Uint8Array, end: number): boolean {
  let numbers = 0;
  for (let at = 0; at <= end; at += 1) if (packed[at]! < 0x80) numbers += 1;
  return numbers === 2;
}

/** Where the bytes of the first cell begin; -1 when it is a removal or there is none. */
function bodyStart(packed: Uint8Array): number {
  let numbers = 0;
  for (let at = 0; at < packed.length; at += 1) {
    if (packed[at]! >= 0x80) continue;
    numbers += 1;
    if (numbers === 3) return packed[at] === 0 && packed[at - 1]! < 0x80 ? -1 : at + 1;
  }
  return -1;
}

/** The length that stands right before the bytes of the first cell. */
function lengthBefore(packed: Uint8Array, start: number): number {
  let first = start - 1;
  while (packed[first - 1]! >= 0x80) first -= 1;
  let value = 0;
  for (let at = start - 1; at >= first; at -= 1) value = value * 0x80 + (packed[at]! & 0x7f);
  return value - 1;
}
