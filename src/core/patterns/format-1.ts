import { ByteReader } from '../shards/byte-reader.ts';
import { instant } from '../time/units.ts';
import { type PathNode, Run } from './path.ts';
import type { PatternState } from './pattern-state.ts';
import { sizeOfEvent } from './projection.ts';
import { TakenEvent } from './taken-event.ts';
import { unpack } from './value-bytes.ts';

// Reads what was written in format 1: every event whole, with its type and source in full, 8 bytes of time, and its data
// as msgpack.

export function readEventOfFormat1(bytes: Uint8Array, ordinal: number, variant: number): TakenEvent {
  const reader = new ByteReader(bytes);
  const time = instant(reader.double());
  const seq = reader.varint();
  const index = reader.varint();
  const id = reader.text();
  const type = reader.text();
  const source = reader.text();
  const kept = reader.bytes();
  const data: unknown = kept.length === 0 ? undefined : unpack(Buffer.from(kept));
  const event = {
    id: id === '' ? String(seq) : id.slice(1),
    type,
    subject: '',
    time,
    source,
    seq,
    index,
    headers: undefined,
    data,
  };
  return TakenEvent.of(event, data, ordinal, variant, sizeOfEvent(event, data));
}

/** @param reader stands after the head of cell 0 */
export function readSmallOfFormat1(state: PatternState, reader: ByteReader): void {
  const events: TakenEvent[] = [];
  for (let left = reader.varint(); left > 0; left--) {
    const number = reader.varint();
    const ordinal = Math.floor(number / state.variants);
    events.push(readEventOfFormat1(reader.bytes(), ordinal, number % state.variants));
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
