import type { Cells, CellWriter } from '../behaviours/behaviour.ts';
import type { KeyValue } from '../rules/rule-set.ts';
import { ByteWriter } from '../shards/byte-writer.ts';
import { BEGINNING, NEVER } from '../time/units.ts';
import type { Accs, AggregateSet } from './aggregate-set.ts';
import { readNumber, writeNumber } from './aggregates/values.ts';
import { CellPairs } from './cell-pairs.ts';
import { FORMAT, openCell, reading } from './state-unreadable.ts';
import { readRecord, WindowRecord } from './window-record.ts';

/** A window with accumulators of its own: a session, or one that goes by count. */
export class OwnWindow {
  readonly accs: Accs;
  /** Its cell is the window's. */
  record = new WindowRecord();
  isClosed = false;
  /** `every`: when it is to be asked next. */
  tick: number = NEVER;
  /** About how many bytes it takes. */
  bytes = 0;

  constructor(accs: Accs) {
    this.accs = accs;
  }
}

/** A key's sessions, or its one window by count. Each has a pair of cells, so one event changes one cell. */
export class OwnWindowsState {
  readonly key: KeyValue;
  /** Ascending by their first event. */
  readonly windows: OwnWindow[] = [];
  bytes = 0;
  /** Known from the caller at each call, so it is not stored. */
  now: number = BEGINNING;
  wake: number = NEVER;
  readonly pairs = new CellPairs(0);
  readonly changed = new Set<OwnWindow>();

  constructor(key: KeyValue) {
    this.key = key;
  }

  get isEmpty(): boolean {
    return this.windows.length === 0;
  }

  /** @param place where it belongs among the others */
  insert(place: number, accs: Accs): OwnWindow {
    const window = new OwnWindow(accs);
    window.record.cell = this.pairs.take();
    this.windows.splice(place, 0, window);
    return window;
  }

  remove(window: OwnWindow): void {
    this.windows.splice(this.windows.indexOf(window), 1);
    this.bytes -= window.bytes;
    this.changed.delete(window);
    window.record.end(this.pairs);
    this.pairs.giveBack(window.record.cell, window.record.saved);
  }
}

// The first byte of every cell is the format's version; then flags, what the window has said if anything, when it is to
// be asked next, its accumulators.

const CLOSED = 1;
const HAS_TICK = 2;
const HAS_RECORD = 4;

const writer = new ByteWriter(1024);

export function saveOwnWindows(state: OwnWindowsState, set: AggregateSet, cells: CellWriter): void {
  state.pairs.save(cells);
  for (const { record, isClosed, tick, accs } of state.changed) {
    const hasRecord = !record.isBlank;
    writer.reset();
    writer.byte(FORMAT);
    writer.byte((isClosed ? CLOSED : 0) + (tick === NEVER ? 0 : HAS_TICK) + (hasRecord ? HAS_RECORD : 0));
    if (tick !== NEVER) writeNumber(writer, tick);
    if (hasRecord) record.write(writer);
    set.write(accs, writer);
    cells.put(record.cell, writer.copy());
    record.saved = true;
  }
  state.changed.clear();
}

/** @throws {WindowStateUnreadable} */
export function loadOwnWindows(cells: Cells, key: KeyValue, set: AggregateSet): OwnWindowsState {
  return reading(() => {
    const state = new OwnWindowsState(key);
    for (const [cell, bytes] of cells) {
      if (cell % 2 === 1) continue;
      const reader = openCell(bytes, cell);
      const flags = reader.byte();
      const tick = (flags & HAS_TICK) === 0 ? NEVER : readNumber(reader);
      const record = (flags & HAS_RECORD) === 0 ? new WindowRecord() : readRecord(reader, cells, cell);
      record.cell = cell;
      record.saved = true;
      const window = new OwnWindow(set.read(reader));
      window.record = record;
      window.tick = tick;
      window.isClosed = (flags & CLOSED) !== 0;
      window.bytes = set.sizeOf(window.accs);
      state.bytes += window.bytes;
      state.windows.push(window);
      state.pairs.taken(cell);
    }
    state.windows.sort((one, other) => set.extentOf(one.accs).first - set.extentOf(other.accs).first);
    return state;
  });
}
