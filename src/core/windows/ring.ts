import type { Accs, AggregateSet, Reading } from './aggregate-set.ts';
import type { Extent } from './aggregates/extent.ts';

/** One event, or one pane of events, as it stands in a ring. */
export interface RingEntry {
  readonly accs: Accs;
  /** About how many bytes it takes. */
  bytes: number;
}

/**
 * Entries that come at one end and go at the other, and what those in between hold together, at a constant number of
 * merges for each that comes or goes.
 *
 * Entries are numbered. Those before `flip` are the front, where each has the merge of itself and all later ones of the
 * front; those from `flip` on are the back, of which one merge grows. When the front is used up, all there are become
 * the front (a queue made of two stacks). `flip` is stored with the entries, so what is merged after loading is merged
 * in the same order, with the same roundings. Aggregates that can leave events out again exactly keep a sum instead.
 */
export class Ring implements Reading {
  readonly #set: AggregateSet;
  #entries: RingEntry[] = [];
  #head = 0;
  /** Number of the first entry there is, and of the next to come. */
  first = 0;
  next = 0;
  flip = 0;
  bytes = 0;
  /** How often it began anew: numbers of one life mean nothing in the next. */
  lives = 0;
  #fronts: (Front | undefined)[] = [];
  #backs: (Back | undefined)[] = [];
  #sums: (Sum | undefined)[] = [];

  constructor(set: AggregateSet) {
    this.#set = set;
  }

  get size(): number {
    return this.next - this.first;
  }

  /** By number; it must be there. */
  at(number: number): RingEntry {
    return this.#entries[this.#head + number - this.first]!;
  }

  extentOf(number: number): Extent {
    return this.#set.extentOf(this.at(number).accs);
  }

  push(entry: RingEntry): void {
    this.#entries.push(entry);
    this.next += 1;
    this.bytes += entry.bytes;
  }

  /** Removes the first entry. */
  shift(): void {
    const entry = this.#entries[this.#head]!;
    this.#sums.forEach((sum, index) => {
      if (sum !== undefined && sum.until > this.first) this.#set.all[index]!.running!.drop(sum.sum, entry.accs[index]);
    });
    this.bytes -= entry.bytes;
    this.first += 1;
    this.#head += 1;
    if (this.#head > 64 && this.#head * 2 > this.#entries.length) {
      this.#entries = this.#entries.slice(this.#head);
      this.#head = 0;
    }
    if (this.first === this.next) this.clear();
    else if (this.first >= this.flip) this.#turnOver(this.next);
  }

  /** As if nothing had ever been in it. */
  clear(): void {
    this.#entries = [];
    this.#head = 0;
    this.first = 0;
    this.next = 0;
    this.bytes = 0;
    this.lives += 1;
    this.#sums = [];
    this.#turnOver(0);
  }

  /** Begins as it was stored: the entries follow by `push`. */
  restore(first: number, flip: number): void {
    this.first = first;
    this.next = first;
    this.flip = flip;
  }

  #turnOver(flip: number): void {
    this.flip = flip;
    this.#fronts = [];
    this.#backs = [];
  }

  get isEmpty(): boolean {
    return this.first === this.next;
  }

  get extent(): Extent {
    return this.#fold(this.#set.all.length - 1) as Extent;
  }

  result(index: number): unknown {
    const aggregate = this.#set.all[index]!;
    return aggregate.running === undefined
      ? aggregate.result(this.#fold(index))
      : aggregate.running.result(this.#sum(index));
  }

  isEstimate(index: number): boolean {
    const aggregate = this.#set.all[index]!;
    if (aggregate.running !== undefined) return aggregate.running.isEstimate(this.#sum(index));
    return aggregate.isEstimate?.(this.#fold(index)) === true;
  }

  #fold(index: number): unknown {
    const aggregate = this.#set.all[index]!;
    const front = this.#front(index);
    const back = this.#back(index);
    if (front === undefined) return back ?? aggregate.create();
    if (back === undefined) return front;
    return aggregate.merge(aggregate.merge(aggregate.create(), front), back);
  }

  #front(index: number): unknown {
    if (this.first >= this.flip) return undefined;
    let front = this.#fronts[index];
    if (front === undefined) {
      const aggregate = this.#set.all[index]!;
      front = { accs: [] };
      this.#fronts[index] = front;
      let later: unknown;
      for (let number = this.flip - 1; number >= this.first; number--) {
        let acc = aggregate.merge(aggregate.create(), this.at(number).accs[index]);
        if (later !== undefined) acc = aggregate.merge(acc, later);
        front.accs.push(acc);
        later = acc;
      }
    }
    // The last of the front stands first.
    return front.accs[this.flip - 1 - this.first];
  }

  #back(index: number): unknown {
    if (this.next <= this.flip) return undefined;
    const aggregate = this.#set.all[index]!;
    let back = this.#backs[index];
    if (back === undefined) {
      back = { until: this.flip, acc: aggregate.create() };
      this.#backs[index] = back;
    }
    for (; back.until < this.next; back.until++) {
      back.acc = aggregate.merge(back.acc, this.at(back.until).accs[index]);
    }
    return back.acc;
  }

  #sum(index: number): unknown {
    const running = this.#set.all[index]!.running!;
    let sum = this.#sums[index];
    if (sum === undefined) {
      sum = { until: this.first, sum: running.create() };
      this.#sums[index] = sum;
    }
    // Entries that have gone since it was last read are none that it had.
    if (sum.until < this.first) sum.until = this.first;
    for (; sum.until < this.next; sum.until++) running.take(sum.sum, this.at(sum.until).accs[index]);
    return sum.sum;
  }
}

interface Front {
  readonly accs: unknown[];
}

interface Back {
  until: number;
  acc: unknown;
}

interface Sum {
  /** Entries before this one were taken in. */
  until: number;
  readonly sum: unknown;
}
