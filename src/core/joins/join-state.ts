import type { Cells, CellWriter } from '../behaviours/behaviour.ts';
import type { KeyValue } from '../rules/rule-set.ts';
import { ByteReader } from '../shards/byte-reader.ts';
import { ByteWriter } from '../shards/byte-writer.ts';
import { BEGINNING, type InstantMs, instant } from '../time/units.ts';
import { Entry, LEFT, RIGHT, readEntry, readMark, writeEntry, writeMark } from './entry.ts';
import type { JoinDefinition } from './join.ts';
import { SideBuffer } from './side-buffer.ts';

// The state's cells. The first byte of each is the format.
//
//     0           time of the session's latest event; only for joins by session
//     1 + 2 n     the entry with number n
//     2 + 2 n     what changed of it since: sides on which it waits, sides on which it was paired
//
// So an event that comes, goes or is paired writes bytes for itself alone, however many are buffered.

const FORMAT = 1;

/** Cells that this version cannot read, or that are not what they claim to be. */
export class JoinStateUnreadable extends Error {
  readonly code = 'JOIN_STATE_UNREADABLE';
}

/** What one key holds for one join. */
export class JoinState {
  readonly key: KeyValue;
  readonly left: SideBuffer;
  readonly right: SideBuffer;
  /** Buffered events, and their bytes. */
  events = 0;
  bytes = 0;
  private nextNumber = 0;
  private session: InstantMs = BEGINNING;
  private sessionChanged = false;
  private sessionStored = false;
  private changed: Entry[] = [];

  constructor(key: KeyValue, equal: JoinDefinition['equal']) {
    this.key = key;
    this.left = new SideBuffer(LEFT, equal?.left);
    this.right = new SideBuffer(RIGHT, equal?.right);
  }

  get isEmpty(): boolean {
    return this.events === 0;
  }

  /** Time of the latest event of the session that is open. */
  get sessionTime(): InstantMs {
    return this.session;
  }

  extendSession(time: InstantMs): void {
    this.sessionChanged ||= time !== this.session;
    this.session = time;
  }

  add(event: Entry['event'], sides: number, paired: number): Entry {
    const entry = new Entry(event, this.nextNumber++, sides, paired);
    this.insert(entry);
    this.touch(entry);
    return entry;
  }

  private insert(entry: Entry): void {
    if ((entry.sides & LEFT) !== 0) this.left.add(entry);
    if ((entry.sides & RIGHT) !== 0) this.right.add(entry);
    this.events++;
    this.bytes += entry.bytes;
  }

  /** The entry was in a pair as an event of this side. */
  setPaired(entry: Entry, side: number): void {
    if ((entry.paired & side) !== 0) return;
    entry.paired |= side;
    this.touch(entry);
  }

  /** The entry no longer waits on these sides. */
  close(entry: Entry, sides: number): void {
    if ((entry.sides & sides & LEFT) !== 0) this.left.close(entry);
    if ((entry.sides & sides & RIGHT) !== 0) this.right.close(entry);
    this.touch(entry);
    if (entry.sides !== 0) return;
    this.events--;
    this.bytes -= entry.bytes;
    if (this.events === 0) this.nextNumber = 0;
  }

  private touch(entry: Entry): void {
    if (entry.touched) return;
    entry.touched = true;
    this.changed.push(entry);
  }

  save(cells: CellWriter): void {
    // What is gone first: once nothing was left, numbers began afresh and name the same cells.
    for (const entry of this.changed) {
      if (entry.sides !== 0) continue;
      if (entry.stored) cells.remove(cellOf(entry));
      if (entry.marked) cells.remove(cellOf(entry) + 1);
    }
    for (const entry of this.changed) {
      entry.touched = false;
      if (entry.sides === 0) continue;
      if (entry.stored) {
        cells.put(cellOf(entry) + 1, writeMark(FORMAT, entry));
        entry.marked = true;
      } else {
        cells.put(cellOf(entry), writeEntry(FORMAT, entry));
        entry.stored = true;
      }
    }
    if (this.changed.length > 0) this.changed = [];
    this.saveSession(cells);
  }

  private saveSession(cells: CellWriter): void {
    if (this.isEmpty) {
      if (this.sessionStored) cells.remove(0);
      this.sessionStored = false;
      // The next event begins a session, or nothing that waits could tell that it does not.
      this.session = BEGINNING;
      this.sessionChanged = false;
      return;
    }
    if (!this.sessionChanged) return;
    const writer = new ByteWriter(16);
    writer.byte(FORMAT);
    writer.double(this.session);
    cells.put(0, writer.copy());
    this.sessionStored = true;
    this.sessionChanged = false;
  }

  /** @throws {JoinStateUnreadable} */
  load(cells: Cells): void {
    const entries: Entry[] = [];
    const marks: [cell: number, reader: ByteReader][] = [];
    try {
      for (const [cell, bytes] of cells) {
        const reader = open(bytes, cell);
        if (cell === 0) {
          this.session = instant(reader.double());
          this.sessionStored = true;
        } else if (cell % 2 === 1) entries.push(readEntry(reader, (cell - 1) / 2));
        else marks.push([cell, reader]);
      }
      const byNumber = new Map(entries.map((entry) => [entry.number, entry]));
      for (const [cell, reader] of marks) {
        const entry = byNumber.get((cell - 2) / 2);
        if (entry === undefined) throw new RangeError(`cell ${cell} is about an event that is missing`);
        readMark(reader, entry);
      }
    } catch (error) {
      if (error instanceof JoinStateUnreadable) throw error;
      throw new JoinStateUnreadable(`the join's state is damaged: ${error}. Rebuild it from the journal`, {
        cause: error,
      });
    }
    entries.sort((one, other) => one.number - other.number);
    for (const entry of entries) this.insert(entry);
    this.nextNumber = entries.length === 0 ? 0 : entries[entries.length - 1]!.number + 1;
  }
}

const cellOf = (entry: Entry): number => 1 + 2 * entry.number;

function open(bytes: Uint8Array, cell: number): ByteReader {
  const reader = new ByteReader(bytes);
  const format = reader.byte();
  if (format === FORMAT) return reader;
  throw new JoinStateUnreadable(
    `cell ${cell} of a join's state has format ${format}; this version of Corral reads ${FORMAT}. Start a version that wrote it`,
  );
}
