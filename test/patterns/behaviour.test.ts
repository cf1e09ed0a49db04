import { inspect, isDeepStrictEqual } from 'node:util';
import fc from 'fast-check';
import t from 'tap';
import type { Behaviour } from '../../src/core/behaviours/behaviour.ts';
import type { Event } from '../../src/core/events/event.ts';
import { compilePattern } from '../../src/core/patterns/automaton.ts';
import { explainBound } from '../../src/core/patterns/bound.ts';
import type { OnLimit } from '../../src/core/patterns/pattern.ts';
import { patternBehaviour } from '../../src/core/patterns/pattern-behaviour.ts';
import type { PatternState } from '../../src/core/patterns/pattern-state.ts';
import { duration, instant, NEVER } from '../../src/core/time/units.ts';
import { collector, describe } from './support/collect.ts';
import { describeDraft, patternOfDraft } from './support/fuzz/draft.ts';
import { patternDraft, recipe } from './support/fuzz/random.ts';
import { eventsOfLetters, lettersOf } from './support/fuzz/stream.ts';
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
  notNext,
  patternOf,
  play,
  problemsOf,
} from './support/pattern-text.ts';

/** Cells as a shard keeps them. */
class Stored {
  readonly cells = new Map<number, Uint8Array>();
  /** Bytes put by the last save. */
  written = 0;

  save(behaviour: Behaviour<PatternState>, state: PatternState): void {
    this.written = 0;
    behaviour.save(state, {
      put: (cell, bytes) => {
        this.cells.set(cell, Uint8Array.from(bytes));
        this.written += bytes.length;
      },
      remove: (cell) => void this.cells.delete(cell),
    });
  }
}

/** Plays events; before each of those in `stops` the state is saved, forgotten and loaded. */
function playStopping(
  behaviour: Behaviour<PatternState>,
  events: readonly Event[],
  end: number,
  stops: (at: number) => boolean,
) {
  let state = behaviour.create('key');
  const stored = new Stored();
  const output = collector();
  events.forEach((event, at) => {
    behaviour.onEvent(state, event, output);
    stored.save(behaviour, state);
    if (stops(at)) state = behaviour.load(stored.cells, 'key');
  });
  behaviour.onTime(state, instant(end), output);
  stored.save(behaviour, state);
  return {
    said: output.emissions.map((emission) => `${emission.kind} ${describe(emission)} @${emission.time}`),
    state,
    stored,
  };
}

const behaviourOf = (pattern: Parameters<typeof automatonOf>[0]) =>
  patternBehaviour({ automaton: automatonOf(pattern), emit: (taken) => taken.events(0).map((event) => event.data) });

t.test('saved, forgotten and loaded at any event, a pattern says the same', async (t) => {
  for (const seed of [20_261_122, Number(process.env.SEED ?? Date.now() % 1_000_000_000)]) {
    t.comment(`seed ${seed}`);
    fc.assert(
      fc.property(
        patternDraft,
        recipe,
        fc.array(fc.boolean(), { minLength: 13, maxLength: 13 }),
        // Some meet the limit, and all stay within what a test has time for.
        fc.record({
          partialMatches: fc.constantFrom(3, 20, 500),
          stateBytes: fc.constant(1_000_000),
          onLimit: fc.constantFrom<OnLimit>('dropOldest', 'dropNewest'),
        }),
        (drawn, given, stops, limits) => {
          const draft = { ...drawn, throwOnMiss: false };
          const compiled = compilePattern({ ...patternOfDraft(draft), limits });
          fc.pre(compiled.ok);
          const behaviour = patternBehaviour({ automaton: compiled.automaton, emit: () => undefined });
          const events = eventsOfLetters(lettersOf(draft, given));
          const end = (events.at(-1)?.time ?? 0) + 7;
          const stopped = playStopping(behaviour, events, end, (at) => stops[at]!);
          const straight = playStopping(behaviour, events, end, () => false);
          if (JSON.stringify(stopped.said) !== JSON.stringify(straight.said)) {
            throw new Error(
              `${describeDraft(draft)}\nstopped ${stopped.said.join('; ')}\nstraight ${straight.said.join('; ')}`,
            );
          }
          if (stopped.state.isEmpty !== (stopped.stored.cells.size === 0))
            throw new Error('cells without a state, or a state without');
        },
      ),
      { seed, numRuns: 400, maxSkipsPerRun: 100 },
    );
  }
});

t.test('a large state, spread over many cells, says the same after loading', async (t) => {
  const shapes = {
    ordered: patternOf([begin('a'), followedBy('b')], { within: duration(150) }),
    heap: patternOf([begin('a', { times: [1, 3] }), followedByAny('b')], { within: duration(60) }),
    held: patternOf([begin('a', { fits: 'ad' }), followedBy('b', { fits: 'bd' })], {
      within: duration(300),
      afterMatch: { kind: 'skipToNext' },
    }),
  };
  for (const [name, pattern] of Object.entries(shapes)) {
    const behaviour = behaviourOf({ ...pattern, keep: [[], undefined] });
    const text = Array.from(
      { length: 400 },
      (_, at) => `${at % 100 === 99 ? 'b' : at % 7 === 0 ? 'x' : 'a'}@${at}`,
    ).join(' ');
    const events = eventsFrom(text, (id) => ({ id, text: 'some data to keep' }));
    const straight = playStopping(behaviour, events, 1000, () => false);
    const stopped = playStopping(behaviour, events, 1000, (at) => at % 5 === 0);
    t.same(stopped.said, straight.said, name);
    t.ok(straight.said.length > 100, `${name} says something`);
    t.equal(stopped.stored.cells.size, 0, `${name} leaves nothing behind`);
  }
});

t.test('cells written by a state that stayed and by one that was loaded are the same', async (t) => {
  const behaviour = behaviourOf(patternOf([begin('a'), followedBy('b')], { within: duration(90) }));
  const events = eventsFrom(Array.from({ length: 300 }, (_, at) => `a@${at}`).join(' '));
  const straight = playStopping(behaviour, events, 300, () => false);
  const stopped = playStopping(behaviour, events, 300, (at) => at % 3 === 0);
  t.same([...stopped.stored.cells].sort(), [...straight.stored.cells].sort());
});

t.test('one event on a key with 10,000 buffered events writes few bytes', async (t) => {
  const pattern = patternOf([begin('a'), followedBy('b')], { within: duration(10_000) });
  const behaviour = behaviourOf({ ...pattern, keep: [[['user']], undefined] });
  const state = behaviour.create('key');
  const stored = new Stored();
  const output = collector();
  const most = (from: number, to: number) => {
    let bytes = 0;
    for (let at = from; at < to; at++) {
      const [event] = eventsFrom(`a@${at}`, () => ({ user: 'somebody', more: 'x'.repeat(500) }));
      behaviour.onEvent(state, event!, output);
      stored.save(behaviour, state);
      bytes = Math.max(bytes, stored.written);
    }
    return bytes;
  };
  const small = most(0, 200);
  most(200, 12_000);
  t.equal(state.runCount, 10_000);
  const large = most(12_000, 12_200);
  t.ok(large <= 2 * small, `${large} bytes at most, ${small} with few`);
  t.equal(behaviour.load(stored.cells, 'key').runCount, 10_000);
});

t.test('a key whose last partial match ended passivates to nothing', async (t) => {
  const behaviour = behaviourOf(patternOf([begin('a'), followedBy('b')], { within: duration(10) }));
  const state = behaviour.create('key');
  const output = collector();
  const stored = new Stored();
  t.ok(behaviour.isEmpty(state));
  t.equal(behaviour.wakeAt(state), NEVER);
  behaviour.onEvent(state, eventsFrom('a@5')[0]!, output);
  stored.save(behaviour, state);
  t.equal(stored.cells.size, 1);
  t.notOk(behaviour.isEmpty(state));
  t.equal(behaviour.wakeAt(state), 15);
  behaviour.onTime(state, instant(15), output);
  t.ok(behaviour.isEmpty(state));
  stored.save(behaviour, state);
  t.equal(stored.cells.size, 0);
});

t.test('the end of all time ends what has a limit, and nothing else', async (t) => {
  const forEver = behaviourOf(patternOf([begin('a'), followedBy('b')]));
  const limited = behaviourOf(patternOf([begin('a'), followedBy('b')], { within: duration(5) }));
  const output = collector();
  for (const [behaviour, left] of [
    [forEver, 1],
    [limited, 0],
  ] as const) {
    const state = behaviour.create('key');
    behaviour.onTime(state, NEVER, output);
    behaviour.onEvent(state, eventsFrom('a@1')[0]!, output);
    behaviour.onTime(state, NEVER, output);
    t.equal(state.runCount, left);
  }
});

t.test('a state of an unknown format is refused with the way out', async (t) => {
  const behaviour = behaviourOf(patternOf([begin('a'), followedBy('b')]));
  t.throws(() => behaviour.load(new Map([[0, Uint8Array.of(99, 0)]]), 'key'), { code: 'PATTERN_STATE_UNREADABLE' });
  t.throws(() => behaviour.load(new Map([[0, Uint8Array.of(1, 0, 9)]]), 'key'), { code: 'PATTERN_STATE_UNREADABLE' });
});

t.test('an event that is damaged where nobody looked while loading is told as what it is', async (t) => {
  const behaviour = behaviourOf(patternOf([begin('a'), followedBy('b')]));
  const state = behaviour.create('key');
  const output = collector();
  const [event] = eventsFrom('a@1');
  behaviour.onEvent(state, { ...event!, id: 'an id of its own', data: { text: 'some text' } }, output);
  const cells = new Map<number, Uint8Array>();
  behaviour.save(state, { put: (cell, bytes) => void cells.set(cell, bytes), remove: () => undefined });
  const whole = cells.get(0)!;
  let unreadable = 0;
  for (let at = 1; at < whole.length; at++) {
    for (const value of [0, 127, 255]) {
      const damaged = Uint8Array.from(whole);
      damaged[at] = value;
      try {
        const loaded = behaviour.load(new Map([[0, damaged]]), 'key');
        for (const run of loaded.runs) if (run.node.event.id === '' || run.node.event.data === null) continue;
      } catch (error) {
        t.match(error, { code: 'PATTERN_STATE_UNREADABLE' }, `byte ${at} as ${value}`);
        unreadable++;
      }
    }
  }
  t.ok(unreadable > 10, `${unreadable} of ${3 * (whole.length - 1)} damages show`);
});

t.test(
  'an emission has the events per step in order of first use, at most 100 references, and the true count',
  async (t) => {
    const pattern = patternOf([begin('a', { times: [150, 150] }), followedBy('b')]);
    const text = `${Array.from({ length: 150 }, (_, at) => `a@${at}`).join(' ')} b@200`;
    const played = play(pattern, text, undefined, (taken) => taken.count(0) + taken.last(1)!.time);
    const [emission] = played.emissions;
    t.match(emission, { kind: 'match', side: undefined, time: 200, first: 0, last: 200, emit: 350 });
    t.same(
      emission?.events.map(({ step, count, refs }) => [step, count, refs.length]),
      [
        ['a', 150, 100],
        ['b', 1, 1],
      ],
    );
    t.same(emission?.events[1]?.refs, [{ source: 'test', seq: 151, index: 0, id: 'b1', time: 200 }]);
  },
);

t.test('timed-out partial matches go to the side output timeout, and only when they are wanted', async (t) => {
  const pattern = patternOf([begin('a'), followedBy('b')], { within: duration(5) });
  t.match(play(pattern, 'a@1', 9).emissions, [{ kind: 'timeout', side: 'timeout', time: 6, first: 1, last: 1 }]);
  t.same(play({ ...pattern, emitTimeouts: false }, 'a@1', 9).emissions, []);
});

t.test('only the kept data of a taken event is seen later, before and after saving', async (t) => {
  const pattern = patternOf([begin('a'), followedBy('b')]);
  const behaviour = behaviourOf({ ...pattern, keep: [[['user', 'name'], ['n']], undefined] });
  const events = eventsFrom('a@1 b@2', () => ({ user: { name: 'ann', age: 9 }, n: [1, 2], other: true }));
  for (const stop of [false, true]) {
    const output = collector();
    let state = behaviour.create('key');
    behaviour.onEvent(state, events[0]!, output);
    const stored = new Stored();
    stored.save(behaviour, state);
    if (stop) state = behaviour.load(stored.cells, 'key');
    behaviour.onEvent(state, events[1]!, output);
    t.same(output.emissions[0]?.emit, [{ user: { name: 'ann' }, n: [1, 2] }]);
  }
});

t.test('kept data comes back from storage as it was, whatever kind it is', async () => {
  const special = fc.constantFrom<unknown>(
    undefined,
    -0,
    Number.NaN,
    Number.NEGATIVE_INFINITY,
    Number.MAX_SAFE_INTEGER,
    -Number.MAX_SAFE_INTEGER,
    2 ** 60,
    2n ** 60n,
    new Date(5),
    Buffer.of(0, 255),
    'x'.repeat(127),
    'é'.repeat(20_000),
    JSON.parse('{"__proto__": 1}'),
  );
  const value = fc.oneof(
    fc.jsonValue({ maxDepth: 4 }),
    fc.integer({ min: -70_000, max: 70_000 }),
    special,
    fc.dictionary(fc.string({ unit: 'binary' }), special, { noNullPrototype: true }),
    fc.array(special),
  );
  const behaviour = behaviourOf(patternOf([begin('a'), followedBy('b')]));
  fc.assert(
    fc.property(value, fc.string({ unit: 'binary' }), (data, id) => {
      const output = collector();
      const first = { ...eventsFrom('a@1')[0]!, id, data };
      const state = behaviour.create('key');
      behaviour.onEvent(state, first, output);
      const stored = new Stored();
      stored.save(behaviour, state);
      const once = [...stored.cells.values()].map((bytes) => Buffer.from(bytes).toString('hex'));
      const loaded = behaviour.load(stored.cells, 'key');
      loaded.changed = true;
      stored.save(behaviour, loaded);
      const again = [...stored.cells.values()].map((bytes) => Buffer.from(bytes).toString('hex'));
      behaviour.onEvent(loaded, eventsFrom('b@2')[0]!, output);
      const { emit, events } = output.emissions[0]!;
      if (!isDeepStrictEqual(emit, [data])) throw new Error(`${inspect(data)} became ${inspect(emit)}`);
      if (events[0]?.refs[0]?.id !== id) throw new Error(`id ${id} became ${events[0]?.refs[0]?.id}`);
      if (!isDeepStrictEqual(once, again)) throw new Error('stored otherwise the second time');
    }),
    { seed: Number(process.env.SEED ?? 20_261_122), numRuns: 600 },
  );
});

t.test('limits', async (t) => {
  const pattern = (
    onLimit: 'dropOldest' | 'dropNewest' | 'deadLetter',
    more: Partial<Parameters<typeof play>[0]> = {},
  ) =>
    patternOf([begin('a'), followedBy('b')], {
      limits: { partialMatches: 2, stateBytes: 1_000_000, onLimit },
      ...more,
    });

  t.test('dropOldest gives up the partial match that began first', async (t) => {
    const played = play(pattern('dropOldest'), 'a@1 a@2 a@3 b@4');
    t.same(played.matches, ['a: a2, b: b1', 'a: a3, b: b1']);
    t.same(played.incidents, [{ kind: 'limitReached', limit: 'partialMatches', answer: 'dropOldest' }]);
  });

  t.test('dropNewest refuses the one that begins last', async (t) => {
    t.same(play(pattern('dropNewest'), 'a@1 a@2 a@3 b@4').matches, ['a: a1, b: b1', 'a: a2, b: b1']);
  });

  t.test('deadLetter refuses it too and hands its events over', async (t) => {
    const played = play(pattern('deadLetter'), 'a@1 a@2 a@3 b@4');
    t.same(played.matches, ['a: a1, b: b1', 'a: a2, b: b1']);
    t.match(played.incidents, [
      { limit: 'partialMatches', answer: 'deadLetter', events: [{ step: 'a', count: 1, refs: [{ id: 'a3' }] }] },
    ]);
  });

  t.test('bytes are bounded as well as partial matches', async (t) => {
    const limits = { partialMatches: 1000, stateBytes: 2000, onLimit: 'dropOldest' } as const;
    const played = play(pattern('dropOldest', { limits }), Array.from({ length: 50 }, (_, at) => `a@${at}`).join(' '));
    t.ok(played.live > 1 && played.live < 10);
    t.match(played.incidents[0], { limit: 'stateBytes' });
  });

  t.test('where partial matches fork, a limit leaves those that began first, or last', async (t) => {
    const kept = (onLimit: 'dropOldest' | 'dropNewest' | 'deadLetter') =>
      play(
        patternOf([begin('a', { times: [1, 2] }), followedBy('b')], {
          limits: { partialMatches: 3, stateBytes: 1_000_000, onLimit },
        }),
        'a@1 a@2 a@3 b@4',
      );
    const beginnings = (played: ReturnType<typeof kept>) =>
      played.matches.map((match) => match.slice('a: '.length, 'a: a1'.length)).sort();
    t.same(beginnings(kept('dropOldest')), ['a2', 'a2', 'a3']);
    t.same(beginnings(kept('dropNewest')), ['a1', 'a1', 'a2']);
    t.same(kept('dropNewest').matches, kept('deadLetter').matches);
  });

  t.test('thousands of partial matches beyond a limit are dropped at once', async (t) => {
    for (const onLimit of ['dropOldest', 'dropNewest'] as const) {
      const forking = patternOf([begin('a', { times: [2, forever], inner: 'nonDeterministic' }), followedByAny('b')], {
        limits: { partialMatches: 20_000, stateBytes: 100_000_000, onLimit },
      });
      const played = play(forking, Array.from({ length: 18 }, (_, at) => `a@${at}`).join(' '));
      t.equal(played.live, 20_000);
      t.ok(played.incidents.length > 50_000);
    }
  });

  t.test('a held match is released when the limit drops the partial match it waited for', async (t) => {
    const stages = [
      begin('a', { fits: 'ab' }),
      followedBy('c', { fits: 'c', where: (event, taken) => event.type === 'c' && taken.first(0)!.type === 'b' }),
    ];
    const skipping = patternOf(stages, {
      afterMatch: { kind: 'skipPastLastEvent' },
      limits: { partialMatches: 2, stateBytes: 1_000_000, onLimit: 'dropOldest' },
    });
    const played = play(skipping, 'a@1 b@2 c@3 a@4');
    t.same(played.matches, ['a: b1, c: c1']);
    t.equal(played.incidents.length, 1);
  });
});

t.test('explainBound says what holds', async (t) => {
  const limits = { partialMatches: 7, stateBytes: 900, onLimit: 'dropOldest' } as const;
  const sequence = patternOf([begin('a'), group('relaxed', [begin('b'), followedBy('c')], { times: [1, 3] })], {
    within: duration(50),
    limits,
  });
  t.match(explainBound(automatonOf(sequence)), { eventsPerMatch: 7, livesMs: 50, partialMatches: 7, stateBytes: 900 });
  const simple = explainBound(automatonOf(patternOf([begin('a'), followedBy('b')], { limits })));
  t.match(simple, { eventsPerMatch: 2, partialMatchesPerBeginning: 1, livesMs: Number.POSITIVE_INFINITY });
  t.equal(
    simple.sentence,
    'A match has at most 2 events; each beginning is one partial match, and no time limit ends it. A key keeps at most 7 ' +
      'partial matches and 900 bytes; beyond that the oldest partial match is dropped.',
  );
  const usual = { partialMatches: 10_000, stateBytes: 4 * 1024 * 1024, onLimit: 'deadLetter' } as const;
  const loop = patternOf([begin('a', { times: [2, forever], inner: 'nonDeterministic' })], {
    within: duration(90 * 60_000),
    limits: usual,
  });
  t.equal(
    explainBound(automatonOf(loop)).sentence,
    'A match has any number of events; one beginning can become many partial matches, and it ends 1h30m after its first ' +
      'event. A key keeps at most 10,000 partial matches and 4 MiB; beyond that the newest partial match becomes a dead letter.',
  );
});

t.test('beyond Flink', async (t) => {
  t.test('anyOf: the first event taken decides', async (t) => {
    const pattern = patternOf([
      begin('a'),
      { kind: 'anyOf', contiguity: 'relaxed', alternatives: [[begin('b'), followedBy('c')], [begin('d')]] },
      followedBy('e'),
    ]);
    t.same(play(pattern, 'a@1 x@2 d@3 b@4 c@5 e@6').matches, ['a: a1, d: d1, e: e1']);
    t.same(play(pattern, 'a@1 b@2 d@3 c@4 e@5').matches, ['a: a1, b: b1, c: c1, e: e1']);
  });

  t.test('allOf: each member once, in whatever order', async (t) => {
    const members = [begin('b'), begin('c'), begin('d')];
    const pattern = patternOf([begin('a'), { kind: 'allOf', contiguity: 'relaxed', members }, followedBy('e')]);
    t.same(play(pattern, 'a@1 d@2 x@3 b@4 b@5 c@6 e@7').matches, ['a: a1, d: d1, b: b1, c: c1, e: e1']);
    t.same(play(pattern, 'a@1 d@2 b@3 e@4').matches, []);
    const first = patternOf([{ kind: 'allOf', contiguity: undefined, members: members.slice(0, 2) }]);
    t.same(play(first, 'c@1 x@2 b@3').matches, ['c: c1, b: b1']);
  });

  t.test('span: a step ends before its own limit, exclusive', async (t) => {
    const pattern = patternOf([begin('a'), followedBy('b', { times: [1, forever], span: 5 }), followedBy('c')]);
    t.same(play(pattern, 'a@1 b@10 b@14 b@15 c@16').matches, ['a: a1, b: b1 b2, c: c1', 'a: a1, b: b1, c: c1'].sort());
    const round = group('relaxed', [begin('b'), followedBy('c')], { times: [2, 2], span: 5 });
    t.same(play(patternOf([begin('a'), round]), 'a@1 b@10 c@11 b@13 c@14').matches, ['a: a1, b: b1 b2, c: c1 c2']);
    t.same(play(patternOf([begin('a'), round]), 'a@1 b@10 c@11 b@13 c@15').matches, []);
  });

  t.test('a last absence fires at its deadline, without a next event', async (t) => {
    const played = play(patternOf([begin('a'), notFollowedBy('n', { withinPrevious: 4 })]), 'a@1', 5);
    t.match(played.emissions, [{ kind: 'match', time: 5 }]);
    t.same(play(patternOf([begin('a'), notFollowedBy('n', { withinPrevious: 4 })]), 'a@1', 4).matches, []);
  });
});

t.test('an event that fits nothing is noticed where it can still change something', async (t) => {
  const within10 = { within: duration(10), emitTimeouts: false };
  const notices = (stages: Parameters<typeof patternOf>[0], more: Parameters<typeof patternOf>[1] = within10) =>
    automatonOf(patternOf(stages, more)).noticesUnfitEvents;
  const loop = { times: [1, forever] } as const;
  t.notOk(notices([begin('a'), followedBy('b'), followedByAny('c')]));
  t.notOk(notices([begin('a', { times: [5, forever], greedy: true }), followedBy('b')]));
  t.notOk(notices([begin('a', loop), followedBy('b', { optional: true }), followedBy('c')]));
  t.notOk(notices([begin('a', loop), notFollowedBy('n')]));
  t.notOk(notices([begin('s'), group('relaxed', [begin('a'), followedBy('b')], loop), followedBy('d')]));
  t.notOk(notices([begin('a'), followedBy('b', { withinPrevious: 3 })], { emitTimeouts: true }));

  t.ok(notices([begin('a'), next('b')]), 'what follows strictly is missed');
  t.ok(notices([begin('a', { times: [2, 2], inner: 'strict' })]), 'so is what is consecutive');
  t.ok(notices([begin('a'), notNext('n'), followedBy('b')]), 'notNext judges it');
  const begun = group('relaxed', [group(undefined, [begin('b')]), followedBy('c')]);
  t.ok(notices([begin('a'), begun]), 'a group that begins a group follows strictly');
  const limited = followedBy('c', { withinPrevious: 3 });
  t.ok(notices([begin('a'), followedBy('b', { optional: true }), limited]), 'from then on the limit counts');
  t.ok(notices([begin('a', loop), notFollowedBy('n', { withinPrevious: 3 })]), 'also that of a last ban');
  t.ok(
    notices([begin('a'), followedBy('b', { optional: true }), followedBy('c')], { ...within10, emitTimeouts: true }),
    'each of two branches times out',
  );
  t.ok(notices([begin('a', { times: [2, 2], span: 3 })]), 'it can come when the span is over');
  const greedy = begin('a', { times: [1, forever], greedy: true });
  t.ok(notices([greedy, followedBy('a2', { optional: true })]), 'it ends what the loop is greedy for');
  t.notOk(notices([greedy, followedBy('b')]), 'but not where what follows has nothing to wait with');
});

t.test('patterns that are refused say what is wrong', async (t) => {
  const codes = (stages: Parameters<typeof patternOf>[0], more = {}) =>
    problemsOf(patternOf(stages, more)).map(({ code }) => code);
  t.same(codes([]), ['PATTERN_EMPTY']);
  t.same(codes([begin('a'), followedBy('a')]), ['STEP_REPEATED']);
  t.same(codes([begin('a', { times: [2, 1] })]), ['QUANTIFIER_INVALID']);
  t.same(codes([begin('a', { times: [0, 1] })]), ['QUANTIFIER_INVALID']);
  t.same(codes([begin('a', { greedy: true })]), ['GREEDY_WITHOUT_LOOP']);
  t.same(codes([begin('a', { times: [1, 3], until: 'b' })]), ['UNTIL_WITHOUT_LOOP']);
  t.same(codes([notNext('a'), followedBy('b')]), ['BAN_FIRST']);
  t.same(codes([begin('a'), followedBy('b', { optional: true }), notNext('c')]), ['BAN_AFTER_OPTIONAL']);
  t.same(codes([begin('a'), notFollowedBy('b')]), ['BAN_WITHOUT_LIMIT']);
  t.same(codes([begin('a'), notFollowedBy('b', { withinPrevious: 3 }), notFollowedBy('c')], { within: duration(9) }), [
    'BAN_LIMITS_DIFFER',
  ]);
  t.same(codes([begin('a'), followedBy('b', { withinPrevious: 10 })], { within: duration(9) }), [
    'WITHIN_PREVIOUS_TOO_LONG',
  ]);
  t.same(
    codes([begin('a'), group('relaxed', [begin('b')])], {
      afterMatch: { kind: 'skipToFirst', step: 1, throwOnMiss: false },
    }),
    ['SKIP_STEP_UNKNOWN'],
  );
  t.same(codes([begin('a', { span: 0 })]), ['SPAN_EMPTY']);
  t.same(codes([begin('a'), { kind: 'anyOf', contiguity: 'relaxed', alternatives: [[begin('b')]] }]), [
    'CHOICE_INVALID',
  ]);
  t.same(codes([begin('a'), group('relaxed', [begin('b', { times: [300, 300] })], { times: [300, 300] })]), [
    'PATTERN_TOO_LARGE',
  ]);
});

t.test('what is accepted without the effect one may expect is a warning', async (t) => {
  const warnings = (stages: Parameters<typeof patternOf>[0]) =>
    automatonOf(patternOf(stages)).warnings.map(({ code, stage }) => [code, stage]);
  t.same(warnings([begin('a'), followedBy('b', { times: [1, 2], withinPrevious: 3 })]), [
    ['LIMIT_WITHOUT_EFFECT', 'b'],
  ]);
  t.same(warnings([begin('a', { times: [2, 2], greedy: true })]), [['GREEDY_WITHOUT_EFFECT', 'a']]);
  t.same(warnings([begin('a'), next('b')]), []);
});
