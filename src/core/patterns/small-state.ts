import type { ByteReader } from '../shards/byte-reader.ts';
import { ByteWriter } from '../shards/byte-writer.ts';
import { headOf, SMALL } from './cell-format.ts';
import { EventListReader, EventListWriter } from './event-bytes.ts';
import { type PathNode, Run } from './path.ts';
import type { PatternState } from './pattern-state.ts';
import type { TakenEvent } from './taken-event.ts';

// A small state as the bytes of cell 0:
//
//     state  = event count, events, node count, nodes, 2 * run count + (1 when there are held matches), runs,
//              [held count, held]
//     event  = [order * variants + variant, where a pattern has several variants], event as in `event-bytes.ts`
//     node   = 3 * step + shape, [event, distance to its parent or 0]
//     run    = state + 1, node
//
// `order` says how many events later than the one before it arrived: 0 for a second record of the same event, else 1.
// Events and nodes are numbered from 0 in the order in which they stand; a path stands from its beginning on, so that
// mostly a node continues the one before it, with the next event.

const CONTINUES = 0;
const BEGINS = 1;
const ELSEWHERE = 2;
const SHAPES = 3;

const writer = new ByteWriter(1024);
const eventWriter = new EventListWriter();
const eventReader = new EventListReader();

export function packSmall(state: PatternState): Uint8Array {
  const { events, nodes } = numberContents(state);
  writer.reset();
  writer.byte(headOf(SMALL));
  writer.varint(events.length);
  eventWriter.begin();
  let ordinal = -1;
  for (let at = 0; at < events.length; at++) {
    const event = events[at]!;
    if (state.variants > 1) writer.varint((event.ordinal === ordinal ? 0 : state.variants) + event.variant);
    ordinal = event.ordinal;
    eventWriter.write(writer, event);
  }
  writer.varint(nodes.length);
  let nextEvent = 0;
  for (let at = 0; at < nodes.length; at++) {
    const { step, event, parent } = nodes[at]!;
    if (event.place === nextEvent && (parent === undefined || parent.number === at - 1)) {
      writer.varint(step * SHAPES + (parent === undefined ? BEGINS : CONTINUES));
    } else {
      writer.varint(step * SHAPES + ELSEWHERE);
      writer.varint(event.place);
      writer.varint(parent === undefined ? 0 : at - parent.number);
    }
    nextEvent = event.place + 1;
  }
  const { runs, head, held } = state;
  writer.varint(2 * (runs.length - head) + (held.length > 0 ? 1 : 0));
  for (let at = head; at < runs.length; at++) packRun(runs[at]!);
  if (held.length > 0) {
    writer.varint(held.length);
    for (let at = 0; at < held.length; at++) packRun(held[at]!);
  }
  for (let at = 0; at < nodes.length; at++) nodes[at]!.number = -1;
  for (let at = 0; at < events.length; at++) events[at]!.place = -1;
  return writer.copy();
}

function packRun(run: Run): void {
  writer.varint(run.state + 1);
  writer.varint(run.node.number);
}

/** @param reader stands after the head of cell 0, whose `bytes` it reads */
export function readSmall(state: PatternState, reader: ByteReader, bytes: Uint8Array): void {
  const { variants } = state;
  const events: TakenEvent[] = [];
  eventReader.begin();
  let ordinal = -1;
  for (let left = reader.varint(); left > 0; left--) {
    let variant = 0;
    if (variants === 1) {
      ordinal++;
    } else {
      variant = reader.varint();
      if (variant >= variants) {
        variant -= variants;
        ordinal++;
      }
    }
    events.push(eventReader.read(reader, bytes, ordinal, variant));
  }
  state.nextOrdinal = ordinal + 1;
  const nodes: PathNode[] = [];
  let event = 0;
  for (let left = reader.varint(); left > 0; left--) {
    const code = reader.varint();
    const shape = code % SHAPES;
    let parent = shape === CONTINUES ? 1 : 0;
    if (shape === ELSEWHERE) {
      event = reader.varint();
      parent = reader.varint();
    }
    const before = parent === 0 ? undefined : existing(nodes[nodes.length - parent]);
    nodes.push(state.extend(before, (code - shape) / SHAPES, existing(events[event])));
    event++;
  }
  const count = reader.varint();
  state.runs = readRuns(state, reader, nodes, count >>> 1);
  if (count % 2 === 1) state.held = readRuns(state, reader, nodes, reader.varint());
}

function readRuns(state: PatternState, reader: ByteReader, nodes: readonly PathNode[], count: number): Run[] {
  // One run is by far the commonest, and a list of exactly one has no room to spare.
  if (count === 1) return [readRun(state, reader, nodes)];
  const runs: Run[] = [];
  for (let left = count; left > 0; left--) runs.push(readRun(state, reader, nodes));
  return runs;
}

function readRun(state: PatternState, reader: ByteReader, nodes: readonly PathNode[]): Run {
  const at = reader.varint() - 1;
  const node = existing(nodes[reader.varint()]);
  state.hold(node);
  return new Run(at, node);
}

function existing<Part>(part: Part | undefined): Part {
  if (part === undefined) throw new RangeError('a part of the state is missing');
  return part;
}

// --- numbering -------------------------------------------------------------------------------------------------------

export interface Contents {
  /** In order of arrival. */
  readonly events: readonly TakenEvent[];
  /** Paths one after the other, each from its beginning on, shared nodes once. */
  readonly nodes: readonly PathNode[];
}

/**
 * Everything held; each event knows its `place` among them, each node its `number`, which must be -1 before. Saving is on
 * the hot path, so no set or map is made.
 */
export function numberContents(state: PatternState): Contents {
  const nodes: PathNode[] = [];
  const events: TakenEvent[] = [];
  for (let at = state.head; at < state.runs.length; at++) collect(state.runs[at]!.node, nodes, events);
  for (let at = 0; at < state.held.length; at++) collect(state.held[at]!.node, nodes, events);
  sortByArrival(events);
  for (let at = 0; at < events.length; at++) events[at]!.place = at;
  return { events, nodes };
}

function collect(last: PathNode, nodes: PathNode[], events: TakenEvent[]): void {
  const from = nodes.length;
  for (let node: PathNode | undefined = last; node !== undefined && node.number < 0; node = node.parent) {
    nodes.push(node);
    // Replaced below; until then it says that the node was seen.
    node.number = from;
  }
  for (let low = from, high = nodes.length - 1; low < high; low++, high--) {
    const node = nodes[low]!;
    nodes[low] = nodes[high]!;
    nodes[high] = node;
  }
  for (let at = from; at < nodes.length; at++) {
    const node = nodes[at]!;
    node.number = at;
    if (node.event.place >= 0) continue;
    node.event.place = 0;
    events.push(node.event);
  }
}

/** In place: mostly there are a handful, and they are nearly in order. */
function sortByArrival(events: TakenEvent[]): void {
  if (events.length > FEW) {
    events.sort((one, other) => one.ordinal - other.ordinal);
    return;
  }
  for (let at = 1; at < events.length; at++) {
    const event = events[at]!;
    let to = at;
    for (; to > 0 && events[to - 1]!.ordinal > event.ordinal; to--) events[to] = events[to - 1]!;
    events[to] = event;
  }
}

const FEW = 64;
