import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { packageRoot } from '../../src/cli/package-root.ts';
import { duration } from '../../src/core/time/units.ts';
import {
  automatonOf,
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

/** One test per row of docs/patterns-differences.md, by the row's name. */

const tested: string[] = [];

function difference(name: string, check: (t: Test) => Promise<void>): void {
  tested.push(name);
  t.test(name, check);
}

const within = (ms: number) => ({ within: duration(ms) });

difference('events passed over in a looping group', async (t) => {
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

difference('rounds cut differently', async (t) => {
  const nested = patternOf([group(undefined, [begin('a', { times: [1, forever] })], { times: [2, 2] })]);
  t.same(play(nested, 'a@1 a@2 a@3').matches.filter((match) => match === 'a: a1 a2 a3').length, 1);
});

difference('ways through an empty group', async (t) => {
  const empty = patternOf([
    begin('s'),
    group('relaxed', [begin('b', { optional: true }), followedBy('c', { optional: true })], { optional: true }),
    followedBy('d'),
  ]);
  t.same(play(empty, 's@1 d@2').matches, ['s: s1, d: d1']);
});

difference('what strictly follows a looping group', async (t) => {
  const pattern = patternOf([
    begin('s'),
    group('relaxed', [begin('b'), followedBy('c')], { times: [1, forever] }),
    next('d'),
  ]);
  t.same(play(pattern, 's@1 b@2 c@3 x@4 d@5').matches, []);
  t.same(play(pattern, 's@1 b@2 c@3 d@4').matches, ['s: s1, b: b1, c: c1, d: d1']);
});

difference('a ban before notNext', async (t) => {
  const pattern = patternOf([begin('a'), notFollowedBy('n'), notNext('m'), followedBy('b')]);
  t.same(play(pattern, 'a@1 n@2 b@3').matches, []);
  t.same(play(pattern, 'a@1 x@2 b@3').matches, ['a: a1, b: b1']);
});

difference('several bans at the end', async (t) => {
  const pattern = patternOf([begin('a'), notFollowedBy('n'), notFollowedBy('m')], within(5));
  t.same(play(pattern, 'a@1 n@2', 10).matches, []);
  t.same(play(pattern, 'a@1 m@2', 10).matches, []);
  t.same(play(pattern, 'a@1 x@2', 10).matches, ['a: a1']);
});

difference('a ban before an optional group', async (t) => {
  const pattern = patternOf([
    begin('a'),
    notFollowedBy('n'),
    group('relaxed', [begin('b'), followedBy('c')], { optional: true }),
    followedBy('d'),
  ]);
  t.same(play(pattern, 'a@1 x@2 n@3 b@4 c@5 d@6').matches, []);
  t.same(play(pattern, 'a@1 x@2 b@3 n@4 c@5 d@6').matches, ['a: a1, b: b1, c: c1, d: d1']);
});

difference('a ban after a range of times', async (t) => {
  const pattern = patternOf([begin('a'), followedBy('b', { times: [1, 2] }), notFollowedBy('n'), followedBy('c')]);
  t.same(play(pattern, 'a@1 b@2 x@3 n@4 b@5 c@6').matches, []);
});

difference('an event that is banned and completes the match', async (t) => {
  const pattern = patternOf([begin('a'), notFollowedBy('n', { fits: 'c' }), followedBy('c')]);
  t.same(play(pattern, 'a@1 c@2').matches, []);
});

difference('a loop over nothing', async (t) => {
  const pattern = patternOf([begin('a'), group('relaxed', [begin('b', { optional: true })], { times: [1, forever] })]);
  t.same(
    problemsOf(pattern).map(({ code, stage }) => [code, stage]),
    [['LOOP_OVER_NOTHING', '(b)']],
  );
});

difference('a ban at the end of a group', async (t) => {
  const pattern = patternOf([begin('a'), group('relaxed', [begin('b'), notFollowedBy('n')]), followedBy('c')]);
  t.same(
    problemsOf(pattern).map(({ code }) => code),
    ['BAN_ENDS_GROUP'],
  );
});

difference('the gap limit of an optional step', async (t) => {
  const pattern = patternOf([begin('a'), followedBy('b', { optional: true, withinPrevious: 3 }), followedBy('c')]);
  t.same(play(pattern, 'a@1 x@2 b@10 c@11').matches, ['a: a1, c: c1']);
  t.same(play(pattern, 'a@1 x@2 b@3 c@11').matches, ['a: a1, b: b1, c: c1', 'a: a1, c: c1']);
});

difference('the gap limit of times', async (t) => {
  const pattern = patternOf([begin('a'), followedBy('b', { times: [3, 3], within: 3 })]);
  t.same(play(pattern, 'a@1 b@2 b@4 b@40').matches, []);
  t.same(play(pattern, 'a@1 b@2 b@4 b@6').matches, ['a: a1, b: b1 b2 b3']);
});

difference('the gap limit of an open loop', async (t) => {
  const pattern = patternOf([begin('a'), followedBy('b', { times: [1, forever], within: 3 })]);
  t.same(play(pattern, 'a@1 b@2 b@40').matches, ['a: a1, b: b1']);
  t.same(play(pattern, 'a@1 b@2 x@3 b@40').matches, ['a: a1, b: b1']);
  t.same(play(pattern, 'a@1 b@2 x@3 b@4').matches, ['a: a1, b: b1', 'a: a1, b: b1 b2']);
});

difference('silence after a loop', async (t) => {
  const pattern = patternOf([begin('a', { times: [2, forever] }), notFollowedBy('n')], within(5));
  const played = play(pattern, 'a@1 a@2', 20);
  t.same(played.matches, ['a: a1 a2']);
  t.equal(played.emissions.find(({ kind }) => kind === 'match')?.time, 6);
});

difference('several deadlines at once', async (t) => {
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

difference('greedy with until after a ban', async (t) => {
  const pattern = patternOf([
    begin('a'),
    notFollowedBy('n'),
    followedBy('b', { times: [1, forever], optional: true, greedy: true, until: 'u' }),
    followedBy('u'),
  ]);
  t.same(play(pattern, 'a@1 u@4').matches, ['a: a1, u: u1']);
  t.same(play(pattern, 'a@1 b@2 b@3 u@4').matches, ['a: a1, b: b1 b2, u: u1', 'a: a1, u: u1']);
});

difference('gap limits without a limit on the whole', async (t) => {
  const pattern = patternOf([begin('a'), followedBy('b', { withinPrevious: 3 }), followedBy('c')]);
  const played = play(pattern, 'a@1', 1000);
  t.same(played.timeouts, ['a: a1 @4'], 'at its deadline');
  t.equal(played.live, 0);
  t.same(play(pattern, 'a@1', 3).timeouts, [], 'not before');
});

difference('timed-out partial matches of a looping group', async (t) => {
  const looped = patternOf(
    [begin('s'), group('relaxed', [begin('b'), followedBy('c')], { times: [1, forever] }), followedBy('d')],
    within(10),
  );
  t.same(play(looped, 's@1 b@2 c@3 x@4 y@5', 20).timeouts, ['s: s1, b: b1, c: c1 @11', 's: s1, b: b1, c: c1 @11']);
});

difference('a ban before a group of what may be absent', async (t) => {
  const pattern = patternOf([
    begin('a'),
    notFollowedBy('n'),
    group('relaxed', [begin('b', { optional: true })]),
    followedBy('c'),
  ]);
  t.same(play(pattern, 'a@1 x@2 n@3 c@4').matches, []);
  t.same(play(pattern, 'a@1 n@2 c@3').matches, []);
  t.same(play(pattern, 'a@1 x@2 c@3').matches, ['a: a1, c: c1']);
});

difference('a ban before an optional group that was taken', async (t) => {
  const pattern = patternOf([
    begin('a'),
    notFollowedBy('n'),
    group('relaxed', [begin('b'), followedBy('c')], { optional: true }),
    followedBy('d'),
  ]);
  t.same(play(pattern, 'a@1 b@2 c@3 n@4 d@5').matches, ['a: a1, b: b1, c: c1, d: d1']);
  t.same(play(pattern, 'a@1 n@2 d@3').matches, [], 'it holds where the group is left out');
});

difference('several bans after a repeated step', async (t) => {
  const pattern = patternOf([
    begin('a'),
    followedBy('b', { times: [2, 2] }),
    notFollowedBy('n'),
    notFollowedBy('m'),
    followedBy('c'),
  ]);
  for (const banned of ['n', 'm']) t.same(play(pattern, `a@1 b@2 ${banned}@3 b@4 c@5`).matches, [], banned);
  t.same(play(pattern, 'a@1 b@2 x@3 b@4 c@5').matches, ['a: a1, b: b1 b2, c: c1']);
});

difference('what may be absent after a ban, at the end of a looping group', async (t) => {
  const round = [begin('a'), notFollowedBy('n'), followedBy('b', { optional: true })];
  const pattern = patternOf([begin('s'), group('relaxed', round, { times: [1, forever] }), followedBy('d')]);
  t.same(play(pattern, 's@1 a@2 b@3 d@4').matches, ['s: s1, a: a1, b: b1, d: d1', 's: s1, a: a1, d: d1']);
});

t.test('what is as in Flink CEP, though it may surprise', async (t) => {
  t.test('an optional greedy loop behind a ban is greedy once it has taken an event', async (t) => {
    const loop = { times: [1, forever], optional: true, greedy: true } as const;
    const banned = patternOf([begin('a'), notFollowedBy('n'), followedBy('b', loop), followedBy('c')]);
    t.same(play(banned, 'a@1 b@2 c@3').matches, ['a: a1, b: b1, c: c1', 'a: a1, c: c1']);
    t.same(play(banned, 'a@1 x@2 b@3 c@4').matches, ['a: a1, b: b1, c: c1', 'a: a1, c: c1']);
    const free = patternOf([begin('a'), followedBy('b', loop), followedBy('c')]);
    t.same(play(free, 'a@1 b@2 c@3').matches, ['a: a1, b: b1, c: c1'], 'at once, without the ban');
    const ranged = { times: [1, 2], optional: true, greedy: true } as const;
    const range = patternOf([begin('a'), notFollowedBy('n'), followedBy('b', ranged), followedBy('c')]);
    t.same(play(range, 'a@1 b@2 c@3').matches, ['a: a1, b: b1, c: c1'], 'at once, with an upper end');
    const optional = group('relaxed', [begin('e'), notFollowedBy('n'), followedBy('b', loop)], { optional: true });
    const inside = patternOf([begin('a'), optional, followedBy('c', { fits: 'bc' })]);
    t.same(play(inside, 'a@1 b@2').matches, ['a: a1, c: b1'], 'nor is a group left out that ends with one');
  });

  t.test('a group that begins a group has to follow strictly', async (t) => {
    const inner = group(undefined, [begin('a'), followedBy('b')], { times: [2, 2] });
    const around = (times: readonly [number, number]) =>
      patternOf([begin('s'), group('relaxed', [inner, followedBy('c')], { times })]);
    t.same(play(around([1, 1]), 's@1 x@2 a@3 b@4 a@5 b@6 c@7').matches, []);
    t.same(play(around([1, 1]), 's@1 a@2 b@3 x@4 a@5 b@6 c@7').matches, ['s: s1, a: a1 a2, b: b1 b2, c: c1']);
    const twice = 'a@2 b@3 a@4 b@5 c@6';
    t.same(play(around([2, 2]), `s@1 ${twice} a@7 b@8 a@9 b@10 c@11`).matches, [
      's: s1, a: a1 a2 a3 a4, b: b1 b2 b3 b4, c: c1 c2',
    ]);
    t.same(play(around([2, 2]), `s@1 ${twice} x@7 a@8 b@9 a@10 b@11 c@12`).matches, [], 'in every round');
    t.same(
      automatonOf(around([1, 1])).warnings.map(({ code, stage }) => [code, stage]),
      [['GROUP_BEGINS_GROUP', '(a b)']],
    );
  });

  t.test('a gap limit is not felt by who comes past another step', async (t) => {
    const late = followedBy('c', { withinPrevious: 3 });
    const loop = { times: [1, forever] } as const;
    t.same(play(patternOf([begin('a', loop), late]), 'a@1 c@100').matches, ['a: a1, c: c1']);
    t.same(play(patternOf([begin('a', loop), late]), 'a@1 x@2 c@100').matches, []);
    const optional = patternOf([begin('a'), followedBy('b', { optional: true }), late]);
    t.same(play(optional, 'a@1 c@100').matches, ['a: a1, c: c1']);
    t.same(play(optional, 'a@1 x@2 c@100').matches, []);
    t.same(play(patternOf([begin('a'), notNext('n'), late]), 'a@1 c@100').matches, ['a: a1, c: c1']);
  });

  t.test('the own limit of a last ban behind a loop does not run out in silence', async (t) => {
    const pattern = patternOf([begin('a', { times: [1, forever] }), notFollowedBy('n', { withinPrevious: 4 })]);
    t.same(play(pattern, 'a@1', 100).matches, []);
    t.same(play(pattern, 'a@1 n@100', 200).matches, []);
    t.same(play(pattern, 'a@1 x@2', 100).matches, ['a: a1']);
  });
});

t.test('every row of the page has its test, and every test its row', async (t) => {
  const page = readFileSync(join(packageRoot, 'docs/patterns-differences.md'), 'utf8');
  const rows = page.split('\n').filter((line) => line.startsWith('| ') && !line.startsWith('| difference |'));
  const cells = rows.map((row) => row.split(' | ').map((cell) => cell.replace(/^\| | \|$/g, '').trim()));
  t.strictSame(cells.map(([name]) => name).sort(), [...tested].sort());
  t.strictSame(
    cells.filter((row) => row.length !== 5 || row.some((cell) => cell === '')).map(([name]) => name),
    [],
    'each row says what Flink CEP does, what Corral does, and why',
  );
});
