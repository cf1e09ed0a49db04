import { Packr } from 'msgpackr';
import { ByteReader } from '../shards/byte-reader.ts';
import { ByteWriter } from '../shards/byte-writer.ts';

/**
 * An entry as it lies in a shard's table: under the shard's number of the reference and the entry's key, as one cell.
 *
 *     cell   = format, version, value as msgpack
 */
const FORMAT = 1;
const packr = new Packr({ useRecords: false, moreTypes: false });
const writer = new ByteWriter(256);

/** A value as it is kept, which is also how its size is counted. */
export const packReferenceValue = (value: unknown): Uint8Array => packr.pack(value);

/** @param version where the entry stands in its reference's stream: a later one has a greater one */
export function writeEntryCell(version: number, value: unknown): Uint8Array {
  writer.reset();
  writer.byte(FORMAT);
  writer.varint(version);
  writer.raw(packReferenceValue(value));
  return writer.copy();
}

/** @throws {RangeError} when the bytes are no entry of a known format */
export const entryVersion = (cell: Uint8Array): number => begun(cell).varint();

/** @throws {RangeError} when the bytes are no entry of a known format */
export function entryValue(cell: Uint8Array): unknown {
  const reader = begun(cell);
  reader.varint();
  return packr.unpack(reader.raw(cell.length - reader.position));
}

function begun(cell: Uint8Array): ByteReader {
  const reader = new ByteReader(cell);
  const format = reader.byte();
  if (format !== FORMAT) throw new RangeError(`entry of a reference of format ${format}; this Corral reads ${FORMAT}`);
  return reader;
}
