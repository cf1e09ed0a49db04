import { pathToFileURL } from 'node:url';
import type { Output } from '../src/core/behaviours/behaviour.ts';
import type { Event } from '../src/core/events/event.ts';
import type { JoinDefinition } from '../src/core/joins/join.ts';
import { joinBehaviour } from '../src/core/joins/join-behaviour.ts';
import { ByteWriter } from '../src/core/shards/byte-writer.ts';
import { writeCell } from '../src/core/shards/cells.ts';
import { duration, instant } from '../src/core/time/units.ts';

// The step of a join alone, in process and on one core, its state saved after every event as by a turn of one event:
// what an event costs while few others are buffered, and while many are.

export interface JoinStepResult {
  readonly shape: string;
  readonly buffered: number;
  readonly eventsPerSecond: number;
  readonly bytesPerEvent: number;
  readonly pairs: number;
  readonly events: number;
}

type Shape = Pick<JoinDefinition, 'pairs' | 'where' | 'equal' | 'unmatched'> & {
  /** The interval, for a number of milliseconds that one event waits; one event comes every millisecond. */
  readonly interval: (waits: number) => { readonly from: number; readonly to: number };
  /** Every how many-th event is a right one. */
  readonly rights: number;
};

const orderOf = (event: Event): unknown => (event.data as { order: number }).order;

export const joinShapes: Readonly<Record<string, Shape>> = {
  'all pairs at the far end of the interval': {
    pairs: 'all',
    where: undefined,
    equal: undefined,
    unmatched: ['left'],
    interval: (waits) => ({ from: waits - 2, to: waits }),
    rights: 4,
  },
  'one to one by an equal field': {
    pairs: 'oneToOne',
    where: (left, right) => orderOf(left) === orderOf(right),
    equal: { left: orderOf, right: orderOf },
    unmatched: ['left'],
    interval: (waits) => ({ from: 0, to: waits }),
    rights: 4,
  },
  'one to one, nearly none has a partner': {
    pairs: 'oneToOne',
    where: undefined,
    equal: undefined,
    unmatched: ['left'],
    interval: (waits) => ({ from: 0, to: waits }),
    rights: 50,
  },
};

/** Runs one key until `waits` events are buffered, then `events` more, and measures these. */
export function measureJoinStep(shape: string, waits: number, events: number): JoinStepResult {
  const { interval, rights, ...rest } = joinShapes[shape]!;
  const { from, to } = interval(waits);
  const behaviour = joinBehaviour({
    ...rest,
    names: { left: 'created', right: 'confirmed' },
    sideOf: (event) => (event.type === 'confirmed' ? 'right' : 'left'),
    together: { kind: 'interval', from: duration(from), to: duration(to) },
    keep: (event) => event.data,
    limits: { events: 100_000, stateBytes: 100_000_000, onLimit: 'dropOldest' },
    emitPair: (left, right) => [left.id, right.id],
    emitUnmatched: (_, event) => event.id,
  });
  const state = behaviour.create('key');
  const writer = new ByteWriter(65_536);
  const cells = {
    put: (cell: number, bytes: Uint8Array) => writeCell(writer, 1, cell, bytes),
    remove: (cell: number) => writeCell(writer, 1, cell, undefined),
  };
  let pairs = 0;
  const output: Output = {
    emit: ({ kind }) => void (pairs += kind === 'match' ? 1 : 0),
    incident: () => undefined,
  };
  let bytes = 0;
  const run = (first: number, count: number): void => {
    for (let at = first; at < first + count; at++) {
      const isRight = at % rights === 0;
      const time = instant(at);
      // A confirmation is of an order some way back.
      const order = isRight ? at - Math.ceil(waits / 2) - 1 : at;
      const event: Event = {
        id: String(at),
        type: isRight ? 'confirmed' : 'created',
        subject: 'bench',
        time,
        source: 'orders',
        seq: at,
        index: 0,
        headers: undefined,
        data: { order, customer: 'somebody' },
      };
      if (behaviour.wakeAt(state) <= time) behaviour.onTime(state, time, output);
      behaviour.onEvent(state, event, output);
      writer.reset();
      behaviour.save(state, cells);
      bytes += writer.size;
    }
  };
  run(0, 2 * waits + 20_000);
  bytes = 0;
  pairs = 0;
  const begin = process.cpuUsage();
  run(2 * waits + 20_000, events);
  const { user, system } = process.cpuUsage(begin);
  return {
    shape,
    buffered: state.events,
    eventsPerSecond: Math.round((events * 1e6) / (user + system)),
    bytesPerEvent: bytes / events,
    pairs,
    events,
  };
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  for (const shape of Object.keys(joinShapes)) {
    for (const waits of [100, 10_000]) {
      const { buffered, eventsPerSecond, bytesPerEvent, pairs, events } = measureJoinStep(shape, waits, 300_000);
      const figures = `${eventsPerSecond} events/s, ${bytesPerEvent.toFixed(1)} bytes saved an event`;
      console.log(`${shape}, ${buffered} buffered: ${figures} (${pairs} pairs in ${events} events)`);
    }
  }
}
