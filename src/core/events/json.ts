import { DEPTH_MAX } from './limits.ts';
import { many, one, type Parsed, type Unparsed } from './parsed.ts';

/**
 * JSON bodies: one value, a list of them, or one value a line (NDJSON). Text must be UTF-8 without a fault; a byte order
 * mark is ignored. Numbers are doubles: integers beyond 2^53 lose digits, and what is beyond 1.8e308 becomes infinite.
 * Of equal field names the last counts.
 */

const strict = new TextDecoder('utf-8', { fatal: true });
const REPLACEMENT = '\ufffd';

/** The text that the bytes are in UTF-8; undefined when they are not. Without a byte order mark. */
export function utf8(bytes: Uint8Array): string | undefined {
  const buffer = Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const text = buffer.toString('utf8');
  // The lenient decoder is several times faster; only a text with a replacement character can have been faulty.
  if (text.includes(REPLACEMENT)) {
    try {
      return strict.decode(bytes);
    } catch {
      return undefined;
    }
  }
  return text.charCodeAt(0) === 0xfeff ? text.slice(1) : text;
}

/** Reads a body as JSON. A list is many values, anything else is one; several lines of JSON are many. */
export function parseJson(body: Uint8Array): Parsed | Unparsed {
  const text = utf8(body);
  if (text === undefined) return { reason: 'is not JSON: its bytes are not UTF-8' };
  const value = parseText(text);
  if (value.ok) {
    const problem = tame(value.value);
    if (problem !== undefined) return { reason: problem };
    return Array.isArray(value.value) ? many(value.value) : one(value.value);
  }
  return parseLines(text) ?? { reason: `is not JSON: ${value.message}` };
}

/** Reads one JSON value; undefined with a reason when it is none. */
export function parseJsonValue(body: Uint8Array): { readonly value: unknown } | Unparsed {
  const text = utf8(body);
  if (text === undefined) return { reason: 'is not JSON: its bytes are not UTF-8' };
  const value = parseText(text);
  if (!value.ok) return { reason: `is not JSON: ${value.message}` };
  const problem = tame(value.value);
  return problem === undefined ? { value: value.value } : { reason: problem };
}

type Text = { readonly ok: true; readonly value: unknown } | { readonly ok: false; readonly message: string };

function parseText(text: string): Text {
  try {
    return { ok: true, value: JSON.parse(text) };
  } catch (fault) {
    // The parser's message quotes the text around the fault; a dead letter keeps the bytes themselves.
    return { ok: false, message: (fault as Error).message.slice(0, 200) };
  }
}

/** NDJSON, if the first line that is not blank is a JSON value by itself and another line follows. */
function parseLines(text: string): Parsed | undefined {
  const lines = text.split('\n').filter((line) => /\S/.test(line));
  if (lines.length < 2 || !parseText(lines[0]!).ok) return undefined;
  const values: unknown[] = [];
  const bad = new Map<number, string>();
  for (const [index, line] of lines.entries()) {
    const value = parseText(line);
    const problem = value.ok ? tame(value.value) : `is not JSON: ${value.message}`;
    if (problem !== undefined) bad.set(index, problem);
    values.push(value.ok ? value.value : undefined);
  }
  return { values, envelopes: undefined, bad: bad.size > 0 ? bad : undefined };
}

/**
 * Makes parsed JSON safe to handle, in place: a field named `__proto__` becomes `__proto_` (as msgpack readers do; the
 * name would otherwise change prototypes wherever a field is copied). Gives a reason when it is nested too deeply.
 */
function tame(value: unknown): string | undefined {
  if (typeof value !== 'object' || value === null || isTame(value, 1)) return undefined;
  return `is nested deeper than ${DEPTH_MAX} levels`;
}

function isTame(value: object, depth: number): boolean {
  if (depth > DEPTH_MAX) return false;
  if (Array.isArray(value)) {
    for (let i = 0; i < value.length; i++) {
      const item = value[i];
      if (typeof item === 'object' && item !== null && !isTame(item, depth + 1)) return false;
    }
    return true;
  }
  const fields = value as Record<string, unknown>;
  for (const name in fields) {
    const item = fields[name];
    if (typeof item === 'object' && item !== null && !isTame(item, depth + 1)) return false;
    if (name === '__proto__') {
      delete fields[name];
      fields.__proto_ = item;
    }
  }
  return true;
}
