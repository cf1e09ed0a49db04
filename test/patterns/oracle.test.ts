import t from 'tap';
import { compilePattern } from '../../src/core/patterns/automaton.ts';
import type { Pattern } from '../../src/core/patterns/pattern.ts';
import { patternBehaviour } from '../../src/core/patterns/pattern-behaviour.ts';
import { conformanceCases, eventsOfCase, patternOfCase } from './support/cases.ts';
import { isDeclarative } from './support/enumerator/subset.ts';
import { cannotMeet, constructs, leastShare } from './support/fuzz/coverage.ts';
import { byEngine, byInterpreter, judge, type Verdict } from './support/fuzz/differential.ts';
import { fuzz } from './support/fuzz/run.ts';
import {
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

t.setTimeout(300_000);

const cases = Number(process.env.PATTERN_CASES ?? 20_000);

t.test('the literal interpreter agrees with the engine on the conformance cases', async (t) => {
  for (const given of conformanceCases()) {
    if (given.expectedError !== undefined) continue;
    const pattern = patternOfCase(given);
    const compiled = compilePattern(pattern);
    if (!compiled.ok) throw new Error(`${given.id}: ${JSON.stringify(compiled.problems)}`);
    const behaviour = patternBehaviour({ automaton: compiled.automaton, emit: () => undefined });
    const events = eventsOfCase(given);
    const end = given.advanceTimeTo ?? 0;
    const straight = byEngine(behaviour, events, end, () => false);
    t.same(byInterpreter(pattern, events, end), straight, given.id);
    t.same(
      byEngine(behaviour, events, end, () => true),
      straight,
      `${given.id}, resumed after every event`,
    );
  }
});

t.test('the enumerator agrees with the engine on the conformance cases that it covers', async (t) => {
  let covered = 0;
  for (const given of conformanceCases()) {
    const pattern = patternOfCase(given);
    if (given.expectedError !== undefined || !isDeclarative(pattern)) continue;
    const verdict = judge(pattern, eventsOfCase(given), given.advanceTimeTo ?? 0, 0);
    if (verdict.kind === 'unfit') continue;
    if (verdict.kind === 'agreed' && verdict.enumerated) covered++;
    t.equal(verdict.kind, 'agreed', given.id);
  }
  t.ok(covered > 50, `${covered} cases covered`);
});

t.test(`engine and oracles agree on ${cases} random cases of a fixed seed`, async (t) => {
  const fuzzed = fuzz(20_261_122, cases);
  t.equal(fuzzed.failure, undefined);
  t.comment(fuzzed.coverage.table);
  t.comment(`${fuzzed.enumerated} of them judged by the enumerator as well`);
  t.ok(fuzzed.enumerated > 0.2 * fuzzed.coverage.cases, 'the enumerator judges one in five');
  t.same([...fuzzed.unfit.keys()], ['too many partial matches'], 'the compiler accepts every draft');
  t.same(fuzzed.coverage.lacks, [], 'every construct and pair is frequent, and matches are');
});

t.test('a disagreement is shrunk and printed so that it can be pasted', async (t) => {
  const decide = (pattern: Pattern): Verdict =>
    pattern.stages.some((stage) => stage.kind === 'allOf')
      ? { kind: 'disagreed', between: 'one and other', expected: ['x'], got: [] }
      : { kind: 'agreed', answer: { said: [], live: 0 }, enumerated: false };
  const { failure = '' } = fuzz(1, 1000, decide);
  t.match(
    failure,
    /^seed 1, \d+ cases agreed before\nallOf\(s0\[a\] \| s1\[a\]\) \| within no limit, noSkip\non ; time/,
  );
  t.match(
    failure,
    /\njudge\(patternOfDraft\(\{ stages: \[\{ kind: 'allOf', contiguity: 'relaxed', .*, eventsOfLetters\(\[\]\)/,
  );
  t.match(failure, /\none and other:\n {2}expected \["x"\]\n {2}got {6}\[\]$/);
});

t.test('a construct or pair that is too rare is found', async (t) => {
  const { coverage } = fuzz(2, 40);
  t.not(coverage.lacks.length, 0, 'forty cases cannot have every pair often enough');
  t.match(coverage.table, /never together, because a rule has one strategy after a match: noSkip\+skipToNext/);
  t.ok(constructs.every((construct) => cannotMeet(construct, construct) === undefined));
  t.equal(leastShare, 0.02);
});

t.test('the oracles know what each construct means', async (t) => {
  const verdict = (stages: Parameters<typeof patternOf>[0], text: string, end: number) => {
    const judged = judge(patternOf(stages), eventsFrom(text), end, 1);
    return judged.kind === 'agreed' ? judged.answer.said : judged;
  };
  t.test('a loop that ends with a choice goes round again', async (t) => {
    const choice = { kind: 'anyOf', contiguity: 'relaxed', alternatives: [[begin('c')], [begin('d')]] } as const;
    const loop = group('relaxed', [begin('b'), choice], { times: [2, forever] });
    t.same(verdict([begin('a'), loop, followedBy('e')], 'a@1 b@2 c@3 b@4 d@5 e@6', 9), [
      'match a: a1, b: b1 b2, c: c1, d: d1, e: e1 @6',
    ]);
  });
  t.test('a choice has the gap limit of each way, and times out with the last', async (t) => {
    const alternatives = [[begin('b', { withinPrevious: 3 })], [begin('c', { withinPrevious: 5 })]];
    const stages = [begin('a'), { kind: 'anyOf', contiguity: 'relaxed', alternatives } as const];
    t.same(verdict(stages, 'a@1 x@3', 9), ['timeout a: a1 @6']);
    t.same(verdict(stages, 'a@1 b@4', 9), [], 'what fits cannot be passed over');
    t.same(verdict(stages, 'a@1 x@3 c@5', 9), ['match a: a1, c: c1 @5']);
    const members = [begin('b', { withinPrevious: 3 }), begin('c', { withinPrevious: 5 })];
    const all = [begin('a'), { kind: 'allOf', contiguity: 'relaxed', members } as const];
    t.same(verdict(all, 'a@1 c@5 b@7', 9), ['match a: a1, c: c1, b: b1 @7']);
    t.same(verdict(all, 'a@1 c@5 b@8', 9), ['timeout a: a1, c: c1 @8']);
  });
  t.test('nothing in a loop is left with the event that ends the loop', async (t) => {
    const inner = group('relaxed', [begin('b'), followedBy('c', { times: [1, forever] })], {
      times: [1, forever],
      until: 'u',
    });
    const stages = [begin('s'), inner, followedBy('u', { fits: 'du' })];
    t.same(verdict(stages, 's@1 b@2 c@3 u@4', 9), []);
    t.same(verdict(stages, 's@1 b@2 c@3 x@4 u@5', 9), ['match s: s1, b: b1, c: c1, u: u1 @5']);
  });
  t.test('a group that begins a group has to follow strictly', async (t) => {
    const inner = group(undefined, [begin('b'), followedBy('c')], { times: [2, 2] });
    const stages = [begin('a'), group('relaxed', [inner, followedBy('d')])];
    t.same(verdict(stages, 'a@1 b@2 c@3 x@4 b@5 c@6 d@7', 9), ['match a: a1, b: b1 b2, c: c1 c2, d: d1 @7']);
    t.same(verdict(stages, 'a@1 x@2 b@3 c@4 b@5 c@6 d@7', 9), []);
  });
  t.test('an optional greedy loop behind a ban is greedy once it has taken an event', async (t) => {
    const loop = followedBy('b', { times: [1, forever], optional: true, greedy: true });
    t.same(verdict([begin('a'), notFollowedBy('n'), loop, followedBy('c')], 'a@1 b@2 x@3 b@4 c@5', 9), [
      'match a: a1, b: b1 b2, c: c1 @5',
      'match a: a1, c: c1 @5',
    ]);
    t.same(verdict([begin('a'), loop, followedBy('c')], 'a@1 b@2 c@3', 9), ['match a: a1, b: b1, c: c1 @3']);
    const inner = group('relaxed', [begin('a'), notFollowedBy('n'), loop], { times: [1, forever] });
    t.same(
      verdict([begin('s'), inner, followedBy('c', { fits: 'bc' })], 's@1 a@2 b@3', 9),
      ['match s: s1, a: a1, c: b1 @3'],
      'at the end of a loop',
    );
  });
  t.test('contiguity', async (t) => {
    t.same(verdict([begin('a'), next('b')], 'a@1 x@2 b@3', 9), []);
    t.same(verdict([begin('a'), followedBy('b')], 'a@1 b@2 b@3', 9), ['match a: a1, b: b1 @2']);
    t.same(verdict([begin('a'), followedByAny('b')], 'a@1 b@2 b@3', 9), [
      'match a: a1, b: b1 @2',
      'match a: a1, b: b2 @3',
    ]);
  });
});
