import { Packr } from 'msgpackr';
import { WrongCall } from './rule-failed.ts';

/**
 * What process rules remember, as bytes. A value is packed when it is set and unpacked whenever it is read, so that a
 * rule behaves the same whether its key stayed in memory or came back from storage: nothing is shared with what the
 * rule holds on to, and nothing is lost later than at once.
 *
 * Storable is plain data: texts, numbers, booleans, null, undefined, BigInts of 64 bits, dates, binary (`Uint8Array`),
 * and lists and objects of these. Other objects would come back as something else, so they are refused.
 */
const packr = new Packr({ useRecords: false });

/** @throws {WrongCall} when it is no plain data */
export function packValue(value: unknown): Uint8Array {
  const found = search(value, 1);
  if (found !== undefined) {
    const at = found.path.length > 0 ? ` at ${found.path.reverse().join('.')}` : '';
    throw new WrongCall(`${found.what}${at} cannot be stored: give plain data (texts, numbers, lists, objects, dates)`);
  }
  return packr.pack(value);
}

export function unpackValue(bytes: Uint8Array): unknown {
  return packr.unpack(bytes);
}

const DEPTH_MAX = 64;
const INT64 = 2n ** 63n;

interface Found {
  readonly what: string;
  /** Innermost name first. */
  readonly path: string[];
}

function search(value: unknown, depth: number): Found | undefined {
  if (typeof value !== 'object') {
    if (typeof value === 'function' || typeof value === 'symbol') return { what: `a ${typeof value}`, path: [] };
    if (typeof value === 'bigint' && (value >= INT64 || value < -INT64))
      return { what: 'a BigInt beyond 64 bits', path: [] };
    return undefined;
  }
  if (value === null || value instanceof Date || value instanceof Uint8Array) return undefined;
  if (depth > DEPTH_MAX)
    return { what: `a value of more than ${DEPTH_MAX} levels, or one that holds itself,`, path: [] };
  if (Array.isArray(value)) {
    for (let at = 0; at < value.length; at++) {
      const found = search(value[at], depth + 1);
      if (found !== undefined) return within(found, String(at));
    }
    return undefined;
  }
  const prototype = Object.getPrototypeOf(value) as object | null;
  if (prototype !== null && prototype !== Object.prototype && Object.getPrototypeOf(prototype) !== null)
    return { what: `a ${prototype.constructor.name}`, path: [] };
  if (value instanceof Map || value instanceof Set) return { what: `a ${value.constructor.name}`, path: [] };
  for (const name of Object.keys(value)) {
    const found = search((value as Record<string, unknown>)[name], depth + 1);
    if (found !== undefined) return within(found, name);
  }
  return undefined;
}

function within(found: Found, name: string): Found {
  found.path.push(name);
  // What holds itself would give 64 names that repeat; the outermost few say where it is.
  if (found.path.length > 8) found.path.shift();
  return found;
}
