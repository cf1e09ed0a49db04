import type { Emission, Incident } from '../../../src/core/behaviours/behaviour.ts';
import type { Event } from '../../../src/core/events/event.ts';
import { type Automaton, compilePattern } from '../../../src/core/patterns/automaton.ts';
import type {
  Condition,
  Contiguity,
  Pattern,
  Quantifier,
  Stage,
  StepStage,
  Taken,
} from '../../../src/core/patterns/pattern.ts';
import { patternBehaviour } from '../../../src/core/patterns/pattern-behaviour.ts';
import type { PatternProblem } from '../../../src/core/patterns/pattern-problem.ts';
import { duration, instant } from '../../../src/core/time/units.ts';
import { collector, describe } from './collect.ts';

// Patterns and streams as short text, for tests that read as sentences: `a@1 b@3` are two events of types a and b, and
// a step named `b` takes events of type b.

export interface StepOptions {
  readonly times?: readonly [number, number];
  readonly optional?: boolean;
  readonly greedy?: boolean;
  readonly inner?: Contiguity;
  readonly within?: number;
  readonly withinPrevious?: number;
  readonly span?: number;
  readonly until?: string;
  readonly where?: Condition;
  /** The types that fit, when they are not the step's own name. */
  readonly fits?: string;
}

export const forever = Number.POSITIVE_INFINITY;

/** Steps get their index from `patternOf`; until then they carry their name. */
type Named<Kind> = Kind & { readonly name?: string };
export type StageText = Named<Stage>;

const fits = (types: string): Condition =>
  Object.assign((event: Event) => types.split('').includes(event.type), { stateless: true });

function quantifier(options: StepOptions): Quantifier {
  const [min, max] = options.times ?? [1, 1];
  return {
    min,
    max,
    optional: options.optional ?? false,
    greedy: options.greedy ?? false,
    inner: options.inner ?? 'relaxed',
    within: options.within === undefined ? undefined : duration(options.within),
    until: options.until === undefined ? undefined : fits(options.until),
  };
}

function step(
  contiguity: Contiguity | undefined,
  name: string,
  options: StepOptions = {},
): StepStage & { name: string } {
  return {
    kind: 'step',
    name,
    contiguity,
    step: -1,
    where: options.where ?? fits(options.fits ?? name[0]!),
    quantifier: quantifier(options),
    withinPrevious: options.withinPrevious === undefined ? undefined : duration(options.withinPrevious),
    span: options.span === undefined ? undefined : duration(options.span),
  };
}

export const begin = (name: string, options?: StepOptions) => step(undefined, name, options);
export const next = (name: string, options?: StepOptions) => step('strict', name, options);
export const followedBy = (name: string, options?: StepOptions) => step('relaxed', name, options);
export const followedByAny = (name: string, options?: StepOptions) => step('nonDeterministic', name, options);

const ban =
  (contiguity: 'strict' | 'relaxed') =>
  (name: string, options: StepOptions = {}): StageText => ({
    kind: 'not',
    name,
    contiguity,
    step: -1,
    where: fits(options.fits ?? name[0]!),
    withinPrevious: options.withinPrevious === undefined ? undefined : duration(options.withinPrevious),
  });
export const notNext = ban('strict');
export const notFollowedBy = ban('relaxed');

export function group(contiguity: Contiguity | undefined, stages: readonly Stage[], options: StepOptions = {}): Stage {
  return {
    kind: 'group',
    contiguity,
    stages,
    quantifier: quantifier(options),
    span: options.span === undefined ? undefined : duration(options.span),
  };
}

export function patternOf(stages: readonly Stage[], more: Partial<Pattern> = {}): Pattern {
  const steps: string[] = [];
  const numbered = (stage: Stage): Stage => {
    switch (stage.kind) {
      case 'step':
      case 'not':
        return { ...stage, step: steps.push((stage as StageText).name ?? '') - 1 };
      case 'group':
        return { ...stage, stages: stage.stages.map(numbered) };
      case 'anyOf':
        return { ...stage, alternatives: stage.alternatives.map((alternative) => alternative.map(numbered)) };
      case 'allOf':
        return { ...stage, members: stage.members.map((member) => numbered(member) as StepStage) };
    }
  };
  const compiled = stages.map(numbered);
  return {
    steps,
    stages: compiled,
    within: undefined,
    afterMatch: { kind: 'noSkip' },
    emitTimeouts: true,
    limits: { partialMatches: 100_000, stateBytes: 100_000_000, onLimit: 'deadLetter' },
    keep: steps.map(() => []),
    ...more,
  };
}

export function automatonOf(pattern: Pattern): Automaton {
  const compiled = compilePattern(pattern);
  if (!compiled.ok) throw new Error(JSON.stringify(compiled.problems));
  return compiled.automaton;
}

export function problemsOf(pattern: Pattern): readonly PatternProblem[] {
  const compiled = compilePattern(pattern);
  return compiled.ok ? [] : compiled.problems;
}

/** `a@1 b@3 b@3`: ids are the letter and its count, as in a1 b1 b2. */
export function eventsFrom(text: string, data: (id: string) => unknown = () => undefined): Event[] {
  const counts = new Map<string, number>();
  return text
    .split(' ')
    .filter((word) => word !== '')
    .map((word, at) => {
      const [type, time] = word.split('@') as [string, string];
      const count = (counts.get(type) ?? 0) + 1;
      counts.set(type, count);
      const id = `${type}${count}`;
      return {
        id,
        type,
        subject: 'test',
        time: instant(Number(time)),
        source: 'test',
        seq: at + 1,
        index: 0,
        headers: undefined,
        data: data(id),
      };
    });
}

export interface Played {
  /** `a: a1, b: b1`, in order. */
  readonly matches: readonly string[];
  /** `a: a1 @5` */
  readonly timeouts: readonly string[];
  readonly emissions: readonly Emission[];
  readonly incidents: readonly Incident[];
  readonly live: number;
}

/** Plays the events and then lets time pass to `end`. */
export function play(
  pattern: Pattern,
  text: string,
  end?: number,
  emit: (taken: Taken) => unknown = () => undefined,
): Played {
  const behaviour = patternBehaviour({ automaton: automatonOf(pattern), emit });
  const state = behaviour.create('key');
  const output = collector();
  for (const event of eventsFrom(text)) behaviour.onEvent(state, event, output);
  if (end !== undefined) behaviour.onTime(state, instant(end), output);
  const of = (kind: string) => output.emissions.filter((emission) => emission.kind === kind);
  return {
    matches: of('match').map(describe),
    timeouts: of('timeout').map((emission) => `${describe(emission)} @${emission.time}`),
    emissions: output.emissions,
    incidents: output.incidents,
    live: state.runCount,
  };
}
