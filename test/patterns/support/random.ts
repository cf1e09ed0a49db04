import fc from 'fast-check';
import type { Event } from '../../../src/core/events/event.ts';
import type {
  AfterMatch,
  Condition,
  Contiguity,
  Pattern,
  Quantifier,
  Stage,
  Taken,
} from '../../../src/core/patterns/pattern.ts';
import { duration, instant } from '../../../src/core/time/units.ts';

// Random patterns and streams over a small alphabet, so that most events mean something to the pattern. What a pattern
// is made of is drawn as plain data (`PatternDraft`), which is what a failing case prints.

export interface ConditionDraft {
  /** The letters that fit. */
  readonly letters: string;
  /** Beyond the letter: at most so many of the event's letter are taken by step 0. */
  readonly atMost?: number;
}

export interface StageDraft {
  readonly kind: 'step' | 'group' | 'notNext' | 'notFollowedBy';
  readonly contiguity: Contiguity;
  readonly where: ConditionDraft;
  readonly times: readonly [number, number];
  readonly optional: boolean;
  readonly greedy: boolean;
  readonly inner: Contiguity;
  readonly within: number | undefined;
  readonly withinPrevious: number | undefined;
  readonly until: ConditionDraft | undefined;
  readonly stages: readonly StageDraft[];
}

export interface PatternDraft {
  readonly stages: readonly StageDraft[];
  readonly within: number | undefined;
  readonly after: AfterMatch['kind'];
  readonly target: number;
}

const letters = ['a', 'b', 'c', 'd'];
const condition: fc.Arbitrary<ConditionDraft> = fc.oneof(
  {
    weight: 8,
    arbitrary: fc.constantFrom(...letters, 'ab', 'bc', 'ac', 'abc', 'abcd').map((fits) => ({ letters: fits })),
  },
  { weight: 1, arbitrary: fc.record({ letters: fc.constantFrom(...letters, 'ab'), atMost: fc.nat(2) }) },
);
const contiguity = fc.constantFrom<Contiguity>(
  'strict',
  'relaxed',
  'relaxed',
  'relaxed',
  'nonDeterministic',
  'nonDeterministic',
);
const times = fc.oneof(
  { weight: 5, arbitrary: fc.constant<readonly [number, number]>([1, 1]) },
  {
    weight: 2,
    arbitrary: fc.constantFrom<readonly [number, number]>([1, Number.POSITIVE_INFINITY], [2, Number.POSITIVE_INFINITY]),
  },
  { weight: 2, arbitrary: fc.constantFrom<readonly [number, number]>([2, 2], [1, 2], [2, 3]) },
);
const rarely = <Value>(value: fc.Arbitrary<Value>, weight = 1) =>
  fc.oneof({ weight: 5, arbitrary: fc.constant(undefined) }, { weight, arbitrary: value });

const stage = (depth: number): fc.Arbitrary<StageDraft> =>
  fc
    .record({
      kind: fc.oneof(
        { weight: 6, arbitrary: fc.constant<StageDraft['kind']>('step') },
        { weight: depth > 0 ? 2 : 0, arbitrary: fc.constant<StageDraft['kind']>('group') },
        { weight: 1, arbitrary: fc.constantFrom<StageDraft['kind']>('notNext', 'notFollowedBy', 'notFollowedBy') },
      ),
      contiguity,
      where: condition,
      times,
      optional: fc.oneof({ weight: 3, arbitrary: fc.constant(false) }, { weight: 1, arbitrary: fc.constant(true) }),
      greedy: fc.boolean(),
      inner: contiguity,
      within: rarely(fc.integer({ min: 2, max: 6 })),
      withinPrevious: rarely(fc.integer({ min: 2, max: 6 })),
      until: rarely(condition, 2),
      inside: depth > 0 ? fc.array(stage(depth - 1), { minLength: 1, maxLength: 2 }) : fc.constant([]),
    })
    // What Flink refuses is left out here, so that most drafts are patterns.
    .map(({ inside, ...draft }) => ({
      ...draft,
      stages: draft.kind === 'group' ? inside : [],
      greedy: draft.greedy && draft.kind === 'step' && draft.times[1] > 1,
      until: draft.times[1] === Number.POSITIVE_INFINITY ? draft.until : undefined,
    }));

export const patternDraft: fc.Arbitrary<PatternDraft> = fc.record({
  stages: fc.array(stage(2), { minLength: 1, maxLength: 3 }),
  within: fc.oneof(
    { weight: 1, arbitrary: fc.constant(undefined) },
    { weight: 2, arbitrary: fc.integer({ min: 6, max: 20 }) },
  ),
  after: fc.constantFrom<AfterMatch['kind']>(
    'noSkip',
    'noSkip',
    'skipToNext',
    'skipPastLastEvent',
    'skipToFirst',
    'skipToLast',
  ),
  target: fc.nat(5),
});

export const stream: fc.Arbitrary<readonly { readonly letter: string; readonly gap: number }[]> = fc.array(
  fc.record({
    letter: fc.constantFrom('a', 'a', 'b', 'b', 'c', 'c', 'd', 'x'),
    gap: fc.constantFrom(0, 1, 1, 1, 2, 3, 7),
  }),
  { minLength: 4, maxLength: 11 },
);

function conditionOf({ letters: fits, atMost }: ConditionDraft): Condition {
  const fitsLetter = (event: Event) => fits.includes(event.type);
  if (atMost === undefined) return Object.assign((event: Event) => fitsLetter(event), { stateless: true });
  return (event: Event, taken: Taken) => fitsLetter(event) && taken.count(0) <= atMost;
}

export function patternOfDraft(draft: PatternDraft): Pattern {
  const steps: string[] = [];
  const stageOf = (given: StageDraft): Stage => {
    const where = conditionOf(given.where);
    const withinPrevious = given.withinPrevious === undefined ? undefined : duration(given.withinPrevious);
    const name = () => steps.push(`s${steps.length}`) - 1;
    if (given.kind === 'notNext') return { kind: 'not', contiguity: 'strict', step: name(), where, withinPrevious };
    if (given.kind === 'notFollowedBy')
      return { kind: 'not', contiguity: 'relaxed', step: name(), where, withinPrevious: undefined };
    const [min, max] = given.times;
    const quantifier: Quantifier = {
      min,
      max,
      optional: given.optional,
      greedy: given.greedy,
      inner: given.inner,
      within: given.within === undefined ? undefined : duration(given.within),
      until: given.until && conditionOf(given.until),
    };
    const shared = { contiguity: given.contiguity, quantifier, span: undefined };
    if (given.kind === 'group') return { kind: 'group', ...shared, stages: given.stages.map(stageOf) };
    return { kind: 'step', ...shared, step: name(), where, withinPrevious };
  };
  const stages = draft.stages.map(stageOf);
  const top = stages.flatMap((given) => (given.kind === 'step' ? [given.step] : []));
  const step = top[draft.target % Math.max(1, top.length)] ?? 0;
  return {
    steps,
    stages,
    within: draft.within === undefined ? undefined : duration(draft.within),
    afterMatch:
      draft.after === 'skipToFirst' || draft.after === 'skipToLast'
        ? { kind: draft.after, step, throwOnMiss: false }
        : { kind: draft.after },
    emitTimeouts: true,
    limits: { partialMatches: 100_000, stateBytes: 100_000_000, onLimit: 'deadLetter' },
    keep: steps.map(() => undefined),
  };
}

export function eventsOf(given: readonly { readonly letter: string; readonly gap: number }[]): Event[] {
  let time = 100;
  return given.map(({ letter, gap }, at) => {
    time += gap;
    return {
      id: `${letter}${at}`,
      type: letter,
      subject: '',
      time: instant(time),
      source: 'random',
      seq: at + 1,
      index: 0,
      headers: undefined,
      data: undefined,
    };
  });
}

/** The draft on one line, as one would write it down: `s0[a]+greedy (s1[b] fb s2[c]){2,3}`. */
export function describeDraft(draft: PatternDraft): string {
  let steps = 0;
  const condition = (given: ConditionDraft) =>
    `${given.letters}${given.atMost === undefined ? '' : `#${given.atMost}`}`;
  const stage = (given: StageDraft, at: number): string => {
    const link = at === 0 ? '' : { strict: 'next ', relaxed: 'fb ', nonDeterministic: 'fbAny ' }[given.contiguity];
    if (given.kind === 'notNext' || given.kind === 'notFollowedBy') {
      return `${given.kind} s${steps++}[${condition(given.where)}]${given.withinPrevious ? ` prev ${given.withinPrevious}` : ''}`;
    }
    const inside =
      given.kind === 'group' ? `(${given.stages.map(stage).join(' ')})` : `s${steps++}[${condition(given.where)}]`;
    const [min, max] = given.times;
    const flags = [
      max > 1
        ? `{${min},${max === Number.POSITIVE_INFINITY ? '' : max}} ${given.inner}`
        : given.kind === 'group'
          ? given.inner
          : '',
      given.optional ? 'optional' : '',
      given.greedy ? 'greedy' : '',
      given.until ? `until ${condition(given.until)}` : '',
      given.within ? `gap ${given.within}` : '',
      given.withinPrevious ? `prev ${given.withinPrevious}` : '',
    ];
    return `${link}${inside}${flags
      .filter(Boolean)
      .map((flag) => ` ${flag}`)
      .join('')}`;
  };
  return `${draft.stages.map(stage).join(' ')} | within ${draft.within} ${draft.after}`;
}
