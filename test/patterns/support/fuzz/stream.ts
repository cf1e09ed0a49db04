import type { Event } from '../../../../src/core/events/event.ts';
import { instant } from '../../../../src/core/time/units.ts';
import { forever, type PatternDraft, type StageDraft } from './draft.ts';

// Streams that are made for a pattern: a word that would match it, with other events strewn in. Streams drawn without
// regard to the pattern would rarely complete a long one.

export interface Recipe {
  /** Decides which way the word goes at each choice. */
  readonly picks: readonly number[];
  /** Per event of the word: another one before it, the gap in ms, and the event's value. */
  readonly spice: readonly { readonly before: string | undefined; readonly gap: number; readonly v: number }[];
  /** Types of events after the word. */
  readonly tail: readonly string[];
  /** How far time goes on after the last event, in ms. */
  readonly rest: number;
  /** Types of events in place of the word. */
  readonly wild: readonly string[] | undefined;
}

export interface Letter {
  readonly type: string;
  /** Since the event before, in ms. */
  readonly gap: number;
  readonly v: number;
}

const longest = 13;

export function lettersOf(draft: PatternDraft, { picks, spice, tail, wild }: Recipe): Letter[] {
  const letters: Letter[] = [];
  const add = (type: string): void => {
    const { before, gap, v } = spice[letters.length % spice.length]!;
    if (before !== undefined) letters.push({ type: before, gap, v });
    letters.push({ type, gap: before === undefined ? gap : 1, v });
  };
  for (const type of wild ?? wordOf(draft.stages, picks)) add(type);
  for (const type of tail) letters.push({ type, gap: 1, v: 1 });
  return letters.slice(0, longest);
}

function wordOf(stages: readonly StageDraft[], picks: readonly number[]): string[] {
  let at = 0;
  const pick = (choices: number): number => (picks[at++] ?? 0) % choices;
  const all = (inside: readonly StageDraft[]): string[] => inside.flatMap(one);
  const one = (stage: StageDraft): string[] => {
    const { kind, times, optional, where } = stage;
    const [min, max] = times;
    const counted = (round: () => string[]): string[] => {
      if (optional && pick(3) === 1) return [];
      const more = max > min ? pick(max === forever ? 3 : max - min + 1) : 0;
      return Array.from({ length: min + more }, round).flat();
    };
    switch (kind) {
      case 'step':
        return counted(() => [where.letters[pick(where.letters.length)]!]);
      case 'group':
        return counted(() => all(stage.stages));
      case 'anyOf': {
        const way = stage.stages[pick(stage.stages.length)]!;
        return way.kind === 'group' ? all(way.stages) : one(way);
      }
      case 'allOf': {
        const turn = pick(stage.stages.length);
        return all([...stage.stages.slice(turn), ...stage.stages.slice(0, turn)]);
      }
      case 'notNext':
      case 'notFollowedBy':
        return [];
    }
  };
  return all(stages);
}

export function eventsOfLetters(letters: readonly Letter[]): Event[] {
  let time = 100;
  return letters.map(({ type, gap, v }, at) => {
    time += gap;
    return {
      id: `${type}${at}`,
      type,
      subject: '',
      time: instant(time),
      source: 'random',
      seq: at + 1,
      index: 0,
      headers: undefined,
      data: { v, other: type },
    };
  });
}
