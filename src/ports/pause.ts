import { duration } from '../core/time/units.ts';
import type { Clock } from './clock.ts';

/** Resolves `ms` milliseconds from now, by the given clock. */
export function pause(clock: Clock, ms: number): Promise<void> {
  return new Promise((resolve) => clock.after(duration(ms), resolve));
}

/**
 * Waiting time before attempt `attempt` (from 0): doubles from 50 ms up to `max` ms, default 1000, so that work goes on
 * soon after the hindrance has gone.
 */
export function backoff(attempt: number, max = 1000): number {
  return Math.min(max, 50 * 2 ** Math.min(attempt, 16));
}
