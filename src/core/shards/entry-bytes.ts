import type { InstantMs } from '../time/units.ts';
import type { ByteReader } from './byte-reader.ts';
import type { ByteWriter } from './byte-writer.ts';
import type { Wake } from './wake.ts';

// A key with its state as bytes, in a shard's table and in the pages of its snapshots:
//
//     entry  = keyspace, key text, number of wakes, (scope, at)*, cells

export function writeEntry(
  writer: ByteWriter,
  keyspace: number,
  key: string,
  cells: Uint8Array,
  wakes: readonly Wake[],
): void {
  writer.varint(keyspace);
  writer.text(key);
  writer.varint(wakes.length);
  for (const wake of wakes) {
    writer.varint(wake.scope);
    writer.double(wake.at);
  }
  writer.raw(cells);
}

export function readWakes(reader: ByteReader): Wake[] {
  const wakes: Wake[] = [];
  for (let n = reader.varint(); n > 0; n -= 1) wakes.push({ scope: reader.varint(), at: reader.double() as InstantMs });
  return wakes;
}
