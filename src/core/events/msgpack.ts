import { DEPTH_MAX } from './limits.ts';
import { many, one, type Parsed, type Unparsed } from './parsed.ts';

/**
 * msgpack bodies from publishers, read strictly into the same plain data that JSON gives. It is our own reader and not
 * a library's because what is sent here is not trusted: a library's extensions build regular expressions, cyclic
 * references or functions, and a claimed length reserves memory before the bytes are there.
 *
 * What JSON has no word for has this answer: binary becomes base64 text; a timestamp (extension -1) becomes
 * milliseconds since the epoch; any other extension makes the message undecodable; 64-bit integers become doubles (and
 * lose digits beyond 2^53); NaN and infinities stay what they are. Field names must be texts, integers or booleans (the
 * latter become text). A field `__proto__` becomes `__proto_`. Of equal field names the last counts.
 */

class Malformed extends Error {}

/** True for the bytes that begin a msgpack map or list. None of them begins JSON text. */
export function beginsMsgpack(byte: number): boolean {
  return (byte >= 0x80 && byte <= 0x9f) || (byte >= 0xdc && byte <= 0xdf);
}

/** Reads a body as msgpack: a list is many values, anything else is one, and several values in a row are many. */
export function parseMsgpack(body: Uint8Array): Parsed | Unparsed {
  const read = readAll(body);
  if ('reason' in read) return read;
  const [first] = read.values;
  if (read.values.length > 1) return many(read.values);
  return Array.isArray(first) ? many(first) : one(first);
}

/** Reads one msgpack value that fills the body. */
export function parseMsgpackValue(body: Uint8Array): { readonly value: unknown } | Unparsed {
  const read = readAll(body);
  if ('reason' in read) return read;
  if (read.values.length > 1) return { reason: 'is not msgpack: bytes are left after the value' };
  return { value: read.values[0] };
}

function readAll(body: Uint8Array): { readonly values: readonly unknown[] } | Unparsed {
  const reader = new Reader(body);
  const values: unknown[] = [];
  try {
    do values.push(reader.value(1));
    while (reader.at < body.length);
    return { values };
  } catch (fault) {
    if (fault instanceof Malformed) return { reason: fault.message };
    throw fault;
  }
}

const strict = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** Field names seen lately, by a hash of their bytes: names repeat, and making a string is most of the cost of one. */
const NAMES = 1024;
const NAME_BYTES_MAX = 24;
const nameBytes: (Uint8Array | undefined)[] = new Array(NAMES).fill(undefined);
const nameTexts: string[] = new Array(NAMES).fill('');

class Reader {
  at = 0;
  readonly #bytes: Buffer;
  readonly #view: DataView;

  constructor(body: Uint8Array) {
    this.#bytes = Buffer.isBuffer(body) ? body : Buffer.from(body.buffer, body.byteOffset, body.byteLength);
    this.#view = new DataView(body.buffer, body.byteOffset, body.byteLength);
  }

  value(depth: number): unknown {
    const byte = this.#byte();
    if (byte < 0x80) return byte;
    if (byte < 0x90) return this.#map(byte & 0x0f, depth);
    if (byte < 0xa0) return this.#list(byte & 0x0f, depth);
    if (byte < 0xc0) return this.#text(byte & 0x1f);
    if (byte >= 0xe0) return byte - 0x100;
    switch (byte) {
      case 0xc0:
        return null;
      case 0xc2:
        return false;
      case 0xc3:
        return true;
      case 0xc4:
        return this.#binary(this.#uint(1));
      case 0xc5:
        return this.#binary(this.#uint(2));
      case 0xc6:
        return this.#binary(this.#uint(4));
      case 0xc7:
        return this.#extension(this.#uint(1));
      case 0xc8:
        return this.#extension(this.#uint(2));
      case 0xc9:
        return this.#extension(this.#uint(4));
      case 0xca:
        return this.#view.getFloat32(this.#take(4));
      case 0xcb:
        return this.#view.getFloat64(this.#take(8));
      case 0xcc:
        return this.#uint(1);
      case 0xcd:
        return this.#uint(2);
      case 0xce:
        return this.#uint(4);
      case 0xcf:
        return Number(this.#view.getBigUint64(this.#take(8)));
      case 0xd0:
        return this.#view.getInt8(this.#take(1));
      case 0xd1:
        return this.#view.getInt16(this.#take(2));
      case 0xd2:
        return this.#view.getInt32(this.#take(4));
      case 0xd3:
        return Number(this.#view.getBigInt64(this.#take(8)));
      case 0xd4:
      case 0xd5:
      case 0xd6:
      case 0xd7:
      case 0xd8:
        return this.#extension(1 << (byte - 0xd4));
      case 0xd9:
        return this.#text(this.#uint(1));
      case 0xda:
        return this.#text(this.#uint(2));
      case 0xdb:
        return this.#text(this.#uint(4));
      case 0xdc:
        return this.#list(this.#uint(2), depth);
      case 0xdd:
        return this.#list(this.#uint(4), depth);
      case 0xde:
        return this.#map(this.#uint(2), depth);
      case 0xdf:
        return this.#map(this.#uint(4), depth);
      default:
        throw new Malformed(`is not msgpack: byte 0x${byte.toString(16)} at ${this.at - 1} begins nothing`);
    }
  }

  /** Where the next `length` bytes begin; they are taken. */
  #take(length: number): number {
    const at = this.at;
    if (length > this.#bytes.length - at) throw new Malformed(`is not msgpack: it ends early, at byte ${at}`);
    this.at = at + length;
    return at;
  }

  #byte(): number {
    return this.#bytes[this.#take(1)]!;
  }

  #uint(size: 1 | 2 | 4): number {
    const at = this.#take(size);
    if (size === 1) return this.#bytes[at]!;
    return size === 2 ? this.#view.getUint16(at) : this.#view.getUint32(at);
  }

  #text(length: number): string {
    const at = this.#take(length);
    const bytes = this.#bytes;
    if (length <= 12) {
      let text = '';
      let i = at;
      for (; i < this.at; i++) {
        const code = bytes[i]!;
        if (code >= 0x80) break;
        text += String.fromCharCode(code);
      }
      if (i === this.at) return text;
    }
    const text = bytes.toString('utf8', at, at + length);
    if (!text.includes('\ufffd')) return text;
    try {
      return strict.decode(bytes.subarray(at, at + length));
    } catch {
      throw new Malformed(`is not msgpack: the text at byte ${at} is not UTF-8`);
    }
  }

  #list(length: number, depth: number): unknown[] {
    this.#nest(depth, length);
    const list: unknown[] = [];
    for (let i = 0; i < length; i++) list.push(this.value(depth + 1));
    return list;
  }

  #map(length: number, depth: number): Record<string, unknown> {
    this.#nest(depth, 2 * length);
    const map: Record<string, unknown> = {};
    for (let i = 0; i < length; i++) {
      const name = this.#name();
      map[name] = this.value(depth + 1);
    }
    return map;
  }

  /** Refuses what is too deep, and lengths that the bytes at hand cannot hold. */
  #nest(depth: number, bytesAtLeast: number): void {
    if (depth > DEPTH_MAX) throw new Malformed(`is nested deeper than ${DEPTH_MAX} levels`);
    if (bytesAtLeast > this.#bytes.length - this.at) {
      throw new Malformed(`is not msgpack: it ends early, at byte ${this.at}`);
    }
  }

  #name(): string {
    const byte = this.#byte();
    if (byte >= 0xa0 && byte <= 0xa0 + NAME_BYTES_MAX) return this.#knownName(byte & 0x1f);
    this.at -= 1;
    const value = this.value(DEPTH_MAX);
    if (typeof value === 'object' || (typeof value === 'number' && !Number.isInteger(value))) {
      throw new Malformed(`is msgpack that a map cannot hold: a field name at byte ${this.at} is no text`);
    }
    return safeName(String(value));
  }

  #knownName(length: number): string {
    const at = this.#take(length);
    const bytes = this.#bytes;
    let hash = length;
    for (let i = at; i < at + length; i++) hash = (Math.imul(hash, 31) + bytes[i]!) | 0;
    const slot = hash & (NAMES - 1);
    const known = nameBytes[slot];
    if (known !== undefined && known.length === length) {
      let i = 0;
      while (i < length && known[i] === bytes[at + i]) i++;
      if (i === length) return nameTexts[slot]!;
    }
    this.at = at;
    const name = safeName(this.#text(length));
    nameBytes[slot] = Uint8Array.from(bytes.subarray(at, at + length));
    nameTexts[slot] = name;
    return name;
  }

  #binary(length: number): string {
    const at = this.#take(length);
    return this.#bytes.toString('base64', at, at + length);
  }

  #extension(length: number): number {
    const type = this.#view.getInt8(this.#take(1));
    const at = this.#take(length);
    if (type === -1) {
      if (length === 4) return this.#view.getUint32(at) * 1000;
      if (length === 8) {
        const nanos = this.#view.getUint32(at) >>> 2;
        const seconds = (this.#view.getUint32(at) & 3) * 0x1_0000_0000 + this.#view.getUint32(at + 4);
        return seconds * 1000 + nanos / 1e6;
      }
      if (length === 12) return Number(this.#view.getBigInt64(at + 4)) * 1000 + this.#view.getUint32(at) / 1e6;
    }
    throw new Malformed(`is msgpack with an extension (type ${type}, ${length} bytes) that has no plain form`);
  }
}

const safeName = (name: string): string => (name === '__proto__' ? '__proto_' : name);
