import { type PatternDraft, plainStage, type StageDraft } from './draft.ts';
import { repaired } from './repair.ts';
import type { Letter } from './stream.ts';

// Shrinking a failing case further, as data. What fast-check leaves is small in what was drawn; here single stages and
// events go, and every field becomes the plainest, for as long as the case still fails.

export interface Case {
  readonly draft: PatternDraft;
  readonly letters: readonly Letter[];
  /** Time goes on by so much after the last event. */
  readonly rest: number;
  /** The engine is stopped after this event. */
  readonly stop: number;
}

/** The smallest case found on the way down from `given`; `fails` holds for it as for `given`. */
export function minimise(given: Case, fails: (smaller: Case) => boolean): Case {
  let best = given;
  for (;;) {
    const smaller = candidates(best).find((candidate) => sizeOf(candidate) < sizeOf(best) && fails(candidate));
    if (smaller === undefined) return best;
    best = smaller;
  }
}

function sizeOf(given: Case): number {
  return JSON.stringify(given, (_, value) => (value === undefined || value === false ? 0 : value)).length;
}

function candidates({ draft, letters, rest, stop }: Case): Case[] {
  const stages = smallerLists(draft.stages, smallerStages).filter((list) => list.length > 0);
  const drafts: PatternDraft[] = [
    ...stages.map((list) => ({ ...draft, stages: list })),
    { ...draft, within: undefined },
    { ...draft, after: 'noSkip', throwOnMiss: false, target: 0 },
    { ...draft, target: 0 },
    { ...draft, throwOnMiss: false },
  ];
  const streams = smallerLists(letters, ({ type }) => [{ type, gap: 1, v: 0 }]);
  return [
    ...drafts.map((smaller) => ({ draft: repaired(smaller), letters, rest, stop })),
    ...streams.map((smaller) => ({ draft, letters: smaller, rest, stop })),
    { draft, letters, rest: 0, stop },
    { draft, letters, rest, stop: 0 },
  ];
}

/** The list without one of its items, or with a smaller one in its place. */
function smallerLists<Item>(list: readonly Item[], smaller: (item: Item) => readonly Item[]): Item[][] {
  return list.flatMap((item, at) => [
    [...list.slice(0, at), ...list.slice(at + 1)],
    ...smaller(item).map((other) => [...list.slice(0, at), other, ...list.slice(at + 1)]),
  ]);
}

function smallerStages(stage: StageDraft): StageDraft[] {
  const least = stage.kind === 'group' ? 1 : 2;
  const inside = smallerLists(stage.stages, smallerStages).filter((list) => list.length >= least);
  const plainer = (Object.keys(plainStage) as (keyof StageDraft)[])
    .filter((field) => field !== 'kind' && field !== 'stages')
    .map((field): StageDraft => ({ ...stage, [field]: plainStage[field] }));
  return [
    ...stage.stages.map((inner) => ({ ...inner, contiguity: stage.contiguity })),
    ...inside.map((stages) => ({ ...stage, stages })),
    ...plainer,
    { ...stage, where: { letters: stage.where.letters } },
    ...[...stage.where.letters].map((letters) => ({ ...stage, where: { ...stage.where, letters } })),
  ];
}
