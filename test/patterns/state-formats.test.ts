import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import t from 'tap';
import type { Behaviour } from '../../src/core/behaviours/behaviour.ts';
import type { Event } from '../../src/core/events/event.ts';
import { FORMAT } from '../../src/core/patterns/cell-format.ts';
import type { Condition, Pattern } from '../../src/core/patterns/pattern.ts';
import { patternBehaviour } from '../../src/core/patterns/pattern-behaviour.ts';
import type { PatternState } from '../../src/core/patterns/pattern-state.ts';
import { duration, instant } from '../../src/core/time/units.ts';
import { collector, describe } from './support/collect.ts';
import {
  automatonOf,
  begin,
  eventsFrom,
  followedBy,
  followedByAny,
  forever,
  group,
  next,
  notFollowedBy,
  patternOf,
} from './support/pattern-text.ts';

// Every format that was ever written is read: fixtures/states-<format>.json holds the cells of the lives below, each cut
// after some event, as the code of that format wrote them. A new format needs a file of its own, written with
//
//     node build/test/patterns/state-formats.test.js --write
//
// and older files stay as they are.

interface Life {
  readonly pattern: Pattern;
  readonly events: readonly Event[];
  /** After how many events the state is stored; the rest, and the time up to `end`, is left to the code that reads it. */
  readonly cuts: readonly number[];
  readonly end: number;
}

const repeated = (count: number, word: (at: number) => string) => Array.from({ length: count }, (_, at) => word(at));

/** Data of every kind that JSON and msgpack know. */
const manifold = (id: string) => ({
  id,
  n: [0, 1, -1, 300, 2 ** 40, -(2 ** 40), 0.5, -1e300],
  deep: { empty: {}, none: null, list: [], yes: true, no: false, text: 'Grüße, 世界 🌍', long: 'x'.repeat(200) },
  bytes: Buffer.of(1, 2, 255),
  ['__proto__x']: 1,
});

/** Events as they come in, beside the plain ones of `eventsFrom`: fractions of a millisecond, times before 1970 … */
function changed(events: readonly Event[]): Event[] {
  return events.map((event, at) => ({
    ...event,
    id: at % 3 === 0 ? String(event.seq) : at % 3 === 1 ? `${event.seq}.1` : event.id,
    time: instant(at < 2 ? event.time - 1_000_000.5 : event.time + 1_700_000_000_000),
    source: at % 2 === 0 ? 'one' : 'another source',
    seq: event.seq * 10_000_000_000,
    index: at % 2,
  }));
}

const onlyAfterB: Condition = (event, taken) => event.type === 'c' && taken.first(0)?.type === 'b';

const lives: Readonly<Record<string, Life>> = {
  'a sequence': {
    pattern: patternOf([begin('a'), followedBy('b'), followedBy('c')], { within: duration(10) }),
    events: eventsFrom('a@1 x@2 a@3 b@4 a@5 x@6 c@7 b@8 c@9', (id) => ({ id, amount: id.length })),
    cuts: [1, 3, 4, 6, 7],
    end: 20,
  },
  'a loop whose partial matches share their beginnings': {
    pattern: patternOf(
      [begin('a', { times: [1, forever], inner: 'nonDeterministic' }), followedByAny('b'), followedBy('c')],
      { within: duration(20) },
    ),
    events: eventsFrom('a@1 a@2 a@3 b@4 a@5 b@6 c@7 c@8', (id) => ({ id })),
    cuts: [2, 4, 6],
    end: 30,
  },
  'a group in a loop': {
    pattern: patternOf(
      [begin('a'), group('relaxed', [begin('b'), next('c')], { times: [2, 3], inner: 'relaxed' }), followedBy('d')],
      { within: duration(30), afterMatch: { kind: 'skipPastLastEvent' } },
    ),
    events: eventsFrom('a@1 b@2 c@3 x@4 b@5 c@6 a@7 x@8 b@9 c@10 b@11 c@12 d@13'),
    cuts: [3, 6, 8, 10],
    end: 50,
  },
  'matches held back behind what has not ended yet': {
    pattern: patternOf([begin('a', { fits: 'ab' }), followedBy('c', { where: onlyAfterB })], {
      within: duration(10),
      afterMatch: { kind: 'skipPastLastEvent' },
    }),
    events: eventsFrom('a@1 b@2 c@3 b@4 c@5 x@9'),
    cuts: [3, 5],
    end: 20,
  },
  'an absence at the end': {
    pattern: patternOf([begin('a'), notFollowedBy('n', { withinPrevious: 5 })], { within: duration(9) }),
    events: eventsFrom('a@1 a@3 x@4 a@6 n@7 a@8'),
    cuts: [1, 3, 4, 6],
    end: 30,
  },
  'two ways of keeping one event': {
    pattern: {
      ...patternOf(
        [begin('a', { fits: 'ab' }), followedBy('b', { times: [1, forever], greedy: true }), followedBy('c')],
        { within: duration(20) },
      ),
      keep: [[['id'], ['deep', 'list']], [['n']], undefined],
    },
    events: eventsFrom('a@1 b@2 b@3 x@4 b@5 c@6 b@7 c@8', manifold),
    cuts: [2, 3, 5, 7],
    end: 30,
  },
  'data, ids and times of every kind': {
    pattern: patternOf([begin('a', { times: [1, 3] }), followedBy('b'), followedBy('c')]),
    events: changed(eventsFrom('a@1 a@2 a@3 b@4 a@5 b@6 c@7', manifold)),
    cuts: [1, 2, 3, 4, 6],
    end: 9,
  },
  'many ordered partial matches': {
    pattern: patternOf([begin('a'), followedBy('b'), followedBy('c')], { within: duration(150) }),
    events: eventsFrom(
      [
        ...repeated(210, (at) => `${at === 90 ? 'b' : at % 7 === 0 ? 'x' : 'a'}@${at}`),
        'b@211',
        'c@212',
        'a@213',
        'c@214',
      ].join(' '),
      (id) => ({ id, text: 'kept' }),
    ),
    cuts: [80, 200, 210, 211],
    end: 500,
  },
  'many partial matches in a heap': {
    pattern: patternOf([begin('a', { times: [1, 2], fits: 'ad' }), followedByAny('b', { fits: 'bd' })], {
      within: duration(90),
      afterMatch: { kind: 'skipToFirst', step: 1, throwOnMiss: false },
    }),
    events: eventsFrom([...repeated(120, (at) => `${at === 99 ? 'd' : 'a'}@${at}`), 'b@121', 'a@122'].join(' ')),
    cuts: [45, 98, 110],
    end: 300,
  },
  'many matches that are held back': {
    pattern: patternOf([begin('a', { fits: 'ab' }), followedBy('c', { where: onlyAfterB })], {
      within: duration(200),
      afterMatch: { kind: 'skipToNext' },
    }),
    events: eventsFrom(
      [
        ...repeated(150, (at) => `${at < 5 || at % 10 === 0 ? 'a' : 'b'}@${at}`),
        'c@160',
        'x@202',
        'b@203',
        'c@204',
      ].join(' '),
    ),
    cuts: [120, 151, 152],
    end: 500,
  },
  'a large state that became small again': {
    pattern: patternOf([begin('a'), followedBy('b')], { within: duration(90) }),
    events: eventsFrom(
      [...repeated(100, (at) => `a@${at}`), ...repeated(9, (at) => `x@${100 + at * 10}`), 'b@185'].join(' '),
    ),
    cuts: [85, 102, 108],
    end: 300,
  },
};

interface Fixture {
  readonly format: number;
  /** By life and cut: the cells, as number and base64. */
  readonly states: Readonly<Record<string, Readonly<Record<string, readonly (readonly [number, string])[]>>>>;
}

/** Compiled tests lie elsewhere; they run from the project's folder. */
const fileOf = (format: number): string => `test/patterns/fixtures/states-${format}.json`;

const said = (output: ReturnType<typeof collector>): string[] =>
  output.emissions.map((one) => `${one.kind} ${describe(one)} @${one.time} ${JSON.stringify(one.emit)}`);

const behaviourOf = (pattern: Pattern): Behaviour<PatternState> =>
  patternBehaviour({
    automaton: automatonOf(pattern),
    emit: (taken) =>
      pattern.steps.map((_, step) =>
        taken.events(step).map(({ id, type, source, seq, index, time, data }) => {
          const bytes = (data as { bytes?: Uint8Array } | undefined)?.bytes;
          return [id, type, source, seq, index, time, data, bytes && [...bytes]];
        }),
      ),
  });

type Cells = Map<number, Uint8Array>;

/** Plays events from `from` to before `to`, storing after each; gives what was said by then. */
function live(behaviour: Behaviour<PatternState>, state: PatternState, cells: Cells, events: readonly Event[]) {
  const output = collector();
  for (const event of events) {
    behaviour.onEvent(state, event, output);
    behaviour.save(state, {
      put: (cell, bytes) => void cells.set(cell, Uint8Array.from(bytes)),
      remove: (cell) => void cells.delete(cell),
    });
  }
  return output;
}

/** What the code as it is stores of a life. */
function statesOf({ pattern, events, cuts }: Life): Fixture['states'][string] {
  const behaviour = behaviourOf(pattern);
  const state = behaviour.create('key');
  const cells: Cells = new Map();
  return Object.fromEntries(
    cuts.map((cut, at) => {
      live(behaviour, state, cells, events.slice(cuts[at - 1] ?? 0, cut));
      const sorted = [...cells].sort(([one], [other]) => one - other);
      return [cut, sorted.map(([cell, bytes]) => [cell, Buffer.from(bytes).toString('base64')] as const)];
    }),
  );
}

const states = Object.fromEntries(Object.entries(lives).map(([name, life]) => [name, statesOf(life)]));

if (process.argv.includes('--write')) {
  const fixture: Fixture = { format: FORMAT, states };
  writeFileSync(fileOf(FORMAT), `${JSON.stringify(fixture, null, 1)}\n`);
}

for (let format = 1; format <= FORMAT; format++) {
  t.test(`format ${format}: every state stored with it says what it would have said unbroken`, async (t) => {
    t.ok(existsSync(fileOf(format)), `write ${fileOf(format)} and keep it: see the top of this file`);
    const fixture = JSON.parse(readFileSync(fileOf(format), 'utf8')) as Fixture;
    t.same(Object.keys(fixture.states), Object.keys(lives), 'every life is there');
    for (const [name, { pattern, events, end, cuts }] of Object.entries(lives)) {
      const behaviour = behaviourOf(pattern);
      for (const cut of cuts) {
        const unbroken = behaviour.create('key');
        live(behaviour, unbroken, new Map(), events.slice(0, cut));
        const expected = live(behaviour, unbroken, new Map(), events.slice(cut));
        behaviour.onTime(unbroken, instant(end), expected);
        const cells: Cells = new Map(
          fixture.states[name]![cut]!.map(([cell, text]) => [cell, new Uint8Array(Buffer.from(text, 'base64'))]),
        );
        t.ok(cells.size > 0 && said(expected).length > 0, `${name} after ${cut}: there is something to continue`);
        const state = behaviour.load(cells, 'key');
        const output = live(behaviour, state, cells, events.slice(cut));
        behaviour.onTime(state, instant(end), output);
        t.same(said(output), said(expected), `${name} after ${cut}`);
        live(behaviour, state, cells, []);
        t.equal(state.bytes, unbroken.bytes, `${name} after ${cut}: as many bytes counted`);
      }
    }
  });
}

t.test('the bytes written are those of the format they name: whoever changes them makes a new format', async (t) => {
  t.same((JSON.parse(readFileSync(fileOf(FORMAT), 'utf8')) as Fixture).states, states);
});
