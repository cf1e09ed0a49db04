import type { Aggregate, ValueOf } from './aggregate.ts';
import {
  createRegisters,
  estimate,
  mergeRegisters,
  note,
  placeOf,
  REGISTERS,
  type Registers,
  readRegisters,
  writeRegisters,
} from './hyper-log-log.ts';
import { readValue, sizeOfToken, type Token, tokenOf, valueOfToken, writeValue } from './values.ts';

/** The values themselves, or once there are too many, a sketch of them. */
class Distinct {
  values: Set<Token> | undefined = new Set();
  registers: Registers | undefined = undefined;
  bytes = 0;
}

/** What panes hold together: how many of them hold a value, or for panes with a sketch, a register's rank. */
interface DistinctSum {
  readonly values: Map<Token, number>;
  readonly places: Map<number, number>;
  sketches: number;
}

/**
 * How many different values there are, lists and maps compared by content. Exact up to `limit` (in a sliding window:
 * in each pane), beyond that an estimate with a standard error of 1.6 %.
 * @param limit default 1000
 */
export function distinct(name: string, value: ValueOf, limit = 1000): Aggregate<Distinct> {
  const take = (into: Distinct, token: Token): void => {
    if (into.registers !== undefined) {
      note(into.registers, placeOf(token));
      return;
    }
    const values = into.values!;
    if (values.has(token)) return;
    values.add(token);
    into.bytes += sizeOfToken(token);
    if (values.size > limit) sketch(into);
  };
  return {
    name,
    create: () => new Distinct(),
    add(acc, event) {
      const token = tokenOf(value(event));
      if (token !== undefined) take(acc, token);
      return acc;
    },
    merge(into, from) {
      if (from.registers !== undefined) mergeRegisters(sketch(into), from.registers);
      else for (const token of from.values!) take(into, token);
      return into;
    },
    result: (acc) => (acc.registers === undefined ? acc.values!.size : estimate(acc.registers)),
    isEstimate: (acc) => acc.registers !== undefined,
    sizeOf: (acc) => acc.bytes,
    write(acc, writer) {
      if (acc.registers !== undefined) {
        writer.varint(0);
        writeRegisters(acc.registers, writer);
        return;
      }
      writer.varint(acc.values!.size + 1);
      for (const token of acc.values!) writeValue(writer, valueOfToken(token));
    },
    read(reader) {
      const acc = new Distinct();
      const head = reader.varint();
      if (head === 0) {
        acc.values = undefined;
        acc.registers = readRegisters(reader);
        acc.bytes = REGISTERS;
      }
      for (let left = head - 1; left > 0; left--) take(acc, tokenOf(readValue(reader))!);
      return acc;
    },
    running: {
      create: (): DistinctSum => ({ values: new Map(), places: new Map(), sketches: 0 }),
      take: (sum: DistinctSum, acc: Distinct) => change(sum, acc, 1),
      drop: (sum: DistinctSum, acc: Distinct) => change(sum, acc, -1),
      isEstimate: (sum: DistinctSum) => sum.sketches > 0,
      result(sum: DistinctSum) {
        if (sum.sketches === 0) return sum.values.size;
        const registers = createRegisters();
        for (const place of sum.places.keys()) note(registers, place);
        for (const token of sum.values.keys()) note(registers, placeOf(token));
        return estimate(registers);
      },
    },
  };
}

function sketch(acc: Distinct): Registers {
  if (acc.registers !== undefined) return acc.registers;
  const registers = createRegisters();
  for (const token of acc.values!) note(registers, placeOf(token));
  acc.registers = registers;
  acc.values = undefined;
  acc.bytes = REGISTERS;
  return registers;
}

function change(sum: DistinctSum, acc: Distinct, by: 1 | -1): void {
  if (acc.registers === undefined) {
    for (const token of acc.values!) changeOne(sum.values, token, by);
    return;
  }
  sum.sketches += by;
  acc.registers.forEach((rank, register) => {
    if (rank > 0) changeOne(sum.places, register * 64 + rank, by);
  });
}

function changeOne<Key>(counts: Map<Key, number>, key: Key, by: 1 | -1): void {
  const count = (counts.get(key) ?? 0) + by;
  if (count === 0) counts.delete(key);
  else counts.set(key, count);
}
