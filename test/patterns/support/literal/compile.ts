import type {
  AllOfStage,
  AnyOfStage,
  Contiguity,
  GroupStage,
  NotStage,
  Pattern,
  Stage,
  StepStage,
} from '../../../../src/core/patterns/pattern.ts';
import { type Around, ignoring, testOf } from './around.ts';
import { always, both, copyOf, either, gapBelow, limitOf, never, not, State, spanBelow, type Test } from './states.ts';
import { StepCompiler } from './step.ts';

// From a pattern to states, edge by edge as the meaning of Flink's patterns is written down, with what Corral does
// otherwise on purpose put in at the edge concerned. A ban is no edge here but something a run carries: it is picked up
// on the way over the ban and lost when an event is taken.

const outside: Around = {
  contiguity: 'strict',
  headInner: undefined,
  headLeavable: false,
  afterClosing: false,
  afterBan: false,
  notUntil: always,
  inSpan: always,
  following: [],
};

/** The state in which every match begins. */
export function startOf(pattern: Pattern): State {
  const final = new State();
  final.final = true;
  let body = pattern.stages;
  const trailing: NotStage[] = [];
  for (let last = body.at(-1); last?.kind === 'not' && last.contiguity === 'relaxed'; last = body.at(-1)) {
    trailing.unshift(last);
    body = body.slice(0, -1);
  }
  if (trailing.length === 0) return compileAll(body, final, outside);
  const bans = trailing.map((stage) => testOf(stage.where));
  const silence = new State();
  silence.pending = true;
  silence.bans = bans;
  silence.limit = Math.min(...trailing.map((stage) => limitOf(stage.withinPrevious)));
  silence.ignore(silence, always);
  return compileAll(body, silence, { ...outside, following: bans });
}

function compileAll(stages: readonly Stage[], exit: State, around: Around): State {
  let next = exit;
  let { following } = around;
  for (let at = stages.length - 1; at >= 0; at--) {
    const stage = stages[at]!;
    const own: Partial<Around> = {
      contiguity: stage.contiguity ?? 'relaxed',
      headInner: undefined,
      headLeavable: false,
      afterClosing: false,
    };
    const afterBan = bansReach(stages.slice(0, at));
    next = compile(stage, next, { ...around, ...(at === 0 ? {} : own), afterBan, following });
    const isBan = stage.kind === 'not' && stage.contiguity === 'relaxed';
    following = isBan ? [both(around.notUntil, testOf(stage.where)), ...following] : [];
  }
  return next;
}

/** A ban is the last of the stages, but for optional ones. */
function bansReach(before: readonly Stage[]): boolean {
  const last = before.at(-1);
  if (last === undefined) return false;
  if (last.kind === 'not') return last.contiguity === 'relaxed';
  if (last.kind === 'step' || last.kind === 'group') return last.quantifier.optional && bansReach(before.slice(0, -1));
  return false;
}

function compile(stage: Stage, exit: State, around: Around): State {
  switch (stage.kind) {
    case 'not':
      return compileNot(stage, exit, around);
    case 'step':
      return new StepCompiler(stage, exit, around).compile();
    case 'group':
      return compileGroup(stage, exit, around);
    case 'anyOf':
      return compileAnyOf(stage, exit, around);
    case 'allOf':
      return compileAllOf(stage, exit, around);
  }
}

function compileNot(stage: NotStage, exit: State, around: Around): State {
  const banned = both(around.notUntil, testOf(stage.where));
  const state = new State();
  if (stage.contiguity === 'relaxed') {
    state.bans = [banned];
    state.limit = exit.limit;
    state.passing = true;
    return state.proceed(exit, always);
  }
  state.stop = banned;
  state.limit = limitOf(stage.withinPrevious);
  return exit.final ? state.ignore(exit, not(banned)) : state.proceed(exit, not(banned));
}

function compileGroup(stage: GroupStage, exit: State, around: Around): State {
  const { min, max, optional, until, inner } = stage.quantifier;
  const span = stage.span === undefined ? always : spanBelow(stage.span, stepsOf(stage.stages));
  const inside: Around = {
    ...around,
    // What begins a group that itself begins a group looks at the inner one alone, which has no contiguity: strict.
    contiguity: around.headInner === undefined ? around.contiguity : 'strict',
    headInner: inner,
    notUntil: until === undefined ? always : not(testOf(until)),
    inSpan: both(around.inSpan, span),
  };
  const round = (to: State, leavable: boolean, more: Partial<Around>): State => {
    const headLeavable = leavable || (more.headLeavable ?? false);
    const first = compileAll(stage.stages, to, { ...inside, ...more, headLeavable });
    if (leavable) first.proceed(exit, around.notUntil);
    return first;
  };
  /** What follows the group already bans between its rounds: picked up on the way into each later round. */
  const later = (to: State, leavable: boolean, afterClosing: boolean): State => {
    const first = round(to, leavable, { contiguity: inner, headLeavable: false, afterClosing });
    if (around.following.length === 0) return first;
    const way = new State();
    way.passing = true;
    way.bans = around.following;
    way.limit = first.limit;
    return way.proceed(first, always);
  };
  let next = exit;
  if (max === never) {
    const closing = new State();
    next = later(closing, true, true);
    closing.proceed(next, around.notUntil);
  } else {
    for (let n = min; n < max; n++) next = later(next, true, false);
  }
  for (let n = 1; n < min; n++) next = later(next, false, false);
  return round(next, optional, { headLeavable: around.headLeavable });
}

/** One of the ways out of a state that waits for several steps. */
interface Way {
  readonly step: number;
  readonly where: Test;
  readonly take: Test;
  readonly limit: number;
  readonly to: State;
}

function compileAnyOf(stage: AnyOfStage, exit: State, around: Around): State {
  const ways = stage.alternatives.flatMap((alternative): Way[] => {
    // Blinding what follows by a greedy end is the matter of this alternative alone. The closing state of a loop is
    // not finished, and it has nothing to blind.
    const own = exit.edges.length === 0 ? exit : copyOf(exit);
    const entry = compileAll(alternative, own, {
      ...around,
      contiguity: 'strict',
      headInner: undefined,
      headLeavable: false,
      afterClosing: false,
    });
    const where = testOf((alternative[0] as StepStage).where);
    return entry.edges
      .filter((edge) => edge.kind === 'take')
      .map(({ step, when, to }) => ({ step, where, take: when, limit: entry.limit, to }));
  });
  return choose(ways, around.contiguity, around, around.headLeavable, []);
}

function compileAllOf(stage: AllOfStage, exit: State, around: Around): State {
  const states = new Map<string, State>();
  const ways = (missing: readonly StepStage[]): Way[] =>
    missing.map((member) => {
      const where = testOf(member.where);
      return {
        step: member.step,
        where,
        take: both(around.notUntil, where, around.inSpan),
        limit: limitOf(member.withinPrevious),
        to: after(missing.filter((other) => other !== member)),
      };
    });
  const after = (missing: readonly StepStage[]): State => {
    if (missing.length === 0) return exit;
    const name = missing.map((member) => member.step).join();
    const state =
      states.get(name) ?? choose(ways(missing), stage.contiguity ?? 'relaxed', around, false, around.following);
    states.set(name, state);
    return state;
  };
  return choose(ways(stage.members), around.contiguity, around, around.headLeavable, []);
}

/** A state that waits for several steps: an event that fits any of them is passed over only when any may be. */
function choose(
  ways: readonly Way[],
  contiguity: Contiguity,
  around: Around,
  hasTwin: boolean,
  bans: readonly Test[],
): State {
  const build = (): State => {
    const state = new State();
    state.bans = bans;
    state.limit = Math.max(...ways.map((way) => way.limit));
    for (const { step, to, take, limit } of ways) state.take(step, to, both(take, gapBelow(limit)));
    return state;
  };
  const state = build();
  const waiting = hasTwin ? build() : state;
  const ignore = ignoring(contiguity, either(...ways.map((way) => way.where)), around);
  if (hasTwin) waiting.ignore(waiting, ignore);
  return state.ignore(waiting, ignore);
}

function stepsOf(stages: readonly Stage[]): ReadonlySet<number> {
  return new Set(stages.flatMap((stage) => stepsOfOne(stage)));
}

function stepsOfOne(stage: Stage): readonly number[] {
  switch (stage.kind) {
    case 'step':
      return [stage.step];
    case 'not':
      return [];
    case 'group':
      return [...stepsOf(stage.stages)];
    case 'anyOf':
      return stage.alternatives.flatMap((alternative) => [...stepsOf(alternative)]);
    case 'allOf':
      return stage.members.map((member) => member.step);
  }
}
