import type { Item } from './item.ts';

/** Items in order of what is due first. Each knows its place, so one that is set anew or leaves is found at once. */
export class DueHeap {
  private readonly items: Item[] = [];

  get first(): Item | undefined {
    return this.items[0];
  }

  /** Adds the item, or moves it to where its `due` now belongs. */
  put(item: Item): void {
    if (item.place < 0) {
      item.place = this.items.length;
      this.items.push(item);
    }
    this.up(item);
    this.down(item);
  }

  /** Nothing happens when it is not in here. */
  remove(item: Item): void {
    const { place } = item;
    if (place < 0) return;
    item.place = -1;
    const last = this.items.pop()!;
    if (last === item) return;
    this.set(place, last);
    this.up(last);
    this.down(last);
  }

  private up(item: Item): void {
    while (item.place > 0) {
      const parent = this.items[(item.place - 1) >> 1]!;
      if (compare(parent, item) <= 0) return;
      this.swap(parent, item);
    }
  }

  private down(item: Item): void {
    for (;;) {
      const left = this.items[2 * item.place + 1];
      if (left === undefined) return;
      const right = this.items[2 * item.place + 2];
      const child = right === undefined || compare(left, right) <= 0 ? left : right;
      if (compare(item, child) <= 0) return;
      this.swap(item, child);
    }
  }

  private swap(upper: Item, lower: Item): void {
    const { place } = upper;
    this.set(lower.place, upper);
    this.set(place, lower);
  }

  private set(place: number, item: Item): void {
    this.items[place] = item;
    item.place = place;
  }
}

/** By moment; at one moment timers as declared, each by id, then what is forgotten. */
function compare(one: Item, other: Item): number {
  return (
    one.due - other.due ||
    one.slot.order - other.slot.order ||
    (one.name === other.name ? one.cell - other.cell : one.name < other.name ? -1 : 1)
  );
}
