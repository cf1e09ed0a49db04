import type { KeyValue } from './rule-set.ts';

/**
 * A key as text: what the shard is computed from, and the name of the key in tables and logs. Injective: a tag says the
 * type, so that "1" and 1 differ; parts of a composite key carry their length. The text is always well-formed Unicode,
 * so that it survives UTF-8: a string with lone surrogates is written as JSON.
 */
export function keyText(value: KeyValue): string {
  return typeof value === 'object' ? `l${value.map(part).join('')}` : scalarText(value);
}

const LONE_SURROGATE = /\p{Surrogate}/u;

type Scalar = string | number | boolean;

function scalarText(value: Scalar): string {
  if (typeof value === 'string') return LONE_SURROGATE.test(value) ? `u${JSON.stringify(value)}` : `s${value}`;
  if (typeof value === 'number') return `n${value === 0 ? 0 : value}`;
  return value ? 't' : 'f';
}

function part(value: Scalar): string {
  const text = scalarText(value);
  return `${text.length}:${text}`;
}

/** The value that a text of `keyText` stands for. */
export function keyValue(text: string): KeyValue {
  if (!text.startsWith('l')) return scalarValue(text);
  const parts: Scalar[] = [];
  let at = 1;
  while (at < text.length) {
    const colon = text.indexOf(':', at);
    const start = colon + 1;
    const end = start + Number(text.slice(at, colon));
    parts.push(scalarValue(text.slice(start, end)));
    at = end;
  }
  return parts;
}

function scalarValue(text: string): Scalar {
  switch (text[0]) {
    case 's':
      return text.slice(1);
    case 'u':
      return JSON.parse(text.slice(1)) as string;
    case 'n':
      return Number(text.slice(1));
    default:
      return text === 't';
  }
}

/** Longest key in bytes: its text in UTF-8. An event whose key is longer is a dead letter. */
export const KEY_BYTES_MAX = 8_192;

/** How many bytes too long a key is, 0 when it fits. */
export function keyExcess(value: KeyValue): number {
  const text = typeof value === 'string' ? value : keyText(value);
  // No character takes more than three bytes per UTF-16 unit, so most keys need no counting.
  if (text.length * 3 + 1 <= KEY_BYTES_MAX) return 0;
  return Math.max(0, Buffer.byteLength(text) + 1 - KEY_BYTES_MAX);
}
