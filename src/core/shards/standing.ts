import { type DurationMs, duration } from '../time/units.ts';

/**
 * How a lane stands to others that the same rules read.
 *
 *   - `leads`: its watermark holds their clocks, as is normal.
 *   - a number: it cannot say how late it is, since it never had an event and has nothing to read. Clocks go by the other
 *     lanes, this many milliseconds behind them.
 *   - `ended`: nothing comes any more, and clocks go by the other lanes.
 *   - `closed`: the same, and what is still open when all lanes of a rule are closed is closed (see `Behaviour.close`).
 */
export type Standing = 'leads' | 'ended' | 'closed' | DurationMs;

const NUMBERS = { leads: -1, ended: -2, closed: -3 } as const;

export const standingNumber = (standing: Standing): number =>
  typeof standing === 'number' ? standing : NUMBERS[standing];

export function standingOf(number: number): Standing {
  if (number >= 0) return number as DurationMs;
  return number === NUMBERS.closed ? 'closed' : number === NUMBERS.ended ? 'ended' : 'leads';
}

/** How several stand together: they lead while one of them does. */
export function standingOfAll(all: readonly Standing[]): Standing {
  if (all.includes('leads')) return 'leads';
  const behind = all.filter((standing) => typeof standing === 'number');
  if (behind.length > 0) return duration(Math.max(...behind));
  return all.every((standing) => standing === 'closed') ? 'closed' : 'ended';
}
