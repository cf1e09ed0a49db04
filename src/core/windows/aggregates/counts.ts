import type { Event } from '../../events/event.ts';
import type { ByteReader } from '../../shards/byte-reader.ts';
import type { ByteWriter } from '../../shards/byte-writer.ts';
import type { Aggregate } from './aggregate.ts';

const counting = {
  create: () => 0,
  merge: (into: number, from: number) => into + from,
  result: (acc: number) => acc,
  write: (acc: number, writer: ByteWriter) => writer.varint(acc),
  read: (reader: ByteReader) => reader.varint(),
};

/** How many events there are. */
export function count(name: string): Aggregate<number> {
  return { ...counting, name, add: (acc) => acc + 1 };
}

/** How many events the condition holds for. */
export function countIf(name: string, holds: (event: Event) => boolean | undefined): Aggregate<number> {
  return { ...counting, name, add: (acc, event) => (holds(event) === true ? acc + 1 : acc) };
}
