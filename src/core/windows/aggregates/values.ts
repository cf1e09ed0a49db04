import { Packr } from 'msgpackr';
import { canonicalJson } from '../../rules/hash.ts';
import type { ByteReader } from '../../shards/byte-reader.ts';
import type { ByteWriter } from '../../shards/byte-writer.ts';

// Values that aggregates keep: how they are written, told apart and put in order. Format of a value:
//
//     0 null, 1 false, 2 true, 3 number, 4 text, 5 anything else in msgpack

const packr = new Packr({ useRecords: false });

export function writeValue(writer: ByteWriter, value: unknown): void {
  if (typeof value === 'string') {
    writer.byte(4);
    writer.text(value);
  } else if (typeof value === 'number') {
    writer.byte(3);
    writeNumber(writer, value);
  } else if (typeof value === 'boolean') writer.byte(value ? 2 : 1);
  else if (value === null || value === undefined) writer.byte(0);
  else {
    writer.byte(5);
    writer.bytes(packr.pack(value));
  }
}

export function readValue(reader: ByteReader): unknown {
  const kind = reader.byte();
  switch (kind) {
    case 0:
      return null;
    case 1:
      return false;
    case 2:
      return true;
    case 3:
      return readNumber(reader);
    case 4:
      return reader.text();
    case 5:
      return packr.unpack(reader.bytes());
    default:
      throw new RangeError(`${kind} begins no value`);
  }
}

/** About how many bytes a value takes while it is held. */
export function sizeOfValue(value: unknown): number {
  if (typeof value === 'string') return 16 + 2 * value.length;
  return typeof value === 'object' && value !== null ? 2 * packr.pack(value).length : 8;
}

/** Any double: whole numbers in 1 to 8 bytes, others in 9. */
export function writeNumber(writer: ByteWriter, value: number): void {
  if (Number.isInteger(value) && Math.abs(value) < 2 ** 50 && !Object.is(value, -0)) {
    writer.varint(value < 0 ? -4 * value - 2 : 4 * value);
  } else {
    writer.varint(1);
    writer.double(value);
  }
}

export function readNumber(reader: ByteReader): number {
  const code = reader.varint();
  if (code % 2 === 1) return reader.double();
  return code % 4 === 0 ? code / 4 : -(code + 2) / 4;
}

/** What aggregates that compute take for a number; undefined for anything else, NaN and infinities included. */
export function finite(value: unknown): number | undefined {
  return typeof value === 'number' && Number.isFinite(value) ? value : undefined;
}

/** A value as the key of a map: equal for values equal by value and type, different for others. */
export type Token = string | number | boolean;

export function tokenOf(value: unknown): Token | undefined {
  switch (typeof value) {
    case 'string':
      return value.charCodeAt(0) === 0 ? `\0"${value}` : value;
    case 'number':
      return value === 0 ? 0 : value;
    case 'boolean':
      return value;
    case 'object':
      return value === null ? undefined : `\0${canonicalJson(value)}`;
    default:
      return undefined;
  }
}

/** What `tokenOf` was given, as plain data. */
export function valueOfToken(token: Token): unknown {
  if (typeof token !== 'string' || token.charCodeAt(0) !== 0) return token;
  return token.charCodeAt(1) === 0x22 ? token.slice(2) : JSON.parse(token.slice(1));
}

export function sizeOfToken(token: Token): number {
  return typeof token === 'string' ? 24 + 2 * token.length : 24;
}

/** Values that have an order: numbers by size, texts by code unit, any number before any text. */
export type Ordered = number | string;

export function ordered(value: unknown): Ordered | undefined {
  return typeof value === 'string' || (typeof value === 'number' && !Number.isNaN(value)) ? value : undefined;
}

export function compareOrdered(a: Ordered, b: Ordered): number {
  if (typeof a !== typeof b) return typeof a === 'number' ? -1 : 1;
  return a < b ? -1 : a > b ? 1 : 0;
}

/** An order over all tokens, for ties: booleans, numbers, lists and maps, texts. */
export function compareTokens(a: Token, b: Token): number {
  const kinds = kindOf(a) - kindOf(b);
  if (kinds !== 0) return kinds;
  return a < b ? -1 : a > b ? 1 : 0;
}

function kindOf(token: Token): number {
  if (typeof token === 'boolean') return 0;
  if (typeof token === 'number') return 1;
  return token.charCodeAt(0) === 0 && token.charCodeAt(1) !== 0x22 ? 2 : 3;
}
