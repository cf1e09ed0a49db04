import type { Aggregate } from './aggregate.ts';
import { readNumber, writeNumber } from './values.ts';

/** How many events there are, and the times of the earliest and latest. */
export class Extent {
  count = 0;
  first = Number.POSITIVE_INFINITY;
  last = Number.NEGATIVE_INFINITY;
}

/** What every window knows besides the rule's own aggregates. Its name is none that a rule can give. */
export const extent: Aggregate<Extent> = {
  name: '',
  create: () => new Extent(),
  add(acc, { time }) {
    acc.count += 1;
    if (time < acc.first) acc.first = time;
    if (time > acc.last) acc.last = time;
    return acc;
  },
  merge(into, from) {
    into.count += from.count;
    if (from.first < into.first) into.first = from.first;
    if (from.last > into.last) into.last = from.last;
    return into;
  },
  result: (acc) => acc.count,
  write(acc, writer) {
    writer.varint(acc.count);
    if (acc.count === 0) return;
    writeNumber(writer, acc.first);
    // A difference of whole numbers adds up again; others are written whole.
    if (Number.isInteger(acc.first) && Number.isInteger(acc.last)) writeNumber(writer, acc.last - acc.first);
    else {
      writeNumber(writer, -1);
      writeNumber(writer, acc.last);
    }
  },
  read(reader) {
    const acc = new Extent();
    acc.count = reader.varint();
    if (acc.count === 0) return acc;
    acc.first = readNumber(reader);
    const length = readNumber(reader);
    acc.last = length < 0 ? readNumber(reader) : acc.first + length;
    return acc;
  },
};
