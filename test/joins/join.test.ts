import fc from 'fast-check';
import t from 'tap';
import type { Behaviour, Emission, Incident } from '../../src/core/behaviours/behaviour.ts';
import type { Event } from '../../src/core/events/event.ts';
import type { JoinDefinition, Side, Together } from '../../src/core/joins/join.ts';
import { joinBehaviour } from '../../src/core/joins/join-behaviour.ts';
import type { JoinState } from '../../src/core/joins/join-state.ts';
import { justAfter } from '../../src/core/time/just-after.ts';
import { duration, instant, NEVER } from '../../src/core/time/units.ts';
import { type NaiveJoin, naiveJoin } from './naive-join.ts';

type On = Side | 'both';

interface Data {
  readonly on: On;
  readonly customer: number;
}

const dataOf = (event: Event): Data => event.data as Data;

function eventAt(time: number, on: On, seq: number, customer = 0): Event {
  const data: Data & { more: string } = { on, customer, more: 'dropped when it is buffered' };
  const type = on === 'left' ? 'created' : 'confirmed';
  return {
    id: `e${seq}`,
    type,
    subject: 'x',
    time: instant(time),
    source: 's',
    seq,
    index: 0,
    headers: { h: '1' },
    data,
  };
}

const noLimits = { events: 1e9, stateBytes: 1e12, onLimit: 'deadLetter' } as const;

function joinOf(together: Together, more: Partial<JoinDefinition> = {}): JoinDefinition {
  return {
    names: { left: 'created', right: 'confirmed' },
    sideOf: (event) => dataOf(event).on,
    together,
    pairs: 'all',
    where: undefined,
    equal: undefined,
    unmatched: [],
    keep: (event) => ({ on: dataOf(event).on, customer: dataOf(event).customer }),
    limits: noLimits,
    emitPair: (left, right, key, window) => ({ pair: [left.id, right.id], key, ...(window && { window }) }),
    emitUnmatched: (side, event) => ({ side, event: event.id }),
    ...more,
  };
}

const interval = (from: number, to: number): Together => ({
  kind: 'interval',
  from: duration(from),
  to: duration(to),
});

/** Drives a behaviour as a key's turn does, and stores its cells as a shard does. */
class Driver {
  readonly emissions: Emission[] = [];
  readonly incidents: Incident[] = [];
  readonly cells = new Map<number, Uint8Array>();
  state: JoinState;
  /** Bytes put and cells removed by the last save. */
  written = 0;
  private readonly behaviour: Behaviour<JoinState>;

  constructor(definition: JoinDefinition) {
    this.behaviour = joinBehaviour(definition);
    this.state = this.behaviour.create('key');
  }

  readonly emit = (emission: Emission): void => void this.emissions.push(emission);
  readonly incident = (incident: Incident): void => void this.incidents.push(incident);

  event(event: Event): this {
    this.advance(event.time);
    this.behaviour.onEvent(this.state, event, this);
    return this;
  }

  /** Fires what is due at or before `now`. */
  advance(now: number): this {
    for (let due = this.behaviour.wakeAt(this.state); due <= now && due !== NEVER; ) {
      this.behaviour.onTime(this.state, due, this);
      const next = this.behaviour.wakeAt(this.state);
      if (next <= due) throw new Error(`woken at ${due}, wants to be woken at ${next}`);
      due = next;
    }
    return this;
  }

  close(): this {
    this.behaviour.close!(this.state, this);
    return this;
  }

  save(): this {
    this.written = 0;
    this.behaviour.save(this.state, {
      put: (cell, bytes) => {
        this.written += bytes.length + 3;
        this.cells.set(cell, Uint8Array.from(bytes));
      },
      remove: (cell) => {
        if (!this.cells.delete(cell)) throw new Error(`cell ${cell} is removed and was never written`);
        this.written += 3;
      },
    });
    if (this.behaviour.isEmpty(this.state) !== (this.cells.size === 0)) throw new Error('empty, or not?');
    return this;
  }

  /** The state is forgotten and read again. Cells come in any order. */
  resume(): this {
    this.state = this.behaviour.load(new Map([...this.cells].reverse()), 'key');
    return this;
  }

  get said(): string[] {
    return this.emissions.map(describe);
  }
}

function describe({ kind, time, events, emit }: Emission): string {
  const taken = events.map(({ step, refs }) => `${step} ${refs.map(({ id }) => id).join(' ')}`).join(', ');
  return `${kind} ${taken} @${time} ${JSON.stringify(emit)}`;
}

/** `kind ids @time`, as the naive join says it. */
const brief = ({ kind, time, events }: Emission): string =>
  `${kind} ${events.map(({ step, refs }) => `${step}:${refs[0]!.id}`).join(' ')} @${time}`;

const bounds = fc.tuple(fc.integer({ min: -6, max: 6 }), fc.integer({ min: 0, max: 8 }));
const together: fc.Arbitrary<Together> = fc.oneof(
  bounds.map(([from, length]) => interval(from, from + length)),
  bounds.map(([from, length]) => interval(from / 3, (from + length) / 3)),
  fc.tuple(fc.integer({ min: 1, max: 8 }), fc.integer({ min: 1, max: 8 }), fc.integer({ min: -3, max: 3 })).map(
    ([size, slide, offset]): Together => ({
      kind: 'window',
      size: duration(size),
      slide: duration(slide),
      offset: duration(offset),
    }),
  ),
  fc.integer({ min: 0, max: 4 }).map((gap): Together => ({ kind: 'session', gap: duration(gap) })),
);

/** Steps of time with many ties, some of thirds of a millisecond, and now and then long ones. */
const stream = fc.array(
  fc.record({
    step: fc.constantFrom(0, 0, 0, 1, 1, 2, 1 / 3, 3, 15),
    on: fc.constantFrom<On>('left', 'right', 'left', 'right', 'both'),
    customer: fc.integer({ min: 0, max: 2 }),
    stop: fc.boolean(),
  }),
  { maxLength: 30 },
);

const draft = fc.record({
  together,
  pairs: fc.constantFrom<'all' | 'oneToOne'>('all', 'oneToOne'),
  conditional: fc.constantFrom('no', 'where', 'equal'),
  unmatched: fc.constantFrom<readonly Side[]>([], ['left'], ['right'], ['left', 'right']),
});

t.test('random joins give what a naive recomputation over the whole input gives, stopped at any event', async (t) => {
  const kinds = { match: 0, unmatched: 0 };
  for (const seed of [20_261_123, Number(process.env.SEED ?? Date.now() % 1_000_000_000)]) {
    t.comment(`seed ${seed}`);
    fc.assert(
      fc.property(draft, stream, ({ together, pairs, conditional, unmatched }, steps) => {
        const same = (left: Event, right: Event): boolean => dataOf(left).customer === dataOf(right).customer;
        const customer = (event: Event): unknown => dataOf(event).customer;
        const driver = new Driver(
          joinOf(together, {
            pairs,
            unmatched,
            where: conditional === 'no' ? undefined : same,
            equal: conditional === 'equal' ? { left: customer, right: customer } : undefined,
          }),
        );
        let time = 1000;
        const events = steps.map(({ step, on, customer }, at) => eventAt((time += step), on, at, customer));
        const naive: NaiveJoin = { together, pairs, unmatched, fits: conditional === 'no' ? () => true : same };
        const expected = naiveJoin(naive, events, (event) => dataOf(event).on, time + 100);
        events.forEach((event, at) => {
          driver.event(event).save();
          if (steps[at]!.stop) driver.resume();
        });
        driver.advance(time + 100).save();
        for (const { kind } of driver.emissions) kinds[kind as keyof typeof kinds]++;
        const said = driver.emissions.map(brief);
        if (said.join('\n') !== expected.join('\n'))
          throw new Error(`said\n  ${said.join('\n  ')}\nexpected\n  ${expected.join('\n  ')}`);
        if (driver.cells.size > 0) throw new Error(`${driver.cells.size} cells are left behind`);
      }),
      { seed, numRuns: 3000 },
    );
  }
  t.ok(kinds.match > 5000 && kinds.unmatched > 5000, `${kinds.match} pairs, ${kinds.unmatched} without a partner`);
});

t.test('how equal times are ordered makes no difference to which pairs there are', async () => {
  fc.assert(
    fc.property(together, stream, fc.infiniteStream(fc.nat()), (together, steps, order) => {
      let time = 0;
      const events = steps.map(({ step, on }, at) => eventAt((time += step), on, at));
      const pairsOf = (events: readonly Event[]): string[] => {
        const driver = new Driver(joinOf(together, { unmatched: ['left', 'right'] }));
        for (const event of events) driver.event(event);
        return driver
          .advance(time + 100)
          .emissions.map(brief)
          .sort();
      };
      const places = new Map(events.map((event) => [event, order.next().value]));
      const shuffled = [...events].sort((a, b) => a.time - b.time || places.get(a)! - places.get(b)!);
      const [one, other] = [pairsOf(events).join('\n'), pairsOf(shuffled).join('\n')];
      if (one !== other) throw new Error(`${one}\n---\n${other}`);
    }),
    { numRuns: 1000 },
  );
});

const minutes = (count: number): number => count * 60_000;
const booking = (more: Partial<JoinDefinition> = {}) =>
  new Driver(joinOf(interval(minutes(-5), minutes(15)), { pairs: 'oneToOne', unmatched: ['left'], ...more }));

t.test(
  'a booking and its confirmation are a pair in either order, and a booking alone is told at its deadline',
  async (t) => {
    const confirmedLast = booking()
      .event(eventAt(0, 'left', 1))
      .event(eventAt(minutes(3), 'right', 2));
    t.same(confirmedLast.said, ['match created e1, confirmed e2 @180000 {"pair":["e1","e2"],"key":"key"}']);

    const confirmedFirst = booking()
      .event(eventAt(0, 'right', 1))
      .event(eventAt(minutes(5), 'left', 2));
    t.same(confirmedFirst.said, ['match created e2, confirmed e1 @300000 {"pair":["e2","e1"],"key":"key"}']);

    const alone = booking()
      .event(eventAt(0, 'left', 1))
      .advance(minutes(15));
    t.same(alone.said, [], 'at the deadline itself a confirmation may still come');
    alone.advance(justAfter(instant(minutes(15))));
    t.same(alone.said, ['unmatched created e1 @900000 {"side":"left","event":"e1"}']);
    t.equal(alone.save().cells.size, 0);
  },
);

t.test('both bounds of an interval are inclusive', async (t) => {
  const at = (time: number) =>
    booking()
      .event(eventAt(0, 'left', 1))
      .event(eventAt(time, 'right', 2)).said.length;
  t.equal(at(minutes(15)), 1);
  t.match(
    booking()
      .event(eventAt(0, 'left', 1))
      .event(eventAt(minutes(15) + 1, 'right', 2)).said,
    [/^unmatched/],
  );
  const before = (time: number) =>
    booking()
      .event(eventAt(0, 'right', 1))
      .event(eventAt(time, 'left', 2)).said.length;
  t.equal(before(minutes(5)), 1);
  t.equal(before(minutes(5) + 1), 0);
});

t.test('one to one takes the oldest that is open and fits; all takes every one', async (t) => {
  const events = [
    eventAt(0, 'left', 1, 7),
    eventAt(1, 'left', 2, 8),
    eventAt(2, 'left', 3, 8),
    eventAt(3, 'right', 4, 8),
  ];
  const where = (left: Event, right: Event): boolean => dataOf(left).customer === dataOf(right).customer;
  const pairs = (kind: 'all' | 'oneToOne') => {
    const driver = new Driver(joinOf(interval(0, 10), { pairs: kind, where }));
    for (const event of events) driver.event(event);
    return driver.emissions.map(brief);
  };
  t.same(pairs('oneToOne'), ['match created:e2 confirmed:e4 @3']);
  t.same(pairs('all'), ['match created:e2 confirmed:e4 @3', 'match created:e3 confirmed:e4 @3']);
});

t.test('an event on both sides joins with others of its kind, and never with itself', async (t) => {
  const all = new Driver(joinOf(interval(0, 10), { unmatched: ['left', 'right'] }));
  all
    .event(eventAt(0, 'both', 1))
    .event(eventAt(4, 'both', 2))
    .advance(100);
  t.same(
    all.emissions.map(brief),
    ['match created:e1 confirmed:e2 @4', 'unmatched confirmed:e1 @0', 'unmatched created:e2 @14'].sort(
      (a, b) => Number(a.split('@')[1]) - Number(b.split('@')[1]),
    ),
  );
  const once = new Driver(joinOf(interval(0, 10), { pairs: 'oneToOne' }));
  for (const seq of [1, 2, 3, 4]) once.event(eventAt(seq, 'both', seq));
  t.same(once.emissions.map(brief), ['match created:e1 confirmed:e2 @2', 'match created:e3 confirmed:e4 @4']);
});

t.test('an event that can only be the later one of its pairs is decided at once and never waits', async (t) => {
  const driver = new Driver(joinOf(interval(5, 10), { unmatched: ['right'] }));
  driver
    .event(eventAt(0, 'left', 1))
    .event(eventAt(4, 'right', 2))
    .save();
  t.same(driver.emissions.map(brief), ['unmatched confirmed:e2 @4']);
  t.equal(driver.cells.size, 1, 'only the left one waits');
});

t.test('a pair tells the window that holds it; an event at its end is in the next', async (t) => {
  const tumbling: Together = { kind: 'window', size: duration(10), slide: duration(10), offset: duration(2) };
  const driver = new Driver(joinOf(tumbling, { unmatched: ['left'] }));
  driver
    .event(eventAt(2, 'left', 1))
    .event(eventAt(11, 'right', 2))
    .event(eventAt(12, 'right', 3));
  driver
    .event(eventAt(13, 'left', 4))
    .event(eventAt(21, 'left', 5))
    .event(eventAt(22, 'right', 6));
  t.same(
    driver.emissions.map(({ emit }) => emit),
    [
      { pair: ['e1', 'e2'], key: 'key', window: { start: 2, end: 12 } },
      { pair: ['e4', 'e3'], key: 'key', window: { start: 12, end: 22 } },
      { pair: ['e5', 'e3'], key: 'key', window: { start: 12, end: 22 } },
    ],
  );
});

t.test('the end of input ends open windows and sessions, and decides no deadline of an interval', async (t) => {
  const told = (together: Together): string[] =>
    new Driver(joinOf(together, { unmatched: ['left'] }))
      .event(eventAt(3, 'left', 1))
      .close()
      .emissions.map(brief);
  const ten = duration(10);
  t.same(told({ kind: 'window', size: ten, slide: ten, offset: duration(0) }), ['unmatched created:e1 @10']);
  t.same(told({ kind: 'session', gap: ten }), ['unmatched created:e1 @13']);
  t.same(told(interval(0, 10)), []);
});

t.test('a join without bounds waits until its limits are reached', async (t) => {
  const forever = interval(0, Number.POSITIVE_INFINITY);
  const incidents = (onLimit: 'dropOldest' | 'dropNewest' | 'deadLetter') => {
    const driver = new Driver(joinOf(forever, { pairs: 'oneToOne', limits: { events: 2, stateBytes: 1e6, onLimit } }));
    for (const seq of [1, 2, 3]) driver.event(eventAt(seq, 'left', seq));
    driver
      .event(eventAt(4, 'right', 4))
      .event(eventAt(5, 'right', 5))
      .event(eventAt(6, 'right', 6));
    return { pairs: driver.emissions.map(brief), incidents: driver.incidents };
  };
  const limitReached = { kind: 'limitReached', limit: 'events' };
  t.same(incidents('dropOldest'), {
    pairs: ['match created:e2 confirmed:e4 @4', 'match created:e3 confirmed:e5 @5'],
    incidents: [{ ...limitReached, answer: 'dropOldest' }],
  });
  t.same(incidents('dropNewest').incidents, [{ ...limitReached, answer: 'dropNewest' }]);
  t.same(incidents('deadLetter'), {
    pairs: ['match created:e1 confirmed:e4 @4', 'match created:e2 confirmed:e5 @5'],
    incidents: [
      {
        ...limitReached,
        answer: 'deadLetter',
        events: [{ step: 'created', count: 1, refs: [{ source: 's', seq: 3, index: 0, id: 'e3', time: 3 }] }],
      },
    ],
  });
  const large = new Driver(joinOf(forever, { limits: { events: 10, stateBytes: 40, onLimit: 'dropOldest' } }));
  large.event(eventAt(0, 'left', 1)).save();
  t.match(large.incidents, [{ limit: 'stateBytes' }]);
  t.equal(large.cells.size, 0, 'what is larger than the limit is not kept');
});

t.test('one event on a key with 10,000 buffered ones writes bytes for itself alone', async (t) => {
  const driver = new Driver(joinOf(interval(0, 10_000), { unmatched: ['left'] }));
  let most = 0;
  for (let at = 0; at < 12_000; at++) {
    driver.event(eventAt(at, 'left', at)).save();
    most = Math.max(most, driver.written);
  }
  t.ok(driver.cells.size > 10_000, `${driver.cells.size} cells`);
  t.ok(most < 150, `at most ${most} bytes an event`);
  const resumed = driver
    .resume()
    .event(eventAt(12_000, 'right', 12_000))
    .save();
  t.ok(resumed.written < 60_000 + 200, 'a pair with all of them marks each with a few bytes');
  const count = (kind: string): number => resumed.emissions.filter((emission) => emission.kind === kind).length;
  t.same([count('unmatched'), count('match')], [2_000, 10_000]);
});

t.test('equal values are found without trying the others', async (t) => {
  let asked = 0;
  const customer = (event: Event): unknown => dataOf(event).customer;
  const where = (left: Event, right: Event): boolean => {
    asked++;
    return customer(left) === customer(right);
  };
  const driver = new Driver(
    joinOf(interval(0, 10_000), { pairs: 'oneToOne', where, equal: { left: customer, right: customer } }),
  );
  for (let at = 0; at < 5_000; at++) driver.event(eventAt(at, 'left', at, at));
  for (let at = 5_000; at < 6_000; at++) driver.event(eventAt(at, 'right', at, at - 2_000));
  t.equal(driver.emissions.length, 1_000);
  t.equal(asked, 1_000);
});

t.test('cells of another format, or that contradict each other, are refused with the way out', async (t) => {
  const behaviour = joinBehaviour(joinOf(interval(0, 10)));
  const code = { code: 'JOIN_STATE_UNREADABLE' };
  t.throws(() => behaviour.load(new Map([[1, Uint8Array.of(9, 1)]]), 'key'), { ...code, message: /format 9.*reads 1/ });
  t.throws(() => behaviour.load(new Map([[1, Uint8Array.of(1, 1, 2)]]), 'key'), { ...code, message: /damaged/ });
  t.throws(() => behaviour.load(new Map([[2, Uint8Array.of(1, 1)]]), 'key'), { ...code, message: /missing/ });
});

t.test('the instant just after another is the next one there is', async (t) => {
  fc.assert(
    fc.property(fc.double({ noNaN: true, noDefaultInfinity: true }), (time) => {
      const next = justAfter(instant(time));
      const half = time / 2 + next / 2;
      return next > time && (half === time || half === next);
    }),
  );
  t.equal(justAfter(NEVER), NEVER);
});
