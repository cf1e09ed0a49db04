import t from 'tap';
import { duration } from '../../src/core/time/units.ts';
import {
  begin,
  followedBy,
  forever,
  group,
  next,
  notFollowedBy,
  notNext,
  patternOf,
  play,
  problemsOf,
} from './support/pattern-text.ts';

// One test per line of docs/patterns-differences.md, in its order.

const within = (ms: number) => ({ within: duration(ms) });

t.test('the same match is emitted once, however often a looping group was passed over', async (t) => {
  const looped = patternOf([
    begin('s'),
    group('relaxed', [begin('b'), followedBy('c')], { times: [1, forever] }),
    followedBy('d'),
  ]);
  t.same(play(looped, 's@1 b@2 c@3 x@4 y@5 d@6').matches, ['s: s1, b: b1, c: c1, d: d1']);
  const ranged = patternOf([
    begin('s'),
    group('relaxed', [begin('b'), followedBy('c')], { times: [1, 2] }),
    followedBy('d'),
  ]);
  t.same(play(ranged, 's@1 b@2 c@3 x@4 y@5 d@6').matches, ['s: s1, b: b1, c: c1, d: d1']);
});

t.test('the same match is emitted once, however its events fall into rounds', async (t) => {
  const nested = patternOf([group(undefined, [begin('a', { times: [1, forever] })], { times: [2, 2] })]);
  t.same(play(nested, 'a@1 a@2 a@3').matches.filter((match) => match === 'a: a1 a2 a3').length, 1);
  const empty = patternOf([
    begin('s'),
    group('relaxed', [begin('b', { optional: true }), followedBy('c', { optional: true })], { optional: true }),
    followedBy('d'),
  ]);
  t.same(play(empty, 's@1 d@2').matches, ['s: s1, d: d1']);
});

t.test('what strictly follows a looping group follows its last round at once', async (t) => {
  const pattern = patternOf([
    begin('s'),
    group('relaxed', [begin('b'), followedBy('c')], { times: [1, forever] }),
    next('d'),
  ]);
  t.same(play(pattern, 's@1 b@2 c@3 x@4 d@5').matches, []);
  t.same(play(pattern, 's@1 b@2 c@3 d@4').matches, ['s: s1, b: b1, c: c1, d: d1']);
});

t.test('a ban before a notNext holds', async (t) => {
  const pattern = patternOf([begin('a'), notFollowedBy('n'), notNext('m'), followedBy('b')]);
  t.same(play(pattern, 'a@1 n@2 b@3').matches, []);
  t.same(play(pattern, 'a@1 x@2 b@3').matches, ['a: a1, b: b1']);
});

t.test('of several bans at the end each holds', async (t) => {
  const pattern = patternOf([begin('a'), notFollowedBy('n'), notFollowedBy('m')], within(5));
  t.same(play(pattern, 'a@1 n@2', 10).matches, []);
  t.same(play(pattern, 'a@1 m@2', 10).matches, []);
  t.same(play(pattern, 'a@1 x@2', 10).matches, ['a: a1']);
});

t.test('a ban before an optional group holds until the group takes an event', async (t) => {
  const pattern = patternOf([
    begin('a'),
    notFollowedBy('n'),
    group('relaxed', [begin('b'), followedBy('c')], { optional: true }),
    followedBy('d'),
  ]);
  t.same(play(pattern, 'a@1 x@2 n@3 b@4 c@5 d@6').matches, []);
  t.same(play(pattern, 'a@1 x@2 b@3 n@4 c@5 d@6').matches, ['a: a1, b: b1, c: c1, d: d1']);
});

t.test('a ban after a range of times holds between its events too', async (t) => {
  const pattern = patternOf([begin('a'), followedBy('b', { times: [1, 2] }), notFollowedBy('n'), followedBy('c')]);
  t.same(play(pattern, 'a@1 b@2 x@3 n@4 b@5 c@6').matches, []);
});

t.test('an event that is banned is no match, also when it would complete one', async (t) => {
  const pattern = patternOf([begin('a'), notFollowedBy('n', { fits: 'c' }), followedBy('c')]);
  t.same(play(pattern, 'a@1 c@2').matches, []);
});

t.test('a loop over nothing is refused', async (t) => {
  const pattern = patternOf([begin('a'), group('relaxed', [begin('b', { optional: true })], { times: [1, forever] })]);
  t.same(
    problemsOf(pattern).map(({ code, stage }) => [code, stage]),
    [['LOOP_OVER_NOTHING', '(b)']],
  );
});

t.test('a ban at the end of a group is refused', async (t) => {
  const pattern = patternOf([begin('a'), group('relaxed', [begin('b'), notFollowedBy('n')]), followedBy('c')]);
  t.same(
    problemsOf(pattern).map(({ code }) => code),
    ['BAN_ENDS_GROUP'],
  );
});

t.test('withinPrevious of an optional step holds also after an event was passed over', async (t) => {
  const pattern = patternOf([begin('a'), followedBy('b', { optional: true, withinPrevious: 3 }), followedBy('c')]);
  t.same(play(pattern, 'a@1 x@2 b@10 c@11').matches, ['a: a1, c: c1']);
  t.same(play(pattern, 'a@1 x@2 b@3 c@11').matches, ['a: a1, b: b1, c: c1', 'a: a1, c: c1']);
});

t.test('the gap limit of times holds up to its last event', async (t) => {
  const pattern = patternOf([begin('a'), followedBy('b', { times: [3, 3], within: 3 })]);
  t.same(play(pattern, 'a@1 b@2 b@4 b@40').matches, []);
  t.same(play(pattern, 'a@1 b@2 b@4 b@6').matches, ['a: a1, b: b1 b2 b3']);
});

t.test('the gap limit of an open loop holds between all its events', async (t) => {
  const pattern = patternOf([begin('a'), followedBy('b', { times: [1, forever], within: 3 })]);
  t.same(play(pattern, 'a@1 b@2 b@40').matches, ['a: a1, b: b1']);
  t.same(play(pattern, 'a@1 b@2 x@3 b@40').matches, ['a: a1, b: b1']);
  t.same(play(pattern, 'a@1 b@2 x@3 b@4').matches, ['a: a1, b: b1', 'a: a1, b: b1 b2']);
});

t.test('silence after a loop is a match at the deadline without any further event', async (t) => {
  const pattern = patternOf([begin('a', { times: [2, forever] }), notFollowedBy('n')], within(5));
  const played = play(pattern, 'a@1 a@2', 20);
  t.same(played.matches, ['a: a1 a2']);
  t.equal(played.emissions.find(({ kind }) => kind === 'match')?.time, 6);
});

t.test('time passes through every deadline, however far it jumps', async (t) => {
  const pattern = patternOf([begin('a'), notFollowedBy('n')], {
    ...within(5),
    afterMatch: { kind: 'skipPastLastEvent' },
  });
  const far = play(pattern, 'a@1 a@2', 100);
  t.same(far.matches, ['a: a1', 'a: a2']);
  t.same(
    far.emissions.map(({ time }) => time),
    [6, 7],
  );
});

t.test('greedy, optional and until after a ban leave the loop', async (t) => {
  const pattern = patternOf([
    begin('a'),
    notFollowedBy('n'),
    followedBy('b', { times: [1, forever], optional: true, greedy: true, until: 'u' }),
    followedBy('u'),
  ]);
  t.same(play(pattern, 'a@1 b@2 b@3 u@4').matches, ['a: a1, b: b1 b2, u: u1']);
  t.same(play(pattern, 'a@1 u@4').matches, ['a: a1, u: u1']);
});
