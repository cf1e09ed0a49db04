import fc from 'fast-check';
import t from 'tap';
import { chanceOf } from '../../src/core/process/chance.ts';
import { checkProcessRule } from '../../src/core/process/check-process-rule.ts';
import { harness } from '../../src/core/process/harness.ts';
import { processBehaviour } from '../../src/core/process/process-behaviour.ts';
import {
  type AnyProcessRule,
  eventTimer,
  list,
  map,
  output,
  processingTimer,
  processRule,
  reducing,
  source,
  value,
} from '../../src/core/process/process-rule.ts';
import { justAfter } from '../../src/core/time/just-after.ts';
import { instant } from '../../src/core/time/units.ts';
import { Driver } from './driver.ts';
import { Model, type Op } from './model.ts';
import { randomRule } from './random-rule.ts';

interface BookingCreated {
  readonly bookingId: string;
  readonly customer: string;
}
interface SeatTaken {
  readonly ref: { readonly booking: string };
  readonly seats: number;
}

const bookings = processRule({
  rule: 'booking-correlation',
  from: {
    created: source<BookingCreated>('bookings', { type: 'BookingCreated', key: (event) => event.bookingId }),
    seat: source<SeatTaken>('seats', { type: 'SeatTaken', key: (event) => event.ref.booking }),
  },
  state: {
    created: value<BookingCreated>({ ttl: '1d' }),
    seats: reducing({ initial: 0, add: (seats, event: SeatTaken) => seats + event.seats }),
  },
  timers: { deadline: eventTimer() },
  outputs: {
    booked: output<{ readonly customer: string; readonly seats: number }>(),
    unfinished: output<{ readonly seats: number }>(),
  },
  on: {
    created(event, ctx) {
      ctx.state.created.set(event);
      ctx.timers.deadline.after('15m');
    },
    seat(event, ctx) {
      ctx.state.seats.add(event);
      const created = ctx.state.created.get();
      if (created === undefined || ctx.state.seats.get() < 3) return;
      ctx.emit('booked', { customer: created.customer, seats: ctx.state.seats.get() });
      ctx.clear();
    },
  },
  onTimer: {
    deadline(ctx) {
      ctx.emit('unfinished', { seats: ctx.state.seats.get() });
      ctx.clear();
    },
  },
});

t.test('a process rule runs in a harness over written times', async (t) => {
  const rule = harness(bookings);
  rule.event('created', { bookingId: 'b1', customer: 'Ada' }, { time: '0s' });
  rule.event('created', { bookingId: 'b2', customer: 'Ben' }, { time: '1m' });
  rule.event('seat', { ref: { booking: 'b1' }, seats: 2 }, { time: '2m' });
  rule.event('seat', { ref: { booking: 'b2' }, seats: 1 }, { time: '3m' });
  t.same(rule.activeKeys, ['b1', 'b2']);
  rule.event('seat', { ref: { booking: 'b1' }, seats: 1 }, { time: '15m' });
  t.same(rule.of('booked'), [{ customer: 'Ada', seats: 3 }], 'an event at the deadline is before its timer');
  t.same(rule.activeKeys, ['b2']);
  rule.advanceTo('16m');
  t.same(rule.of('unfinished'), [{ seats: 1 }]);
  t.same(rule.outputs.at(-1), { output: 'unfinished', key: 'b2', time: 960_000, value: { seats: 1 } });
  t.same(rule.activeKeys, []);
  t.throws(() => rule.event('seat', { ref: { booking: 'b1' }, seats: 1 }, { time: '16m' }), /is late/);
  t.throws(() => rule.advanceTo('1m'), /does not go back/);
});

const id = fc.constantFrom(undefined, 'a', 'again', 'same', 'fail', 'later');
const n = fc.integer({ min: 0, max: 9 });
const key = fc.constantFrom<string | number>('x', 1, '1', 'long name');
const op: fc.Arbitrary<Op> = fc.oneof(
  fc.record({ op: fc.constantFrom('set' as const, 'append' as const, 'reduce' as const, 'aggregate' as const), n }),
  fc.record({ op: fc.constant('put' as const), key, n }),
  fc.record({ op: fc.constant('delete' as const), key }),
  fc.record({
    op: fc.constantFrom('take' as const, 'replace' as const, 'forget' as const, 'unlist' as const, 'say' as const),
  }),
  fc.record({
    op: fc.constantFrom('arm' as const, 'armProcessing' as const),
    id,
    after: fc.integer({ min: -2, max: 6 }),
  }),
  fc.record({ op: fc.constant('cancel' as const), id }),
  { weight: 1, arbitrary: fc.constantFrom<Op>({ op: 'clear' }, { op: 'throw' }, { op: 'say' }) },
);

const turns = fc.array(
  fc.record({
    step: fc.constantFrom(0, 0, 1, 1, 2, 0.5, 12),
    processing: fc.constantFrom(0, 0, 1, 3),
    ops: fc.array(op, { maxLength: 6 }),
    save: fc.boolean(),
    stop: fc.boolean(),
  }),
  { maxLength: 20 },
);

t.test('a random process rule does what a plain program does, stopped at any event', async (t) => {
  const seen = { failed: 0, timers: 0, said: 0 };
  for (const seed of [20_261_124, Number(process.env.SEED ?? Date.now() % 1_000_000_000)]) {
    t.comment(`seed ${seed}`);
    fc.assert(
      fc.property(turns, (turns) => {
        const driver = new Driver(randomRule);
        const model = new Model();
        let time = 1000;
        let processing = 0;
        for (const { step, processing: passed, ops, save, stop } of turns) {
          time += step;
          processing += passed;
          driver.advanceProcessing(processing);
          model.advanceProcessing(processing, false);
          const told: Op[] = [...ops, { op: 'say' }];
          driver.event(time, told);
          model.event(time, told);
          if (save || stop) driver.save();
          if (stop) driver.resume(processing);
          if (driver.state.isEmpty !== model.isEmpty) throw new Error(`at ${time} the key is empty, or it is not`);
        }
        driver.advance(time + 3).advanceProcessing(processing + 2);
        model.advance(time + 3, false);
        model.advanceProcessing(processing + 2, false);
        driver.advance(justAfter(instant(time + 30)));
        model.advance(time + 30, true);
        driver.save();
        const said = driver.said.map((one) =>
          String(one)
            .replace('failed on.told', 'failed event')
            .replace(/^failed onTimer\.(\w+)/, 'failed $1 timer fail'),
        );
        if (said.join('\n') !== model.said.join('\n'))
          throw new Error(`said\n  ${said.join('\n  ')}\nexpected\n  ${model.said.join('\n  ')}`);
        for (const one of said) {
          if (one.startsWith('failed')) seen.failed++;
          else if (one.includes(' timer ')) seen.timers++;
          else seen.said++;
        }
      }),
      { seed, numRuns: 2000 },
    );
  }
  t.ok(Math.min(...Object.values(seen)) > 1000, JSON.stringify(seen));
});

t.test('a function that throws leaves nothing behind, and the key goes on', async (t) => {
  const rule = harness(
    processRule({
      rule: 'careless',
      from: { order: source<{ readonly bad?: boolean }>('orders', { key: () => 'key' }) },
      state: { seen: list<number>(), byName: map<string, number>() },
      timers: { later: eventTimer() },
      outputs: { count: output<number>() },
      on: {
        order({ bad }, ctx) {
          ctx.state.seen.add(ctx.meta.seq);
          ctx.state.byName.set('a', ctx.meta.seq);
          ctx.state.byName.delete('a');
          if (bad) ctx.state.seen.takeFirst();
          ctx.timers.later.after('1s');
          ctx.emit('count', ctx.state.seen.size);
          if (bad) throw new TypeError('no such thing');
        },
      },
      onTimer: {
        later(ctx) {
          ctx.state.seen.clear();
          if (ctx.state.seen.size === 0) throw new Error('no more');
        },
      },
    }),
  );
  rule.event('order', {}, { time: 0 });
  const failure = { code: 'RULE_FAILED', place: 'on.order', stateKept: true, cause: TypeError };
  t.throws(() => rule.event('order', { bad: true }, { time: 10 }), {
    ...failure,
    message: /careless.*undone.*TypeError: no such thing/,
  });
  t.throws(
    () => rule.advanceTo(1000),
    { code: 'RULE_FAILED', place: 'onTimer.later' },
    'armed by the first, not moved by the second',
  );
  rule.advanceTo(5000).event('order', {}, { time: 6000 });
  t.same(rule.of('count'), [1, 2], 'the timer that failed is spent, and what it cleared is there');
});

t.test('what cannot be done is refused with the reason', async (t) => {
  const attempt = (work: (ctx: never) => unknown, limits = {}): string => {
    const driver = new Driver(
      {
        rule: 'r',
        from: { told: {} },
        state: { value: value(), list: list() },
        timers: { timer: eventTimer(), slow: processingTimer() },
        outputs: { out: output() },
        on: { told: (_: unknown, ctx: never) => work(ctx) },
        onTimer: { timer: work },
      },
      limits,
    );
    driver.event(0, {});
    t.equal(driver.save().cells.size, 0, 'nothing is kept');
    return driver.failures[0]?.message ?? 'nothing was refused';
  };
  type Any = { state: { value: { set(value: unknown): void }; list: { add(value: unknown): void } } } & {
    emit(name: string, value: unknown): void;
    timers: Record<string, { at(time: unknown, id?: unknown): void; after(length: unknown): void }>;
  };
  const refused = (work: (ctx: Any) => unknown, limits = {}): string => attempt(work as never, limits);
  const circle: unknown[] = [];
  circle.push({ circle });
  t.match(
    refused((ctx) => ctx.state.value.set({ a: [1, new Map()] })),
    /a Map at a\.1 cannot be stored/,
  );
  t.match(
    refused((ctx) => ctx.state.value.set({ a: () => 1 })),
    /a function at a cannot/,
  );
  t.match(
    refused((ctx) => ctx.state.value.set(new URL('nats://x'))),
    /a URL cannot/,
  );
  t.match(
    refused((ctx) => ctx.state.value.set(circle)),
    /more than 64 levels, or one that holds itself/,
  );
  t.match(
    refused((ctx) => ctx.state.value.set(2n ** 64n)),
    /a BigInt beyond 64 bits/,
  );
  t.match(
    refused((ctx) => ctx.emit('out', Symbol('x'))),
    /a symbol cannot/,
  );
  t.match(
    refused((ctx) => ctx.emit('outt', 1)),
    /declares no output "outt"/,
  );
  t.match(
    refused((ctx) => ctx.timers.timer!.after('soon')),
    /length given to timer timer is "soon": give a duration such as/,
  );
  t.match(
    refused((ctx) => ctx.timers.timer!.at('2026-01-01')),
    /cannot be armed for 2026-01-01: give milliseconds/,
  );
  t.match(
    refused((ctx) => ctx.timers.timer!.at(1, 7)),
    /id of timer timer must be a text/,
  );
  t.match(
    refused(async (ctx) => ctx.state.value.set(1)),
    /it is async: .* before it returns/,
  );
  t.match(
    refused((ctx) => ctx.state.list.add('x'.repeat(500)), { stateBytes: 200 }),
    /would have 5\d\d bytes; limits.stateBytes allows 200/,
  );
  t.match(
    refused((ctx) => ['a', 'b', 'c'].forEach((id) => void ctx.timers.timer!.at(5, id)), { timers: 2 }),
    /would leave 3 timers armed for the key; limits.timers allows 2/,
  );
  let kept: Any | undefined;
  refused((ctx) => {
    kept = ctx;
    throw new Error('stop');
  });
  t.throws(() => kept!.state.value.set(1), { code: 'RULE_CALL_WRONG', message: /used after its call had ended/ });
  t.throws(
    () => new Driver({ rule: 'r', from: {}, on: {}, state: { v: value({ ttl: 'x' }) } }),
    /state\.v\.ttl is "x"/,
  );
});

t.test(
  'a timer that arms itself for the moment that it is fails in the end instead of going on for ever',
  async (t) => {
    const driver = new Driver({
      rule: 'r',
      from: { told: {} },
      timers: { timer: eventTimer() },
      outputs: { out: output() },
      on: { told: (_: unknown, ctx: { timers: { timer: { after(ms: number): void } } }) => ctx.timers.timer.after(5) },
      onTimer: {
        timer(ctx: { emit(name: string, value: number): void; timers: { timer: { at(time: number): void } } }) {
          ctx.emit('out', 1);
          ctx.timers.timer.at(0);
        },
      },
    });
    driver.event(0, {}).advance(10);
    t.equal(driver.emissions.length, 100);
    t.match(driver.failures, [{ place: 'onTimer.timer', message: /100 times over: arm it for later/ }]);
    t.equal(driver.save().cells.size, 0);
  },
);

t.test('what was read or said is a copy, so changing it changes nothing that is remembered', async (t) => {
  interface Cart {
    items: string[];
  }
  const rule = harness(
    processRule({
      rule: 'carts',
      from: { add: source<string>('carts', { key: () => 'key' }) },
      state: {
        cart: value<Cart>(),
        all: reducing({ initial: [] as string[], add: (all, item: string) => [...all, item] }),
      },
      outputs: { cart: output<Cart | undefined>(), all: output<string[]>() },
      on: {
        add(item, ctx) {
          const cart = ctx.state.cart.get() ?? { items: [] };
          cart.items.push(item);
          ctx.state.cart.set(cart);
          cart.items.push('not set');
          ctx.emit('cart', cart);
          cart.items.push('not said');
          ctx.state.cart.get()!.items.push('not set either');
          ctx.state.all.get().push('nor this');
          ctx.emit('cart', ctx.state.cart.get());
          ctx.emit('all', ctx.state.all.get());
        },
      },
    }),
  );
  rule.event('add', 'milk', { time: 0 }).event('add', 'eggs', { time: 1 });
  t.same(
    rule.of('cart').map((cart) => cart!.items.join()),
    ['milk,not set', 'milk', 'milk,eggs,not set', 'milk,eggs'],
  );
  t.same(rule.of('all'), [[], []]);
});

t.test('dates, binary, BigInts and missing values come back as they were stored', async (t) => {
  const stored = [new Date(5), Uint8Array.of(1, 2), 12n, undefined, null, -0.5, { a: [undefined, 'é\u{1F600}'] }, true];
  const driver = new Driver({
    rule: 'r',
    from: { told: {} },
    state: { list: list() },
    outputs: { out: output() },
    on: {
      told(
        _: unknown,
        ctx: {
          state: { list: { add(item: unknown): void; get(): unknown[] } };
          emit(name: string, value: unknown): void;
        },
      ) {
        if (ctx.state.list.get().length === 0) for (const item of stored) ctx.state.list.add(item);
        else ctx.emit('out', ctx.state.list.get());
      },
    },
  });
  driver.event(0, {}).save().resume(0).event(1, {});
  const [said] = driver.said as [unknown[]];
  t.same(
    said.map((one) => (one instanceof Uint8Array ? Uint8Array.from(one) : one)),
    stored,
  );
});

t.test('a ttl ends after its last moment, and a timer of that moment still sees what it ends', async (t) => {
  const rule = harness(
    processRule({
      rule: 'short',
      from: { seen: source<string>('s', { key: () => 'key' }) },
      state: { last: value<string>({ ttl: '10s' }), names: list<string>({ ttl: '10s', ttlClock: 'processing' }) },
      timers: { end: eventTimer(), tick: processingTimer() },
      outputs: { out: output<readonly (string | number | undefined)[]>() },
      on: {
        seen(name, ctx) {
          ctx.emit('out', [ctx.state.last.get(), ctx.state.names.size]);
          ctx.state.last.set(name);
          ctx.state.names.add(name);
          ctx.timers.end.after('10s');
          ctx.timers.tick.after('10s');
        },
      },
      onTimer: {
        end: (ctx) => ctx.emit('out', ['end', ctx.state.last.get()]),
        tick: (ctx) => ctx.emit('out', ['tick', ctx.state.names.size, ctx.time, ctx.processingTime]),
      },
    }),
  );
  rule.event('seen', 'a', { time: '0s' }).event('seen', 'b', { time: '10s' });
  rule.advanceTo('20s').event('seen', 'c', { time: '21s' });
  rule.advanceProcessingTo('10s').advanceProcessingTo('11s').event('seen', 'd', { time: '22s' });
  t.same(rule.of('out'), [
    [undefined, 0],
    ['a', 1],
    ['end', 'b'],
    [undefined, 2],
    ['tick', 3, 21_000, 10_000],
    ['c', 0],
  ]);
});

t.test('an event for two names goes to both, all or nothing', async (t) => {
  const driver = new Driver(
    {
      rule: 'r',
      from: { one: {}, two: {} },
      state: { count: reducing({ initial: 0, add: (sum: number, more: number) => sum + more }) },
      outputs: { out: output() },
      on: {
        one: (_: unknown, ctx: { state: { count: { add(n: number): void } } }) => ctx.state.count.add(1),
        two(bad: boolean, ctx: { state: { count: { get(): number } }; emit(name: string, value: unknown): void }) {
          if (bad) throw new Error('bad');
          ctx.emit('out', ctx.state.count.get());
        },
      },
    },
    {},
    ['one', 'two'],
  );
  driver.event(0, false).event(1, true).event(2, false);
  t.same(driver.said, [1, 'failed on.one and on.two', 2]);
  t.match(driver.emissions[0], {
    kind: 'match',
    side: 'out',
    time: 0,
    first: 0,
    events: [{ step: 'two', count: 1, refs: [{ id: 'e1' }] }],
  });
});

t.test('chance is the same for the same key, event and call, and differs otherwise', async (t) => {
  const numbers = (name: string) => {
    const next = chanceOf(name);
    return Array.from({ length: 10_000 }, next);
  };
  t.same(numbers('a'), numbers('a'));
  const [one, other] = [numbers('a'), numbers('b')];
  t.equal(new Set([...one, ...other]).size, 20_000);
  for (const list of [one, other]) {
    t.ok(list.every((number) => number >= 0 && number < 1));
    for (let tenth = 0; tenth < 10; tenth++) {
      const count = list.filter((number) => Math.floor(number * 10) === tenth).length;
      t.ok(count > 850 && count < 1150, `${count} of 10,000 in one tenth`);
    }
  }
  const told = () => {
    const driver = new Driver({
      rule: 'r',
      from: { told: {} },
      outputs: { out: output() },
      on: {
        told: (_: unknown, ctx: { random(): number; emit(name: string, value: number[]): void }) =>
          ctx.emit('out', [ctx.random(), ctx.random()]),
      },
    });
    return driver.event(0, {}).event(0, {}).said;
  };
  t.same(told(), told());
  t.equal(new Set(told().flat()).size, 4);
});

t.test('one item of 10,000 that changes writes a few bytes', async (t) => {
  const driver = new Driver({
    rule: 'r',
    from: { told: {} },
    state: { map: map(), list: list({ ttl: '5s' }) },
    timers: { timer: eventTimer() },
    on: {
      told(
        at: number,
        ctx: {
          state: { map: { set(key: number, value: unknown): void }; list: { add(item: unknown): void } };
          timers: { timer: { after(ms: number, id: string): void } };
        },
      ) {
        ctx.state.map.set(at, { customer: 'somebody' });
        ctx.state.list.add(at);
        ctx.timers.timer.after(100_000, String(at));
      },
    },
    onTimer: {},
  });
  let most = 0;
  for (let at = 0; at < 10_000; at++) {
    driver.event(at, at).save();
    most = Math.max(most, driver.written);
  }
  t.ok(driver.cells.size > 25_000 - 1, `${driver.cells.size} cells`);
  t.ok(most < 100, `at most ${most} bytes an event`);
});

t.test('cells that cannot be read are refused with the way out', async (t) => {
  const rule = { rule: 'r', from: {}, on: {}, state: { v: value() } } as unknown as AnyProcessRule;
  const behaviour = processBehaviour({ rule, aliasesOf: () => [], limits: { stateBytes: 1, timers: 1 } });
  const code = { code: 'PROCESS_STATE_UNREADABLE' };
  t.throws(() => behaviour.load(new Map([[1, Uint8Array.of(9)]]), 'k'), { ...code, message: /format 9.*reads 1/ });
  t.throws(() => behaviour.load(new Map([[1, Uint8Array.of(1, 5)]]), 'k'), { ...code, message: /does not have/ });
  t.throws(() => behaviour.load(new Map([[1, Uint8Array.of(1)]]), 'k'), { ...code, message: /damaged/ });
});

t.test('a rule written without types is checked for what the compiler would have said', async (t) => {
  t.same(checkProcessRule(bookings as never), []);
  const problems = checkProcessRule({
    from: { a: source('s', { key: 'event.n' }), b: {} },
    state: { ok: value(), 'not ok': list({ ttl: 'x' }), clock: map({ ttlClock: 'wall' as never }) },
    timers: { tick: eventTimer() },
    outputs: ['out'],
    limits: { timer: 5, stateBytes: 0 },
    on: { a: () => undefined },
    onTimer: { tock: () => undefined },
  });
  t.same(
    problems.map(({ code, path, fix }) => `${code} ${path.join('.')}: ${fix}`),
    [
      'PROCESS_DECLARATION from.b: make it with source(…)',
      'PROCESS_FUNCTION_MISSING on.b: write a function `on.b`',
      'PROCESS_NAME state.not ok: take a letter, then letters, digits or _',
      'PROCESS_FIELD state.not ok.ttl: give a duration such as 500ms, 30s, 10m, 1h30m or 2d',
      "PROCESS_FIELD state.clock.ttlClock: give 'event' or 'processing'",
      'PROCESS_FUNCTION_MISSING onTimer.tick: write a function `onTimer.tick`',
      'PROCESS_FUNCTION_UNKNOWN onTimer.tock: did you mean `tick`?',
      'PROCESS_FIELD outputs: write `outputs: { name: output() }`',
      'PROCESS_FIELD limits.timer: did you mean `timers`?',
      'PROCESS_FIELD limits.stateBytes: give such a number',
    ],
  );
});
