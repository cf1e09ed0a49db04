import fc from 'fast-check';
import t from 'tap';
import type { Event } from '../../src/core/events/event.ts';
import { ByteReader } from '../../src/core/shards/byte-reader.ts';
import { ByteWriter } from '../../src/core/shards/byte-writer.ts';
import type { Aggregate, Running } from '../../src/core/windows/aggregates/aggregate.ts';
import { collect } from '../../src/core/windows/aggregates/collect.ts';
import { distinct } from '../../src/core/windows/aggregates/distinct.ts';
import { largest } from '../../src/core/windows/aggregates/largest.ts';
import { percentile } from '../../src/core/windows/aggregates/percentile.ts';
import { sum } from '../../src/core/windows/aggregates/sums.ts';
import { topK } from '../../src/core/windows/aggregates/top-k.ts';
import { event } from './support/drive.ts';
import { everyAggregate, naiveResults, type Reading, rounded } from './support/naive-aggregates.ts';

const SEED = Number(process.env['SEED'] ?? 7);

function fold(aggregate: Aggregate, events: readonly Event[]): unknown {
  return events.reduce((acc, event) => aggregate.add(acc, event), aggregate.create());
}

function merged(aggregate: Aggregate, parts: readonly (readonly Event[])[]): unknown {
  return parts.reduce((acc, part) => aggregate.merge(acc, fold(aggregate, part)), aggregate.create());
}

function stored(aggregate: Aggregate, acc: unknown): unknown {
  const writer = new ByteWriter(16);
  aggregate.write(acc, writer);
  const reader = new ByteReader(writer.copy());
  const read = aggregate.read(reader);
  if (!reader.done) throw new Error(`${aggregate.name} left bytes`);
  return read;
}

const json = (value: unknown): string => JSON.stringify(rounded(value));

const anything = fc.oneof(
  fc.integer({ min: -3, max: 9 }),
  fc.double({ noNaN: true, min: -1e6, max: 1e6 }).map(Math.fround),
  fc.constantFrom<unknown>('a', 'b', '', '\0', '\0"', '1', true, false, null, [1, 'a'], { x: 1, y: [2] }, { x: 2 }),
);
const readings: fc.Arbitrary<Reading> = fc.record(
  { n: fc.integer({ min: -9, max: 9 }), text: fc.constantFrom('a', 'b', 'c'), any: anything },
  { requiredKeys: [] },
);
const streams = fc
  .array(
    fc.tuple(
      fc.integer({ min: 0, max: 6 }).map((quarters) => quarters / 4),
      readings,
    ),
    { maxLength: 40, size: 'max' },
  )
  .map((steps) => {
    let time = 1_700_000_000_000;
    return steps.map(([by, data], at) => event((time += by), at + 1, data));
  });
const cuts = fc.array(fc.integer({ min: 0, max: 40 }), { maxLength: 5 });

function cutAt(events: readonly Event[], cuts: readonly number[]): Event[][] {
  const places = [0, ...[...cuts].sort((a, b) => a - b), events.length];
  return places.slice(1).map((to, index) => events.slice(places[index], to));
}

for (const aggregate of everyAggregate()) {
  t.test(`${aggregate.name} gives what plain computing gives, added, merged, stored or left out again`, async () => {
    fc.assert(
      fc.property(streams, cuts, (events, cuts) => {
        const expected = json(naiveResults(events)[aggregate.name]);
        const parts = cutAt(events, cuts);
        const check = (how: string, found: unknown): void => {
          if (json(found) !== expected) throw new Error(`${how}: ${json(found)} and not ${expected}`);
        };
        const acc = fold(aggregate, events);
        check('added', aggregate.result(acc));
        check('stored', aggregate.result(stored(aggregate, acc)));
        const parted = merged(aggregate, parts);
        check('merged', aggregate.result(parted));
        check('merged and stored', aggregate.result(stored(aggregate, parted)));
        const { running } = aggregate;
        if (running === undefined) return;
        const total = running.create();
        const accs = parts.map((part) => fold(aggregate, part));
        for (const part of accs) running.take(total, part);
        check('summed', running.result(total));
        const [first, ...others] = parts;
        running.drop(total, accs[0]);
        const rest = json(naiveResults(others.flat())[aggregate.name]);
        if (json(running.result(total)) !== rest)
          throw new Error(`without ${first!.length}: ${json(running.result(total))}, not ${rest}`);
      }),
      { seed: SEED, numRuns: 200 },
    );
  });
}

t.test('merging changes nothing in what is merged in', async (t) => {
  for (const aggregate of everyAggregate()) {
    const events = [1, 2, 3, 4, 5].map((n) => event(n, n, { n, any: n % 2 === 0 ? 'x' : n, text: String(n) }));
    const from = fold(aggregate, events.slice(2));
    const before = json(aggregate.result(from));
    let into = aggregate.merge(fold(aggregate, events.slice(0, 2)), from);
    into = aggregate.add(into, event(9, 9, { n: 9, any: 'z', text: 'z' }));
    aggregate.add(into, event(10, 10, { n: -9, any: 'w', text: 'w' }));
    t.equal(json(aggregate.result(from)), before, aggregate.name);
  }
});

t.test('what is no usable value changes nothing', async (t) => {
  const odd = [undefined, null, Number.NaN, Number.POSITIVE_INFINITY, 'text', true, [1], { a: 1 }];
  const events = odd.map((n, at) => event(at, at, { n }));
  const n = ({ data }: Event): unknown => (data as { n: unknown }).n;
  const resultOf = (aggregate: Aggregate): unknown => aggregate.result(fold(aggregate, events));
  t.equal(resultOf(sum('sum', n)), 0);
  t.equal(resultOf(percentile('p', n, 50)), null);
  t.same(resultOf(largest('l', n, 3)), ['text', Number.POSITIVE_INFINITY]);
});

const value = ({ data }: Event): unknown => data;
const eventsOf = (values: readonly unknown[]): Event[] => values.map((value, at) => event(at, at, value));
/** The same numbers in every run. */
function* chance(seed: number): Generator<number> {
  for (let state = seed; ; ) {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    yield state / 2 ** 32;
  }
}
function take(count: number, seed: number, map: (chance: number) => number): number[] {
  const source = chance(seed);
  return Array.from({ length: count }, () => map(source.next().value as number));
}

t.test('distinct is exact up to its limit, and says so; 1 and "1" and true are three values', async (t) => {
  const aggregate: Aggregate = distinct('d', value, 5);
  const acc = fold(aggregate, eventsOf([1, '1', true, [1], { b: 1, a: 2 }, { a: 2, b: 1 }, 1, '1']));
  t.equal(aggregate.result(acc), 5);
  t.equal(aggregate.isEstimate!(acc), false);
  aggregate.add(acc, event(9, 9, 'one more'));
  t.equal(aggregate.isEstimate!(acc), true);
  t.equal(aggregate.result(acc), 6, 'few values are estimated well too');
});

t.test('beyond its limit distinct is within 5 %, stored, merged and slid over as well', async (t) => {
  const aggregate: Aggregate = distinct('d', value, 100);
  for (const [kind, make] of [
    ['numbers', (n: number) => n],
    ['fractions', (n: number) => n / 7],
    ['texts', (n: number) => `user-${n}@example.org`],
  ] as const) {
    for (const size of [150, 1000, 6000, 15_000, 60_000]) {
      const events = eventsOf(Array.from({ length: size }, (_, n) => make(n)));
      const half = Math.floor(size / 2);
      const found = aggregate.result(fold(aggregate, events)) as number;
      t.ok(Math.abs(found - size) <= 0.05 * size, `${size} ${kind}: ${found}`);
      const parts = [events.slice(0, half), events.slice(half - 20)];
      t.equal(aggregate.result(stored(aggregate, merged(aggregate, parts))), found, 'repeated values count once');
      const running = aggregate.running as Running;
      const total = running.create();
      const accs = parts.map((part) => fold(aggregate, part));
      for (const acc of accs) running.take(total, acc);
      // Two halves that are exact make a whole that is.
      t.equal(running.result(total), running.isEstimate(total) ? found : size);
      running.drop(total, accs[0]);
      t.equal(running.result(total), aggregate.result(accs[1]));
      t.equal(running.isEstimate(total), aggregate.isEstimate!(accs[1]));
    }
  }
});

t.test('a percentile is the one of nearest rank up to its limit, beyond it within 1 %', async (t) => {
  const shapes: Record<string, (chance: number) => number> = {
    even: (chance) => chance * 1000,
    skewed: (chance) => Math.exp(chance * 12 - 3),
    'about zero': (chance) => (chance - 0.4) ** 3 * 500,
    whole: (chance) => Math.floor(chance * 20) - 3,
  };
  for (const [name, shape] of Object.entries(shapes)) {
    const numbers = take(5000, 3, shape);
    const ordered = [...numbers].sort((a, b) => a - b);
    for (const percent of [0.01, 1, 25, 50, 90, 99, 99.9, 100]) {
      const exact = ordered[Math.ceil((percent / 100) * numbers.length - 1e-9) - 1]!;
      const precise: Aggregate = percentile('p', value, percent, 5000);
      t.equal(precise.result(fold(precise, eventsOf(numbers))), exact);
      const rough: Aggregate = percentile('p', value, percent, 50);
      const acc = fold(rough, eventsOf(numbers));
      const found = rough.result(acc) as number;
      t.equal(rough.isEstimate!(acc), true);
      t.ok(Math.abs(found - exact) <= 0.01 * Math.abs(exact) + 1e-9, `${name}, ${percent} %: ${found} for ${exact}`);
      const parts = cutAt(eventsOf(numbers), [20, 30, 2000, 4990]);
      t.equal(rough.result(stored(rough, merged(rough, parts))), found, 'in parts, some of them exact');
      const running = rough.running as Running;
      const total = running.create();
      for (const part of parts) running.take(total, fold(rough, part));
      t.equal(running.result(total), found);
    }
  }
});

t.test('topK is exact while few values come, and beyond that misses none that is frequent', async (t) => {
  const aggregate: Aggregate = topK('k', value, 3, { limit: 20 });
  const numbers = take(20_000, 5, (chance) => Math.floor(1 / (chance + 0.001)));
  const exact = new Map<number, number>();
  for (const number of numbers) exact.set(number, (exact.get(number) ?? 0) + 1);
  const bound = numbers.length / 21;
  for (const acc of [
    fold(aggregate, eventsOf(numbers)),
    merged(aggregate, cutAt(eventsOf(numbers), [5, 700, 10_000])),
  ]) {
    t.equal(aggregate.isEstimate!(acc), true);
    const found = aggregate.result(acc) as { value: number; count: number }[];
    t.same(
      found.map(({ value }) => value),
      [1, 2, 3],
    );
    for (const { value, count } of found) {
      t.ok(
        count <= exact.get(value)! && count >= exact.get(value)! - bound,
        `${value}: ${count} of ${exact.get(value)}`,
      );
    }
  }
  const few = fold(aggregate, eventsOf(['b', 'a', 'a', 'b', 'c', 1]));
  t.equal(aggregate.isEstimate!(few), false);
  t.same(aggregate.result(few), [
    { value: 'a', count: 2 },
    { value: 'b', count: 2 },
    { value: 1, count: 1 },
  ]);
});

t.test('collect says when it left something out', async (t) => {
  for (const keep of ['first', 'last'] as const) {
    const aggregate: Aggregate = collect('c', value, { limit: 2, keep });
    const two = fold(aggregate, eventsOf(['a', 'b']));
    t.equal(aggregate.isEstimate!(two), false);
    const three = fold(aggregate, eventsOf(['a', 'b', 'c']));
    t.equal(aggregate.isEstimate!(stored(aggregate, three)), true);
    t.same(aggregate.result(three), keep === 'first' ? ['a', 'b'] : ['b', 'c']);
  }
});

t.test('what grows says how much it takes', async (t) => {
  for (const aggregate of everyAggregate()) {
    if (aggregate.sizeOf === undefined) continue;
    const empty = aggregate.sizeOf(aggregate.create());
    const some = aggregate.sizeOf(fold(aggregate, [event(1, 1, { n: 5, any: 'some text', text: 'a' })]));
    t.ok(some > empty, aggregate.name);
  }
});
