import { Packr } from 'msgpackr';
import type { ByteReader } from '../shards/byte-reader.ts';
import type { ByteWriter } from '../shards/byte-writer.ts';

// Data of events as bytes: what JSON knows, and byte strings, in the plainest way; anything else (dates, integers
// beyond 2^53) as msgpack within. Most values are a few small fields, for which the call into a general codec costs many
// times what it does.
//
//     value  = a byte from 128 on: the integer byte - 128
//            | tag, then what it calls for
//     list   = count, values         object = count, (name, value) pairs

const NULL = 0;
const FALSE = 1;
const TRUE = 2;
const DOUBLE = 3;
const POSITIVE = 4;
/** -1 - n */
const NEGATIVE = 5;
const TEXT = 6;
const BYTES = 7;
const LIST = 8;
const OBJECT = 9;
const UNDEFINED = 10;
const PACKED = 11;
const SMALL_INTEGER = 128;

// Records would make the bytes of one value depend on those packed before it.
const packr = new Packr({ useRecords: false });

export function writeValue(writer: ByteWriter, value: unknown): void {
  switch (typeof value) {
    case 'number':
      writeNumber(writer, value);
      return;
    case 'string':
      writer.byte(TEXT);
      writer.text(value);
      return;
    case 'boolean':
      writer.byte(value ? TRUE : FALSE);
      return;
    case 'undefined':
      writer.byte(UNDEFINED);
      return;
    case 'object':
      writeObject(writer, value);
      return;
    default:
      writePacked(writer, value);
  }
}

function writeNumber(writer: ByteWriter, value: number): void {
  if (!Number.isSafeInteger(value) || Object.is(value, -0)) {
    writer.byte(DOUBLE);
    writer.double(value);
  } else if (value >= SMALL_INTEGER) {
    writer.byte(POSITIVE);
    writer.varint(value);
  } else if (value >= 0) {
    writer.byte(SMALL_INTEGER + value);
  } else {
    writer.byte(NEGATIVE);
    writer.varint(-1 - value);
  }
}

function writeObject(writer: ByteWriter, value: object | null): void {
  if (value === null) {
    writer.byte(NULL);
  } else if (Array.isArray(value)) {
    writer.byte(LIST);
    writer.varint(value.length);
    for (const item of value) writeValue(writer, item);
  } else if (value instanceof Uint8Array) {
    writer.byte(BYTES);
    writer.bytes(value);
  } else if (isPlain(value)) {
    const names = Object.keys(value);
    writer.byte(OBJECT);
    writer.varint(names.length);
    for (const name of names) {
      writer.text(name);
      writeValue(writer, (value as Record<string, unknown>)[name]);
    }
  } else {
    writePacked(writer, value);
  }
}

function isPlain(value: object): boolean {
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === Object.prototype || prototype === null;
}

function writePacked(writer: ByteWriter, value: unknown): void {
  writer.byte(PACKED);
  writer.bytes(packr.pack(value));
}

/** @throws {RangeError} when the bytes are no value */
export function readValue(reader: ByteReader): unknown {
  const tag = reader.byte();
  if (tag >= SMALL_INTEGER) return tag - SMALL_INTEGER;
  switch (tag) {
    case NULL:
      return null;
    case FALSE:
      return false;
    case TRUE:
      return true;
    case DOUBLE:
      return reader.double();
    case POSITIVE:
      return reader.varint();
    case NEGATIVE:
      return -1 - reader.varint();
    case TEXT:
      return reader.text();
    case BYTES:
      // The bytes read from may be let go of, or be many more than these.
      return Buffer.from(reader.bytes());
    case LIST: {
      const list: unknown[] = [];
      for (let left = reader.varint(); left > 0; left--) list.push(readValue(reader));
      return list;
    }
    case OBJECT: {
      const object: Record<string, unknown> = {};
      for (let left = reader.varint(); left > 0; left--) define(object, reader.name(), readValue(reader));
      return object;
    }
    case UNDEFINED:
      return undefined;
    case PACKED:
      return unpack(reader.bytes());
    default:
      throw new RangeError(`no value begins with ${tag}`);
  }
}

/** What `packr` packed; bytes within are copied. */
export function unpack(bytes: Uint8Array): unknown {
  return packr.unpack(bytes);
}

/** Data may have a field called `__proto__`; assigning it would do something else. */
export function define(to: Record<string, unknown>, name: string, value: unknown): void {
  if (name === '__proto__')
    Object.defineProperty(to, name, { value, writable: true, enumerable: true, configurable: true });
  else to[name] = value;
}
