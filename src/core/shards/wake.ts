import type { InstantMs } from '../time/units.ts';

/**
 * When a key next wants to be woken, by one clock. A clock is named by its scope: the shard's number for the set of
 * sources whose least watermark it shows, so rules over different sources do not wake each other.
 */
export interface Wake {
  readonly scope: number;
  readonly at: InstantMs;
}
