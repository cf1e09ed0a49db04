import { RE2JS } from 're2js';
import { Failure, failure } from './failure.ts';
import { typeOf } from './values.ts';

/** A function over values that are no failures. `undefined` = the arguments have wrong types. */
export type Apply = (args: readonly unknown[]) => unknown;

/** Longest text or list that a function makes. */
const MADE_MAX = 1_000_000;

const SURROGATE = /[\ud800-\udfff]/;

/** CEL counts characters, not UTF-16 code units; almost all texts have as many of the one as of the other. */
const isPlain = (text: string): boolean => !SURROGATE.test(text);

/** Number of characters (Unicode code points). */
export function lengthOf(text: string): number {
  if (isPlain(text)) return text.length;
  let count = 0;
  for (const _ of text) count++;
  return count;
}

const count = (text: string, units: number): number => lengthOf(text.slice(0, units));

function slice(text: string, from: number, to: number | undefined): unknown {
  const characters = isPlain(text) ? text : Array.from(text);
  const end = to ?? characters.length;
  const valid = Number.isInteger(from) && Number.isInteger(end) && from >= 0 && from <= end && end <= characters.length;
  if (!valid) return failure(`substring ${from} to ${end} is outside a text of ${characters.length} characters`);
  const part = characters.slice(from, end);
  return typeof part === 'string' ? part : part.join('');
}

function indexIn(text: string, part: string, from: number, last: boolean): number {
  const start = isPlain(text) ? from : Array.from(text).slice(0, from).join('').length;
  const found = last ? text.lastIndexOf(part) : text.indexOf(part, start);
  return found < 0 ? -1 : count(text, found);
}

function replace(text: string, from: string, to: string, times: number): unknown {
  const pieces = text.split(from);
  const kept = times < 0 ? pieces.length - 1 : Math.min(times, pieces.length - 1);
  if (text.length + kept * to.length > MADE_MAX) return failure(`replace makes at most ${MADE_MAX} characters`);
  return (
    pieces.slice(0, kept + 1).join(to) + (kept + 1 < pieces.length ? from + pieces.slice(kept + 1).join(from) : '')
  );
}

function split(text: string, by: string, limit: number): unknown {
  if (limit === 0) return [];
  const pieces = text.split(by);
  if (limit < 0 || pieces.length <= limit) return pieces;
  return [...pieces.slice(0, limit - 1), pieces.slice(limit - 1).join(by)];
}

/** A regular expression, or the failure to be one. RE2 has no backtracking: `(a+)+$` takes time linear in the text. */
export function regularExpression(pattern: string): RE2JS | Failure {
  if (pattern.length > 1_000) return failure('a regular expression has at most 1000 characters');
  try {
    return RE2JS.compile(pattern);
  } catch (error) {
    return failure(`the regular expression ${JSON.stringify(pattern)} cannot be read: ${(error as Error).message}`);
  }
}

let lastPattern = '';
let lastExpression: RE2JS | Failure = regularExpression('');

/** Patterns that are computed rarely change: the last one is kept. */
function matches(text: string, pattern: string): unknown {
  if (pattern !== lastPattern) {
    lastExpression = regularExpression(pattern);
    lastPattern = pattern;
  }
  return lastExpression instanceof Failure ? lastExpression : lastExpression.test(text);
}

type Text = (text: string, args: readonly unknown[]) => unknown;

const text1 =
  (apply: (text: string, other: string) => unknown): Text =>
  (text, [other]) =>
    typeof other === 'string' ? apply(text, other) : undefined;

const optionalNumber = (value: unknown, fallback: number): number | undefined =>
  value === undefined ? fallback : typeof value === 'number' ? value : undefined;

/** Functions of a text: `"abc".startsWith("a")`. Name, how many arguments, what the result is. */
export const TEXT_FUNCTIONS: Readonly<
  Record<
    string,
    {
      readonly arity: readonly [number, number];
      readonly type: 'boolean' | 'number' | 'string' | 'list';
      readonly apply: Text;
    }
  >
> = {
  startsWith: { arity: [1, 1], type: 'boolean', apply: text1((text, other) => text.startsWith(other)) },
  endsWith: { arity: [1, 1], type: 'boolean', apply: text1((text, other) => text.endsWith(other)) },
  contains: { arity: [1, 1], type: 'boolean', apply: text1((text, other) => text.includes(other)) },
  matches: { arity: [1, 1], type: 'boolean', apply: text1(matches) },
  lowerAscii: {
    arity: [0, 0],
    type: 'string',
    apply: (text) => text.replace(/[A-Z]+/g, (upper) => upper.toLowerCase()),
  },
  upperAscii: {
    arity: [0, 0],
    type: 'string',
    apply: (text) => text.replace(/[a-z]+/g, (lower) => lower.toUpperCase()),
  },
  trim: { arity: [0, 0], type: 'string', apply: (text) => text.trim() },
  split: {
    arity: [1, 2],
    type: 'list',
    apply: (text, [by, limit]) => {
      const most = optionalNumber(limit, -1);
      return typeof by === 'string' && most !== undefined ? split(text, by, most) : undefined;
    },
  },
  replace: {
    arity: [2, 3],
    type: 'string',
    apply: (text, [from, to, times]) => {
      const most = optionalNumber(times, -1);
      return typeof from === 'string' && typeof to === 'string' && most !== undefined
        ? replace(text, from, to, most)
        : undefined;
    },
  },
  substring: {
    arity: [1, 2],
    type: 'string',
    apply: (text, [from, to]) => {
      if (typeof from !== 'number' || (to !== undefined && typeof to !== 'number')) return undefined;
      return slice(text, from, to);
    },
  },
  indexOf: {
    arity: [1, 2],
    type: 'number',
    apply: (text, [part, from]) => {
      const start = optionalNumber(from, 0);
      return typeof part === 'string' && start !== undefined ? indexIn(text, part, start, false) : undefined;
    },
  },
  lastIndexOf: { arity: [1, 1], type: 'number', apply: text1((text, part) => indexIn(text, part, 0, true)) },
};

/** Calls a text function; a wrong type of the text or an argument is a failure that names it. */
export function applyText(name: string, apply: Text, args: readonly unknown[]): unknown {
  const [text, ...rest] = args;
  const result = typeof text === 'string' ? apply(text, rest) : undefined;
  if (result !== undefined) return result;
  return failure(
    typeof text === 'string'
      ? `${name} cannot take ${rest.map(typeOf).join(' and ')}`
      : `${name} is a function of a text, and got ${typeOf(text)}`,
  );
}
