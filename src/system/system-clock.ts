import { type DurationMs, instant } from '../core/time/units.ts';
import type { Clock } from '../ports/clock.ts';

/** The longest delay that a Node timer takes; a longer one would fire at once. */
const TIMER_MAX = 2_147_483_647;

/** The clock of this machine. */
export const systemClock: Clock = {
  now: () => instant(Date.now()),
  monotonic: () => performance.now(),
  after(delay: DurationMs, callback: () => void): () => void {
    const due = performance.now() + delay;
    let timer: NodeJS.Timeout;
    const arm = (): void => {
      const rest = due - performance.now();
      timer = rest > TIMER_MAX ? setTimeout(arm, TIMER_MAX) : setTimeout(callback, Math.max(0, rest));
    };
    arm();
    return () => clearTimeout(timer);
  },
};
