import { formatDuration } from '../time/parse-duration.ts';
import type { Automaton } from './automaton.ts';
import type { OnLimit, Stage } from './pattern.ts';

/** What bounds the state that one key may have for a pattern. */
export interface PatternBound {
  /** Most events one match can have; Infinity when a loop is open. */
  readonly eventsPerMatch: number;
  /** Most partial matches that one beginning can become at a time; Infinity when it is not bounded by the pattern. */
  readonly partialMatchesPerBeginning: number;
  /** How long a partial match lives at most, in ms; Infinity when no time limit ends it. */
  readonly livesMs: number;
  /** Most partial matches per key between two events, matches that are held back included. */
  readonly partialMatches: number;
  /** Most bytes per key between two events: of memory while the key is active; stored it takes less. */
  readonly stateBytes: number;
  readonly onLimit: OnLimit;
  /** The same in one sentence, for `check`. */
  readonly sentence: string;
}

/** The bound that applies to each key of a rule with this pattern. */
export function explainBound(automaton: Automaton): PatternBound {
  const { limits, stages } = automaton.pattern;
  const eventsPerMatch = longest(stages);
  const partialMatchesPerBeginning = automaton.ordered ? 1 : Number.POSITIVE_INFINITY;
  const livesMs = automaton.within;
  const size =
    eventsPerMatch === Number.POSITIVE_INFINITY
      ? 'any number of events'
      : `at most ${counted(eventsPerMatch, 'event')}`;
  const forks =
    partialMatchesPerBeginning === 1
      ? 'each beginning is one partial match'
      : 'one beginning can become many partial matches';
  const life =
    livesMs === Number.POSITIVE_INFINITY
      ? 'no time limit ends it'
      : `it ends ${formatDuration(livesMs)} after its first event`;
  const answer = {
    dropOldest: 'the oldest partial match is dropped',
    dropNewest: 'the newest partial match is dropped',
    deadLetter: 'the newest partial match becomes a dead letter',
  }[limits.onLimit];
  return {
    eventsPerMatch,
    partialMatchesPerBeginning,
    livesMs,
    partialMatches: limits.partialMatches,
    stateBytes: limits.stateBytes,
    onLimit: limits.onLimit,
    sentence:
      `A match has ${size}; ${forks}, and ${life}. A key keeps at most ` +
      `${counted(limits.partialMatches, 'partial match', 'partial matches')} and ${bytesAsText(limits.stateBytes)}; ` +
      `beyond that ${answer}.`,
  };
}

/** `1 pane`, `3,600 panes`. */
export function counted(count: number, one: string, many = `${one}s`): string {
  return `${count.toLocaleString('en-US')} ${count === 1 ? one : many}`;
}

const units = ['bytes', 'KiB', 'MiB', 'GiB', 'TiB'];

/** `4 MiB`, `1.5 KiB`, `900 bytes`; at most one decimal. */
export function bytesAsText(bytes: number): string {
  let value = bytes;
  let unit = 0;
  while (value >= 1024 && unit < units.length - 1) {
    value /= 1024;
    unit++;
  }
  return `${value.toLocaleString('en-US', { maximumFractionDigits: 1 })} ${units[unit]}`;
}

function longest(stages: readonly Stage[]): number {
  return stages.reduce((sum, stage) => sum + longestOf(stage), 0);
}

function longestOf(stage: Stage): number {
  switch (stage.kind) {
    case 'step':
      return stage.quantifier.max;
    case 'group':
      return stage.quantifier.max * longest(stage.stages);
    case 'not':
      return 0;
    case 'anyOf':
      return Math.max(...stage.alternatives.map(longest));
    case 'allOf':
      return stage.members.length;
  }
}
