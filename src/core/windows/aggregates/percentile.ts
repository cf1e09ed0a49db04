import type { Aggregate, ValueOf } from './aggregate.ts';
import {
  type Buckets,
  bucketAt,
  bucketOf,
  changeBucket,
  middleOf,
  readBuckets,
  writeBuckets,
} from './quantile-sketch.ts';
import { finite, readNumber, writeNumber } from './values.ts';

/** The numbers themselves, or once there are too many, their counts by bucket. */
class Quantiles {
  numbers: number[] | undefined = [];
  buckets: Buckets | undefined = undefined;
  count = 0;
}

/** What panes hold together. */
interface QuantilesSum {
  readonly buckets: Buckets;
  readonly exact: Set<Quantiles>;
  sketches: number;
  count: number;
}

/**
 * The number that `percent` % of the numbers are at or below: the one at position ceil(percent / 100 * n) of n in order
 * (nearest rank). Null when there is none. Exact up to `limit` numbers, beyond that within 1 % of the exact one.
 * @param percent above 0, at most 100
 * @param limit default 1000
 */
export function percentile(name: string, value: ValueOf, percent: number, limit = 1000): Aggregate<Quantiles> {
  const rankOf = (count: number): number => Math.max(1, Math.ceil((percent / 100) * count - 1e-9));
  const exactly = (numbers: readonly number[]): number =>
    Float64Array.from(numbers).sort()[rankOf(numbers.length) - 1]!;
  const estimated = (buckets: Buckets, count: number): number => middleOf(bucketAt(buckets, rankOf(count)));
  const take = (into: Quantiles, number: number): void => {
    into.count += 1;
    if (into.buckets !== undefined) {
      changeBucket(into.buckets, bucketOf(number), 1);
      return;
    }
    into.numbers!.push(number);
    if (into.count > limit) sketch(into);
  };
  const change = (sum: QuantilesSum, acc: Quantiles, by: 1 | -1): void => {
    sum.count += by * acc.count;
    if (acc.buckets !== undefined) {
      sum.sketches += by;
      for (const [bucket, count] of acc.buckets) changeBucket(sum.buckets, bucket, by * count);
      return;
    }
    if (by > 0) sum.exact.add(acc);
    else sum.exact.delete(acc);
    for (const number of acc.numbers!) changeBucket(sum.buckets, bucketOf(number), by);
  };
  const isEstimated = (sum: QuantilesSum): boolean => sum.sketches > 0 || sum.count > limit;
  return {
    name,
    create: () => new Quantiles(),
    add(acc, event) {
      const number = finite(value(event));
      if (number !== undefined) take(acc, number);
      return acc;
    },
    merge(into, from) {
      if (from.buckets === undefined) for (const number of from.numbers!) take(into, number);
      else {
        const buckets = sketch(into);
        for (const [bucket, count] of from.buckets) changeBucket(buckets, bucket, count);
        into.count += from.count;
      }
      return into;
    },
    result(acc) {
      if (acc.count === 0) return null;
      return acc.buckets === undefined ? exactly(acc.numbers!) : estimated(acc.buckets, acc.count);
    },
    isEstimate: (acc) => acc.buckets !== undefined,
    sizeOf: (acc) => (acc.buckets === undefined ? 8 * acc.numbers!.length : 40 * acc.buckets.size),
    write(acc, writer) {
      writer.varint(acc.count * 2 + (acc.buckets === undefined ? 0 : 1));
      if (acc.buckets !== undefined) writeBuckets(acc.buckets, writer);
      else for (const number of acc.numbers!) writeNumber(writer, number);
    },
    read(reader) {
      const acc = new Quantiles();
      const head = reader.varint();
      acc.count = Math.floor(head / 2);
      if (head % 2 === 1) {
        acc.numbers = undefined;
        acc.buckets = readBuckets(reader);
      } else for (let left = acc.count; left > 0; left--) acc.numbers!.push(readNumber(reader));
      return acc;
    },
    running: {
      create: (): QuantilesSum => ({ buckets: new Map(), exact: new Set(), sketches: 0, count: 0 }),
      take: (sum: QuantilesSum, acc: Quantiles) => change(sum, acc, 1),
      drop: (sum: QuantilesSum, acc: Quantiles) => change(sum, acc, -1),
      isEstimate: isEstimated,
      result(sum: QuantilesSum) {
        if (sum.count === 0) return null;
        if (isEstimated(sum)) return estimated(sum.buckets, sum.count);
        const numbers: number[] = [];
        for (const acc of sum.exact) numbers.push(...acc.numbers!);
        return exactly(numbers);
      },
    },
  };
}

function sketch(acc: Quantiles): Buckets {
  if (acc.buckets !== undefined) return acc.buckets;
  const buckets: Buckets = new Map();
  for (const number of acc.numbers!) changeBucket(buckets, bucketOf(number), 1);
  acc.buckets = buckets;
  acc.numbers = undefined;
  return buckets;
}
