import type { Incident, Output } from '../behaviours/behaviour.ts';
import type { Event } from '../events/event.ts';
import type { WindowLimits } from './window.ts';

export type WindowLimit = 'entries' | 'stateBytes';

/** The limit that stands in the way of more; undefined when there is room. */
export function limitReached(
  { entries, stateBytes }: WindowLimits,
  held: number,
  bytes: number,
  adds: boolean,
): WindowLimit | undefined {
  if (adds && held >= entries) return 'entries';
  return bytes >= stateBytes ? 'stateBytes' : undefined;
}

/** The oldest was given up. */
export function reportDropped(limit: WindowLimit, output: Output): void {
  output.incident({ kind: 'limitReached', limit, answer: 'dropOldest' });
}

/** The event is not taken. */
export function reportRefused(limits: WindowLimits, limit: WindowLimit, event: Event, output: Output): void {
  // With nothing older to give up, `dropOldest` cannot take the new event either.
  const answer = limits.onLimit === 'deadLetter' ? 'deadLetter' : 'dropNewest';
  const incident = { kind: 'limitReached', limit, answer } as const satisfies Incident;
  if (answer === 'dropNewest') {
    output.incident(incident);
    return;
  }
  const { source, seq, index, id, time } = event;
  output.incident({ ...incident, events: [{ step: 'window', count: 1, refs: [{ source, seq, index, id, time }] }] });
}
