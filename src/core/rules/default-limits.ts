import type { PatternLimits } from '../patterns/pattern.ts';

/** What holds where neither a rule nor the configuration says anything. */
export const DEFAULT_LIMITS: PatternLimits = {
  partialMatches: 10_000,
  stateBytes: 4 * 1024 * 1024,
  onLimit: 'deadLetter',
};
