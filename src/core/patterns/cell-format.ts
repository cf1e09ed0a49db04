import { ByteReader } from '../shards/byte-reader.ts';

// The first byte of every cell: the format in the upper four bits, what kind of cell it is in the lower. Format 1 had two
// bytes for that, its number and the kind, so its cells begin with 1. Each cell names its own format, because of a large
// state only the cells that change are written again.

/** What this version writes. It reads all formats from 1 on. */
export const FORMAT = 2;

/** Kinds of cell. Cell 0 is one of the first two. */
export const SMALL = 0;
export const LARGE = 1;
export const EVENTS = 1;
export const NODES = 2;
export const RUNS = 3;
export const HELD = 4;

/** Cells that this version cannot read, or that are not what they claim to be. */
export class PatternStateUnreadable extends Error {
  readonly code = 'PATTERN_STATE_UNREADABLE';
}

export interface OpenCell {
  readonly format: number;
  readonly kind: number;
  /** Stands after the head. */
  readonly reader: ByteReader;
}

export const headOf = (kind: number): number => (FORMAT << 4) | kind;

export function openCell(bytes: Uint8Array, cell: number): OpenCell {
  const reader = new ByteReader(bytes);
  const head = reader.byte();
  if (head === 1) return { format: 1, kind: reader.byte(), reader };
  const format = head >>> 4;
  if (format !== FORMAT) {
    throw new PatternStateUnreadable(
      `cell ${cell} of a pattern's state has format ${format}; this version of Corral reads formats 1 to ${FORMAT}. Start a version that wrote it`,
    );
  }
  return { format, kind: head & 0xf, reader };
}
