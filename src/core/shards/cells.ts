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
  const single = singleCell(change);
  // Most keys have one cell, and most changes replace it.
  if (single?.bytes !== undefined) {
    if (packed.length === 0) return change;
    const before = singleCell(packed);
    if (before !== undefined && before.slot === single.slot && before.cell === single.cell) return change;
  }
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

/** The cell, when there is exactly one. */
function singleCell(packed: Uint8Array): Cell | undefined {
  if (packed.length === 0) return undefined;
  const reader = new ByteReader(packed);
  const slot = reader.varint();
  const cell = reader.varint();
  const length = reader.varint();
  const bytes = length === 0 ? undefined : reader.raw(length - 1);
  return reader.done ? { slot, cell, bytes } : undefined;
}
