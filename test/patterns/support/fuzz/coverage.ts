import type { PatternDraft, StageDraft } from './draft.ts';
import { forever } from './draft.ts';
import type { Letter } from './stream.ts';

// Which constructs the cases were made of, and which met in one case. A construct or a pair that is rare is one that the
// agreement of engine and oracles says little about.

export const constructs = [
  'next',
  'followedBy',
  'followedByAny',
  'notNext',
  'notFollowedBy',
  'last notFollowedBy',
  'times n',
  'times min..max',
  'oneOrMore',
  'timesOrMore',
  'optional',
  'greedy',
  'consecutive',
  'allowCombinations',
  'until',
  'group',
  'looping group',
  'nested group',
  'iterative',
  'anyOf',
  'allOf',
  'span',
  'times.within',
  'withinPrevious',
  'within',
  'timeouts',
  'equal times',
  'noSkip',
  'skipToNext',
  'skipPastLast',
  'skipToFirst',
  'skipToLast',
  'throwOnMiss',
] as const;

export type Construct = (typeof constructs)[number];

/** At least this share of the cases has each construct and each pair that can meet. */
export const leastShare = 0.02;
export const leastMatching = 0.4;

const strategies: readonly Construct[] = ['noSkip', 'skipToNext', 'skipPastLast', 'skipToFirst', 'skipToLast'];

/** Why two constructs cannot meet in one pattern; undefined when they can. */
export function cannotMeet(one: Construct, other: Construct): string | undefined {
  if (one === other) return undefined;
  const both = [one, other];
  const skips = both.filter((construct) => strategies.includes(construct));
  if (skips.length === 2) return 'a rule has one strategy after a match';
  if (both.includes('throwOnMiss') && strategies.slice(0, 3).some((strategy) => both.includes(strategy)))
    return 'throwOnMiss belongs to skipToFirst and skipToLast';
  return undefined;
}

export function constructsOf(draft: PatternDraft, letters: readonly Letter[], timedOut: boolean): Set<Construct> {
  const found = new Set<Construct>();
  const add = (construct: Construct, present: boolean): void => {
    if (present) found.add(construct);
  };
  const names = { strict: 'next', relaxed: 'followedBy', nonDeterministic: 'followedByAny' } as const;
  const visit = (stage: StageDraft, at: number, depth: number, isLast: boolean): void => {
    const { kind, contiguity, times, inner, where, until } = stage;
    const [min, max] = times;
    add('withinPrevious', stage.withinPrevious !== undefined);
    add('iterative', stage.kind !== 'group' && (where.atMost !== undefined || where.rising === true));
    if (kind === 'notNext' || kind === 'notFollowedBy') {
      add(isLast && kind === 'notFollowedBy' ? 'last notFollowedBy' : kind, true);
      return;
    }
    if (at > 0) found.add(names[contiguity]);
    add('optional', stage.optional);
    if (kind === 'step' || kind === 'group') {
      add('times n', min === max && max > 1);
      add('times min..max', min < max && max < forever);
      add('oneOrMore', min === 1 && max === forever);
      add('timesOrMore', min > 1 && max === forever);
      add('greedy', stage.greedy);
      add('consecutive', max > 1 && inner === 'strict');
      add('allowCombinations', max > 1 && inner === 'nonDeterministic');
      add('until', until !== undefined);
      add('span', stage.span !== undefined);
      add('times.within', stage.within !== undefined);
    }
    add('group', kind === 'group');
    add('looping group', kind === 'group' && max === forever);
    add('nested group', kind === 'group' && depth > 0);
    add('anyOf', kind === 'anyOf');
    add('allOf', kind === 'allOf');
    const visitAll = (stages: readonly StageDraft[], deeper: number): void => {
      stages.forEach((inside, position) => {
        visit(inside, position, depth + deeper, false);
      });
    };
    if (kind === 'group') visitAll(stage.stages, 1);
    if (kind === 'allOf') for (const member of stage.stages) visitAll([member], 0);
    if (kind === 'anyOf') for (const way of stage.stages) visitAll(way.kind === 'group' ? way.stages : [way], 0);
  };
  const trailing = draft.stages.findLastIndex(({ kind }) => kind !== 'notFollowedBy');
  draft.stages.forEach((stage, at) => {
    visit(stage, at, 0, at > trailing);
  });
  const skips = { noSkip: 0, skipToNext: 1, skipPastLastEvent: 2, skipToFirst: 3, skipToLast: 4 } as const;
  found.add(strategies[skips[draft.after]]!);
  add('throwOnMiss', draft.throwOnMiss && (draft.after === 'skipToFirst' || draft.after === 'skipToLast'));
  add('within', draft.within !== undefined);
  add('timeouts', timedOut);
  add(
    'equal times',
    letters.some(({ gap }, at) => at > 0 && gap === 0),
  );
  return found;
}

/** Counts of constructs and of pairs over many cases. */
export class Coverage {
  cases = 0;
  matching = 0;
  readonly #counts = new Map<string, number>();

  add(found: ReadonlySet<Construct>, matched: boolean): void {
    this.cases++;
    if (matched) this.matching++;
    const present = constructs.filter((construct) => found.has(construct));
    present.forEach((one, at) => {
      for (const other of present.slice(at)) {
        const name = `${one}/${other}`;
        this.#counts.set(name, (this.#counts.get(name) ?? 0) + 1);
      }
    });
  }

  addAll(other: Coverage): void {
    this.cases += other.cases;
    this.matching += other.matching;
    for (const [name, count] of other.#counts) this.#counts.set(name, (this.#counts.get(name) ?? 0) + count);
  }

  /** Share of the cases with both; with the construct, when both are the same. `one` stands before `other`. */
  share(one: Construct, other: Construct): number {
    return (this.#counts.get(`${one}/${other}`) ?? 0) / this.cases;
  }

  /** What is too rare, as sentences. */
  get lacks(): string[] {
    const lacks = pairs()
      .filter(([one, other]) => this.share(one, other) < leastShare && cannotMeet(one, other) === undefined)
      .map(([one, other]) => `${one === other ? one : `${one} with ${other}`}: ${percent(this.share(one, other))}`);
    if (this.matching < leastMatching * this.cases) lacks.push(`a match: ${percent(this.matching / this.cases)}`);
    return lacks;
  }

  /** Per construct its share and its rarest companions. */
  get table(): string {
    const lines = constructs.map((construct) => {
      const companions = constructs
        .filter((other) => other !== construct && cannotMeet(construct, other) === undefined)
        .map((other) => ({ other, share: this.share(...ordered(construct, other)) }))
        .sort((one, other) => one.share - other.share)
        .slice(0, 3);
      const rarest = companions.map(({ other, share }) => `${other} ${percent(share)}`).join(', ');
      return `${construct.padEnd(18)} ${percent(this.share(construct, construct)).padStart(6)}   least with ${rarest}`;
    });
    const apart = new Map<string, string[]>();
    for (const [one, other] of pairs()) {
      const reason = cannotMeet(one, other);
      if (reason !== undefined) apart.set(reason, [...(apart.get(reason) ?? []), `${one}+${other}`]);
    }
    return [
      `${this.cases} cases, ${percent(this.matching / this.cases)} with a match`,
      ...lines,
      ...[...apart].map(([reason, names]) => `never together, because ${reason}: ${names.join(', ')}`),
    ].join('\n');
  }
}

function ordered(one: Construct, other: Construct): [Construct, Construct] {
  return constructs.indexOf(one) < constructs.indexOf(other) ? [one, other] : [other, one];
}

function pairs(): [Construct, Construct][] {
  return constructs.flatMap((one, at) => constructs.slice(at).map((other): [Construct, Construct] => [one, other]));
}

function percent(share: number): string {
  return `${(100 * share).toFixed(1)} %`;
}
