import { DURATION_FORM, parseDuration } from '../../time/parse-duration.ts';
import { parseInstant } from '../../time/parse-instant.ts';
import { Failure, failure } from './failure.ts';
import { type Apply, lengthOf } from './text-functions.ts';
import { isMap, textOf, typeOf } from './values.ts';

export interface PlainFunction {
  readonly arity: readonly [number, number];
  readonly type: 'boolean' | 'number' | 'string' | 'list' | 'any';
  /** Gets values that are no failures; may give one. */
  readonly apply: Apply;
}

/** Size of a text in characters, of a list in items, of a map in entries. */
export function sizeOf(value: unknown): number | Failure {
  if (typeof value === 'string') return lengthOf(value);
  if (Array.isArray(value)) return value.length;
  if (isMap(value)) return Object.keys(value).length;
  return failure(`size takes a text, a list or a map, and got ${typeOf(value)}`);
}

const NUMBER = /^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?$/;

function toDouble(value: unknown): number | Failure {
  if (typeof value === 'number') return value;
  if (typeof value === 'string' && NUMBER.test(value)) return Number(value);
  return failure(`${typeof value === 'string' ? JSON.stringify(value.slice(0, 40)) : typeOf(value)} is no number`);
}

function toInt(value: unknown): number | Failure {
  const number = toDouble(value);
  if (number instanceof Failure) return number;
  return Number.isFinite(number) ? Math.trunc(number) : failure(`${number} is no integer`);
}

function toBool(value: unknown): boolean | Failure {
  if (typeof value === 'boolean') return value;
  if (value === 'true' || value === 'false') return value === 'true';
  return failure(`${typeof value === 'string' ? JSON.stringify(value.slice(0, 40)) : typeOf(value)} is no boolean`);
}

function toTimestamp(value: unknown): number | Failure {
  return (
    parseInstant(value) ??
    failure(
      `${typeof value === 'string' ? JSON.stringify(value.slice(0, 40)) : typeOf(value)} is no time; write it as "2026-01-31T12:00:00Z"`,
    )
  );
}

function toDuration(value: unknown): number | Failure {
  if (typeof value === 'number') return value;
  if (typeof value !== 'string') return failure(`${typeOf(value)} is no duration`);
  const negative = value.startsWith('-');
  const length = parseDuration(negative ? value.slice(1) : value);
  if (length === undefined) return failure(`${JSON.stringify(value.slice(0, 40))} is not ${DURATION_FORM}`);
  return negative ? -length : length;
}

const one =
  (apply: (value: unknown) => unknown): Apply =>
  ([value]) =>
    apply(value);

/** Functions without a receiver. Times and durations are numbers: milliseconds. */
export const PLAIN_FUNCTIONS: Readonly<Record<string, PlainFunction>> = {
  size: { arity: [1, 1], type: 'number', apply: one(sizeOf) },
  int: { arity: [1, 1], type: 'number', apply: one(toInt) },
  double: { arity: [1, 1], type: 'number', apply: one(toDouble) },
  bool: { arity: [1, 1], type: 'boolean', apply: one(toBool) },
  string: {
    arity: [1, 1],
    type: 'string',
    apply: one((value) => textOf(value) ?? failure(`${typeOf(value)} has no text`)),
  },
  timestamp: { arity: [1, 1], type: 'number', apply: one(toTimestamp) },
  duration: { arity: [1, 1], type: 'number', apply: one(toDuration) },
};

const numeric =
  (name: string, apply: (numbers: readonly number[]) => number): Apply =>
  (args) => {
    const wrong = args.find((value) => typeof value !== 'number');
    return wrong === undefined
      ? apply(args as number[])
      : failure(`math.${name} takes numbers, and got ${typeOf(wrong)}`);
  };

const math1 = (name: string, apply: (value: number) => number): PlainFunction => ({
  arity: [1, 1],
  type: 'number',
  apply: numeric(name, ([value]) => apply(value!)),
});

const least: PlainFunction = { arity: [1, 16], type: 'number', apply: numeric('min', (values) => Math.min(...values)) };
const greatest: PlainFunction = {
  arity: [1, 16],
  type: 'number',
  apply: numeric('max', (values) => Math.max(...values)),
};

/** `math.abs(x)` and its like. `least` and `greatest` are CEL's names of `min` and `max`. */
export const MATH_FUNCTIONS: Readonly<Record<string, PlainFunction>> = {
  min: least,
  max: greatest,
  least,
  greatest,
  abs: math1('abs', Math.abs),
  round: math1('round', (value) => Math.sign(value) * Math.round(Math.abs(value))),
  floor: math1('floor', Math.floor),
  ceil: math1('ceil', Math.ceil),
  trunc: math1('trunc', Math.trunc),
  sqrt: math1('sqrt', Math.sqrt),
};
