import fc from 'fast-check';
import type { AfterMatch, Contiguity } from '../../../../src/core/patterns/pattern.ts';
import type { ConditionDraft, PatternDraft, StageDraft } from './draft.ts';
import { forever, plainStage } from './draft.ts';
import { repaired } from './repair.ts';
import type { Recipe } from './stream.ts';

// Random patterns and recipes for streams, over a small alphabet so that most events mean something to the pattern. The
// weights are such that every pair of constructs meets often enough (`coverage.ts`). Simple values stand first, because
// a failing case is shrunk towards them.

const letters = ['a', 'b', 'c', 'd', 'e'];

/** Towards the first of several choices. */
const shrinking = { withCrossShrink: true };

function weighted<Value>(...choices: readonly (readonly [weight: number, value: Value])[]): fc.Arbitrary<Value> {
  return fc.oneof(shrinking, ...choices.map(([weight, value]) => ({ weight, arbitrary: fc.constant(value) })));
}

/** `percent` of the values are drawn, the others undefined. */
function sometimes<Value>(percent: number, arbitrary: fc.Arbitrary<Value>): fc.Arbitrary<Value | undefined> {
  return fc.oneof(
    shrinking,
    { weight: 100 - percent, arbitrary: fc.constant(undefined) },
    { weight: percent, arbitrary },
  );
}

const chance = (percent: number) => weighted([100 - percent, false], [percent, true]);

const plainCondition: fc.Arbitrary<ConditionDraft> = fc
  .oneof(
    { weight: 8, arbitrary: fc.constantFrom(...letters) },
    { weight: 2, arbitrary: fc.constantFrom('ab', 'bc', 'cd', 'ae') },
    { weight: 1, arbitrary: fc.constantFrom('abc', 'bcde', 'abcdex') },
  )
  .map((fits) => ({ letters: fits }));
const condition: fc.Arbitrary<ConditionDraft> = fc.oneof(
  { weight: 85, arbitrary: plainCondition },
  {
    weight: 6,
    arbitrary: fc.tuple(plainCondition, fc.integer({ min: 0, max: 2 })).map(([c, atMost]) => ({ ...c, atMost })),
  },
  { weight: 9, arbitrary: plainCondition.map((c) => ({ ...c, rising: true })) },
);

const contiguity = weighted<Contiguity>([6, 'relaxed'], [3, 'strict'], [4, 'nonDeterministic']);
const times = weighted<readonly [number, number]>(
  [40, [1, 1]],
  [15, [1, forever]],
  [13, [2, forever]],
  [13, [2, 2]],
  [10, [1, 2]],
  [4, [2, 3]],
  [1, [3, 3]],
);
const limit = fc.integer({ min: 2, max: 10 });

function stage(depth: number): fc.Arbitrary<StageDraft> {
  const inside: fc.Arbitrary<readonly StageDraft[]> =
    depth > 0 ? fc.array(stage(depth - 1), { minLength: 1, maxLength: 2 }) : fc.constant([]);
  const few: fc.Arbitrary<readonly StageDraft[]> =
    depth > 0 ? fc.array(stage(Math.min(1, depth - 1)), { minLength: 2, maxLength: 3 }) : fc.constant([]);
  const base = {
    contiguity,
    where: condition,
    times,
    optional: chance(22),
    greedy: chance(45),
    inner: contiguity,
    within: sometimes(30, limit),
    withinPrevious: sometimes(35, limit),
    span: sometimes(30, limit),
    until: sometimes(50, plainCondition),
  };
  const of = (kind: StageDraft['kind'], stages: fc.Arbitrary<readonly StageDraft[]>) =>
    fc.record({ kind: fc.constant(kind), ...base, stages });
  const nothing = fc.constant<readonly StageDraft[]>([]);
  const flat = [
    { weight: 60, arbitrary: of('step', nothing) },
    { weight: 12, arbitrary: of('notNext', nothing) },
    { weight: 12, arbitrary: of('notFollowedBy', nothing) },
  ];
  if (depth === 0) return fc.oneof(shrinking, ...flat);
  return fc.oneof(
    shrinking,
    ...flat,
    { weight: 30, arbitrary: of('group', inside) },
    { weight: 11, arbitrary: of('anyOf', few) },
    { weight: 11, arbitrary: of('allOf', few) },
  );
}

export const patternDraft: fc.Arbitrary<PatternDraft> = fc
  .record({
    stages: fc.array(stage(2), { minLength: 2, maxLength: 4 }),
    // Bans in these places are rare otherwise.
    middle: sometimes(32, fc.tuple(fc.nat(3), condition)),
    last: sometimes(20, condition),
    within: sometimes(60, fc.integer({ min: 8, max: 30 })),
    after: weighted<AfterMatch['kind']>(
      [5, 'noSkip'],
      [4, 'skipToNext'],
      [4, 'skipPastLastEvent'],
      [4, 'skipToFirst'],
      [4, 'skipToLast'],
    ),
    target: fc.nat(5),
    throwOnMiss: chance(50),
    tame: chance(30),
    emitTimeouts: weighted([9, true], [1, false]),
  })
  .map(({ middle, last, tame, ...draft }) => {
    const stages = tame ? draft.stages.map(tamed) : [...draft.stages];
    const ban = (where: ConditionDraft): StageDraft => ({ ...plainStage, kind: 'notFollowedBy', where });
    if (middle !== undefined) stages.splice(1 + (middle[0] % (stages.length - 1)), 0, ban(middle[1]));
    if (last !== undefined) stages.push(ban(last));
    return repaired({ ...draft, stages });
  });

/** Mostly within the reach of the enumerator. */
function tamed(stage: StageDraft): StageDraft {
  const until = stage.kind === 'group' ? undefined : stage.until;
  const limits = { within: undefined, withinPrevious: undefined };
  return { ...stage, ...limits, greedy: false, until, stages: stage.stages.map(tamed) };
}

const anyLetter = fc.constantFrom(...letters, 'x');

export const recipe: fc.Arbitrary<Recipe> = fc.record({
  picks: fc.array(fc.nat(5), { maxLength: 12 }),
  spice: fc.array(
    fc.record({
      before: sometimes(11, anyLetter),
      gap: weighted([9, 1], [5, 0], [2, 2], [1, 4]),
      v: weighted([3, 0], [2, 1], [1, 2]),
    }),
    { minLength: 1, maxLength: 14 },
  ),
  tail: fc.array(anyLetter, { maxLength: 2 }),
  rest: fc.nat(30),
  wild: sometimes(5, fc.array(anyLetter, { minLength: 3, maxLength: 11 })),
});
