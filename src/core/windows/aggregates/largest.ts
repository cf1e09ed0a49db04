import type { Aggregate, ValueOf } from './aggregate.ts';
import { compareOrdered, type Ordered, ordered, readValue, writeValue } from './values.ts';

function extremes(name: string, value: ValueOf, k: number, sign: 1 | -1): Aggregate<Ordered[]> {
  const take = (into: Ordered[], next: Ordered): void => {
    let at = into.length;
    while (at > 0 && sign * compareOrdered(next, into[at - 1]!) > 0) at -= 1;
    if (at >= k) return;
    into.splice(at, 0, next);
    if (into.length > k) into.pop();
  };
  return {
    name,
    create: () => [],
    add(acc, event) {
      const next = ordered(value(event));
      if (next !== undefined) take(acc, next);
      return acc;
    },
    merge(into, from) {
      for (const next of from) take(into, next);
      return into;
    },
    result: (acc) => [...acc],
    sizeOf: (acc) => 24 * acc.length,
    write(acc, writer) {
      writer.varint(acc.length);
      for (const item of acc) writeValue(writer, item);
    },
    read: (reader) => Array.from({ length: reader.varint() }, () => readValue(reader) as Ordered),
  };
}

/** The `k` greatest values, greatest first, equal ones as often as they came. */
export function largest(name: string, value: ValueOf, k: number): Aggregate<Ordered[]> {
  return extremes(name, value, k, 1);
}

/** The `k` least values, least first, equal ones as often as they came. */
export function smallest(name: string, value: ValueOf, k: number): Aggregate<Ordered[]> {
  return extremes(name, value, k, -1);
}
