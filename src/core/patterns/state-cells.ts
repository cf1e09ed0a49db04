import type { Cells, CellWriter } from '../behaviours/behaviour.ts';
import type { KeyValue } from '../rules/rule-set.ts';
import { ByteReader } from '../shards/byte-reader.ts';
import { ByteWriter } from '../shards/byte-writer.ts';
import { CellStore, EVENTS, FORMAT, LARGE, NODES, perCell, RUNS, SMALL } from './cell-store.ts';
import { packEvent, readEvent } from './event-bytes.ts';
import { type PathNode, Run, type TakenEvent } from './path.ts';
import { PatternState } from './pattern-state.ts';

// A state and its cells. The first byte of every cell is the format's version.
//
//     small:  cell 0 alone: events, nodes and runs, numbered from 0 within the cell
//     large:  cell 0 with the counters, and the cells of `cell-store.ts`
//
// A state becomes large when it holds many nodes and small again when few are left, with room between the two so that
// it does not change to and fro.

const nodesOfLarge = 64;
const nodesOfSmall = 16;

/** Cells that this version cannot read, or that are not what they claim to be. */
export class PatternStateUnreadable extends Error {
  readonly code = 'PATTERN_STATE_UNREADABLE';
}

export function saveState(state: PatternState, cells: CellWriter): void {
  if (state.isEmpty) {
    state.store?.removeAll(cells);
    state.store = undefined;
    if (state.saved) cells.remove(0);
    state.saved = false;
    state.changed = false;
    return;
  }
  if (!state.changed) return;
  if (state.store === undefined && state.nodeCount > nodesOfLarge) spread(state);
  else if (state.store !== undefined && state.nodeCount < nodesOfSmall) {
    state.store.removeAll(cells);
    state.store = undefined;
  }
  if (state.store === undefined) {
    cells.put(0, packSmall(state));
  } else {
    state.store.save(state, cells);
    cells.put(0, packCounters(state));
  }
  state.saved = true;
  state.changed = false;
}

export function loadState(cells: Cells, key: KeyValue, variants: number): PatternState {
  const state = new PatternState(key, variants);
  const first = cells.get(0);
  if (first === undefined) return state;
  const reader = open(first, 0);
  const size = reader.byte();
  try {
    if (size === SMALL) readSmall(state, reader);
    else readLarge(state, reader, cells);
  } catch (error) {
    if (error instanceof PatternStateUnreadable) throw error;
    throw new PatternStateUnreadable(`the pattern's state is damaged: ${error}. Rebuild it from the journal`, {
      cause: error,
    });
  }
  state.saved = true;
  state.changed = false;
  return state;
}

function open(bytes: Uint8Array, cell: number): ByteReader {
  const reader = new ByteReader(bytes);
  const version = reader.byte();
  if (version !== FORMAT) {
    throw new PatternStateUnreadable(
      `cell ${cell} of a pattern's state has format ${version}; this version of Corral reads ${FORMAT}. Start a version that wrote it`,
    );
  }
  return reader;
}

// --- small -----------------------------------------------------------------------------------------------------------

const writer = new ByteWriter(1024);

/** Number of the save under way: what carries it has been collected already. */
let saving = 0;

/** Everything held, older before newer; each knows its place. Saving is on the hot path, so no set or map is made. */
function contents(state: PatternState): { events: TakenEvent[]; nodes: PathNode[] } {
  const nodes: PathNode[] = [];
  const events: TakenEvent[] = [];
  saving += 1;
  for (let at = state.head; at < state.runs.length; at++) collect(state.runs[at]!, nodes, events);
  for (let at = 0; at < state.held.length; at++) collect(state.held[at]!, nodes, events);
  sortFew(nodes, byNumber);
  sortFew(events, byOrdinal);
  for (let at = 0; at < nodes.length; at++) nodes[at]!.place = at;
  for (let at = 0; at < events.length; at++) events[at]!.place = at;
  return { events, nodes };
}

function collect(run: Run, nodes: PathNode[], events: TakenEvent[]): void {
  for (let node: PathNode | undefined = run.node; node !== undefined && node.seenIn !== saving; node = node.parent) {
    node.seenIn = saving;
    nodes.push(node);
    const { event } = node;
    if (event.seenIn === saving) continue;
    event.seenIn = saving;
    events.push(event);
  }
}

/** In place, without what `sort` allocates: mostly there are a handful, and they are nearly in order. */
function sortFew<Item>(items: Item[], compare: (one: Item, other: Item) => number): void {
  if (items.length > nodesOfLarge) {
    items.sort(compare);
    return;
  }
  for (let at = 1; at < items.length; at++) {
    const item = items[at]!;
    let to = at;
    for (; to > 0 && compare(items[to - 1]!, item) > 0; to--) items[to] = items[to - 1]!;
    items[to] = item;
  }
}

const byNumber = (one: PathNode, other: PathNode): number => one.number - other.number;
const byOrdinal = (one: TakenEvent, other: TakenEvent): number => one.ordinal - other.ordinal;

function packSmall(state: PatternState): Uint8Array {
  const { events, nodes } = contents(state);
  writer.reset();
  writer.byte(FORMAT);
  writer.byte(SMALL);
  writer.varint(events.length);
  let ordinal = -1;
  let rank = -1;
  for (const event of events) {
    // Two records of one event, kept differently by two steps, have one ordinal and must keep sharing it.
    if (event.ordinal !== ordinal) rank++;
    ordinal = event.ordinal;
    writer.varint(rank * state.variants + event.variant);
    writer.bytes(packEvent(event));
  }
  writer.varint(nodes.length);
  for (const node of nodes) {
    writer.varint(node.step);
    writer.varint(node.event.place);
    writer.varint(node.parent === undefined ? 0 : node.parent.place + 1);
  }
  packRuns(state.runs, state.head);
  packRuns(state.held, 0);
  return writer.copy();
}

function packRuns(runs: readonly Run[], from: number): void {
  writer.varint(runs.length - from);
  for (let at = from; at < runs.length; at++) {
    writer.varint(runs[at]!.state + 1);
    writer.varint(runs[at]!.node.place);
  }
}

function readSmall(state: PatternState, reader: ByteReader): void {
  const events: TakenEvent[] = [];
  for (let left = reader.varint(); left > 0; left--) {
    const number = reader.varint();
    const ordinal = Math.floor(number / state.variants);
    events.push(readEvent(reader.bytes(), ordinal, number % state.variants));
    state.nextOrdinal = ordinal + 1;
  }
  const nodes: PathNode[] = [];
  for (let left = reader.varint(); left > 0; left--) {
    const step = reader.varint();
    const event = events[reader.varint()]!;
    const parent = reader.varint();
    nodes.push(state.extend(parent === 0 ? undefined : nodes[parent - 1], step, event));
  }
  const list = (): Run[] =>
    Array.from({ length: reader.varint() }, () => {
      const at = reader.varint() - 1;
      const node = nodes[reader.varint()]!;
      state.hold(node);
      return new Run(at, node);
    });
  state.runs = list();
  state.held = list();
}

// --- large -----------------------------------------------------------------------------------------------------------

function spread(state: PatternState): void {
  const store = new CellStore(state.variants);
  const { events, nodes } = contents(state);
  // Numbers were handed out to much that is gone; the cells hold ranges of them, so they are made dense.
  let last = -1;
  let rank = -1;
  for (const event of events) {
    if (event.ordinal !== last) rank++;
    last = event.ordinal;
    event.ordinal = rank;
    store.addEvent(event);
  }
  nodes.forEach((node, at) => {
    node.number = at;
    store.addNode(node);
  });
  state.nextOrdinal = rank + 1;
  state.nextNode = nodes.length;
  state.runs = state.runs.slice(state.head);
  state.head = 0;
  state.runsBase = 0;
  store.runsChangedFrom(0);
  store.heldChanged();
  state.store = store;
}

function packCounters(state: PatternState): Uint8Array {
  writer.reset();
  writer.byte(FORMAT);
  writer.byte(LARGE);
  writer.varint(state.nextOrdinal);
  writer.varint(state.nextNode);
  writer.varint(state.runsBase + state.head);
  writer.varint(state.runCount);
  writer.varint(state.held.length);
  return writer.copy();
}

function readLarge(state: PatternState, reader: ByteReader, cells: Cells): void {
  const nextOrdinal = reader.varint();
  const nextNode = reader.varint();
  const start = reader.varint();
  const runCount = reader.varint();
  const heldCount = reader.varint();
  const store = new CellStore(state.variants);
  const events = new Map<number, Uint8Array>();
  const records = new Map<number, NodeRecord>();
  const runs: (RunRecord | undefined)[] = Array.from({ length: runCount }, () => undefined);
  const held: (RunRecord | undefined)[] = Array.from({ length: heldCount }, () => undefined);
  for (const [cell, bytes] of cells) {
    if (cell === 0) continue;
    const part = open(bytes, cell);
    const kind = part.byte();
    const range = part.varint();
    const count = part.varint();
    store.loaded(kind, range, cell, count);
    if (kind === EVENTS) {
      for (let left = count; left > 0; left--) events.set(range * perCell.events + part.byte(), part.bytes());
    } else if (kind === NODES) {
      for (let left = count; left > 0; left--) {
        const number = range * perCell.nodes + part.byte();
        const step = part.varint();
        const event = part.varint();
        const older = part.varint();
        records.set(number, { step, event, parent: older === 0 ? undefined : number - older });
      }
    } else {
      const [list, first] = kind === RUNS ? [runs, start] : [held, 0];
      const from = range * perCell.runs + part.varint() - first;
      for (let at = from; at < from + count; at++) {
        const run = { state: part.varint() - 1, node: part.varint() };
        // Before the first: runs that left at the front since the cell was written.
        if (at >= 0) list[at] = run;
      }
    }
  }
  state.store = store;
  state.runsBase = start;
  const needed = [...neededNodes([...runs, ...held], records)].sort((one, other) => one - other);
  const nodes = new Map<number, PathNode>();
  const taken = new Map<number, TakenEvent>();
  for (const number of needed) {
    const record = records.get(number)!;
    let event = taken.get(record.event);
    if (event === undefined) {
      const bytes = events.get(record.event);
      if (bytes === undefined) throw new RangeError(`event ${record.event} is missing`);
      event = readEvent(bytes, Math.floor(record.event / state.variants), record.event % state.variants);
      taken.set(record.event, event);
    }
    state.nextNode = number;
    nodes.set(
      number,
      state.extend(record.parent === undefined ? undefined : nodes.get(record.parent)!, record.step, event),
    );
  }
  const list = (from: readonly (RunRecord | undefined)[]): Run[] =>
    from.map((record) => {
      const node = nodes.get(record!.node)!;
      state.hold(node);
      return new Run(record!.state, node);
    });
  state.runs = list(runs);
  state.held = list(held);
  state.nextOrdinal = nextOrdinal;
  state.nextNode = nextNode;
  store.settle();
}

interface NodeRecord {
  readonly step: number;
  readonly event: number;
  readonly parent: number | undefined;
}

interface RunRecord {
  readonly state: number;
  readonly node: number;
}

/** Cells may still hold nodes that nothing needs any more. */
function neededNodes(runs: readonly (RunRecord | undefined)[], records: ReadonlyMap<number, NodeRecord>): Set<number> {
  const needed = new Set<number>();
  for (const run of runs) {
    if (run === undefined) throw new RangeError('a run is missing');
    for (let number: number | undefined = run.node; number !== undefined && !needed.has(number); ) {
      const record: NodeRecord | undefined = records.get(number);
      if (record === undefined) throw new RangeError(`node ${number} is missing`);
      needed.add(number);
      number = record.parent;
    }
  }
  return needed;
}
