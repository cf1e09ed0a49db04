import type { Cells, CellWriter } from '../behaviours/behaviour.ts';
import { ByteReader } from '../shards/byte-reader.ts';

/**
 * Gives out cells in pairs: an even one for what this folder writes, and the odd one after it for the number of the first
 * emission, which the shell writes (see EmissionIdentity). What was given back is removed at the next save, before
 * anything is written.
 */
export class CellPairs {
  readonly #first: number;
  readonly #used = new Set<number>();
  #lowestFree: number;
  /** Cells that stand in the table and must go. */
  readonly #gone = new Set<number>();

  /** @param first the first cell to give out, even */
  constructor(first: number) {
    this.#first = first;
    this.#lowestFree = first;
  }

  take(): number {
    let cell = this.#lowestFree;
    while (this.#used.has(cell)) cell += 2;
    this.#used.add(cell);
    this.#lowestFree = cell + 2;
    return cell;
  }

  /** A cell found in the table. */
  taken(cell: number): void {
    this.#used.add(cell);
  }

  /** @param saved whether the even cell stands in the table */
  giveBack(cell: number, saved: boolean): void {
    this.#used.delete(cell);
    if (saved) this.#gone.add(cell);
    if (cell < this.#lowestFree) this.#lowestFree = Math.max(cell, this.#first);
  }

  /** The odd cell of a pair goes. The shell writes after `save`, so another emission may have the same cell. */
  forget(cell: number): void {
    this.#gone.add(cell);
  }

  /** Removes what is gone; to be called before any cell is put. */
  save(cells: CellWriter): void {
    if (this.#gone.size === 0) return;
    for (const cell of this.#gone) cells.remove(cell);
    this.#gone.clear();
  }
}

/** The number that the shell wrote into a cell; undefined when it never did. */
export function readOrdinal(cells: Cells, cell: number): number | undefined {
  const bytes = cells.get(cell);
  return bytes === undefined ? undefined : new ByteReader(bytes).varint();
}
