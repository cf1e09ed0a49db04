import type { KeyValue } from '../rules/rule-set.ts';
import { BEGINNING, type InstantMs, NEVER } from '../time/units.ts';
import { DueHeap } from './due-heap.ts';
import { Item, type ItemList } from './item.ts';
import type { Slot, Slots } from './slots.ts';

/**
 * What one key holds for one process rule: items, each of which is stored in a cell of its own, so that a change writes
 * few bytes whatever else is held.
 *
 * Between `begin` and `keep` or `undo` every change leaves behind how to take it back.
 */
export class ProcessState {
  readonly key: KeyValue;
  readonly slots: Slots;
  /** What goes by event time and what goes by processing time. */
  readonly byEvent = new DueHeap();
  readonly byProcessing = new DueHeap();
  /** Time of the key's latest event or event timer. */
  eventTime: InstantMs = BEGINNING;
  /** As last told; every turn tells it. */
  processingTime: InstantMs = BEGINNING;
  /** Items, their bytes, and how many of them are timers. */
  count = 0;
  bytes = 0;
  timers = 0;
  /** What is to be saved, in the order of first change. */
  changed: Item[] = [];
  /** The event time in cell 0; undefined = there is no such cell. */
  savedTime: InstantMs | undefined = undefined;
  private readonly singles: (Item | undefined)[];
  private readonly maps: (Map<string, Item> | undefined)[];
  private readonly lists: (ItemList | undefined)[];
  /** Maps whose entries are not in the order of their cells. */
  private readonly disordered = new Set<Map<string, Item>>();
  private nextCell: number;
  private undoing: (() => void)[] | undefined;

  constructor(key: KeyValue, slots: Slots) {
    this.key = key;
    this.slots = slots;
    this.singles = new Array(slots.all.length);
    this.maps = new Array(slots.all.length);
    this.lists = new Array(slots.all.length);
    this.nextCell = this.firstCell;
  }

  get isEmpty(): boolean {
    return this.count === 0;
  }

  /** The first cell that is not an only item's own: 0 is the head's, and each slot has one. */
  get firstCell(): number {
    return 1 + this.slots.all.length;
  }

  begin(): void {
    this.undoing = [];
  }

  keep(): void {
    this.undoing = undefined;
    if (this.count === 0) this.nextCell = this.firstCell;
  }

  undo(): void {
    const steps = this.undoing!;
    this.undoing = undefined;
    for (let at = steps.length - 1; at >= 0; at--) steps[at]!();
  }

  /** A value, or the timer without id. */
  single(slot: Slot): Item | undefined {
    return this.singles[slot.index];
  }

  /** An entry of a map, or the timer with this id. */
  named(slot: Slot, name: string): Item | undefined {
    return this.maps[slot.index]?.get(name);
  }

  /** Entries in the order in which they were first set. */
  entries(slot: Slot): Iterable<Item> {
    const map = this.maps[slot.index];
    if (map === undefined) return NONE;
    if (this.disordered.delete(map)) {
      const items = [...map.values()].sort((one, other) => one.cell - other.cell);
      map.clear();
      for (const item of items) map.set(item.name, item);
    }
    return map.values();
  }

  countOf(slot: Slot): number {
    return slot.kind === 'list' ? (this.lists[slot.index]?.size ?? 0) : (this.maps[slot.index]?.size ?? 0);
  }

  /** Items of a list, oldest first. */
  listed(slot: Slot): Item[] {
    const list = this.lists[slot.index];
    return list === undefined ? [] : list.items.filter(({ alive }, at) => alive && at >= list.head);
  }

  setSingle(slot: Slot, bytes: Uint8Array, due: InstantMs): Item {
    const item = this.singles[slot.index] ?? this.addSingle(slot);
    this.alter(item, true, bytes, due);
    return item;
  }

  private addSingle(slot: Slot): Item {
    const item = new Item(slot, '', 1 + slot.index);
    this.singles[slot.index] = item;
    this.undoing?.push(() => void (this.singles[slot.index] = undefined));
    return item;
  }

  setNamed(slot: Slot, name: string, bytes: Uint8Array, due: InstantMs): Item {
    const map = (this.maps[slot.index] ??= new Map());
    let item = map.get(name);
    if (item === undefined) {
      map.set(name, (item = new Item(slot, name, this.nextCell++)));
      this.undoing?.push(() => void map.delete(name));
    }
    this.alter(item, true, bytes, due);
    return item;
  }

  append(slot: Slot, bytes: Uint8Array, due: InstantMs): void {
    const list = (this.lists[slot.index] ??= { items: [], head: 0, size: 0 });
    const item = new Item(slot, '', this.nextCell++);
    list.items.push(item);
    list.size++;
    this.undoing?.push(() => {
      list.items.pop();
      list.size--;
    });
    this.alter(item, true, bytes, due);
  }

  takeFirst(slot: Slot): Item | undefined {
    const list = this.lists[slot.index];
    if (list === undefined) return undefined;
    let at = list.head;
    while (list.items[at]?.alive === false) at++;
    const item = list.items[at];
    if (item !== undefined) this.remove(item);
    return item;
  }

  remove(item: Item): void {
    const { slot, name } = item;
    this.alter(item, false, item.bytes, NEVER);
    if (slot.kind === 'list') this.unlist(this.lists[slot.index]!);
    else if (this.singles[slot.index] === item) {
      this.singles[slot.index] = undefined;
      this.undoing?.push(() => void (this.singles[slot.index] = item));
    } else {
      const map = this.maps[slot.index]!;
      map.delete(name);
      this.undoing?.push(() => {
        map.set(name, item);
        this.disordered.add(map);
      });
    }
  }

  /** One item fewer is alive: those at the front that are gone are passed over. */
  private unlist(list: ItemList): void {
    const { items, head } = list;
    list.size--;
    while (list.head < list.items.length && !list.items[list.head]!.alive) list.head++;
    if (list.head > 64 && list.head * 2 > list.items.length) {
      list.items = list.items.slice(list.head);
      list.head = 0;
    }
    this.undoing?.push(() => Object.assign(list, { items, head, size: list.size + 1 }));
  }

  clear(slot: Slot): void {
    const single = this.singles[slot.index];
    if (single !== undefined) this.remove(single);
    for (const item of slot.kind === 'list' ? this.listed(slot) : [...this.entries(slot)]) this.remove(item);
  }

  /** Puts an item in as it was stored. */
  restore(item: Item, bytes: Uint8Array, due: InstantMs): void {
    const { slot, name, cell } = item;
    if (cell < this.firstCell) this.singles[slot.index] = item;
    else if (slot.kind === 'list') {
      const list = (this.lists[slot.index] ??= { items: [], head: 0, size: 0 });
      list.items.push(item);
      list.size++;
    } else (this.maps[slot.index] ??= new Map()).set(name, item);
    this.nextCell = Math.max(this.nextCell, cell + 1);
    item.stored = true;
    item.touched = true;
    this.alter(item, true, bytes, due);
    item.touched = false;
  }

  private alter(item: Item, alive: boolean, bytes: Uint8Array, due: InstantMs): void {
    if (this.undoing !== undefined) {
      const { alive, bytes, due, depth } = item;
      this.undoing.push(() => {
        this.alter(item, alive, bytes, due);
        item.depth = depth;
      });
    }
    this.account(item, -1);
    item.alive = alive;
    item.bytes = bytes;
    item.due = due;
    item.depth = 0;
    this.account(item, 1);
    const heap = item.slot.clock === 'event' ? this.byEvent : this.byProcessing;
    if (due === NEVER) heap.remove(item);
    else heap.put(item);
    if (item.touched) return;
    item.touched = true;
    this.changed.push(item);
  }

  private account(item: Item, sign: 1 | -1): void {
    if (!item.alive) return;
    this.count += sign;
    this.bytes += sign * item.size;
    if (item.slot.kind === 'timer') this.timers += sign;
  }
}

const NONE: readonly Item[] = [];
