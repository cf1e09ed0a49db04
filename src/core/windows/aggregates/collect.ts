import type { Aggregate, ValueOf } from './aggregate.ts';
import { readNumber, readValue, sizeOfValue, writeNumber, writeValue } from './values.ts';

class Collected {
  /** Ascending; ties in order of arrival. */
  readonly times: number[] = [];
  readonly values: unknown[] = [];
  bytes = 0;
  cut = false;
}

export interface CollectOptions {
  /** Most values kept. Default 100. */
  readonly limit?: number;
  /** Which ones are kept when there are more. Default `first`. */
  readonly keep?: 'first' | 'last';
}

/** The values in order of time, at most `limit`; an estimate when some are left out. */
export function collect(name: string, value: ValueOf, options: CollectOptions = {}): Aggregate<Collected> {
  const { limit = 100, keep = 'first' } = options;
  const take = (into: Collected, time: number, kept: unknown): void => {
    const { times, values } = into;
    let at = times.length;
    while (at > 0 && times[at - 1]! > time) at -= 1;
    if (times.length === limit) {
      into.cut = true;
      if (at === (keep === 'first' ? limit : 0)) return;
    }
    times.splice(at, 0, time);
    values.splice(at, 0, kept);
    into.bytes += 16 + sizeOfValue(kept);
    if (times.length <= limit) return;
    const gone = keep === 'first' ? times.length - 1 : 0;
    into.bytes -= 16 + sizeOfValue(values[gone]);
    times.splice(gone, 1);
    values.splice(gone, 1);
  };
  return {
    name,
    create: () => new Collected(),
    add(acc, event) {
      const kept = value(event);
      if (kept !== undefined && kept !== null) take(acc, event.time, kept);
      return acc;
    },
    merge(into, from) {
      from.times.forEach((time, at) => {
        take(into, time, from.values[at]);
      });
      into.cut ||= from.cut;
      return into;
    },
    // Copied: what is emitted is kept, and the accumulator goes on.
    result: (acc) => [...acc.values],
    isEstimate: (acc) => acc.cut,
    sizeOf: (acc) => acc.bytes,
    write(acc, writer) {
      writer.varint(acc.times.length * 2 + (acc.cut ? 1 : 0));
      let whole = 0;
      acc.times.forEach((time, at) => {
        // Only differences of whole numbers are sure to add up again.
        if (Number.isInteger(time)) {
          writeNumber(writer, time - whole);
          whole = time;
        } else writeNumber(writer, time);
        writeValue(writer, acc.values[at]);
      });
    },
    read(reader) {
      const acc = new Collected();
      const head = reader.varint();
      let whole = 0;
      for (let left = Math.floor(head / 2); left > 0; left--) {
        const written = readNumber(reader);
        if (Number.isInteger(written)) whole += written;
        take(acc, Number.isInteger(written) ? whole : written, readValue(reader));
      }
      acc.cut = head % 2 === 1;
      return acc;
    },
  };
}
