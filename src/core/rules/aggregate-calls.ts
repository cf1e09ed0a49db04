import type { Aggregate, ValueOf } from '../windows/aggregates/aggregate.ts';
import { collect } from '../windows/aggregates/collect.ts';
import { count, countIf } from '../windows/aggregates/counts.ts';
import { distinct } from '../windows/aggregates/distinct.ts';
import { first, last } from '../windows/aggregates/ends.ts';
import { argMax, argMin, max, min } from '../windows/aggregates/extremes.ts';
import { percentile } from '../windows/aggregates/percentile.ts';
import { avg, stddev, sum } from '../windows/aggregates/sums.ts';
import { topK } from '../windows/aggregates/top-k.ts';

/**
 * The aggregates as rules call them: first the values, which are computed for each event, then settings, which are
 * written as they are and may be left out where they have a default.
 */
export interface AggregateCall {
  /** What each value has to be; `any` takes everything. */
  readonly values: readonly ('any' | 'number' | 'boolean')[];
  readonly settings: readonly Setting[];
  /** As it is written, for messages. */
  readonly form: string;
  make(name: string, values: readonly ValueOf[], settings: readonly (number | string | undefined)[]): Aggregate;
}

export type Setting =
  | { readonly kind: 'number'; readonly name: string; readonly required: boolean; readonly takes: NumberRange }
  | { readonly kind: 'word'; readonly name: string; readonly words: readonly string[] };

export interface NumberRange {
  readonly whole: boolean;
  /** Exclusive where numbers need not be whole. */
  readonly least: number;
  readonly most: number;
}

/** Most values that an aggregate may hold for one window. */
const HELD_MAX = 100_000;

const limit: Setting = {
  kind: 'number',
  name: 'limit',
  required: false,
  takes: { whole: true, least: 1, most: HELD_MAX },
};
const percent: Setting = {
  kind: 'number',
  name: 'percentage',
  required: true,
  takes: { whole: false, least: 0, most: 100 },
};
const k: Setting = { kind: 'number', name: 'k', required: true, takes: { whole: true, least: 1, most: 1_000 } };

type Values = readonly [ValueOf, ValueOf];

const ofNumber = (
  word: string,
  make: (name: string, value: ValueOf) => Aggregate,
): Readonly<Record<string, AggregateCall>> => ({
  [word]: {
    values: ['number'],
    settings: [],
    form: `${word}(event.amount)`,
    make: (name, [value]) => make(name, value as ValueOf),
  },
});

const ofAny = (
  word: string,
  make: (name: string, value: ValueOf) => Aggregate,
): Readonly<Record<string, AggregateCall>> => ({
  [word]: {
    values: ['any'],
    settings: [],
    form: `${word}(event.user)`,
    make: (name, [value]) => make(name, value as ValueOf),
  },
});

const ofTwo = (
  word: string,
  make: (name: string, by: ValueOf, value: ValueOf) => Aggregate,
): Readonly<Record<string, AggregateCall>> => ({
  [word]: {
    values: ['any', 'any'],
    settings: [],
    form: `${word}(event.user, event.amount)`,
    make(name, values) {
      const [value, by] = values as Values;
      return make(name, by, value);
    },
  },
});

export const AGGREGATE_CALLS: Readonly<Record<string, AggregateCall>> = {
  count: { values: [], settings: [], form: 'count()', make: (name) => count(name) },
  countIf: {
    values: ['boolean'],
    settings: [],
    form: 'countIf(event.amount > 100)',
    make: (name, [holds]) => countIf(name, (event) => holds!(event) === true),
  },
  ...ofNumber('sum', sum),
  ...ofNumber('avg', avg),
  ...ofAny('min', min),
  ...ofAny('max', max),
  stddev: {
    values: ['number'],
    settings: [{ kind: 'word', name: 'kind', words: ['population', 'sample'] }],
    form: 'stddev(event.amount) or stddev(event.amount, "sample")',
    make: (name, [value], [of]) => stddev(name, value!, of as 'population' | 'sample' | undefined),
  },
  distinct: {
    values: ['any'],
    settings: [limit],
    form: 'distinct(event.user) or distinct(event.user, 5000)',
    make: (name, [value], [most]) => distinct(name, value!, most as number | undefined),
  },
  percentile: {
    values: ['number'],
    settings: [percent, limit],
    form: 'percentile(event.ms, 95)',
    make: (name, [value], [of, most]) => percentile(name, value!, of as number, most as number | undefined),
  },
  ...ofAny('first', first),
  ...ofAny('last', last),
  collect: {
    values: ['any'],
    settings: [limit, { kind: 'word', name: 'end', words: ['first', 'last'] }],
    form: 'collect(event.user, 20) or collect(event.user, 20, "last")',
    make(name, [value], [most, keep]) {
      return collect(name, value!, {
        ...(most !== undefined && { limit: most as number }),
        ...(keep !== undefined && { keep: keep as 'first' | 'last' }),
      });
    },
  },
  topK: {
    values: ['any'],
    settings: [k, limit],
    form: 'topK(event.user, 10)',
    make: (name, [value], [best, most]) =>
      topK(name, value!, best as number, most === undefined ? {} : { limit: most as number }),
  },
  ...ofTwo('argMin', argMin),
  ...ofTwo('argMax', argMax),
};
