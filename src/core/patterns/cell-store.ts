import type { CellWriter } from '../behaviours/behaviour.ts';
import { ByteWriter } from '../shards/byte-writer.ts';
import { EVENTS, HELD, headOf, NODES, RUNS } from './cell-format.ts';
import { EventListWriter } from './event-bytes.ts';
import type { PathNode, Run } from './path.ts';
import type { PatternState } from './pattern-state.ts';
import type { TakenEvent } from './taken-event.ts';

// A large state, spread over many cells so that one event changes few bytes.
//
// Events, nodes and runs are numbered, and each cell holds a short range of numbers. New events and nodes get the next
// number, so they fall into the last cells; what is no longer needed is left in its cell until the cell is empty or
// mostly so. Runs are numbered by position: an ordered list grows at the end and shrinks at the front, so positions
// stay; a heap that is rearranged is written again from the first change on.

/** How many entries one cell holds; the same in all formats. */
export const perCell = { events: 8, nodes: 32, runs: 64 } as const;

interface Chunk<Entry> {
  readonly cell: number;
  /** By number within the range; those that are needed. */
  readonly entries: (Entry | undefined)[];
  /** How many are needed. */
  count: number;
  /** Entries in the bytes as last written, whether still needed or not. */
  written: number;
  changed: boolean;
}

export class CellStore {
  readonly #events = new Map<number, Chunk<TakenEvent>>();
  readonly #nodes = new Map<number, Chunk<PathNode>>();
  /** Cells of runs and of held matches, by range, in ascending order and without gaps. */
  #runs = new Map<number, number>();
  #held = new Map<number, number>();
  readonly #used = new Set<number>();
  #lowestFree = 1;
  readonly #removed = new Set<number>();
  readonly #variants: number;
  #changedEvents = new Set<number>();
  #changedNodes = new Set<number>();
  #runsFrom = Number.POSITIVE_INFINITY;
  #heldChanged = false;

  constructor(variants: number) {
    this.#variants = variants;
  }

  addEvent(event: TakenEvent): void {
    const number = this.numberOf(event);
    this.#add(this.#events, this.#changedEvents, perCell.events, number, event);
  }

  removeEvent(event: TakenEvent): void {
    const number = this.numberOf(event);
    this.#remove(this.#events, this.#changedEvents, perCell.events, number);
  }

  /** Names what is kept of the event under one projection. */
  numberOf(event: TakenEvent): number {
    return event.ordinal * this.#variants + event.variant;
  }

  addNode(node: PathNode): void {
    this.#add(this.#nodes, this.#changedNodes, perCell.nodes, node.number, node);
  }

  removeNode(node: PathNode): void {
    this.#remove(this.#nodes, this.#changedNodes, perCell.nodes, node.number);
  }

  runsChangedFrom(position: number): void {
    if (position < this.#runsFrom) this.#runsFrom = position;
  }

  heldChanged(): void {
    this.#heldChanged = true;
  }

  /** Takes over what was read from a cell: `written` entries, of which those added so far are needed. */
  loaded(kind: number, range: number, cell: number, written: number): void {
    this.#used.add(cell);
    if (kind === RUNS) this.#runs.set(range, cell);
    else if (kind === HELD) this.#held.set(range, cell);
    else if (kind === EVENTS) this.#events.set(range, chunkOf(cell, perCell.events, written));
    else this.#nodes.set(range, chunkOf(cell, perCell.nodes, written));
  }

  /** After loading: what was added since `loaded` stands in the cells already. */
  settle(): void {
    for (const chunk of this.#events.values()) chunk.changed = false;
    for (const chunk of this.#nodes.values()) chunk.changed = false;
    this.#changedEvents.clear();
    this.#changedNodes.clear();
    // Ranges of which nothing is needed any more go with the next save.
    for (const range of [...this.#events.keys()]) this.#dropIfEmpty(this.#events, range);
    for (const range of [...this.#nodes.keys()]) this.#dropIfEmpty(this.#nodes, range);
    this.#runs = new Map([...this.#runs].sort(([one], [other]) => one - other));
    this.#held = new Map([...this.#held].sort(([one], [other]) => one - other));
    this.#runsFrom = Number.POSITIVE_INFINITY;
    this.#heldChanged = false;
  }

  /** Writes the cells that changed, all but cell 0. */
  save(state: PatternState, cells: CellWriter): void {
    for (const range of this.#changedEvents) {
      const chunk = this.#events.get(range);
      if (chunk === undefined) continue;
      const writer = begin(EVENTS, range);
      eventWriter.begin();
      this.#write(chunk, writer, cells, (place, event) => {
        writer.byte(place);
        eventWriter.write(writer, event);
      });
    }
    for (const range of this.#changedNodes) {
      const chunk = this.#nodes.get(range);
      if (chunk === undefined) continue;
      const writer = begin(NODES, range);
      this.#write(chunk, writer, cells, (place, node) => {
        writer.byte(place);
        writer.varint(node.step);
        writer.varint(this.numberOf(node.event));
        // A parent is older than its child, and 0 says that there is none.
        writer.varint(node.parent === undefined ? 0 : node.number - node.parent.number);
      });
    }
    this.#changedEvents = new Set();
    this.#changedNodes = new Set();
    this.#saveList(RUNS, this.#runs, state.runs, state.head, state.runsBase, this.#runsFrom, cells);
    this.#runsFrom = Number.POSITIVE_INFINITY;
    if (this.#heldChanged) this.#saveList(HELD, this.#held, state.held, 0, 0, 0, cells);
    this.#heldChanged = false;
    for (const cell of this.#removed) cells.remove(cell);
    this.#removed.clear();
  }

  /** Removes every cell, because the state fits into cell 0 again. */
  removeAll(cells: CellWriter): void {
    for (const cell of this.#used) cells.remove(cell);
    for (const cell of this.#removed) cells.remove(cell);
  }

  #saveList(
    kind: number,
    ranges: Map<number, number>,
    runs: readonly Run[],
    head: number,
    base: number,
    from: number,
    cells: CellWriter,
  ): void {
    const start = base + head;
    const end = base + runs.length;
    // Ranges follow one another; those before the first run are gone, and those behind the last one.
    let known = ranges.size;
    for (const [range, cell] of ranges) {
      if ((range + 1) * perCell.runs > start && start < end) break;
      ranges.delete(range);
      this.#free(cell);
      known--;
    }
    const oldest = Math.floor(start / perCell.runs);
    for (let range = oldest + known - 1; known > 0 && range * perCell.runs >= end; range--, known--) {
      this.#free(ranges.get(range)!);
      ranges.delete(range);
    }
    const first = Math.max(from, start);
    for (let range = Math.floor(first / perCell.runs); range * perCell.runs < end; range++) {
      let cell = ranges.get(range);
      if (cell === undefined) {
        cell = this.#allocate();
        ranges.set(range, cell);
      }
      const writer = begin(kind, range);
      const position = Math.max(range * perCell.runs, start);
      const until = Math.min((range + 1) * perCell.runs, end);
      writer.varint(until - position);
      writer.varint(position - range * perCell.runs);
      for (let at = position; at < until; at++) {
        const run = runs[at - base]!;
        writer.varint(run.state + 1);
        writer.varint(run.node.number);
      }
      cells.put(cell, writer.copy());
    }
  }

  #write<Entry>(
    chunk: Chunk<Entry>,
    writer: ByteWriter,
    cells: CellWriter,
    write: (place: number, entry: Entry) => void,
  ): void {
    writer.varint(chunk.count);
    for (let place = 0; place < chunk.entries.length; place++) {
      const entry = chunk.entries[place];
      if (entry !== undefined) write(place, entry);
    }
    chunk.written = chunk.count;
    chunk.changed = false;
    cells.put(chunk.cell, writer.copy());
  }

  #add<Entry>(
    chunks: Map<number, Chunk<Entry>>,
    changed: Set<number>,
    size: number,
    number: number,
    entry: Entry,
  ): void {
    const range = Math.floor(number / size);
    let chunk = chunks.get(range);
    if (chunk === undefined) {
      chunk = chunkOf(this.#allocate(), size, 0);
      chunks.set(range, chunk);
    }
    chunk.entries[number - range * size] = entry;
    chunk.count++;
    chunk.changed = true;
    changed.add(range);
  }

  #remove<Entry>(chunks: Map<number, Chunk<Entry>>, changed: Set<number>, size: number, number: number): void {
    const range = Math.floor(number / size);
    const chunk = chunks.get(range)!;
    chunk.entries[number - range * size] = undefined;
    chunk.count--;
    if (this.#dropIfEmpty(chunks, range)) return;
    if (chunk.count * 4 <= chunk.written) {
      chunk.changed = true;
      changed.add(range);
    }
  }

  #dropIfEmpty<Entry>(chunks: Map<number, Chunk<Entry>>, range: number): boolean {
    const chunk = chunks.get(range)!;
    if (chunk.count > 0) return false;
    chunks.delete(range);
    this.#free(chunk.cell);
    return true;
  }

  #allocate(): number {
    let cell = this.#lowestFree;
    while (this.#used.has(cell)) cell++;
    this.#used.add(cell);
    this.#removed.delete(cell);
    this.#lowestFree = cell + 1;
    return cell;
  }

  #free(cell: number): void {
    this.#used.delete(cell);
    this.#removed.add(cell);
    if (cell < this.#lowestFree) this.#lowestFree = cell;
  }
}

function chunkOf<Entry>(cell: number, size: number, written: number): Chunk<Entry> {
  return { cell, entries: new Array<Entry | undefined>(size).fill(undefined), count: 0, written, changed: false };
}

const shared = new ByteWriter(4096);
const eventWriter = new EventListWriter();

function begin(kind: number, range: number): ByteWriter {
  shared.reset();
  shared.byte(headOf(kind));
  shared.varint(range);
  return shared;
}
