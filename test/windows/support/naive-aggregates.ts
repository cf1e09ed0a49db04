import type { Event } from '../../../src/core/events/event.ts';
import type { Aggregate } from '../../../src/core/windows/aggregates/aggregate.ts';
import { collect } from '../../../src/core/windows/aggregates/collect.ts';
import { count, countIf } from '../../../src/core/windows/aggregates/counts.ts';
import { distinct } from '../../../src/core/windows/aggregates/distinct.ts';
import { first, last } from '../../../src/core/windows/aggregates/ends.ts';
import { argMax, argMin, max, min } from '../../../src/core/windows/aggregates/extremes.ts';
import { largest, smallest } from '../../../src/core/windows/aggregates/largest.ts';
import { ownAggregate } from '../../../src/core/windows/aggregates/own.ts';
import { percentile } from '../../../src/core/windows/aggregates/percentile.ts';
import { avg, stddev, sum } from '../../../src/core/windows/aggregates/sums.ts';
import { topK } from '../../../src/core/windows/aggregates/top-k.ts';

/** What the events of these tests carry; a field may be missing. */
export interface Reading {
  readonly n?: number;
  readonly text?: string;
  readonly any?: unknown;
}

const dataOf = (event: Event): Reading => event.data as Reading;
const n = (event: Event): unknown => dataOf(event).n;
const text = (event: Event): unknown => dataOf(event).text;
const any = (event: Event): unknown => dataOf(event).any;

/** Every aggregate, by name. */
export function everyAggregate(): Aggregate[] {
  return [
    count('count'),
    countIf('countIf', (event) => {
      const value = dataOf(event).n;
      return value === undefined ? undefined : value > 2;
    }),
    sum('sum', n),
    avg('avg', n),
    min('min', n),
    max('max', any),
    stddev('stddev', n),
    stddev('sampled', n, 'sample'),
    distinct('distinct', any),
    percentile('median', n, 50),
    percentile('p90', n, 90),
    first('first', any),
    last('last', any),
    collect('collect', any, { limit: 4 }),
    collect('newest', n, { limit: 3, keep: 'last' }),
    topK('topK', any, 2),
    largest('largest', n, 3),
    smallest('smallest', any, 2),
    argMin('argMin', n, text),
    argMax('argMax', n, text),
    ownAggregate('own', {
      create: () => ({ squares: 0, seen: [] as number[] }),
      add(acc, event) {
        const value = dataOf(event).n ?? 0;
        acc.squares += value * value;
        acc.seen.push(event.seq);
        return acc;
      },
      merge: (into, from) => ({ squares: into.squares + from.squares, seen: into.seen.concat(from.seen) }),
      result: ({ squares, seen }) => `${squares}:${[...seen].sort((a, b) => a - b).join(' ')}`,
    }),
  ];
}

/** The same, computed plainly from the events in order of time, ties by arrival. */
export function naiveResults(events: readonly Event[]): Record<string, unknown> {
  const data = events.map(dataOf);
  const numbers = data.flatMap(({ n }) => (n === undefined ? [] : [n]));
  const values = data.flatMap(({ any }) => (any === undefined || any === null ? [] : [any]));
  const scalars = values.filter((value) => typeof value === 'number' || typeof value === 'string');
  const ascending = [...numbers].sort((a, b) => a - b);
  const inOrder = [...scalars].sort(byKindAndSize);
  const mean = numbers.reduce((total, value) => total + value, 0) / numbers.length;
  const squares = numbers.reduce((total, value) => total + (value - mean) ** 2, 0);
  const rank = (share: number): unknown =>
    ascending.length === 0 ? null : ascending[Math.ceil(share * ascending.length) - 1];
  const kinds = new Map(values.map((value) => [JSON.stringify(value), value]));
  const top = [...kinds]
    .map(([json, value]) => ({ value, count: values.filter((other) => JSON.stringify(other) === json).length }))
    .sort((a, b) => b.count - a.count || byKindAndSize(a.value, b.value));
  const pairs = data.filter(({ n, text }) => n !== undefined && text !== undefined);
  const ofNumber = (wanted: (n: number, than: number) => boolean): unknown =>
    pairs.reduce<Reading | undefined>(
      (best, pair) => (best === undefined || wanted(pair.n!, best.n!) ? pair : best),
      undefined,
    )?.text ?? null;
  return {
    count: events.length,
    countIf: numbers.filter((value) => value > 2).length,
    sum: numbers.reduce((total, value) => total + value, 0),
    avg: numbers.length === 0 ? null : mean,
    min: ascending[0] ?? null,
    max: inOrder.at(-1) ?? null,
    stddev: numbers.length === 0 ? null : rounded(Math.sqrt(squares / numbers.length)),
    sampled: numbers.length < 2 ? null : rounded(Math.sqrt(squares / (numbers.length - 1))),
    distinct: kinds.size,
    median: rank(0.5),
    p90: rank(0.9),
    first: values[0] ?? null,
    last: values.at(-1) ?? null,
    collect: values.slice(0, 4),
    newest: numbers.slice(-3),
    topK: top.slice(0, 2),
    largest: ascending.slice(-3).reverse(),
    smallest: inOrder.slice(0, 2),
    argMin: ofNumber((value, than) => value < than),
    argMax: ofNumber((value, than) => value > than),
    own: `${data.reduce((total, { n = 0 }) => total + n * n, 0)}:${events
      .map(({ seq }) => seq)
      .sort((a, b) => a - b)
      .join(' ')}`,
  };
}

/** Deviations go through roots and differences of means, so their last digits depend on the order of additions. */
export function rounded(value: unknown): unknown {
  return typeof value === 'number' ? Number(value.toFixed(9)) : value;
}

/** Booleans, numbers, texts, lists and maps by their JSON. */
function byKindAndSize(a: unknown, b: unknown): number {
  const kinds = ['boolean', 'number', 'object', 'string'];
  if (typeof a !== typeof b) return kinds.indexOf(typeof a) - kinds.indexOf(typeof b);
  const [left, right] = typeof a === 'object' ? [JSON.stringify(a), JSON.stringify(b)] : [a as string, b as string];
  return left < right ? -1 : left > right ? 1 : 0;
}
