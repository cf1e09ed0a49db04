import t from 'tap';
import { duration } from '../../src/core/time/units.ts';
import type { Aggregate } from '../../src/core/windows/aggregates/aggregate.ts';
import { collect } from '../../src/core/windows/aggregates/collect.ts';
import { count } from '../../src/core/windows/aggregates/counts.ts';
import { distinct } from '../../src/core/windows/aggregates/distinct.ts';
import { percentile } from '../../src/core/windows/aggregates/percentile.ts';
import { avg, stddev, sum } from '../../src/core/windows/aggregates/sums.ts';
import { windowProblems } from '../../src/core/windows/check-window.ts';
import type { WindowDefinition, WindowShape } from '../../src/core/windows/window.ts';
import { windowBehaviour } from '../../src/core/windows/window-behaviour.ts';
import { type Driven, drive, event, type Input } from './support/drive.ts';

const ms = duration;
const n: (event: { data: unknown }) => unknown = ({ data }) => data;
const limits = { entries: 10_000, stateBytes: 1 << 24, onLimit: 'dropOldest' } as const;

const rule = (window: WindowShape, more: Partial<WindowDefinition> = {}): WindowDefinition => ({
  window,
  allowedLateness: ms(0),
  emitWhen: { kind: 'onClose' },
  aggregates: [count('events'), sum('sum', n)],
  emit: (results) => results['sum'],
  limits,
  ...more,
});
const run = (definition: WindowDefinition, inputs: readonly Input[], options?: Parameters<typeof drive>[2]): Driven =>
  drive(windowBehaviour(definition), inputs, options);

let seq = 0;
const at = (time: number, data: unknown = 1): Input => ({ event: event(time, ++seq, data) });
const until = (watermark: number): Input => ({ watermark });
/** Kind, time and value of what was said; of late events how late. */
const told = ({ said }: Driven): unknown[] =>
  said.map(({ kind, time, emit, byMs, revision, ordinal }) =>
    kind === 'late'
      ? `late by ${byMs}`
      : `${kind} ${ordinal}${revision === undefined ? '' : `.${revision}`} @${time}: ${JSON.stringify(emit)}`,
  );

const tumbling = (size: number): WindowShape => ({ kind: 'tumbling', size: ms(size), offset: ms(0) });
const sliding = (size: number, slide: number): WindowShape => ({
  kind: 'sliding',
  size: ms(size),
  slide: ms(slide),
  offset: ms(0),
});
const everySave = { saveAfter: () => true };

t.test('a tumbling window is half-open: an event at its end belongs to the next', async (t) => {
  t.same(told(run(rule(tumbling(10)), [at(0), at(9), at(10), until(20)])), ['match 1 @10: 2', 'match 2 @20: 1']);
});

t.test('a session keeps a gap of exactly its length, and closes a millisecond after it', async (t) => {
  const session: WindowShape = { kind: 'session', gap: ms(5) };
  t.same(told(run(rule(session), [at(0), at(5), at(10.5), until(30)])), ['match 1 @11: 2', 'match 2 @16.5: 1']);
  t.same(told(run(rule(session), [at(0), until(5)])), []);
  t.same(told(run(rule(session), [at(0), until(6)])), ['match 1 @6: 1']);
});

t.test('an edge compares with the same window without the event, so the passing of time can end it', async (t) => {
  const wave = rule(
    { kind: 'perEvent', size: ms(10) },
    {
      emitWhen: { kind: 'risingEdge', across: 'events' },
      having: (results) => (results['events'] as number) >= 2,
      emit: (_results, window) => window.event?.time,
    },
  );
  // At 10 the event at 0 still counts, and at 20 those at 10; at 31 there are no two any more, so 35 rises again.
  const inputs = [at(0), at(10), at(10), at(20), at(31), at(35)];
  t.same(told(run(wave, inputs)), ['match 1 @10: 10', 'match 2 @35: 35']);
  t.equal(run(wave, [at(0), until(10)]).cells.size, 1);
  t.equal(run(wave, [at(0), until(11)]).cells.size, 0, 'events that are too old leave nothing');
});

t.test('an edge across windows is the first window that holds after one that did not, or had no events', async (t) => {
  const edges = rule(sliding(10, 5), {
    emitWhen: { kind: 'risingEdge', across: 'windows' },
    having: (results) => (results['sum'] as number) >= 2,
    havingReadsWindow: false,
  });
  const inputs = [at(1), at(2), at(4, 5), at(23, 2), at(31), at(41), at(42), until(100)];
  t.same(told(run(edges, inputs)), ['match 1 @5: 7', 'match 2 @25: 2', 'match 3 @45: 2']);
  t.same(told(run(edges, inputs, everySave)), told(run(edges, inputs)));
});

t.test('an event is late when its window has been closed for the allowed lateness, not before', async (t) => {
  const lenient = rule(tumbling(10), { allowedLateness: ms(5) });
  t.same(told(run(lenient, [until(14), at(3)])), ['match 1 @10: 1'], 'a closed window that is kept speaks at once');
  t.same(told(run(lenient, [until(15), at(3)])), ['late by 12']);
  t.same(
    told(run(rule(tumbling(10)), [at(8), at(3), until(10)])),
    ['match 1 @10: 2'],
    'open windows take what is behind',
  );
  t.same(told(run(rule(sliding(10, 5)), [at(8), until(10), at(4), at(6), until(20)])), [
    'match 1 @10: 1',
    'late by 6',
    'match 2 @15: 2',
  ]);
});

t.test('updates name the first emission of their window, also when it was packed in between', async (t) => {
  const lenient = rule(tumbling(10), { allowedLateness: ms(20) });
  const inputs = [at(2), at(12), until(15), at(3), until(20), at(5), at(14), until(40)];
  const expected = ['match 1 @10: 1', 'update 1.1 @10: 2', 'match 2 @20: 1', 'update 1.2 @10: 3', 'update 2.1 @20: 2'];
  for (const options of [{}, everySave]) t.same(told(run(lenient, inputs, options)), expected);
  t.equal(run(lenient, inputs, everySave).cells.size, 0, 'nothing is left when no update can follow');
  t.ok(run(lenient, inputs.slice(0, 4), everySave).cells.has(3), 'the number of the first emission stands beside it');
});

t.test('two sessions that a late event makes one go on under the first name', async (t) => {
  const sessions = rule({ kind: 'session', gap: ms(5) }, { allowedLateness: ms(50) });
  const inputs = [at(0), at(10), until(20), at(5), until(100)];
  for (const options of [{}, everySave]) {
    t.same(told(run(sessions, inputs, options)), ['match 1 @6: 1', 'match 2 @16: 1', 'update 1.1 @16: 3']);
  }
  // The first has not spoken, since it does not hold: the second gives the name.
  const big = { ...sessions, having: (results: Readonly<Record<string, unknown>>) => (results['sum'] as number) > 1 };
  const second = [at(0), at(10, 2), until(20), at(5), until(100)];
  for (const options of [{}, everySave]) {
    t.same(told(run(big, second, options)), ['match 1 @16: 2', 'update 1.1 @16: 4']);
  }
});

t.test('a late event can open a closed session again, which then closes with an update', async (t) => {
  const sessions = rule({ kind: 'session', gap: ms(5) }, { allowedLateness: ms(50) });
  const inputs = [at(0), until(8), at(4), until(9), until(10)];
  t.same(told(run(sessions, inputs, everySave)), ['match 1 @6: 1', 'update 1.1 @10: 2']);
});

t.test('a session is cut at its greatest size, and stays cut whatever comes late', async (t) => {
  const cut = rule({ kind: 'session', gap: ms(5), maxSize: ms(10) }, { allowedLateness: ms(50) });
  t.same(told(run(cut, [at(0), at(4), at(8), at(10), until(30)])), ['match 1 @10: 3', 'match 2 @16: 1']);
  t.same(told(run(cut, [at(0), at(4), at(8), at(10), until(30), at(9.5)], everySave)), [
    'match 1 @10: 3',
    'match 2 @16: 1',
    'update 1.1 @10: 4',
  ]);
});

t.test('windows without events are passed over, and so are those whose content has been asked about', async (t) => {
  const waking = (more: Partial<WindowDefinition>): number => {
    const behaviour = windowBehaviour(rule(sliding(3_600_000, 1000), more));
    const state = behaviour.create('key');
    const output = { emit: () => undefined, incident: () => undefined };
    for (const time of [500, 7_200_500, 7_200_900]) {
      behaviour.onTime(state, ms(time) as never, output);
      behaviour.onEvent(state, event(time, 1), output);
    }
    let wakes = 0;
    for (; !behaviour.isEmpty(state); wakes++) behaviour.onTime(state, behaviour.wakeAt(state), output);
    return wakes;
  };
  const never = { having: () => false };
  t.ok(waking({ ...never, havingReadsWindow: false }) <= 3);
  t.equal(waking(never), 3600, 'as long as `having` may read the window, each is asked');
});

t.test('small states are small: a session with count and sum, and the step of a sliding hour', async (t) => {
  const hour = 3_600_000;
  const session = run(
    rule({ kind: 'session', gap: ms(hour) }),
    [1.7e12, 1.7e12 + 1000, 1.7e12 + 2_000_000].map((time) => at(time, 123)),
  );
  const [bytes] = [...session.cells.values()].map(({ length }) => length);
  t.equal(session.cells.size, 1);
  t.ok(bytes! < 40, `${bytes} bytes`);
  for (const shape of [sliding(hour, 1000), { kind: 'perEvent', size: ms(hour) } as const]) {
    const inputs = Array.from({ length: 2000 }, (_, step) => at(1.7e12 + 700 * step, 5));
    const { written, cells } = run(rule(shape, { having: () => false, havingReadsWindow: false }), inputs, everySave);
    t.ok(cells.size > 100);
    t.ok(
      Math.max(...written.slice(100)) < 600,
      `${shape.kind}: at most ${Math.max(...written.slice(100))} bytes a save`,
    );
  }
});

t.test('sums that are slid over neither drift nor depend on when the state was packed', async (t) => {
  const values = Array.from({ length: 300 }, (_, step) => Math.sin(step * 7) * 10 ** (step % 17));
  const inputs = values.map((value, step) => at(step * 10, value));
  const aggregates = [sum('sum', n), avg('avg', n), stddev('stddev', n)];
  const emit: NonNullable<WindowDefinition['emit']> = (results) => ({ ...results });
  const shapes: readonly WindowShape[] = [
    sliding(700, 10),
    { kind: 'perEvent', size: ms(700) },
    { kind: 'countSliding', size: 70, slide: 1 },
  ];
  for (const shape of shapes) {
    const whole = run(rule(shape, { aggregates, emit }), inputs);
    for (const saveAfter of [() => true, (input: number) => input % 41 === 5]) {
      t.same(run(rule(shape, { aggregates, emit }), inputs, { saveAfter }).said, whole.said, shape.kind);
    }
  }
  // A huge value that has left leaves no trace.
  const huge = [at(0, 1e17), at(10, 0.5), at(20, 0.25)];
  t.same(told(run(rule(sliding(20, 10)), [...huge, until(40)])).at(-2), 'match 3 @30: 0.75');
});

t.test('what says an estimate says so', async (t) => {
  const aggregates: Aggregate[] = [
    count('events'),
    distinct('different', n, 2),
    percentile('p50', n, 50, 3),
    collect('all', n, { limit: 2 }),
  ];
  const { said } = run(rule(tumbling(10), { aggregates }), [
    at(1, 1),
    at(2, 2),
    at(11, 1),
    at(12, 2),
    at(13, 3),
    at(14, 4),
    until(20),
  ]);
  t.same(
    said.map(({ approximate }) => approximate),
    [undefined, ['different', 'p50', 'all']],
  );
  const slid = run(rule(sliding(20, 10), { aggregates }), [
    at(1, 1),
    at(2, 2),
    at(11, 1),
    at(12, 2),
    at(13, 3),
    at(14, 4),
    until(40),
  ]);
  t.same(
    slid.said.map(({ approximate }) => approximate),
    [undefined, ['different', 'p50', 'all'], ['different', 'p50', 'all']],
  );
});

t.test('a limit gives up the oldest, refuses the newest, or makes it a dead letter; each is told', async (t) => {
  const inputs = [at(1), at(11), at(21), at(31), until(100)];
  const limited = (onLimit: 'dropOldest' | 'dropNewest' | 'deadLetter', window: WindowShape) =>
    run(rule(window, { limits: { entries: 2, stateBytes: 1 << 20, onLimit }, allowedLateness: ms(0) }), inputs);
  const all = sliding(100, 10);
  const ring: WindowShape = { kind: 'perEvent', size: ms(100) };
  t.equal(limited('dropOldest', all).said.at(-1)!.first, 21);
  t.same(
    limited('dropOldest', all).incidents.map((incident) => ({ ...incident })),
    Array.from({ length: 2 }, () => ({ kind: 'limitReached', limit: 'entries', answer: 'dropOldest' })),
  );
  t.equal(limited('dropNewest', all).said.at(-1)!.last, 11);
  t.match(limited('deadLetter', ring).incidents, [
    { answer: 'deadLetter', events: [{ count: 1, refs: [{ time: 21 }] }] },
    { answer: 'deadLetter', events: [{ count: 1, refs: [{ time: 31 }] }] },
  ]);
  t.same(
    limited('dropOldest', ring).said.map(({ count }) => count),
    [1, 2, 2, 2],
  );
  const sessions = run(
    rule(
      { kind: 'session', gap: ms(2) },
      { limits: { entries: 2, stateBytes: 1 << 20, onLimit: 'dropOldest' }, allowedLateness: ms(500) },
    ),
    inputs,
  );
  t.equal(sessions.incidents.length, 2, 'closed sessions that are kept count as well');
  const fat = run(
    rule(tumbling(1000), {
      aggregates: [distinct('d', n)],
      limits: { entries: 10, stateBytes: 1000, onLimit: 'dropOldest' },
    }),
    Array.from({ length: 100 }, (_, step) => at(step, `value-${step}`)),
  );
  t.match(
    fat.incidents[0],
    { limit: 'stateBytes', answer: 'dropNewest' },
    'with nothing older the newest is not taken',
  );
});

t.test('cells of another format or without sense are refused with a code', async (t) => {
  const shapes: readonly WindowShape[] = [
    tumbling(10),
    { kind: 'session', gap: ms(5) },
    { kind: 'perEvent', size: ms(5) },
  ];
  for (const shape of shapes) {
    const behaviour = windowBehaviour(rule(shape));
    t.throws(() => behaviour.load(new Map([[0, Uint8Array.of(99, 1)]]), 'key'), {
      code: 'WINDOW_STATE_UNREADABLE',
      message: /format 99/,
    });
    t.throws(() => behaviour.load(new Map([[0, Uint8Array.of(1, 1)]]), 'key'), {
      code: 'WINDOW_STATE_UNREADABLE',
      message: /damaged/,
    });
    t.equal(behaviour.isEmpty(behaviour.load(new Map(), 'key')), true);
  }
});

t.test('each impossible window is told with what to do', async (t) => {
  const codes = (window: WindowShape, more: Partial<Parameters<typeof windowProblems>[0]> = {}): string[] =>
    windowProblems({
      window,
      emitWhen: { kind: 'onClose' },
      allowedLateness: 0,
      hasHaving: false,
      aggregates: ['n'],
      ...more,
    }).map(({ code }) => code);
  const global: WindowShape = { kind: 'global' };
  t.same(codes(tumbling(10)), []);
  t.same(codes(tumbling(0)), ['WINDOW_LENGTH']);
  t.same(codes(sliding(1.5, 1)), ['WINDOW_LENGTH']);
  t.same(codes({ kind: 'session', gap: ms(5), maxSize: ms(0) }), ['WINDOW_LENGTH']);
  t.same(codes(tumbling(10), { emitWhen: { kind: 'every', every: ms(0) } }), ['WINDOW_LENGTH']);
  t.same(codes(tumbling(10), { emitWhen: { kind: 'everyEvents', events: 0 } }), ['WINDOW_LENGTH']);
  t.same(codes(sliding(3_600_000, 3_599_999)), ['WINDOW_TOO_MANY_PANES']);
  t.same(codes({ kind: 'perEvent', size: ms(5) }, { emitWhen: { kind: 'once' } }), ['WINDOW_EMIT_WHEN']);
  t.same(codes(tumbling(5), { emitWhen: { kind: 'risingEdge', across: 'events' } }), ['WINDOW_EDGE_WITHOUT_HAVING']);
  t.same(codes(global), ['WINDOW_NEVER_EMITS']);
  t.same(codes({ kind: 'perEvent', size: ms(5) }, { allowedLateness: 5 }), ['WINDOW_LATENESS']);
  t.same(codes(tumbling(5), { allowedLateness: -5 }), ['WINDOW_LATENESS']);
  t.same(codes(tumbling(5), { aggregates: [] }), ['AGGREGATE_MISSING']);
  t.same(codes(tumbling(5), { aggregates: ['a', 'b', 'a'] }), ['AGGREGATE_NAME_TWICE']);
});
