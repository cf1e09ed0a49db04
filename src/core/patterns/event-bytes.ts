import { Packr } from 'msgpackr';
import { ByteReader } from '../shards/byte-reader.ts';
import { ByteWriter } from '../shards/byte-writer.ts';
import { instant } from '../time/units.ts';
import { TakenEvent } from './path.ts';
import { sizeOfEvent } from './projection.ts';

// A taken event as stored: time, sequence, index, size, id, type, source, kept data. Packed once, when it is first
// saved, and copied from then on.

// Records would make the bytes of one event depend on those packed before it.
const packr = new Packr({ useRecords: false });
const writer = new ByteWriter(256);

export function packEvent(event: TakenEvent): Uint8Array {
  if (event.packed !== undefined) return event.packed;
  writer.reset();
  writer.double(event.time);
  writer.varint(event.seq);
  writer.varint(event.index);
  writer.text(event.id === String(event.seq) ? '' : `=${event.id}`);
  writer.text(event.type);
  writer.text(event.source);
  if (event.data === undefined) writer.varint(0);
  else writer.bytes(packr.pack(event.data));
  event.packed = writer.copy();
  return event.packed;
}

/** `bytes` are copied: they may be a view of something that changes. */
export function readEvent(bytes: Uint8Array, ordinal: number, variant: number): TakenEvent {
  const reader = new ByteReader(bytes);
  const time = instant(reader.double());
  const seq = reader.varint();
  const index = reader.varint();
  const id = reader.text();
  const type = reader.text();
  const source = reader.text();
  const kept = reader.bytes();
  const data: unknown = kept.length === 0 ? undefined : packr.unpack(kept);
  const event = {
    id: id === '' ? String(seq) : id.slice(1),
    type,
    subject: '',
    time,
    source,
    seq,
    index,
    headers: undefined,
    data,
  };
  const read = new TakenEvent(event, data, ordinal, variant, sizeOfEvent(event, data));
  read.packed = Uint8Array.from(bytes);
  return read;
}
