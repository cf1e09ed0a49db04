import type { ByteReader } from '../shards/byte-reader.ts';
import type { ByteWriter } from '../shards/byte-writer.ts';
import type { InstantMs } from '../time/units.ts';
import { endOfContent, writeContent } from './content-bytes.ts';
import { sizeOfEventHead } from './projection.ts';
import { type TakenEnvelope, TakenEvent } from './taken-event.ts';

// Taken events as they stand one after the other in a cell. Those of one key are alike, and near each other in time: so
// a type and its source are written where they come first and are a number from then on, and times and sequences are
// written as differences.
//
//     event   = flags and origin, [origin], [new origin: type, source], time, sequence, [index], size, content
//     origin  = number of the (type, source) pair; the next free number means that a new one follows
//     size    = what the id and the data count against the limit, so that loading need not look into them

const EXACT_TIME = 1;
const INDEXED = 2;
const SOURCE_AS_BEFORE = 4;
const ORIGIN_SHIFT = 3;
/** Origins from here on do not fit beside the flags. */
const ORIGIN_MAX = 31;
/** Differences beyond are written as the double itself: twice the number must be an exact integer. */
const DIFFERENCE_MAX = 2 ** 51;

/** Signed integers as unsigned ones, small ones small. */
const zigzag = (value: number): number => (value < 0 ? -2 * value - 1 : 2 * value);
const unzigzag = (value: number): number => (value % 2 === 0 ? value / 2 : -(value + 1) / 2);

export class EventListWriter {
  readonly #types: string[] = [];
  readonly #sources: string[] = [];
  #origins = 0;
  #time = 0;
  #seq = 0;

  begin(): void {
    this.#origins = 0;
    this.#time = 0;
    this.#seq = 0;
  }

  write(writer: ByteWriter, event: TakenEvent): void {
    const { time, seq, index, type, source } = event;
    const origin = this.#originOf(type, source);
    const isNew = origin === this.#origins;
    const sourceAsBefore = isNew && origin > 0 && this.#sources[origin - 1] === source;
    const difference = time - this.#time;
    const isExact = !Number.isInteger(time) || Math.abs(difference) > DIFFERENCE_MAX;
    const flags = (isExact ? EXACT_TIME : 0) | (index === 0 ? 0 : INDEXED) | (sourceAsBefore ? SOURCE_AS_BEFORE : 0);
    if (origin < ORIGIN_MAX) {
      writer.byte(flags | (origin << ORIGIN_SHIFT));
    } else {
      writer.byte(flags | (ORIGIN_MAX << ORIGIN_SHIFT));
      writer.varint(origin);
    }
    if (isNew) {
      writer.text(type);
      if (!sourceAsBefore) writer.text(source);
      this.#types[origin] = type;
      this.#sources[origin] = source;
      this.#origins = origin + 1;
    }
    if (isExact) {
      writer.double(time);
    } else {
      writer.varint(zigzag(difference));
      this.#time = time;
    }
    writer.varint(zigzag(seq - this.#seq));
    this.#seq = seq;
    if (index !== 0) writer.varint(index);
    writer.varint(event.bytes - sizeOfEventHead(type));
    if (event.storedAt < 0) writeContent(writer, event.id, seq, event.data);
    else writer.part(event.storedBytes, event.storedAt, endOfContent(event.storedBytes, event.storedAt));
  }

  #originOf(type: string, source: string): number {
    let origin = 0;
    while (origin < this.#origins && (this.#types[origin] !== type || this.#sources[origin] !== source)) origin++;
    return origin;
  }
}

/** Reads what `EventListWriter` wrote; between two events of one list nothing else may be begun. */
export class EventListReader implements TakenEnvelope {
  // The event read last.
  time: InstantMs = 0 as InstantMs;
  type = '';
  source = '';
  seq = 0;
  index = 0;
  readonly #types: string[] = [];
  readonly #sources: string[] = [];
  #origins = 0;
  #whole = 0;

  begin(): void {
    this.#origins = 0;
    this.#whole = 0;
    this.seq = 0;
  }

  /** @param bytes what `reader` reads; the event keeps it */
  read(reader: ByteReader, bytes: Uint8Array, ordinal: number, variant: number): TakenEvent {
    const flags = reader.byte();
    let origin = flags >>> ORIGIN_SHIFT;
    if (origin === ORIGIN_MAX) origin = reader.varint();
    if (origin === this.#origins) {
      this.#types[origin] = reader.name();
      this.#sources[origin] = (flags & SOURCE_AS_BEFORE) === 0 ? reader.name() : this.#sources[origin - 1]!;
      this.#origins = origin + 1;
    } else if (origin > this.#origins) {
      throw new RangeError(`origin ${origin} was not introduced`);
    }
    this.type = this.#types[origin]!;
    this.source = this.#sources[origin]!;
    if ((flags & EXACT_TIME) === 0) this.#whole = this.time = (this.#whole + unzigzag(reader.varint())) as InstantMs;
    else this.time = reader.double() as InstantMs;
    this.seq += unzigzag(reader.varint());
    this.index = (flags & INDEXED) === 0 ? 0 : reader.varint();
    const size = sizeOfEventHead(this.type) + reader.varint();
    const at = reader.position;
    reader.skip(reader.varint());
    return TakenEvent.stored(this, ordinal, variant, size, bytes, at);
  }
}
