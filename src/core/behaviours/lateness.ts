import type { Event } from '../events/event.ts';
import type { ProgramRule } from './keyspace-program.ts';
import type { Clocks } from './turn.ts';

/**
 * By how many ms an event is late for a rule; 0 or less = it is not.
 * @param lag of the event behind the watermark of its own source, negative when it is late by that
 * @param record that holds it
 */
export function lateness(program: ProgramRule, event: Event, lag: number, record: number, clocks: Clocks): number {
  if (!program.sorted) return -lag;
  const { behaviour, sources } = program.rule;
  // A source that the others had not waited for may be behind them without being late by its own clock.
  const byAll = clocks.before(program.scope, record) - event.time;
  // Late for its source alone, it is in time for a rule that takes such events and waits for the others.
  return behaviour.takesLate === true && sources.length > 1 ? byAll : Math.max(-lag, byAll);
}
