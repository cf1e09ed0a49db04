import { bytesAsText, counted } from '../patterns/bound.ts';
import { formatDuration } from '../time/parse-duration.ts';
import { greatestCommonDivisor } from '../windows/divisor.ts';
import type { WindowDefinition, WindowShape } from '../windows/window.ts';
import type { RuleBound } from './rule-set.ts';

/** Most panes that a key needs at a time; undefined for windows that are not kept in panes by time. */
export function panesOf(shape: WindowShape, allowedLateness: number): number | undefined {
  if (shape.kind === 'tumbling') return 1 + Math.ceil(allowedLateness / shape.size);
  if (shape.kind !== 'sliding') return undefined;
  return 1 + Math.ceil((shape.size + allowedLateness) / greatestCommonDivisor(shape.size, shape.slide));
}

/** What bounds the state of one key of a window rule. */
export function explainWindowBound({ window, allowedLateness, limits }: WindowDefinition): RuleBound {
  const { entries, stateBytes, onLimit } = limits;
  const [one, many] = wordsFor(window);
  const dropped = {
    dropOldest: `the oldest ${one} is given up`,
    dropNewest: 'the newest event is not taken',
    deadLetter: 'the newest event becomes a dead letter',
  }[onLimit];
  const holds =
    window.kind === 'count' || window.kind === 'global'
      ? bytesAsText(stateBytes)
      : `${counted(entries, one, many)} and ${bytesAsText(stateBytes)}`;
  return {
    stateBytes,
    onLimit,
    sentence: `${described(window, allowedLateness)} A key keeps at most ${holds}; beyond that ${dropped}.`,
  };
}

function described(window: WindowShape, allowedLateness: number): string {
  const late = allowedLateness > 0 ? ` and ${formatDuration(allowedLateness)} more for late events` : '';
  switch (window.kind) {
    case 'tumbling':
      return `A window's figures, not its events, are kept for ${formatDuration(window.size)}${late}.`;
    case 'sliding': {
      const pane = formatDuration(greatestCommonDivisor(window.size, window.slide));
      const panes = counted(panesOf(window, allowedLateness)!, 'pane');
      return `Figures, not events, are kept in panes of ${pane}, at most ${panes}: for ${formatDuration(window.size)}${late}.`;
    }
    case 'perEvent':
      return `Each event's figures are kept for ${formatDuration(window.size)}.`;
    case 'session': {
      const length = window.maxSize === undefined ? '' : `, cut at ${formatDuration(window.maxSize)}`;
      return `A session's figures, not its events, are kept until ${formatDuration(window.gap)} have passed without an event${late}${length}.`;
    }
    case 'count':
      return `The figures of up to ${counted(window.size, 'event')} are kept until they are complete.`;
    case 'countSliding': {
      const pane = greatestCommonDivisor(window.size, window.slide);
      return `Figures are kept in ${counted(window.size / pane, 'pane')} of ${counted(pane, 'event')}.`;
    }
    case 'global':
      return 'One set of figures is kept for ever.';
  }
}

function wordsFor({ kind }: WindowShape): readonly [one: string, many: string] {
  if (kind === 'perEvent') return ['event', 'events'];
  return kind === 'session' ? ['session', 'sessions'] : ['pane', 'panes'];
}
