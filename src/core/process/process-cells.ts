import type { Cells, CellWriter } from '../behaviours/behaviour.ts';
import type { KeyValue } from '../rules/rule-set.ts';
import { ByteReader } from '../shards/byte-reader.ts';
import { ByteWriter } from '../shards/byte-writer.ts';
import { type InstantMs, instant, NEVER } from '../time/units.ts';
import { Item } from './item.ts';
import { ProcessState } from './process-state.ts';
import type { Slot, Slots } from './slots.ts';

// The state's cells. The first byte of each is the format.
//
//     0              time of the key's latest event; only for rules with processing timers
//     1 …            one for each slot, for its only item: a value, or a timer without id
//     from there on  items of lists, entries of maps and timers with an id, in the order in which they were added
//
//     item = format, slot, name (of an entry or a timer with an id), moment (of a timer or with a ttl), packed value

const FORMAT = 1;

/** Cells that this version cannot read, or that are not what they claim to be. */
export class ProcessStateUnreadable extends Error {
  readonly code = 'PROCESS_STATE_UNREADABLE';
}

export function saveState(state: ProcessState, cells: CellWriter): void {
  const { changed } = state;
  // What is gone first: a cell may be in use again.
  for (const { alive, stored, cell } of changed) if (!alive && stored) cells.remove(cell);
  for (const item of changed) {
    item.touched = false;
    item.stored = item.alive;
    if (item.alive) cells.put(item.cell, packItem(item, item.cell >= state.firstCell));
  }
  if (changed.length > 0) state.changed = [];
  saveTime(state, cells);
}

function saveTime(state: ProcessState, cells: CellWriter): void {
  const time = state.slots.byProcessing && !state.isEmpty ? state.eventTime : undefined;
  if (time === state.savedTime) return;
  state.savedTime = time;
  if (time === undefined) {
    cells.remove(0);
    return;
  }
  writer.reset();
  writer.byte(FORMAT);
  writer.double(time);
  cells.put(0, writer.copy());
}

/** @throws {ProcessStateUnreadable} */
export function loadState(cells: Cells, key: KeyValue, slots: Slots): ProcessState {
  const state = new ProcessState(key, slots);
  try {
    for (const [cell, bytes] of [...cells].sort(([one], [other]) => one - other)) {
      const reader = open(bytes, cell);
      if (cell === 0) state.eventTime = state.savedTime = instant(reader.double());
      else readItem(state, cell, bytes, reader);
    }
  } catch (error) {
    if (error instanceof ProcessStateUnreadable) throw error;
    throw new ProcessStateUnreadable(`the process rule's state is damaged: ${error}. Rebuild it from the journal`, {
      cause: error,
    });
  }
  return state;
}

const writer = new ByteWriter(1024);

const isNamed = ({ kind }: Slot): boolean => kind === 'map' || kind === 'timer';
const hasMoment = ({ kind, ttl }: Slot): boolean => kind === 'timer' || ttl !== undefined;

function packItem({ slot, name, due, bytes }: Item, oneOfMany: boolean): Uint8Array {
  writer.reset();
  writer.byte(FORMAT);
  writer.varint(slot.index);
  if (oneOfMany && isNamed(slot)) writer.text(name);
  if (hasMoment(slot)) writer.double(due);
  writer.raw(bytes);
  return writer.copy();
}

function readItem(state: ProcessState, cell: number, bytes: Uint8Array, reader: ByteReader): void {
  const index = reader.varint();
  const slot = state.slots.all[index];
  if (slot === undefined) throw new RangeError(`cell ${cell} is of state ${index}, which the rule does not have`);
  const name = cell >= state.firstCell && isNamed(slot) ? reader.text() : '';
  const due: InstantMs = hasMoment(slot) ? instant(reader.double()) : NEVER;
  state.restore(new Item(slot, name, cell), bytes.subarray(reader.position), due);
}

function open(bytes: Uint8Array, cell: number): ByteReader {
  const reader = new ByteReader(bytes);
  const format = reader.byte();
  if (format === FORMAT) return reader;
  throw new ProcessStateUnreadable(
    `cell ${cell} of a process rule's state has format ${format}; this version of Corral reads ${FORMAT}. Start a version that wrote it`,
  );
}
