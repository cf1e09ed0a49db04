import type { CompiledTo } from '../core/rules/compile-to.ts';

/** What is promised of matches at a subject of the user's choice, in a sentence or two. */
export const forwardLimits = ({ acknowledged }: Pick<CompiledTo, 'acknowledged'>): string =>
  acknowledged
    ? "Each match is stored there at least once, in order per rule and shard, and once within that stream's duplicate " +
      'window (2 minutes unless set otherwise); the match stream has each exactly once.'
    : 'Each match is published there without acknowledgement: who does not listen then misses it. The match stream has ' +
      'each exactly once.';
