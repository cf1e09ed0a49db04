import type { Behaviour, EventRef, Output, StepEvents } from '../behaviours/behaviour.ts';
import type { Event } from '../events/event.ts';
import type { KeyValue } from '../rules/rule-set.ts';
import { type InstantMs, instant, NEVER } from '../time/units.ts';
import { type Entry, keptEvent, LEFT, RIGHT } from './entry.ts';
import type { JoinDefinition, Side } from './join.ts';
import { JoinState } from './join-state.ts';
import { reachOf } from './reach.ts';
import type { SideBuffer } from './side-buffer.ts';

/**
 * A join of two inputs as the behaviour of one rule. Each event that comes looks for partners among those of the other
 * side that wait, oldest first; then it waits itself for as long as one can still come. So a pair is said when its later
 * event comes, whichever side that is, and an event without a partner at its deadline: the last moment at which one
 * could have come (the end of the window or session), after everything of that moment.
 *
 * Events come in order of time; how equal times are ordered makes no difference to which pairs there are, except that
 * `oneToOne` goes by it.
 *
 * Invariants: what waits on a side is in order of time, and so in order of its deadline; an entry waits on a side
 * exactly as long as `goneAt` is ahead.
 */
export function joinBehaviour(definition: JoinDefinition): Behaviour<JoinState> {
  const { names, sideOf, together, where, equal, keep, limits } = definition;
  const reach = reachOf(together);
  const oneToOne = definition.pairs === 'oneToOne';
  const bySession = together.kind === 'session';
  const reported = definition.unmatched.reduce((bits, side) => bits | bitOf(side), 0);

  const goneAt = (state: JoinState, side: number, event: Event): InstantMs =>
    reach.goneAt(nameOf(side), event.time, state.sessionTime);

  function sayPair(key: KeyValue, left: Event, right: Event, output: Output): void {
    const [earlier, later] = left.time <= right.time ? [left, right] : [right, left];
    output.emit({
      kind: 'match',
      side: undefined,
      time: later.time,
      first: earlier.time,
      last: later.time,
      events: [alone(names.left, left), alone(names.right, right)],
      emit: definition.emitPair(left, right, key, reach.window(earlier.time)),
    });
  }

  function sayUnmatched(state: JoinState, side: number, event: Event, time: InstantMs, output: Output): void {
    output.emit({
      kind: 'unmatched',
      side: undefined,
      time,
      first: event.time,
      last: event.time,
      events: [alone(names[nameOf(side)], event)],
      emit: definition.emitUnmatched(nameOf(side), event, state.key),
    });
  }

  /** Lets go of everything for which no partner can come at `now` or later, in order of deadline and arrival. */
  function expire(state: JoinState, now: InstantMs, output: Output): void {
    for (;;) {
      const left = due(state, state.left, now);
      const right = due(state, state.right, now);
      if (left === undefined && right === undefined) return;
      const side = right === undefined || (left !== undefined && isBefore(state, left, right)) ? LEFT : RIGHT;
      const entry = (side === LEFT ? left : right)!;
      if ((reported & side & ~entry.paired) !== 0)
        sayUnmatched(state, side, entry.event, reach.until(nameOf(side), entry.event.time, state.sessionTime), output);
      state.close(entry, side);
    }
  }

  function due(state: JoinState, buffer: SideBuffer, now: InstantMs): Entry | undefined {
    const { first } = buffer;
    return first !== undefined && goneAt(state, buffer.side, first.event) <= now ? first : undefined;
  }

  function isBefore(state: JoinState, left: Entry, right: Entry): boolean {
    const [one, other] = [goneAt(state, LEFT, left.event), goneAt(state, RIGHT, right.event)];
    return one < other || (one === other && left.number <= right.number);
  }

  /** Pairs an event with what waits on the other side. True when it found a partner. */
  function pair(state: JoinState, event: Event, side: number, output: Output): boolean {
    const others = side === LEFT ? state.right : state.left;
    if (others.size === 0) return false;
    const newest = reach.newestPartner(nameOf(side), event.time);
    let paired = false;
    for (const entry of others.candidates(equal?.[nameOf(side)](event), newest)) {
      const [left, right] = side === LEFT ? [event, entry.event] : [entry.event, event];
      if (where !== undefined && !where(left, right, state.key)) continue;
      paired = true;
      sayPair(state.key, left, right, output);
      if (oneToOne) {
        state.close(entry, LEFT | RIGHT);
        break;
      }
      // Only a report of what found no partner ever asks.
      if ((reported & others.side) !== 0) state.setPaired(entry, others.side);
    }
    return paired;
  }

  function enforceLimits(state: JoinState, newest: Entry, output: Output): void {
    while (state.events > limits.events || state.bytes > limits.stateBytes) {
      const entry = limits.onLimit === 'dropOldest' ? oldest(state) : newest;
      const limit = state.events > limits.events ? 'events' : 'stateBytes';
      const events = [alone(names[nameOf(entry.sides & LEFT ? LEFT : RIGHT)], entry.event)];
      const incident = { kind: 'limitReached', limit, answer: limits.onLimit } as const;
      output.incident(limits.onLimit === 'deadLetter' ? { ...incident, events } : incident);
      state.close(entry, LEFT | RIGHT);
      if (entry === newest) return;
    }
  }

  return {
    create: (key) => new JoinState(key as KeyValue, equal),
    load(cells, key) {
      const state = new JoinState(key as KeyValue, equal);
      state.load(cells);
      return state;
    },
    save: (state, cells) => state.save(cells),
    isEmpty: (state) => state.isEmpty,
    onEvent(state, event, output) {
      const on = sideOf(event, state.key);
      if (on === undefined || !reach.takesPart(event.time)) return;
      expire(state, event.time, output);
      if (bySession) state.extendSession(event.time);
      const sides = on === 'both' ? LEFT | RIGHT : bitOf(on);
      let paired = 0;
      for (const side of SIDES) {
        if ((sides & side) === 0 || !pair(state, event, side, output)) continue;
        if (oneToOne) return;
        paired |= side;
      }
      let waits = 0;
      for (const side of SIDES) {
        if ((sides & side) === 0) continue;
        if (goneAt(state, side, event) > event.time) waits |= side;
        else if ((reported & side & ~paired) !== 0) sayUnmatched(state, side, event, event.time, output);
      }
      if (waits === 0) return;
      const entry = state.add(keptEvent(event, keep(event)), waits, paired & reported);
      enforceLimits(state, entry, output);
    },
    onTime: expire,
    close(state, output) {
      if (together.kind !== 'interval') expire(state, NEVER, output);
    },
    wakeAt(state) {
      let wake: number = NEVER;
      for (const { side, first, last } of [state.left, state.right]) {
        if (first === undefined || last === undefined) continue;
        // Where nothing is reported it is enough to let go of all at once.
        wake = Math.min(wake, goneAt(state, side, ((reported & side) !== 0 ? first : last).event));
      }
      return instant(wake);
    },
  };
}

const SIDES = [LEFT, RIGHT] as const;

const bitOf = (side: Side): number => (side === 'left' ? LEFT : RIGHT);
const nameOf = (side: number): Side => (side === LEFT ? 'left' : 'right');

function oldest({ left, right }: JoinState): Entry {
  const [one, other] = [left.first, right.first];
  return one === undefined || (other !== undefined && other.number < one.number) ? other! : one;
}

function alone(step: string, { source, seq, index, id, time }: Event): StepEvents {
  const ref: EventRef = { source, seq, index, id, time };
  return { step, count: 1, refs: [ref] };
}
