import { type InstantMs, NEVER } from '../time/units.ts';

/**
 * When a key next wants to be woken, by one clock. A clock is named by its scope: the shard's number for the set of
 * sources whose least watermark it shows, so rules over different sources do not wake each other.
 */
export interface Wake {
  readonly scope: number;
  readonly at: InstantMs;
}

/** Adds a wake time to a list that has the soonest of each scope. */
export function wakeAt(wakes: Wake[], scope: number, at: InstantMs): void {
  if (at === NEVER) return;
  const same = wakes.findIndex((wake) => wake.scope === scope);
  if (same < 0) wakes.push({ scope, at });
  else if (at < wakes[same]!.at) wakes[same] = { scope, at };
}
