import { NEVER } from '../time/units.ts';

/** How often a rule may be woken for one key when all time passes at the end of an input (`--at-end drain`). */
const DRAIN_WAKES_MAX = 200_000;

/** A rule that always wants to be woken again would make the end of an input last for ever. */
export class DrainEndless extends Error {
  readonly code = 'DRAIN_ENDLESS';
}

/**
 * Counts how often a rule is woken for a key in one go.
 * @param reached how far time has come; only where all of it passes is there a limit
 */
export function wakeCounter(rule: string, reached: number): () => DrainEndless | undefined {
  let left = reached === NEVER ? DRAIN_WAKES_MAX : Number.POSITIVE_INFINITY;
  return () => {
    left -= 1;
    if (left >= 0) return undefined;
    return new DrainEndless(
      `at the end of the input rule ${rule} was woken ${DRAIN_WAKES_MAX} times for one key and wants to be again: a timer ` +
        'that always arms itself anew never ends. Use --at-end close, or let the timer end when nothing is left to do.',
    );
  };
}
