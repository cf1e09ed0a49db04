import type { Aggregate, ValueOf } from './aggregate.ts';
import { readNumber, readValue, writeNumber, writeValue } from './values.ts';

class End {
  time: number | undefined = undefined;
  value: unknown = null;
}

function end(name: string, value: ValueOf, isBetter: (time: number, than: number) => boolean): Aggregate<End> {
  const take = (into: End, time: number, kept: unknown): void => {
    if (into.time !== undefined && !isBetter(time, into.time)) return;
    into.time = time;
    into.value = kept;
  };
  return {
    name,
    create: () => new End(),
    add(acc, event) {
      const kept = value(event);
      if (kept !== undefined && kept !== null) take(acc, event.time, kept);
      return acc;
    },
    merge(into, from) {
      if (from.time !== undefined) take(into, from.time, from.value);
      return into;
    },
    result: (acc) => acc.value,
    write(acc, writer) {
      writer.byte(acc.time === undefined ? 0 : 1);
      if (acc.time === undefined) return;
      writeNumber(writer, acc.time);
      writeValue(writer, acc.value);
    },
    read(reader) {
      const acc = new End();
      if (reader.byte() === 0) return acc;
      acc.time = readNumber(reader);
      acc.value = readValue(reader);
      return acc;
    },
  };
}

/** The value of the earliest event that has one, ties by arrival; null when there is none. */
export function first(name: string, value: ValueOf): Aggregate<End> {
  return end(name, value, (time, than) => time < than);
}

/** The value of the latest event that has one, ties by arrival; null when there is none. */
export function last(name: string, value: ValueOf): Aggregate<End> {
  return end(name, value, (time, than) => time >= than);
}
