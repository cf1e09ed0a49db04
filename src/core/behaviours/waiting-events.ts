import { Packr } from 'msgpackr';
import type { Event } from '../events/event.ts';
import { ByteReader } from '../shards/byte-reader.ts';
import { ByteWriter } from '../shards/byte-writer.ts';
import { type InstantMs, instant, NEVER } from '../time/units.ts';
import type { Cells, CellWriter } from './behaviour.ts';

/**
 * Events of one key that wait until time has passed them, because others that belong before them may still come: sources
 * with `disorder` or a clock per publisher, and rules over several sources. They leave in order of time; ties in order
 * of source and arrival.
 *
 * They are part of the key's state: every event has a cell of its own, so one that comes or goes changes few bytes
 * however many wait, and a key that passivates or moves keeps them. All rules that go by the same clock share them.
 */
export class WaitingEvents {
  /** What time must have reached before an event may leave, beyond the event's own time. */
  private readonly margin: number;
  /** In order; those before `head` have left. */
  private entries: Entry[] = [];
  private head = 0;
  private nextCell = 0;
  private changed: Entry[] = [];

  /**
   * @param severalSources ties between sources are only settled once the clock has passed them by a millisecond, so
   * that their order does not depend on whose events were read first
   */
  constructor(severalSources: boolean, cells?: Cells) {
    this.margin = severalSources ? 1 : 0;
    if (cells === undefined) return;
    for (const [cell, bytes] of cells) this.entries.push(readEntry(cell, bytes));
    this.entries.sort(compareEntries);
    for (const { cell } of this.entries) this.nextCell = Math.max(this.nextCell, cell + 1);
  }

  get size(): number {
    return this.entries.length - this.head;
  }

  /** Time of the first of them; `NEVER` when none waits. */
  get first(): InstantMs {
    return this.entries[this.head]?.event.time ?? NEVER;
  }

  /** When the first of them may leave. */
  get wakeAt(): InstantMs {
    const first = this.entries[this.head];
    return first === undefined ? NEVER : instant(first.event.time + this.margin);
  }

  /** Adds an event. @param slot of a rule that is to see it; another call with the same event adds another rule */
  add(event: Event, slot: number): void {
    const last = this.changed.at(-1);
    if (last?.event === event) {
      last.slots.push(slot);
      return;
    }
    const entry: Entry = { event, cell: this.nextCell++, slots: [slot], stored: false, left: false };
    this.entries.splice(this.placeOf(entry), 0, entry);
    this.changed.push(entry);
  }

  /** The next event that the clock has passed, and the rules that are to see it; undefined when there is none. */
  take(reading: InstantMs): Waiting | undefined {
    const first = this.entries[this.head];
    if (first === undefined || first.event.time + this.margin > reading) return undefined;
    this.head += 1;
    first.left = true;
    if (first.stored) this.changed.push(first);
    if (this.head === this.entries.length) {
      this.entries = [];
      this.head = 0;
    } else if (this.head >= 64 && this.head * 2 > this.entries.length) {
      this.entries = this.entries.slice(this.head);
      this.head = 0;
    }
    return first;
  }

  /** Writes what changed since the last time. */
  save(cells: CellWriter): void {
    for (const entry of this.changed) {
      if (entry.left) {
        if (entry.stored) cells.remove(entry.cell);
      } else {
        cells.put(entry.cell, packEntry(entry));
        entry.stored = true;
      }
    }
    this.changed = [];
    if (this.entries.length === 0) this.nextCell = 0;
  }

  private placeOf(entry: Entry): number {
    let low = this.head;
    let high = this.entries.length;
    // Most come last.
    if (low < high && compareEntries(this.entries[high - 1]!, entry) < 0) return high;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (compareEntries(this.entries[middle]!, entry) < 0) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}

export interface Waiting {
  readonly event: Event;
  readonly slots: readonly number[];
}

interface Entry extends Waiting {
  readonly slots: number[];
  /** Numbered in order of arrival. */
  readonly cell: number;
  /** Whether its cell is in the key's packed state. */
  stored: boolean;
  left: boolean;
}

function compareEntries(a: Entry, b: Entry): number {
  if (a.event.time !== b.event.time) return a.event.time - b.event.time;
  if (a.event.source !== b.event.source) return a.event.source < b.event.source ? -1 : 1;
  return a.cell - b.cell;
}

const FORMAT = 1;
const packr = new Packr({ useRecords: false, moreTypes: false });
const writer = new ByteWriter(256);

/** Format, slots of the rules, and the event as a list. */
function packEntry({ event, slots }: Entry): Uint8Array {
  const { id, type, subject, time, source, seq, index, headers, data } = event;
  writer.reset();
  writer.byte(FORMAT);
  writer.varint(slots.length);
  for (const slot of slots) writer.varint(slot);
  writer.bytes(packr.pack([id, type, subject, time, source, seq, index, headers ?? 0, data]));
  return writer.copy();
}

function readEntry(cell: number, bytes: Uint8Array): Entry {
  const reader = new ByteReader(bytes);
  const format = reader.byte();
  if (format !== FORMAT) throw new RangeError(`waiting event of format ${format}; this Corral reads ${FORMAT}`);
  const slots = Array.from({ length: reader.varint() }, () => reader.varint());
  const [id, type, subject, time, source, seq, index, headers, data] = packr.unpack(reader.bytes());
  const kept = headers === 0 ? undefined : headers;
  const event: Event = { id, type, subject, time, source, seq, index, headers: kept, data };
  return { event, cell, slots, stored: true, left: false };
}
