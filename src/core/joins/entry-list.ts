import type { InstantMs } from '../time/units.ts';
import type { Entry } from './entry.ts';

/**
 * Entries that wait on one side, in order of arrival and so of time. Most leave at the front; one that leaves elsewhere
 * stays as a hole until holes are half of the list. Neither the first nor the last is ever a hole.
 */
export class EntryList {
  private items: Entry[] = [];
  private head = 0;
  private holes = 0;
  private readonly side: number;

  /** @param side as a bit */
  constructor(side: number) {
    this.side = side;
  }

  get size(): number {
    return this.items.length - this.head - this.holes;
  }

  get first(): Entry | undefined {
    return this.items[this.head];
  }

  get last(): Entry | undefined {
    return this.items.length > this.head ? this.items[this.items.length - 1] : undefined;
  }

  add(entry: Entry): void {
    this.items.push(entry);
  }

  /** The entries not later than `time`, oldest first. The list must not change meanwhile. */
  *upTo(time: InstantMs): Generator<Entry> {
    const end = this.endOf(time);
    for (let at = this.head; at < end; at++) {
      const entry = this.items[at]!;
      if ((entry.sides & this.side) !== 0) yield entry;
    }
  }

  /** An entry no longer waits on this side. */
  closed(): void {
    this.holes++;
    const { items, side } = this;
    while (this.head < items.length && (items[this.head]!.sides & side) === 0) {
      this.head++;
      this.holes--;
    }
    while (items.length > this.head && (items[items.length - 1]!.sides & side) === 0) {
      items.pop();
      this.holes--;
    }
    if ((this.head + this.holes) * 2 <= items.length && items.length > this.head) return;
    this.items = items.slice(this.head).filter((entry) => (entry.sides & side) !== 0);
    this.head = 0;
    this.holes = 0;
  }

  private endOf(time: InstantMs): number {
    let low = this.head;
    let high = this.items.length;
    if (low < high && this.items[high - 1]!.event.time <= time) return high;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.items[middle]!.event.time <= time) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}
