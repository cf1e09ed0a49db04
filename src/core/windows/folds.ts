import type { Accs, AggregateSet, Reading } from './aggregate-set.ts';
import type { Extent } from './aggregates/extent.ts';
import type { PaneGrid } from './pane-grid.ts';
import { type Pane, placeOfPane } from './panes.ts';

/**
 * What sliding windows hold, at a constant number of merges for each slide.
 *
 * Time is cut into blocks of one window's length. A window lies over the end of one block and the beginning of the next,
 * so its content is one suffix of the first merged with one prefix of the second. Suffixes of a block are merged once,
 * from its end to its beginning; the prefix grows with the windows (van Herk, Gil and Werman). Aggregates that can leave
 * events out again exactly keep a running sum of the panes instead.
 *
 * Blocks lie at fixed times and panes are merged whole, so the order of merges, and with it every rounding, is a function
 * of the events alone: not of what was computed before, nor of when the state was stored and loaded. Nothing of this is
 * stored. Each aggregate is folded when it is first asked for, so that what `having` does not read costs nothing.
 *
 * Panes must not change once a window over them was read; after they did, `Folds` are made anew.
 */
export class Folds {
  readonly #suffixes: (Suffixes | undefined)[] = [];
  readonly #prefixes: (Prefix | undefined)[] = [];
  readonly #sums: (Sum | undefined)[] = [];
  readonly #set: AggregateSet;
  readonly #span: number;

  constructor(set: AggregateSet, span: number) {
    this.#set = set;
    this.#span = span;
  }

  result(panes: readonly Pane[], from: number, index: number): unknown {
    const aggregate = this.#set.all[index]!;
    if (aggregate.running !== undefined) return aggregate.running.result(this.#sumOf(panes, from, index));
    return aggregate.result(this.fold(panes, from, index));
  }

  isEstimate(panes: readonly Pane[], from: number, index: number): boolean {
    const aggregate = this.#set.all[index]!;
    if (aggregate.running !== undefined) return aggregate.running.isEstimate(this.#sumOf(panes, from, index));
    return aggregate.isEstimate?.(this.fold(panes, from, index)) === true;
  }

  /** The accumulator of one aggregate over the window that begins with pane `from`. Not to be changed. */
  fold(panes: readonly Pane[], from: number, index: number): unknown {
    const span = this.#span;
    const block = Math.floor(from / span);
    if (from === block * span) return this.#prefix(panes, block, from + span, index) ?? this.#set.all[index]!.create();
    const suffix = this.#suffix(panes, block, from, index);
    const prefix = this.#prefix(panes, block + 1, from + span, index);
    if (suffix === undefined) return prefix ?? this.#set.all[index]!.create();
    if (prefix === undefined) return suffix;
    const aggregate = this.#set.all[index]!;
    return aggregate.merge(aggregate.merge(aggregate.create(), suffix), prefix);
  }

  #suffix(panes: readonly Pane[], block: number, from: number, index: number): unknown {
    let suffixes = this.#suffixes[index];
    if (suffixes === undefined || suffixes.block !== block || from < suffixes.from) {
      const aggregate = this.#set.all[index]!;
      suffixes = { block, from, panes: [], accs: [], at: 0 };
      const end = placeOfPane(panes, (block + 1) * this.#span);
      let later: unknown;
      for (let place = end - 1; place >= 0 && panes[place]!.index >= from; place--) {
        let acc = aggregate.merge(aggregate.create(), panes[place]!.accs[index]);
        if (later !== undefined) acc = aggregate.merge(acc, later);
        suffixes.panes.push(panes[place]!.index);
        suffixes.accs.push(acc);
        later = acc;
      }
      suffixes.panes.reverse();
      suffixes.accs.reverse();
      this.#suffixes[index] = suffixes;
    }
    // Windows come in order, mostly.
    if (suffixes.at > 0 && suffixes.panes[suffixes.at - 1]! >= from) suffixes.at = 0;
    while (suffixes.at < suffixes.panes.length && suffixes.panes[suffixes.at]! < from) suffixes.at += 1;
    return suffixes.accs[suffixes.at];
  }

  /** Undefined when the block has no pane before `until`. */
  #prefix(panes: readonly Pane[], block: number, until: number, index: number): unknown {
    let prefix = this.#prefixes[index];
    if (prefix === undefined || prefix.block !== block || until < prefix.until) {
      prefix = { block, until: block * this.#span, acc: undefined };
      this.#prefixes[index] = prefix;
    }
    const aggregate = this.#set.all[index]!;
    for (let place = placeOfPane(panes, prefix.until); place < panes.length; place++) {
      const pane = panes[place]!;
      if (pane.index >= until) break;
      prefix.acc = aggregate.merge(prefix.acc ?? aggregate.create(), pane.accs[index]);
    }
    prefix.until = until;
    return prefix.acc;
  }

  #sumOf(panes: readonly Pane[], from: number, index: number): unknown {
    const running = this.#set.all[index]!.running!;
    const until = from + this.#span;
    let sum = this.#sums[index];
    if (sum === undefined || from < sum.from || until < sum.until) {
      sum = { from, until: from, panes: [], head: 0, sum: running.create() };
      this.#sums[index] = sum;
    }
    for (let place = placeOfPane(panes, Math.max(sum.until, from)); place < panes.length; place++) {
      const pane = panes[place]!;
      if (pane.index >= until) break;
      sum.panes.push(pane);
      running.take(sum.sum, pane.accs[index]);
    }
    for (; sum.head < sum.panes.length && sum.panes[sum.head]!.index < from; sum.head++) {
      running.drop(sum.sum, sum.panes[sum.head]!.accs[index]);
    }
    if (sum.head > 64 && sum.head * 2 > sum.panes.length) {
      sum.panes = sum.panes.slice(sum.head);
      sum.head = 0;
    }
    sum.from = from;
    sum.until = until;
    return sum.sum;
  }
}

interface Suffixes {
  readonly block: number;
  /** Panes before this are not in it. */
  readonly from: number;
  readonly panes: number[];
  /** What each of the panes and all later ones of the block hold. */
  readonly accs: unknown[];
  /** Where the last one asked for was. */
  at: number;
}

interface Prefix {
  readonly block: number;
  until: number;
  acc: unknown;
}

interface Sum {
  from: number;
  until: number;
  /** Those taken in and not yet dropped, from `head` on. */
  panes: Pane[];
  head: number;
  readonly sum: unknown;
}

/** Reads one window over panes. */
export class PanesReading implements Reading {
  readonly #set: AggregateSet;
  readonly #grid: PaneGrid;
  #panes: readonly Pane[] = [];
  #folds!: Folds;
  #from = 0;
  /** The window's pane, where a window has only one. */
  #single: Accs | undefined;
  #isEmpty = true;

  constructor(set: AggregateSet, grid: PaneGrid) {
    this.#set = set;
    this.#grid = grid;
  }

  of(panes: readonly Pane[], folds: Folds, window: number): this {
    const { span, step } = this.#grid;
    this.#from = window * step;
    const first = panes[placeOfPane(panes, this.#from)];
    this.#isEmpty = first === undefined || first.index >= this.#from + span;
    this.#single = span === 1 && !this.#isEmpty ? first!.accs : undefined;
    this.#panes = panes;
    this.#folds = folds;
    return this;
  }

  get isEmpty(): boolean {
    return this.#isEmpty;
  }

  get extent(): Extent {
    const index = this.#set.all.length - 1;
    return (this.#single?.[index] ?? this.#folds.fold(this.#panes, this.#from, index)) as Extent;
  }

  result(index: number): unknown {
    if (this.#single !== undefined) return this.#set.all[index]!.result(this.#single[index]);
    return this.#folds.result(this.#panes, this.#from, index);
  }

  isEstimate(index: number): boolean {
    if (this.#single !== undefined) return this.#set.all[index]!.isEstimate?.(this.#single[index]) === true;
    return this.#folds.isEstimate(this.#panes, this.#from, index);
  }
}
