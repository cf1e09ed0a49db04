import { instant } from '../time/units.ts';
import type { Call } from './call.ts';
import type { Item } from './item.ts';
import type { TimerHandle } from './process-rule.ts';
import { WrongCall } from './rule-failed.ts';
import { durationOf, type Slot } from './slots.ts';

export function timerHandle(slot: Slot, call: Call): TimerHandle {
  const { name, clock } = slot;

  const find = (id: string | undefined): Item | undefined =>
    id === undefined ? call.state.single(slot) : call.state.named(slot, id);

  function arm(time: number, id: string | undefined): void {
    const now = call.time(clock);
    const due = instant(Math.max(time, now));
    if (!Number.isFinite(due)) throw new WrongCall(`timer ${name} cannot be armed for ${time}: give milliseconds`);
    if (id !== undefined && typeof id !== 'string') throw new WrongCall(`the id of timer ${name} must be a text`);
    const { cause } = call;
    const depth = cause.kind === 'timer' && cause.clock === clock && due === cause.due ? cause.depth + 1 : 0;
    if (depth > DEPTH_MAX)
      throw new WrongCall(
        `timer ${name} is armed for the moment that it is, ${DEPTH_MAX} times over: arm it for later`,
      );
    const item =
      id === undefined ? call.state.setSingle(slot, NOTHING, due) : call.state.setNamed(slot, id, NOTHING, due);
    item.depth = depth;
  }

  return {
    at: arm,
    after: (length, id) => arm(call.after(clock, durationOf(length, `the length given to timer ${name}`)), id),
    cancel(id) {
      const item = find(id);
      if (item !== undefined) call.state.remove(item);
    },
    due: (id) => find(id)?.due,
  };
}

/** How often timers may arm timers of the same moment, one another in turn. */
const DEPTH_MAX = 100;

const NOTHING = new Uint8Array(0);
