// biome-ignore-all lint/suspicious/noTemplateCurlyInString: rules hold such templates
import fc from 'fast-check';
import t from 'tap';
import type { Behaviour, Emission, Incident, Output } from '../src/core/behaviours/behaviour.ts';
import { instant } from '../src/core/time/units.ts';
import { rulesOf } from './support/rules-of.ts';
import { drive, event, type Input } from './windows/support/drive.ts';

/** What `throttle` and `dedupe` let through, against models that look at the whole input again for each answer. */

const SEED = Number(process.env['SEED'] ?? 20_240_602);
const RUNS = Number(process.env['RUNS'] ?? 100);
const DAY = 86_400_000;

interface Heard {
  readonly emissions: Emission[];
  readonly incidents: Incident[];
}

/** A behaviour that notes what goes to its output. */
function overheard(inner: Behaviour, { emissions, incidents }: Heard): Behaviour {
  const noting = (output: Output): Output => ({
    emit(emission) {
      emissions.push(emission);
      output.emit(emission);
    },
    incident(incident) {
      incidents.push(incident);
      output.incident(incident);
    },
  });
  return {
    ...inner,
    onEvent: (state, one, output) => inner.onEvent(state, one, noting(output)),
    onTime: (state, now, output) => inner.onTime(state, now, noting(output)),
  };
}

const behaviourOf = (fields: string): Behaviour =>
  rulesOf(`rule: r\nfrom: s\nkey: event.k\n${fields}`, ['s']).rules[0]!.behaviour;

function run(behaviour: Behaviour, inputs: readonly Input[], saveAfter: (input: number) => boolean = () => false) {
  const heard: Heard = { emissions: [], incidents: [] };
  const driven = drive(overheard(behaviour, heard), inputs, { saveAfter });
  return { ...heard, cells: driven.cells, wakeAt: driven.wakeAt };
}

const at = (time: number, data: unknown = {}): Input => ({ event: { ...event(time, time, data), source: 's' } });

interface Step {
  readonly by: number;
  readonly id: unknown;
  readonly time: boolean;
}

const steps = (ids: readonly unknown[]): fc.Arbitrary<Step[]> =>
  fc.array(fc.record({ by: fc.integer({ min: 0, max: 6 }), id: fc.constantFrom(...ids), time: fc.boolean() }), {
    maxLength: 60,
  });

/** Events in order of time, and times that pass without one. */
function inputsOf(list: readonly Step[]): readonly Input[] {
  let now = 0;
  return list.map(({ by, id, time }, number) => {
    now += by;
    return time && number % 4 === 3 ? { watermark: now } : { event: event(now, number + 1, { id }) };
  });
}

const one = 'pattern: [{begin: a}]\nemit: {id: "${a.id}"}\n';
const saves = fc.array(fc.boolean(), { minLength: 60, maxLength: 60 });
const parameters = { seed: SEED, numRuns: RUNS };

t.test('a throttle lets as many through as a count over the emissions before says, wherever it is saved', async (t) => {
  const check = fc.property(
    steps([1]),
    saves,
    fc.integer({ min: 1, max: 12 }),
    fc.integer({ min: 1, max: 3 }),
    (list, saved, per, count) => {
      const inputs = inputsOf(list);
      const behaviour = behaviourOf(`${one}throttle: {per: ${per}ms, count: ${count}}`);
      const said = run(behaviour, inputs, (number) => saved[number]!).emissions.map(({ time, suppressed }) => [
        time,
        suppressed,
      ]);
      const passed: number[] = [];
      const wanted: (readonly [number, number | undefined])[] = [];
      let suppressed = 0;
      for (const input of inputs) {
        if (!('event' in input)) continue;
        const { time } = input.event;
        if (passed.filter((other) => time - other < per).length >= count) suppressed += 1;
        else {
          passed.push(time);
          wanted.push([time, suppressed === 0 ? undefined : suppressed]);
          suppressed = 0;
        }
      }
      return JSON.stringify(said) === JSON.stringify(wanted);
    },
  );
  fc.assert(check, parameters);
  t.pass('all runs agree');
});

t.test('dedupe leaves out events whose id one that was taken had, wherever it is saved', async (t) => {
  const ids = [1, '1', 'a', '\0a', true, null, undefined, [1], { b: 1 }];
  for (const what of ['events: event.id', 'matches: emit.id']) {
    const check = fc.property(steps(ids), saves, fc.integer({ min: 1, max: 12 }), (list, saved, within) => {
      const inputs = inputsOf(list);
      const behaviour = behaviourOf(`${one}dedupe: {${what}, within: ${within}ms}`);
      const said = run(behaviour, inputs, (number) => saved[number]!).emissions.map(
        ({ events }) => events[0]!.refs[0]!.id,
      );
      const taken: { readonly time: number; readonly id: string }[] = [];
      const wanted: string[] = [];
      for (const input of inputs) {
        if (!('event' in input)) continue;
        const { time, id: name, data } = input.event;
        const { id: value } = data as { id: unknown };
        const id = value === undefined || value === null ? undefined : JSON.stringify(value);
        if (taken.some((other) => other.id === id && time - other.time < within)) continue;
        if (id !== undefined) taken.push({ time, id });
        wanted.push(name);
      }
      return JSON.stringify(said) === JSON.stringify(wanted);
    });
    fc.assert(check, parameters);
  }
  t.pass('all runs agree');
});

t.test('what a throttle and a dedupe remember goes when it no longer matters', async (t) => {
  const throttled = behaviourOf(`${one}throttle: {per: 10ms}`);
  const quiet = run(throttled, [at(0), { watermark: 9 }]);
  t.equal(quiet.cells.size, 1);
  t.equal(quiet.wakeAt, 10);
  t.equal(run(throttled, [at(0), { watermark: 10 }]).cells.size, 0, 'nothing was held back');
  const untold = run(throttled, [at(0), at(5), { watermark: 20 }]);
  t.equal(untold.cells.size, 1, 'the number held back waits to be told');
  t.equal(run(throttled, [at(0), at(5), { watermark: DAY + 5 }]).cells.size, 0, 'for a day');
  const later = run(throttled, [at(0), at(5), { watermark: 20 }, at(DAY)], () => true);
  t.strictSame(
    later.emissions.map(({ suppressed }) => suppressed),
    [undefined, 1],
  );
  const deduped = behaviourOf(`${one}dedupe: {events: event.id, within: 10ms}`);
  t.equal(run(deduped, [at(0, { id: 1 }), at(9, { id: 2 }), { watermark: 18 }], () => true).cells.size, 1);
  t.equal(run(deduped, [at(0, { id: 1 }), at(9, { id: 2 }), { watermark: 19 }], () => true).cells.size, 0);
});

t.test('a state that stays in memory removes its cells when it is empty again', async (t) => {
  for (const fields of ['throttle: {per: 10ms}', 'dedupe: {events: event.id, within: 10ms}']) {
    const behaviour = behaviourOf(one + fields);
    const cells = new Set<number>();
    const writer = { put: (cell: number) => void cells.add(cell), remove: (cell: number) => void cells.delete(cell) };
    const state = behaviour.create('k');
    const silent: Output = { emit: () => undefined, incident: () => undefined };
    for (const time of [0, 100]) {
      behaviour.onEvent(state, { ...event(time, 1, { id: 1 }), source: 's' }, silent);
      behaviour.save(state, writer);
      t.equal(cells.size, 1, fields);
      behaviour.onTime(state, behaviour.wakeAt(state), silent);
      behaviour.save(state, writer);
      t.equal(cells.size, 0, fields);
      t.ok(behaviour.isEmpty(state), fields);
    }
  }
});

t.test('emissions at the end of the input are throttled by the times they have', async (t) => {
  const behaviour = behaviourOf(
    'window: {sliding: 20ms, every: 10ms}\naggregate: {n: count()}\nthrottle: {per: 20ms}\n',
  );
  const { said } = drive(behaviour, [at(1), at(11)], { end: true });
  t.strictSame(
    said.map(({ time }) => time),
    [10, 30],
    'at 20 it is too soon, at 30 no more',
  );
});

t.test('an id more or less costs one small cell, however many are remembered', async (t) => {
  const behaviour = behaviourOf(`${one}dedupe: {events: event.id, within: 1h}`);
  const bytes = (ids: number): number => {
    const inputs = Array.from({ length: ids }, (_, number) => at(number, { id: `id ${number}` }));
    return drive(behaviour, inputs, { saveAfter: (number) => number >= ids - 2 }).written.at(-2)!;
  };
  t.ok(bytes(4_000) <= 2 * bytes(15), 'the last of 4,000 writes as much as the last of 15');
});

t.test('beyond `ids` the oldest are given up, which is told', async (t) => {
  const behaviour = behaviourOf(`${one}dedupe: {events: event.id, within: 1h, ids: 32}`);
  const inputs = Array.from({ length: 33 }, (_, number) => at(number, { id: number }));
  const { emissions, incidents } = run(behaviour, [...inputs, at(40, { id: 0 }), at(41, { id: 32 })]);
  t.equal(emissions.length, 34, 'the first id is forgotten, the last is not');
  t.strictSame(incidents, [
    { kind: 'limitReached', limit: 'dedupeIds', answer: 'dropOldest' },
    { kind: 'heldBack', by: 'dedupeEvents' },
  ]);
});

t.test('what is held back is told, and an id that is none holds nothing back', async (t) => {
  const throttled = run(behaviourOf(`${one}throttle: {per: 10ms}`), [at(0), at(1), at(2)]);
  t.strictSame(throttled.incidents, [
    { kind: 'heldBack', by: 'throttle' },
    { kind: 'heldBack', by: 'throttle' },
  ]);
  const long = 'x'.repeat(513);
  const odd = run(behaviourOf(`${one}dedupe: {events: event.id, within: 1h}`), [
    at(0, { id: long }),
    at(1, { id: long }),
  ]);
  t.equal(odd.emissions.length, 2);
  t.match(odd.incidents[0], { kind: 'expressionFailed', where: 'dedupe.events', message: /513 characters/ });
  const failing = run(behaviourOf(`${one}dedupe: {events: event.id + 1, within: 1h}`), [at(0, { id: 'a' })]);
  t.equal(failing.emissions.length, 1);
  t.match(failing.incidents[0], { kind: 'expressionFailed', where: 'dedupe.events' });
});

t.test('side outputs are not throttled, and what dedupe leaves out does not use up the throttle', async (t) => {
  const timeouts = behaviourOf(
    'pattern: [{begin: a}, {followedBy: b, type: Never}]\nwithin: 5ms\nonTimeout: emit\nthrottle: {per: 1h}\n',
  );
  t.equal(run(timeouts, [at(0), at(1), { watermark: 100 }]).emissions.length, 2);
  const both = behaviourOf(`${one}throttle: {per: 1h, count: 2}\ndedupe: {matches: emit.id, within: 1h}\n`);
  const said = run(both, [at(0, { id: 1 }), at(1, { id: 1 }), at(2, { id: 2 }), at(3, { id: 3 })], () => true);
  t.strictSame(
    said.emissions.map(({ emit }) => emit),
    [{ id: 1 }, { id: 2 }],
  );
});

t.test('an update of a window goes through dedupe as an update, and counts for the throttle', async (t) => {
  const fields =
    'window: {tumbling: 10ms, allowedLateness: 1h}\naggregate: {events: count()}\nemit: {start: "${window.start}"}\n';
  const inputs = [at(1), { watermark: 20 }, at(2), { watermark: 21 }];
  for (const saved of [true, false]) {
    const told = run(behaviourOf(`${fields}dedupe: {matches: emit.start, within: 1h}`), inputs, () => saved);
    t.strictSame(
      told.emissions.map(({ kind, revision }) => [kind, revision]),
      [
        ['match', undefined],
        ['update', 1],
      ],
    );
    t.equal(run(behaviourOf(`${fields}throttle: {per: 1h}`), inputs, () => saved).emissions.length, 1);
  }
});

t.test('a state of another version of these is refused, and so is a damaged one', async (t) => {
  for (const fields of ['throttle: {per: 1h}', 'dedupe: {events: event.id, within: 1h}']) {
    const behaviour = behaviourOf(one + fields);
    const { cells } = run(behaviour, [at(0, { id: 1 })], () => true);
    const [[cell, bytes]] = [...cells].filter(([number]) => number >= 2 ** 40) as [[number, Uint8Array]];
    const newer = Uint8Array.from(bytes);
    newer[0] = 9;
    const code = 'WRAPPER_STATE_UNREADABLE';
    t.throws(() => behaviour.load(new Map(cells).set(cell, newer), 'k'), { code });
    t.throws(() => behaviour.load(new Map(cells).set(cell, bytes.subarray(0, 1)), 'k'), { code });
    const state = behaviour.load(cells, 'k');
    t.equal(behaviour.wakeAt(state), instant(3_600_000));
  }
});
