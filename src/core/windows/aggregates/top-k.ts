import type { Aggregate, ValueOf } from './aggregate.ts';
import { compareTokens, readValue, sizeOfToken, type Token, tokenOf, valueOfToken, writeValue } from './values.ts';

/** Values and how often they came. */
class Frequencies {
  readonly counts = new Map<Token, number>();
  /** How much may be missing from any count, because counts were given up at the limit. */
  missing = 0;
  bytes = 0;
}

/** What panes hold together. */
interface FrequenciesSum {
  readonly counts: Map<Token, number>;
  missing: number;
}

export interface TopKOptions {
  /** Most different values that are counted exactly. Default 1000, at least `k`. */
  readonly limit?: number;
}

/**
 * The `k` most frequent values with their counts, as [{value, count}], most frequent first, ties in order of the values.
 *
 * Counts are exact while no more than `limit` different values came (in a sliding window: in each pane). Beyond that the
 * least frequent are given up in bulk, as Misra and Gries do: counts are then too low by at most n / (limit + 1) of n
 * events, and a value more frequent than that is never missed.
 */
export function topK(name: string, value: ValueOf, k: number, options: TopKOptions = {}): Aggregate<Frequencies> {
  const limit = Math.max(options.limit ?? 1000, k);
  const take = (into: Frequencies, token: Token, times: number): void => {
    const count = into.counts.get(token);
    into.counts.set(token, (count ?? 0) + times);
    if (count === undefined) into.bytes += 8 + sizeOfToken(token);
  };
  // Exact up to the limit; with some room beyond, so that giving up costs little for each event.
  const trim = (into: Frequencies): void => {
    if (into.counts.size <= (into.missing === 0 ? limit : 2 * limit)) return;
    const least = [...into.counts.values()].sort((a, b) => b - a)[limit]!;
    for (const [token, count] of into.counts) {
      if (count > least) into.counts.set(token, count - least);
      else {
        into.counts.delete(token);
        into.bytes -= 8 + sizeOfToken(token);
      }
    }
    into.missing += least;
  };
  const best = (counts: ReadonlyMap<Token, number>): unknown[] =>
    [...counts]
      .sort(([a, countOfA], [b, countOfB]) => countOfB - countOfA || compareTokens(a, b))
      .slice(0, k)
      .map(([token, count]) => ({ value: valueOfToken(token), count }));
  return {
    name,
    create: () => new Frequencies(),
    add(acc, event) {
      const token = tokenOf(value(event));
      if (token === undefined) return acc;
      take(acc, token, 1);
      trim(acc);
      return acc;
    },
    merge(into, from) {
      for (const [token, count] of from.counts) take(into, token, count);
      into.missing += from.missing;
      trim(into);
      return into;
    },
    result: (acc) => best(acc.counts),
    isEstimate: (acc) => acc.missing > 0,
    sizeOf: (acc) => acc.bytes,
    write(acc, writer) {
      writer.varint(acc.missing);
      writer.varint(acc.counts.size);
      for (const [token, count] of acc.counts) {
        writeValue(writer, valueOfToken(token));
        writer.varint(count);
      }
    },
    read(reader) {
      const acc = new Frequencies();
      acc.missing = reader.varint();
      for (let left = reader.varint(); left > 0; left--) {
        const token = tokenOf(readValue(reader))!;
        take(acc, token, reader.varint());
      }
      return acc;
    },
    running: {
      create: (): FrequenciesSum => ({ counts: new Map(), missing: 0 }),
      take: (sum: FrequenciesSum, acc: Frequencies) => change(sum, acc, 1),
      drop: (sum: FrequenciesSum, acc: Frequencies) => change(sum, acc, -1),
      isEstimate: (sum: FrequenciesSum) => sum.missing > 0,
      result: (sum: FrequenciesSum) => best(sum.counts),
    },
  };
}

function change(sum: FrequenciesSum, acc: Frequencies, by: 1 | -1): void {
  sum.missing += by * acc.missing;
  for (const [token, count] of acc.counts) {
    const next = (sum.counts.get(token) ?? 0) + by * count;
    if (next === 0) sum.counts.delete(token);
    else sum.counts.set(token, next);
  }
}
