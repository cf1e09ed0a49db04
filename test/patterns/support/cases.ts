import { readdirSync, readFileSync } from 'node:fs';
import { pathToFileURL } from 'node:url';
import type { Event } from '../../../src/core/events/event.ts';
import type { AfterMatch, Contiguity, Pattern, Quantifier, Stage } from '../../../src/core/patterns/pattern.ts';
import { duration, instant } from '../../../src/core/time/units.ts';
import { conditionFromText } from './condition-text.ts';

/** A match as the cases write it: events by step, or `_flat` without the steps. */
export type StepMap = Readonly<Record<string, readonly string[]>>;

export interface CaseStage {
  readonly name: string;
  readonly contiguity?: 'strict' | 'relaxed' | 'nonDeterministicRelaxed' | 'notNext' | 'notFollowedBy';
  readonly where?: string;
  readonly until?: string;
  readonly quantifier?: {
    readonly times?: readonly [number, number | null];
    readonly optional?: boolean;
    readonly greedy?: boolean;
    readonly inner?: 'strict' | 'relaxed' | 'nonDeterministicRelaxed';
    readonly within?: { readonly ms: number };
  };
  readonly group?: { readonly stages: readonly CaseStage[] };
}

export interface ConformanceCase {
  readonly id: string;
  readonly pattern: {
    readonly stages: readonly CaseStage[];
    readonly within?: {
      readonly ms: number;
      readonly type: 'firstAndLast' | 'previousAndCurrent';
      readonly stage?: string;
    };
    readonly skip?: { readonly strategy: AfterMatch['kind']; readonly stage?: string; readonly throwOnMiss?: boolean };
  };
  readonly events: readonly {
    readonly ref: string;
    readonly ts: number;
    readonly type: string;
    readonly id: number;
    readonly name: string;
  }[];
  readonly advanceTimeTo?: number;
  readonly expected: readonly StepMap[] | null;
  readonly expectedTimeouts?: readonly (StepMap & { readonly timeoutTs: number })[];
  readonly orderAsserted?: boolean;
  readonly expectedActive?: readonly string[];
  readonly expectedBufferedEvents?: number;
  readonly expectedError?: 'runtime';
}

export interface Derived {
  readonly matches: readonly StepMap[] | null;
  readonly timeouts: readonly (StepMap & { readonly timeoutTs: number })[] | null;
  readonly active: readonly string[] | null;
  readonly bufferedEvents: number | null;
}

// Compiled tests lie elsewhere; they run from the project's folder.
const folder = pathToFileURL(`${process.cwd()}/test/conformance/flink-cep/`);

function read<Content>(kind: 'cases' | 'derived', from: URL): Content[] {
  const at = new URL(`${kind}/`, from);
  return readdirSync(at)
    .sort()
    .map((file) => JSON.parse(readFileSync(new URL(file, at), 'utf8')) as Content);
}

export function conformanceCases(from = folder): ConformanceCase[] {
  return read<ConformanceCase[]>('cases', from).flat();
}

export function derivedResults(from = folder): Map<string, Derived> {
  return new Map(read<Record<string, Derived>>('derived', from).flatMap((byId) => Object.entries(byId)));
}

/** The case's pattern in Corral's own terms. */
export function patternOfCase({ pattern }: ConformanceCase): Pattern {
  const names: string[] = [];
  const collect = (stages: readonly CaseStage[]): void => {
    for (const stage of stages) {
      if (stage.group === undefined) names.push(stage.name);
      else collect(stage.group.stages);
    }
  };
  collect(pattern.stages);
  const stepOf = (name: string): number => {
    const step = names.indexOf(name);
    // Flink gives an empty list for a name it does not know; a step beyond all others does the same.
    return step < 0 ? names.length : step;
  };
  const condition = (text: string | undefined) => (text === undefined ? undefined : conditionFromText(text, stepOf));
  const gap = (name: string) =>
    pattern.within?.type === 'previousAndCurrent' && pattern.within.stage === name
      ? duration(pattern.within.ms)
      : undefined;
  const contiguity = (text: CaseStage['contiguity'] | 'relaxed'): Contiguity | undefined =>
    text === 'nonDeterministicRelaxed' ? 'nonDeterministic' : (text as Contiguity | undefined);
  const quantifier = ({ quantifier: given, until }: CaseStage): Quantifier => {
    const [from, to] = given?.times ?? [1, 1];
    return {
      min: Math.max(1, from),
      max: to ?? Number.POSITIVE_INFINITY,
      optional: given?.optional === true || from === 0,
      greedy: given?.greedy === true,
      inner: contiguity(given?.inner ?? 'relaxed')!,
      within: given?.within === undefined ? undefined : duration(given.within.ms),
      until: condition(until),
    };
  };
  const stage = (given: CaseStage): Stage => {
    if (given.group !== undefined) {
      return {
        kind: 'group',
        contiguity: contiguity(given.contiguity),
        stages: given.group.stages.map(stage),
        quantifier: quantifier(given),
        span: undefined,
      };
    }
    const shared = { step: stepOf(given.name), where: condition(given.where), withinPrevious: gap(given.name) };
    if (given.contiguity === 'notNext') return { kind: 'not', contiguity: 'strict', ...shared };
    if (given.contiguity === 'notFollowedBy') return { kind: 'not', contiguity: 'relaxed', ...shared };
    return {
      kind: 'step',
      contiguity: contiguity(given.contiguity),
      quantifier: quantifier(given),
      span: undefined,
      ...shared,
    };
  };
  const skip = pattern.skip;
  const kind = skip?.strategy ?? 'noSkip';
  return {
    steps: names,
    stages: pattern.stages.map(stage),
    within: pattern.within?.type === 'firstAndLast' ? duration(pattern.within.ms) : undefined,
    afterMatch:
      kind === 'skipToFirst' || kind === 'skipToLast'
        ? { kind, step: stepOf(skip!.stage!), throwOnMiss: skip!.throwOnMiss === true }
        : { kind },
    emitTimeouts: true,
    limits: { partialMatches: 1_000_000, stateBytes: 1_000_000_000, onLimit: 'deadLetter' },
    keep: names.map(() => []),
  };
}

export function eventsOfCase({ events }: ConformanceCase): Event[] {
  return events.map(({ ref, ts, type, ...data }, at) => ({
    id: ref,
    type,
    subject: 'case',
    time: instant(ts),
    source: 'case',
    seq: at + 1,
    index: 0,
    headers: undefined,
    data,
  }));
}
