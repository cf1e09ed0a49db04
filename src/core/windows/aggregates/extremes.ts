import type { Aggregate, ValueOf } from './aggregate.ts';
import { compareOrdered, type Ordered, ordered, readNumber, readValue, writeNumber, writeValue } from './values.ts';

// The least and the greatest of numbers and texts (any number is less than any text), and what goes with them.

class Extreme {
  value: Ordered | undefined = undefined;
}

function extreme(name: string, value: ValueOf, sign: 1 | -1): Aggregate<Extreme> {
  return {
    name,
    create: () => new Extreme(),
    add(acc, event) {
      const next = ordered(value(event));
      if (next === undefined) return acc;
      if (acc.value === undefined || sign * compareOrdered(next, acc.value) > 0) acc.value = next;
      return acc;
    },
    merge(into, from) {
      if (from.value === undefined) return into;
      if (into.value === undefined || sign * compareOrdered(from.value, into.value) > 0) into.value = from.value;
      return into;
    },
    result: (acc) => acc.value ?? null,
    write: (acc, writer) => writeValue(writer, acc.value),
    read(reader) {
      const acc = new Extreme();
      acc.value = ordered(readValue(reader));
      return acc;
    },
  };
}

/** The least value; null when there is none. */
export function min(name: string, value: ValueOf): Aggregate<Extreme> {
  return extreme(name, value, -1);
}

/** The greatest value; null when there is none. */
export function max(name: string, value: ValueOf): Aggregate<Extreme> {
  return extreme(name, value, 1);
}

class Holder {
  by: Ordered | undefined = undefined;
  time = 0;
  value: unknown = null;
}

function holder(name: string, by: ValueOf, value: ValueOf, sign: 1 | -1): Aggregate<Holder> {
  const take = (into: Holder, next: Ordered, time: number, kept: unknown): void => {
    if (into.by !== undefined) {
      const order = sign * compareOrdered(next, into.by);
      // Of equal ones the earliest; the caller offers them in order of arrival.
      if (order < 0 || (order === 0 && time >= into.time)) return;
    }
    into.by = next;
    into.time = time;
    into.value = kept;
  };
  return {
    name,
    create: () => new Holder(),
    add(acc, event) {
      const next = ordered(by(event));
      if (next === undefined) return acc;
      const kept = value(event);
      if (kept !== undefined && kept !== null) take(acc, next, event.time, kept);
      return acc;
    },
    merge(into, from) {
      if (from.by !== undefined) take(into, from.by, from.time, from.value);
      return into;
    },
    result: (acc) => (acc.by === undefined ? null : acc.value),
    write(acc, writer) {
      writeValue(writer, acc.by);
      if (acc.by === undefined) return;
      writeNumber(writer, acc.time);
      writeValue(writer, acc.value);
    },
    read(reader) {
      const acc = new Holder();
      acc.by = ordered(readValue(reader));
      if (acc.by === undefined) return acc;
      acc.time = readNumber(reader);
      acc.value = readValue(reader);
      return acc;
    },
  };
}

/** The value of the event whose `by` is least; of several the earliest. Null when there is none. */
export function argMin(name: string, by: ValueOf, value: ValueOf): Aggregate<Holder> {
  return holder(name, by, value, -1);
}

/** The value of the event whose `by` is greatest; of several the earliest. Null when there is none. */
export function argMax(name: string, by: ValueOf, value: ValueOf): Aggregate<Holder> {
  return holder(name, by, value, 1);
}
