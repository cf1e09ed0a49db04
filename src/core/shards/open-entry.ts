import { ByteWriter } from './byte-writer.ts';
import { type Cell, readCells, writeCell } from './cells.ts';
import type { Wake } from './wake.ts';

/** A key with large state, kept as a map of cells, so that changing one cell does not copy the rest. */
export class OpenEntry {
  wakes: readonly Wake[];
  /** Bytes of all cells. */
  bytes = 0;
  private readonly cells = new Map<string, Cell>();

  /** @param packed copied: it may be a view of bytes that move */
  constructor(packed: Uint8Array, wakes: readonly Wake[]) {
    this.wakes = wakes;
    this.change(packed);
  }

  get isEmpty(): boolean {
    return this.cells.size === 0;
  }

  /** Applies cells written or removed. */
  change(packed: Uint8Array): void {
    for (const cell of readCells(packed)) {
      const name = `${cell.slot}.${cell.cell}`;
      this.bytes -= this.cells.get(name)?.bytes?.length ?? 0;
      if (cell.bytes === undefined) {
        this.cells.delete(name);
        continue;
      }
      this.cells.set(name, { ...cell, bytes: Buffer.from(cell.bytes) });
      this.bytes += cell.bytes.length;
    }
  }

  pack(): Buffer {
    const writer = new ByteWriter(this.bytes + 16 * this.cells.size);
    for (const { slot, cell, bytes } of this.cells.values()) writeCell(writer, slot, cell, bytes);
    return writer.copy();
  }
}
