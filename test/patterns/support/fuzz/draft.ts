import type { Event } from '../../../../src/core/events/event.ts';
import type {
  AfterMatch,
  Condition,
  Contiguity,
  Pattern,
  Quantifier,
  Stage,
  StepStage,
  Taken,
} from '../../../../src/core/patterns/pattern.ts';
import { duration } from '../../../../src/core/time/units.ts';

// A pattern as plain data: what is drawn at random, counted, and printed when a case fails.

export interface ConditionDraft {
  /** The types that fit. */
  readonly letters: string;
  /** Beyond the type: step 0 has taken at most so many events. */
  readonly atMost?: number | undefined;
  /** Beyond the type: `v` is not below that of the last event of step 0. */
  readonly rising?: boolean | undefined;
}

export interface StageDraft {
  readonly kind: 'step' | 'group' | 'notNext' | 'notFollowedBy' | 'anyOf' | 'allOf';
  readonly contiguity: Contiguity;
  readonly where: ConditionDraft;
  readonly times: readonly [number, number];
  readonly optional: boolean;
  readonly greedy: boolean;
  readonly inner: Contiguity;
  readonly within: number | undefined;
  readonly withinPrevious: number | undefined;
  readonly span: number | undefined;
  readonly until: ConditionDraft | undefined;
  /** Of a group its stages, of `allOf` its members, of `anyOf` its ways: a group there is a sequence, once. */
  readonly stages: readonly StageDraft[];
}

export interface PatternDraft {
  readonly stages: readonly StageDraft[];
  readonly within: number | undefined;
  readonly after: AfterMatch['kind'];
  /** Which of the steps outside groups is skipped to. */
  readonly target: number;
  readonly throwOnMiss: boolean;
  readonly emitTimeouts: boolean;
}

/** The plainest stage: takes one event. */
export const plainStage: StageDraft = {
  kind: 'step',
  contiguity: 'relaxed',
  where: { letters: 'a' },
  times: [1, 1],
  optional: false,
  greedy: false,
  inner: 'relaxed',
  within: undefined,
  withinPrevious: undefined,
  span: undefined,
  until: undefined,
  stages: [],
};

export const forever = Number.POSITIVE_INFINITY;

function conditionOf({ letters, atMost, rising }: ConditionDraft): Condition {
  const fits = (event: Event) => letters.includes(event.type);
  if (atMost === undefined && rising !== true) return Object.assign((event: Event) => fits(event), { stateless: true });
  return (event: Event, taken: Taken) => {
    if (!fits(event)) return false;
    if (atMost !== undefined) return taken.count(0) <= atMost;
    const last = taken.last(0);
    return last === undefined || levelOf(event) >= levelOf(last);
  };
}

function levelOf(event: Event): number {
  return (event.data as { readonly v: number }).v;
}

/** The pattern meant by the draft. Steps are named s0, s1, … in order of appearance. */
export function patternOfDraft(draft: PatternDraft): Pattern {
  const steps: string[] = [];
  const limit = (ms: number | undefined) => (ms === undefined ? undefined : duration(ms));
  const stepOf = (given: StageDraft): StepStage => ({
    kind: 'step',
    contiguity: given.contiguity,
    step: steps.push(`s${steps.length}`) - 1,
    where: conditionOf(given.where),
    quantifier: quantifierOf(given),
    withinPrevious: limit(given.withinPrevious),
    span: limit(given.span),
  });
  const quantifierOf = ({ times: [min, max], optional, greedy, inner, within, until }: StageDraft): Quantifier => ({
    min,
    max,
    optional,
    greedy,
    inner,
    within: limit(within),
    until: until && conditionOf(until),
  });
  const stageOf = (given: StageDraft): Stage => {
    const { kind, contiguity } = given;
    switch (kind) {
      case 'step':
        return stepOf(given);
      case 'notNext':
      case 'notFollowedBy':
        return {
          kind: 'not',
          contiguity: kind === 'notNext' ? 'strict' : 'relaxed',
          step: steps.push(`s${steps.length}`) - 1,
          where: conditionOf(given.where),
          withinPrevious: limit(given.withinPrevious),
        };
      case 'group': {
        const stages = given.stages.map(stageOf);
        return { kind, contiguity, stages, quantifier: quantifierOf(given), span: limit(given.span) };
      }
      case 'anyOf':
        return {
          kind,
          contiguity,
          alternatives: given.stages.map((way) => (way.kind === 'group' ? way.stages : [way]).map(stageOf)),
        };
      case 'allOf':
        return { kind, contiguity, members: given.stages.map(stepOf) };
    }
  };
  const stages = draft.stages.map(stageOf);
  const targets = stages.flatMap(targetsOf);
  const step = targets[draft.target % targets.length] ?? 0;
  const kind = draft.after;
  return {
    steps,
    stages,
    within: limit(draft.within),
    afterMatch:
      kind === 'skipToFirst' || kind === 'skipToLast' ? { kind, step, throwOnMiss: draft.throwOnMiss } : { kind },
    emitTimeouts: draft.emitTimeouts,
    limits: { partialMatches: 1_000_000, stateBytes: 1_000_000_000, onLimit: 'deadLetter' },
    // Step 0 is looked back at; that others keep nothing must not matter.
    keep: steps.map((_, at) => (at === 0 ? [['v']] : undefined)),
  };
}

/** Steps that can be skipped to. */
function targetsOf(stage: Stage): number[] {
  switch (stage.kind) {
    case 'step':
      return [stage.step];
    case 'allOf':
      return stage.members.map((member) => member.step);
    case 'anyOf':
      return stage.alternatives.flatMap((alternative) => alternative.flatMap(targetsOf));
    case 'group':
    case 'not':
      return [];
  }
}

/** The draft on one line, as one would write it down: `s0[a]+ greedy fb (s1[b] next s2[c]){2,3}`. */
export function describeDraft(draft: PatternDraft): string {
  let steps = 0;
  const condition = ({ letters, atMost, rising }: ConditionDraft) =>
    `${letters}${atMost === undefined ? '' : ` count(s0)<=${atMost}`}${rising ? ' v>=last(s0).v' : ''}`;
  const links = { strict: 'next ', relaxed: 'fb ', nonDeterministic: 'fbAny ' };
  const inners = { strict: 'consecutive', relaxed: '', nonDeterministic: 'allowCombinations' };
  const sequence = (stages: readonly StageDraft[]) => stages.map(stage).join(' ');
  const stage = (given: StageDraft, at: number): string => {
    const { kind, times, optional, greedy, inner, until, within, withinPrevious, span } = given;
    const flags: string[] = [];
    let text: string;
    if (kind === 'notNext' || kind === 'notFollowedBy') {
      text = `${kind} s${steps++}[${condition(given.where)}]`;
    } else {
      const link = at === 0 ? '' : links[given.contiguity];
      if (kind === 'step') text = `${link}s${steps++}[${condition(given.where)}]`;
      else if (kind === 'group') text = `${link}(${sequence(given.stages)})`;
      else text = `${link}${kind}(${given.stages.map((way) => stage(way, 0)).join(' | ')})`;
      if (kind === 'step' || kind === 'group') {
        if (times[1] > 1) flags.push(`{${times[0]},${times[1] === forever ? '' : times[1]}}`);
        flags.push(times[1] > 1 || kind === 'group' ? inners[inner] : '');
        flags.push(optional ? 'optional' : '', greedy ? 'greedy' : '', until ? `until ${condition(until)}` : '');
        if (within !== undefined) flags.push(`times.within ${within}`);
        if (span !== undefined) flags.push(`span ${span}`);
      }
    }
    if (withinPrevious !== undefined) flags.push(`withinPrevious ${withinPrevious}`);
    return [text, ...flags.filter(Boolean)].join(' ');
  };
  const { within, after, throwOnMiss, emitTimeouts } = draft;
  const skips = after === 'skipToFirst' || after === 'skipToLast';
  const target = skips ? (patternOfDraft(draft).afterMatch as { step?: number }).step : undefined;
  return (
    `${sequence(draft.stages)} | within ${within ?? 'no limit'}, ${after}${target === undefined ? '' : ` s${target}`}` +
    `${skips && throwOnMiss ? ' throwOnMiss' : ''}${emitTimeouts ? '' : ', no timeouts'}`
  );
}
