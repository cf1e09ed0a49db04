import { pathToFileURL } from 'node:url';
import type { Behaviour, Output } from '../src/core/behaviours/behaviour.ts';
import type { Event } from '../src/core/events/event.ts';
import { ByteWriter } from '../src/core/shards/byte-writer.ts';
import { writeCell } from '../src/core/shards/cells.ts';
import { ShardTable } from '../src/core/shards/table.ts';
import { duration, instant } from '../src/core/time/units.ts';
import type { Aggregate } from '../src/core/windows/aggregates/aggregate.ts';
import { count } from '../src/core/windows/aggregates/counts.ts';
import { distinct } from '../src/core/windows/aggregates/distinct.ts';
import { max } from '../src/core/windows/aggregates/extremes.ts';
import { percentile } from '../src/core/windows/aggregates/percentile.ts';
import { avg, stddev, sum } from '../src/core/windows/aggregates/sums.ts';
import type { EmitWhen, WindowDefinition, WindowShape } from '../src/core/windows/window.ts';
import { windowBehaviour } from '../src/core/windows/window-behaviour.ts';

// The window step alone, in process and on one core: events are made on the way, one key's state is at hand and is saved
// after every ten events, nothing is stored. Figures are processor time.

const HOUR = 3_600_000;
const PER_SECOND = 200;
const TURN = 10;

interface Figures {
  readonly microsecondsPerEvent: number;
  readonly bytesSavedPerEvent: number;
  readonly matches: number;
}

interface Data {
  readonly n: number;
  readonly level: number;
  readonly user: string;
}

const n = (event: Event): unknown => (event.data as Data).n;
const level = (event: Event): unknown => (event.data as Data).level;
const user = (event: Event): unknown => (event.data as Data).user;

const users = Array.from({ length: 400 }, (_, index) => `user-${index}`);

/** A level that goes up for the one minute out of a hundred in which `having` is to hold. */
function eventAt(number: number): Event {
  const time = number * (1000 / PER_SECOND);
  const phase = time % (100 * 60_000);
  const up = phase === 30 * 60_000 ? 1000 : phase === 31 * 60_000 ? -1000 : 0;
  const spread = (number * 2_654_435_761) % 4_294_967_296;
  return {
    id: '1',
    type: '',
    subject: '',
    time: instant(time),
    source: 'readings',
    seq: number,
    index: 0,
    headers: undefined,
    data: { n: spread % 1000, level: up, user: users[spread % 400]! } satisfies Data,
  };
}

/** Shows `events` events to one key after as many as `warm`, which are not measured. */
export function measureWindow(definition: WindowDefinition, warm: number, events: number): Figures {
  const behaviour: Behaviour = windowBehaviour(definition) as Behaviour;
  const state = behaviour.create('key');
  let matches = 0;
  let bytes = 0;
  const output: Output = { emit: () => matches++, incident: () => undefined };
  const cells = {
    put: (_cell: number, content: Uint8Array) => {
      bytes += content.length;
    },
    remove: () => undefined,
  };
  const show = (from: number, to: number): void => {
    for (let number = from; number < to; number++) {
      const event = eventAt(number);
      if (behaviour.wakeAt(state) <= event.time) behaviour.onTime(state, event.time, output);
      behaviour.onEvent(state, event, output);
      if (number % TURN === 0) behaviour.save(state, cells);
    }
  };
  show(0, warm);
  matches = 0;
  bytes = 0;
  const begin = process.cpuUsage();
  show(warm, warm + events);
  const { user, system } = process.cpuUsage(begin);
  return { microsecondsPerEvent: (user + system) / events, bytesSavedPerEvent: bytes / events, matches };
}

const light = (): Aggregate[] => [
  count('count'),
  sum('level', level),
  avg('mean', n),
  max('most', n),
  stddev('spread', n),
];
const heavy = (): Aggregate[] => [...light(), distinct('users', user), percentile('p95', n, 95)];

function definition(window: WindowShape, aggregates: Aggregate[], emitWhen: EmitWhen): WindowDefinition {
  return {
    window,
    allowedLateness: duration(0),
    emitWhen,
    aggregates,
    having: (results) => (results['level'] as number) > 500,
    havingReadsWindow: false,
    emit: (results) => ({ ...results }),
    limits: { entries: 1_000_000, stateBytes: 1 << 30, onLimit: 'dropOldest' },
  };
}

export function sliding(slide: number, aggregates: Aggregate[]): WindowDefinition {
  const window = { kind: 'sliding', size: duration(HOUR), slide: duration(slide), offset: duration(0) } as const;
  return definition(window, aggregates, { kind: 'risingEdge', across: 'windows' });
}

/** `events` is how many the window holds. */
export function perEvent(events: number): WindowDefinition {
  const window = { kind: 'perEvent', size: duration((events * 1000) / PER_SECOND) } as const;
  return definition(window, light(), { kind: 'risingEdge', across: 'events' });
}

/** Bytes that open sessions take in a shard's table, with their keys and timers. */
export function measureSessions(keys: number): { readonly bytesPerKey: number; readonly stateBytesPerKey: number } {
  const behaviour = windowBehaviour({
    window: { kind: 'session', gap: duration(1_800_000) },
    allowedLateness: duration(0),
    emitWhen: { kind: 'onClose' },
    aggregates: [count('count'), sum('sum', n)],
    limits: { entries: 1000, stateBytes: 1 << 20, onLimit: 'dropOldest' },
  });
  const table = new ShardTable();
  const output: Output = { emit: () => undefined, incident: () => undefined };
  const writer = new ByteWriter(256);
  let stateBytes = 0;
  for (let key = 0; key < keys; key++) {
    const state = behaviour.create(`key-${key}`);
    for (const number of [0, 1000, 5000]) {
      const event = eventAt(key + number);
      behaviour.onEvent(state, { ...event, time: instant(1_700_000_000_000 + event.time) }, output);
    }
    writer.reset();
    behaviour.save(state, {
      put(cell, bytes) {
        stateBytes += bytes.length;
        writeCell(writer, 1, cell, bytes);
      },
      remove: () => undefined,
    });
    table.apply(1, `key-${key}`, writer.copy(), [{ scope: 1, at: behaviour.wakeAt(state) }]);
  }
  return { bytesPerKey: table.bytes / keys, stateBytesPerKey: stateBytes / keys };
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  const say = (name: string, { microsecondsPerEvent, bytesSavedPerEvent, matches }: Figures): void =>
    console.log(
      `${name.padEnd(44)} ${microsecondsPerEvent.toFixed(3)} µs, ${bytesSavedPerEvent.toFixed(1)} bytes saved an event; ${matches} matches`,
    );
  const hour = PER_SECOND * 3600;
  for (const [name, aggregates] of [
    ['five small aggregates', light],
    ['and distinct, percentile', heavy],
  ] as const) {
    for (const round of [1, 2]) {
      for (const [slide, slideMs] of [
        ['1 min', 60_000],
        ['1 s', 1000],
      ] as const) {
        const figures = measureWindow(sliding(slideMs, aggregates()), hour, 2 * hour);
        say(`1 h by ${slide}, ${name}, round ${round}`, figures);
      }
    }
  }
  for (const events of [100, 10_000])
    say(`per event, ${events} in it`, measureWindow(perEvent(events), 20_000, 400_000));
  const { bytesPerKey, stateBytesPerKey } = measureSessions(1_000_000);
  console.log(
    `1,000,000 open sessions: ${bytesPerKey.toFixed(1)} bytes a key in the table, of them ${stateBytesPerKey.toFixed(1)} of state`,
  );
}
