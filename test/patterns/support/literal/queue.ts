import type { Item, List } from './states.ts';

/** Whether one event comes before the other: by time, then by arrival. */
export function earlier(one: Item, other: Item): boolean {
  return one.event.time < other.event.time || (one.event.time === other.event.time && one.order < other.order);
}

interface Queued {
  readonly list: List;
}

/** A priority queue ordered by the first event alone, which keeps equal ones just as java.util.PriorityQueue does. */
export class Queue<Run extends Queued> {
  items: Run[] = [];

  add(run: Run): void {
    this.items.push(run);
    for (let at = this.items.length - 1, up = (at - 1) >> 1; at > 0 && this.#less(at, up); at = up, up = (at - 1) >> 1)
      this.#swap(at, up);
  }

  /** Removes the head. */
  poll(): void {
    const last = this.items.pop()!;
    if (this.items.length === 0) return;
    this.items[0] = last;
    this.#down(0);
  }

  removeAll(drop: (run: Run) => boolean): void {
    const kept = this.items.filter((run) => !drop(run));
    if (kept.length === this.items.length) return;
    this.items = kept;
    for (let at = Math.floor(kept.length / 2) - 1; at >= 0; at--) this.#down(at);
  }

  #down(from: number): void {
    for (let at = from; ; ) {
      const left = 2 * at + 1;
      if (left >= this.items.length) return;
      const child = left + 1 < this.items.length && this.#less(left + 1, left) ? left + 1 : left;
      if (!this.#less(child, at)) return;
      this.#swap(child, at);
      at = child;
    }
  }

  #less(one: number, other: number): boolean {
    return earlier(this.items[one]!.list[0]!, this.items[other]!.list[0]!);
  }

  #swap(one: number, other: number): void {
    [this.items[one], this.items[other]] = [this.items[other]!, this.items[one]!];
  }
}
