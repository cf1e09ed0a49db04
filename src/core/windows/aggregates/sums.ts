import type { Aggregate, ValueOf } from './aggregate.ts';
import { finite, readNumber, writeNumber } from './values.ts';

// Aggregates over numbers that need a few doubles. Values that are no finite number change nothing.

class Sum {
  count = 0;
  sum = 0;
}

const summing: Pick<Aggregate<Sum>, 'create' | 'merge' | 'write' | 'read'> = {
  create: () => new Sum(),
  merge(into, from) {
    into.count += from.count;
    into.sum += from.sum;
    return into;
  },
  write(acc, writer) {
    writer.varint(acc.count);
    writeNumber(writer, acc.sum);
  },
  read(reader) {
    const acc = new Sum();
    acc.count = reader.varint();
    acc.sum = readNumber(reader);
    return acc;
  },
};

function addTo(value: ValueOf): Aggregate<Sum>['add'] {
  return (acc, event) => {
    const number = finite(value(event));
    if (number === undefined) return acc;
    acc.count += 1;
    acc.sum += number;
    return acc;
  };
}

/** The sum; 0 when there is no number. */
export function sum(name: string, value: ValueOf): Aggregate<Sum> {
  return { ...summing, name, add: addTo(value), result: (acc) => acc.sum };
}

/** The arithmetic mean; null when there is no number. */
export function avg(name: string, value: ValueOf): Aggregate<Sum> {
  return { ...summing, name, add: addTo(value), result: (acc) => (acc.count === 0 ? null : acc.sum / acc.count) };
}

/** Numbers by their count, mean and sum of squared distances from it (Welford; merged as Chan does). */
class Spread {
  count = 0;
  mean = 0;
  squares = 0;
}

/**
 * The standard deviation; null when there are too few numbers.
 * @param of `population` (default) divides by the count, `sample` by the count less one
 */
export function stddev(name: string, value: ValueOf, of: 'population' | 'sample' = 'population'): Aggregate<Spread> {
  const less = of === 'sample' ? 1 : 0;
  return {
    name,
    create: () => new Spread(),
    add(acc, event) {
      const number = finite(value(event));
      if (number === undefined) return acc;
      acc.count += 1;
      const distance = number - acc.mean;
      acc.mean += distance / acc.count;
      acc.squares += distance * (number - acc.mean);
      return acc;
    },
    merge(into, from) {
      if (from.count === 0) return into;
      const count = into.count + from.count;
      const distance = from.mean - into.mean;
      into.mean += (distance * from.count) / count;
      into.squares += from.squares + (distance * distance * into.count * from.count) / count;
      into.count = count;
      return into;
    },
    result: (acc) => (acc.count <= less ? null : Math.sqrt(acc.squares / (acc.count - less))),
    write(acc, writer) {
      writer.varint(acc.count);
      writeNumber(writer, acc.mean);
      writeNumber(writer, acc.squares);
    },
    read(reader) {
      const acc = new Spread();
      acc.count = reader.varint();
      acc.mean = readNumber(reader);
      acc.squares = readNumber(reader);
      return acc;
    },
  };
}
