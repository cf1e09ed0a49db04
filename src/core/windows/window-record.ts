import type { Cells, EmissionIdentity } from '../behaviours/behaviour.ts';
import type { ByteReader } from '../shards/byte-reader.ts';
import type { ByteWriter } from '../shards/byte-writer.ts';
import { type CellPairs, readOrdinal } from './cell-pairs.ts';

/** Names a window's first emission for its updates. */
export class Identity implements EmissionIdentity {
  cell: number | undefined;
  ordinal: number | undefined;
  /** Whether the shell may have written the cell: it was there at a save. */
  saved = false;

  constructor(cell: number, ordinal?: number) {
    this.cell = cell;
    this.ordinal = ordinal;
  }
}

/** What is remembered of what a window has said. */
export class WindowRecord {
  /** The first of a pair of cells; -1 when it has none yet. */
  cell = -1;
  identity: Identity | undefined = undefined;
  /** Of the last emission; 0 for the first. */
  revision = 0;
  /** How many events were in the window when it was last asked; 0 = never. */
  asked = 0;
  /** `once`: it has spoken. */
  spoke = false;
  /** Whether the cell stands in the table. */
  saved = false;

  get isBlank(): boolean {
    return this.identity === undefined && this.asked === 0 && !this.spoke;
  }

  /** The window is gone: no update follows. */
  end(pairs: CellPairs): void {
    const { identity } = this;
    if (identity?.cell === undefined) return;
    if (identity.saved) pairs.forget(identity.cell);
    identity.cell = undefined;
  }

  write(writer: ByteWriter): void {
    const { identity } = this;
    writer.byte((identity === undefined ? 0 : HAS_IDENTITY) + (this.spoke ? SPOKE : 0));
    writer.varint(this.asked);
    if (identity === undefined) return;
    writer.varint(this.revision);
    identity.saved = true;
  }
}

/** @param cell the first of the pair it was read from */
export function readRecord(reader: ByteReader, cells: Cells, cell: number): WindowRecord {
  const record = new WindowRecord();
  record.cell = cell;
  const flags = reader.byte();
  record.spoke = (flags & SPOKE) !== 0;
  record.asked = reader.varint();
  if ((flags & HAS_IDENTITY) === 0) return record;
  record.revision = reader.varint();
  record.identity = new Identity(cell + 1, readOrdinal(cells, cell + 1));
  record.identity.saved = true;
  return record;
}

const HAS_IDENTITY = 1;
const SPOKE = 2;
