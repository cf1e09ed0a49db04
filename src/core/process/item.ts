import { type InstantMs, NEVER } from '../time/units.ts';
import type { Slot } from './slots.ts';

/** One thing that is remembered: a value, an item of a list, an entry of a map, or a timer that is armed. */
export class Item {
  readonly slot: Slot;
  /** Key of a map's entry as text, id of a timer; else empty. */
  readonly name: string;
  readonly cell: number;
  /** False once it is gone, and while it is not yet there. */
  alive = false;
  /** The value as packed; empty for a timer. */
  bytes: Uint8Array = NOTHING;
  /** When the timer fires, or the last moment at which the rest is remembered; `NEVER` = for ever. */
  due: InstantMs = NEVER;
  /** How many timers of the same moment armed one another before this one. Kept within a moment only. */
  depth = 0;
  /** Index in the heap; -1 = not in it. */
  place = -1;
  /** Its cell is in the packed state. */
  stored = false;
  /** Among the items to be saved. */
  touched = false;

  constructor(slot: Slot, name: string, cell: number) {
    this.slot = slot;
    this.name = name;
    this.cell = cell;
  }

  /** Bytes counted against the limit. */
  get size(): number {
    return ITEM_BYTES + this.name.length + this.bytes.length;
  }
}

const NOTHING = new Uint8Array(0);
const ITEM_BYTES = 16;

/** The items of a list, oldest first; those before `head` are gone, and so may be some behind it. */
export interface ItemList {
  items: Item[];
  head: number;
  /** How many are there. */
  size: number;
}
