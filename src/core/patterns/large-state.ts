import type { Cells } from '../behaviours/behaviour.ts';
import type { ByteReader } from '../shards/byte-reader.ts';
import { ByteWriter } from '../shards/byte-writer.ts';
import { EVENTS, headOf, LARGE, NODES, openCell, RUNS } from './cell-format.ts';
import { CellStore, perCell } from './cell-store.ts';
import { EventListReader } from './event-bytes.ts';
import { readEventOfFormat1 } from './format-1.ts';
import { type PathNode, Run } from './path.ts';
import type { PatternState } from './pattern-state.ts';
import { numberContents } from './small-state.ts';
import type { TakenEvent } from './taken-event.ts';

// A large state: cell 0 has its counters, the cells of `cell-store.ts` have the rest.

const writer = new ByteWriter(32);
const eventReader = new EventListReader();

/** Makes a small state large. */
export function spread(state: PatternState): void {
  const store = new CellStore(state.variants);
  const { events, nodes } = numberContents(state);
  state.store = store;
  // Numbers were handed out to much that is gone; the cells hold ranges of them, so they are made dense.
  let last = -1;
  let rank = -1;
  for (const event of events) {
    if (event.ordinal !== last) rank++;
    last = event.ordinal;
    event.ordinal = rank;
    event.place = -1;
    store.addEvent(event);
  }
  for (const node of nodes) store.addNode(node);
  state.nextOrdinal = rank + 1;
  state.nextNode = nodes.length;
  state.runs = state.runs.slice(state.head);
  state.head = 0;
  state.runsBase = 0;
  store.runsChangedFrom(0);
  store.heldChanged();
}

/** Makes a large state small; its cells are removed with the store. */
export function gather(state: PatternState): void {
  state.store = undefined;
  for (const runs of [state.runs.slice(state.head), state.held]) {
    for (const run of runs) {
      for (let node: PathNode | undefined = run.node; node !== undefined && node.number >= 0; node = node.parent)
        node.number = -1;
    }
  }
}

export function packCounters(state: PatternState): Uint8Array {
  writer.reset();
  writer.byte(headOf(LARGE));
  writer.varint(state.nextOrdinal);
  writer.varint(state.nextNode);
  writer.varint(state.runsBase + state.head);
  writer.varint(state.runCount);
  writer.varint(state.held.length);
  return writer.copy();
}

/** @param reader stands after the head of cell 0 */
export function readLarge(state: PatternState, reader: ByteReader, cells: Cells): void {
  const nextOrdinal = reader.varint();
  const nextNode = reader.varint();
  const start = reader.varint();
  const runCount = reader.varint();
  const heldCount = reader.varint();
  const store = new CellStore(state.variants);
  const events = new Map<number, TakenEvent>();
  const records = new Map<number, NodeRecord>();
  const runs: (RunRecord | undefined)[] = Array.from({ length: runCount }, () => undefined);
  const held: (RunRecord | undefined)[] = Array.from({ length: heldCount }, () => undefined);
  for (const [cell, bytes] of cells) {
    if (cell === 0) continue;
    const { format, kind, reader: part } = openCell(bytes, cell);
    const range = part.varint();
    const count = part.varint();
    store.loaded(kind, range, cell, count);
    if (kind === EVENTS) {
      eventReader.begin();
      for (let left = count; left > 0; left--) {
        const number = range * perCell.events + part.byte();
        const [ordinal, variant] = [Math.floor(number / state.variants), number % state.variants];
        events.set(
          number,
          format === 1
            ? readEventOfFormat1(part.bytes(), ordinal, variant)
            : eventReader.read(part, bytes, ordinal, variant),
        );
      }
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
  for (const number of needed) {
    const record = records.get(number)!;
    const event = events.get(record.event);
    if (event === undefined) throw new RangeError(`event ${record.event} is missing`);
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
