import type { PatternLimits } from '../patterns/pattern.ts';

/**
 * What holds where neither a rule nor the configuration says anything. The bytes leave room for the partial matches: each
 * takes 480 bytes with one number kept of its event, and 1,550 with a text of 1,000 characters.
 */
export const DEFAULT_LIMITS: PatternLimits = {
  partialMatches: 10_000,
  stateBytes: 16 * 1024 * 1024,
  onLimit: 'deadLetter',
};
