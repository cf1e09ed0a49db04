import type { Event } from '../../events/event.ts';
import type { Aggregate } from './aggregate.ts';
import { readValue, sizeOfValue, writeValue } from './values.ts';

/** An aggregate written by the rule's author. The accumulator is plain data: what msgpack can hold. */
export interface OwnAggregate<Acc, Result> {
  create(): Acc;
  /** May change `acc` and give it, or give another. */
  add(acc: Acc, event: Event): Acc;
  /**
   * What both hold together; the events of `from` are the later ones. May change `into`, never `from`. Must give the
   * same as adding the events of both in order.
   */
  merge(into: Acc, from: Acc): Acc;
  result(acc: Acc): Result;
}

/** @param own must be a function of what it is given: no clock, no chance */
export function ownAggregate<Acc, Result>(name: string, own: OwnAggregate<Acc, Result>): Aggregate<Acc> {
  return {
    name,
    create: () => own.create(),
    add: (acc, event) => own.add(acc, event),
    // A copy, since an author's merge may well keep a list of `from` and go on adding to it.
    merge: (into, from) => own.merge(into, structuredClone(from)),
    result: (acc) => own.result(acc),
    sizeOf: (acc) => sizeOfValue(acc),
    write: (acc, writer) => writeValue(writer, acc),
    read: (reader) => readValue(reader) as Acc,
  };
}
