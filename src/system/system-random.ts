import type { Random } from '../ports/clock.ts';

/** The randomness of this process: good for names and jitter, not for secrets. */
export const systemRandom: Random = { next: () => Math.random() };
