import { Packr } from 'msgpackr';
import type { Event } from '../events/event.ts';
import { sizeOfEvent } from '../patterns/projection.ts';
import type { ByteReader } from '../shards/byte-reader.ts';
import { ByteWriter } from '../shards/byte-writer.ts';
import { instant } from '../time/units.ts';

export const LEFT = 1;
export const RIGHT = 2;

/** A buffered event: its number in order of arrival, and the sides (as bits) on which it waits and has been paired. */
export class Entry {
  readonly event: Event;
  readonly number: number;
  /** Sides on which it waits; 0 once it is gone. */
  sides: number;
  /** Sides on which it was in a pair. */
  paired: number;
  /** Counted against the limit. */
  readonly bytes: number;
  /** Whether its cell, and the cell of its changed bits, are in the packed state. */
  stored = false;
  marked = false;
  /** Among the entries to be saved. */
  touched = false;

  /** @param event as it is kept: without subject, headers and data that nothing reads later */
  constructor(event: Event, number: number, sides: number, paired: number) {
    this.event = event;
    this.number = number;
    this.sides = sides;
    this.paired = paired;
    this.bytes = sizeOfEvent(event, event.data);
  }
}

export const keptEvent = ({ id, type, time, source, seq, index }: Event, data: unknown): Event => ({
  id,
  type,
  subject: '',
  time,
  source,
  seq,
  index,
  headers: undefined,
  data,
});

// Records would make the bytes of one event depend on those packed before it.
const packr = new Packr({ useRecords: false });
const writer = new ByteWriter(256);

/** Bits, time, seq, index, id, type, source, data. */
export function writeEntry(format: number, { event, sides, paired }: Entry): Uint8Array {
  writer.reset();
  writer.byte(format);
  writer.byte(bits(sides, paired));
  writer.double(event.time);
  writer.varint(event.seq);
  writer.varint(event.index);
  writer.text(event.id === String(event.seq) ? '' : `=${event.id}`);
  writer.text(event.type);
  writer.text(event.source);
  if (event.data === undefined) writer.varint(0);
  else writer.bytes(packr.pack(event.data));
  return writer.copy();
}

/** Reads what follows the format. */
export function readEntry(reader: ByteReader, number: number): Entry {
  const { sides, paired } = readBits(reader);
  const time = instant(reader.double());
  const seq = reader.varint();
  const index = reader.varint();
  const id = reader.text();
  const type = reader.text();
  const source = reader.text();
  const data = reader.bytes();
  const event: Event = {
    id: id === '' ? String(seq) : id.slice(1),
    type,
    subject: '',
    time,
    source,
    seq,
    index,
    headers: undefined,
    data: data.length === 0 ? undefined : packr.unpack(data),
  };
  const entry = new Entry(event, number, sides, paired);
  entry.stored = true;
  return entry;
}

/** What changed of an entry since its cell was written, so that the event is not written again. */
export const writeMark = (format: number, { sides, paired }: Entry): Uint8Array =>
  Uint8Array.of(format, bits(sides, paired));

export function readMark(reader: ByteReader, entry: Entry): void {
  Object.assign(entry, readBits(reader), { marked: true });
}

const bits = (sides: number, paired: number): number => sides | (paired << 2);

function readBits(reader: ByteReader): { readonly sides: number; readonly paired: number } {
  const byte = reader.byte();
  return { sides: byte & 3, paired: byte >> 2 };
}
