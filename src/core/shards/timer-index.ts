import FlatQueue from 'flatqueue';
import type { InstantMs } from '../time/units.ts';
import type { Wake } from './wake.ts';

/**
 * Which entries of a table are due, by clock. An entry has at most one valid wake time per scope; `valid` tells, so a
 * changed wake time costs one push and no search. What has gone stale is skipped when it comes up, and swept out when
 * more than half of a heap is stale.
 */
export class TimerIndex {
  private readonly heaps = new Map<number, FlatQueue<number>>();
  private readonly live = new Map<number, number>();
  private readonly valid: (entry: number, scope: number) => InstantMs | undefined;

  /** @param valid the wake time an entry now has for a scope; undefined when none. */
  constructor(valid: (entry: number, scope: number) => InstantMs | undefined) {
    this.valid = valid;
  }

  /** Wake times that are set, over all scopes. */
  get pending(): number {
    let sum = 0;
    for (const count of this.live.values()) sum += count;
    return sum;
  }

  /** An entry's wake time for a scope has become `at` (undefined: none) from `before`. */
  change(entry: number, scope: number, before: InstantMs | undefined, at: InstantMs | undefined): void {
    const live = (this.live.get(scope) ?? 0) + (at === undefined ? 0 : 1) - (before === undefined ? 0 : 1);
    this.live.set(scope, live);
    if (at === undefined || at === before) return;
    let heap = this.heaps.get(scope);
    if (heap === undefined) {
      heap = new FlatQueue();
      this.heaps.set(scope, heap);
    }
    heap.push(entry, at);
    if (heap.length > 1024 && heap.length > 2 * live) this.sweep(scope, heap);
  }

  /** The wake times of an entry have become others: at most one per scope. */
  changeAll(entry: number, before: readonly Wake[], now: readonly Wake[]): void {
    if (before.length === 0 && now.length === 0) return;
    if (before.length === 1 && now.length === 1 && before[0]!.scope === now[0]!.scope) {
      if (before[0]!.at !== now[0]!.at) this.change(entry, now[0]!.scope, before[0]!.at, now[0]!.at);
      return;
    }
    for (const { scope, at } of before) {
      if (!now.some((wake) => wake.scope === scope)) this.change(entry, scope, at, undefined);
    }
    for (const { scope, at } of now) {
      this.change(entry, scope, before.find((wake) => wake.scope === scope)?.at, at);
    }
  }

  /** Entries due at or before `now` by a scope's clock, each once. They stay set until `change` says otherwise. */
  takeDue(scope: number, now: InstantMs): number[] {
    const heap = this.heaps.get(scope);
    const due: number[] = [];
    if (heap === undefined) return due;
    let top = heap.peekValue();
    let last = -1;
    while (top !== undefined && top <= now) {
      const entry = heap.pop() as number;
      // The same wake time may have been pushed twice for one entry; such twins come up next to each other or are
      // filtered by the caller's set of keys.
      if (entry !== last && this.valid(entry, scope) === top) {
        due.push(entry);
        last = entry;
      }
      top = heap.peekValue();
    }
    return due;
  }

  private sweep(scope: number, heap: FlatQueue<number>): void {
    const kept = new Map<number, InstantMs>();
    for (const entry of heap.ids.slice(0, heap.length)) {
      const at = this.valid(entry, scope);
      if (at !== undefined) kept.set(entry, at);
    }
    heap.clear();
    for (const [entry, at] of kept) heap.push(entry, at);
  }
}
