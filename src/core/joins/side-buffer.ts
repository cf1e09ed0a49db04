import type { Event } from '../events/event.ts';
import type { InstantMs } from '../time/units.ts';
import type { Entry } from './entry.ts';
import { EntryList } from './entry-list.ts';

/** What waits on one side, and, where the join asks for equal values, the same by value. */
export class SideBuffer {
  /** As a bit. */
  readonly side: number;
  private readonly all: EntryList;
  private readonly equalBy: ((event: Event) => unknown) | undefined;
  private readonly byValue = new Map<unknown, EntryList>();

  constructor(side: number, equalBy: ((event: Event) => unknown) | undefined) {
    this.side = side;
    this.all = new EntryList(side);
    this.equalBy = equalBy;
  }

  get size(): number {
    return this.all.size;
  }

  get first(): Entry | undefined {
    return this.all.first;
  }

  get last(): Entry | undefined {
    return this.all.last;
  }

  add(entry: Entry): void {
    this.all.add(entry);
    if (this.equalBy === undefined) return;
    const value = comparable(this.equalBy(entry.event));
    let list = this.byValue.get(value);
    if (list === undefined) this.byValue.set(value, (list = new EntryList(this.side)));
    list.add(entry);
  }

  /** An entry no longer waits here. */
  close(entry: Entry): void {
    entry.sides &= ~this.side;
    this.all.closed();
    if (this.equalBy === undefined) return;
    const value = comparable(this.equalBy(entry.event));
    const list = this.byValue.get(value)!;
    list.closed();
    if (list.size === 0) this.byValue.delete(value);
  }

  /** Those not later than `time` that have the value, oldest first; without values, all of them. */
  candidates(value: unknown, time: InstantMs): Iterable<Entry> {
    const list = this.equalBy === undefined ? this.all : this.byValue.get(comparable(value));
    return list === undefined ? NONE : list.upTo(time);
  }
}

const NONE: readonly Entry[] = [];
const OTHER = Symbol('neither a text, a number nor a boolean');

function comparable(value: unknown): unknown {
  switch (typeof value) {
    case 'string':
    case 'number':
    case 'boolean':
      return value;
    case 'bigint':
      return Number(value);
    case 'undefined':
      return null;
    default:
      return value === null ? null : OTHER;
  }
}
