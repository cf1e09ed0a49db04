import type { Cells, CellWriter } from '../behaviours/behaviour.ts';
import type { KeyValue } from '../rules/rule-set.ts';
import type { ByteReader } from '../shards/byte-reader.ts';
import { ByteWriter } from '../shards/byte-writer.ts';
import { NEVER } from '../time/units.ts';
import type { AggregateSet } from './aggregate-set.ts';
import { readNumber, writeNumber } from './aggregates/values.ts';
import { AlignedState } from './aligned-state.ts';
import { Pane } from './panes.ts';
import { FORMAT, openCell, reading } from './state-unreadable.ts';
import { readRecord } from './window-record.ts';

// The cells of tumbling and sliding windows. The first byte of every cell is the format's version.
//
//     cell 0        flags, next window and tick where there are any; and the pane, when it is the only one
//     even cells    PANE, its index, its accumulators; or RECORD, its window, what it has said
//     odd cells     number of a record's first emission, written by the shell
//
// One event changes the cell of its pane.

const PANE = 1;
const RECORD = 2;

const INLINE = 1;
const HELD = 2;
const HAS_NEXT = 4;
const HAS_TICK = 8;

const writer = new ByteWriter(1024);

export function saveAligned(state: AlignedState, set: AggregateSet, cells: CellWriter): void {
  const { stored, panes, pairs } = state;
  if (state.isEmpty) {
    pairs.save(cells);
    if (stored !== undefined) cells.remove(0);
    state.stored = undefined;
    return;
  }
  const only = panes.length === 1 && state.records.size === 0 ? panes[0]! : undefined;
  if (only !== undefined && only.cell >= 0) {
    pairs.giveBack(only.cell, only.saved);
    only.cell = -1;
    only.saved = false;
  }
  pairs.save(cells);
  if (only === undefined) {
    // What was inside cell 0 needs a cell of its own now.
    if (stored?.inline === true) for (const pane of panes) if (pane.cell < 0) state.changedPanes.add(pane);
    for (const pane of state.changedPanes) savePane(state, pane, set, cells);
  }
  for (const [window, record] of state.changedRecords) {
    begin(RECORD);
    writeNumber(writer, window);
    record.write(writer);
    record.saved = true;
    cells.put(record.cell, writer.copy());
  }
  saveHead(state, only, set, cells);
  state.changedPanes.clear();
  state.changedRecords.clear();
}

function savePane(state: AlignedState, pane: Pane, set: AggregateSet, cells: CellWriter): void {
  if (pane.cell < 0) pane.cell = state.pairs.take();
  begin(PANE);
  writeNumber(writer, pane.index);
  set.write(pane.accs, writer);
  cells.put(pane.cell, writer.copy());
  pane.saved = true;
}

function saveHead(state: AlignedState, only: Pane | undefined, set: AggregateSet, cells: CellWriter): void {
  const { next, held, tick, stored } = state;
  const inline = only !== undefined;
  const same =
    stored !== undefined &&
    stored.next === next &&
    stored.held === held &&
    stored.tick === tick &&
    stored.inline === inline;
  if (same && !(inline && state.changedPanes.has(only))) return;
  writer.reset();
  writer.byte(FORMAT);
  writer.byte(
    (inline ? INLINE : 0) + (held ? HELD : 0) + (next === undefined ? 0 : HAS_NEXT) + (tick === NEVER ? 0 : HAS_TICK),
  );
  if (next !== undefined) writeNumber(writer, next);
  if (tick !== NEVER) writeNumber(writer, tick);
  if (only !== undefined) {
    writeNumber(writer, only.index);
    set.write(only.accs, writer);
  }
  cells.put(0, writer.copy());
  if (!same) state.stored = { next, held, tick, inline };
}

function begin(kind: number): void {
  writer.reset();
  writer.byte(FORMAT);
  writer.byte(kind);
}

/** @throws {WindowStateUnreadable} */
export function loadAligned(cells: Cells, key: KeyValue, set: AggregateSet): AlignedState {
  return reading(() => {
    const state = new AlignedState(key);
    const head = cells.get(0);
    if (head === undefined) return state;
    const reader = openCell(head, 0);
    const flags = reader.byte();
    const { pairs } = state;
    if ((flags & HAS_NEXT) !== 0) state.next = readNumber(reader);
    if ((flags & HAS_TICK) !== 0) state.tick = readNumber(reader);
    state.held = (flags & HELD) !== 0;
    const inline = (flags & INLINE) !== 0;
    state.stored = { next: state.next, held: state.held, tick: state.tick, inline };
    if (inline) state.panes.push(readPane(reader, set));
    for (const [cell, bytes] of cells) {
      if (cell === 0 || cell % 2 === 1) continue;
      const part = openCell(bytes, cell);
      pairs.taken(cell);
      if (part.byte() === PANE) {
        const pane = readPane(part, set);
        pane.cell = cell;
        pane.saved = true;
        state.panes.push(pane);
      } else {
        const window = readNumber(part);
        const record = readRecord(part, cells, cell);
        record.saved = true;
        state.records.set(window, record);
      }
    }
    state.panes.sort((one, other) => one.index - other.index);
    for (const { bytes } of state.panes) state.bytes += bytes;
    return state;
  });
}

function readPane(reader: ByteReader, set: AggregateSet): Pane {
  const pane = new Pane(readNumber(reader), set.read(reader));
  pane.bytes = set.sizeOf(pane.accs);
  return pane;
}
