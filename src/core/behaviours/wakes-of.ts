import { type Wake, wakeAt } from '../shards/wake.ts';
import { type InstantMs, NEVER } from '../time/units.ts';
import type { KeyspaceProgram } from './keyspace-program.ts';
import type { WaitingEvents } from './waiting-events.ts';

/** When a key next wants to be woken, by each clock: for its events that wait, and for its rules. */
export function wakesOf(
  { rules, processing }: KeyspaceProgram,
  states: readonly unknown[],
  rooms: ReadonlyMap<number, WaitingEvents> | undefined,
): Wake[] {
  const wakes: Wake[] = [];
  if (rooms !== undefined) for (const [scope, room] of rooms) wakeAt(wakes, scope, room.wakeAt);
  for (let index = 0; index < states.length; index += 1) {
    const state = states[index];
    if (state === undefined) continue;
    const { rule, scope } = rules[index]!;
    const at = rule.behaviour.wakeAt(state);
    // After an event that still waits it comes with that.
    if (at <= (rooms?.get(scope)?.first ?? NEVER)) wakeAt(wakes, scope, at);
    if (rule.behaviour.wakeAtProcessing === undefined) continue;
    wakeAt(wakes, processing!, rule.behaviour.wakeAtProcessing(state));
  }
  return wakes;
}

/** The soonest event time at which any rule or waiting event of a key has something to do; `NEVER` when there is none. */
export function soonestOf(
  { rules }: KeyspaceProgram,
  states: readonly unknown[],
  rooms: ReadonlyMap<number, WaitingEvents> | undefined,
): InstantMs {
  let soonest: InstantMs = NEVER;
  for (let index = 0; index < states.length; index += 1) {
    const state = states[index];
    if (state === undefined) continue;
    const at = rules[index]!.rule.behaviour.wakeAt(state);
    if (at < soonest) soonest = at;
  }
  if (rooms !== undefined) for (const room of rooms.values()) if (room.wakeAt < soonest) soonest = room.wakeAt;
  return soonest;
}
