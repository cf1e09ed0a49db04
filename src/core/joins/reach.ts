import { justAfter } from '../time/just-after.ts';
import { type InstantMs, instant, NEVER } from '../time/units.ts';
import type { Side, TimeWindow, Together } from './join.ts';

/**
 * How far an event's partners may be from it, seen from the event that comes first. All bounds are computed one way
 * only, from the event's own time, so that a pair and the end of waiting never contradict each other by a rounding.
 */
export interface Reach {
  /** False when no window holds the event: it takes no part. */
  takesPart(time: InstantMs): boolean;
  /** The deadline for partners, at which an event without one is reported. */
  until(side: Side, time: InstantMs, session: InstantMs): InstantMs;
  /** From when on no partner can come. `session`: time of the session's latest event, here and above. */
  goneAt(side: Side, time: InstantMs, session: InstantMs): InstantMs;
  /** The latest time that an earlier event may have to be a partner of this one. */
  newestPartner(side: Side, time: InstantMs): InstantMs;
  /** The window of a pair whose earlier event has this time. */
  window(time: InstantMs): TimeWindow | undefined;
}

/** @throws {RangeError} when no two events could ever be together */
export function reachOf(together: Together): Reach {
  switch (together.kind) {
    case 'interval': {
      const { from, to } = together;
      if (!(from <= to)) throw new RangeError(`an interval from ${from} to ${to} ms holds nothing`);
      const until = (side: Side, time: InstantMs) => instant(side === 'left' ? time + to : time - from);
      return {
        takesPart: () => true,
        until,
        goneAt: (side, time) => justAfter(until(side, time)),
        newestPartner: until,
        window: () => undefined,
      };
    }
    case 'window': {
      const { size, slide, offset } = together;
      if (!(size > 0 && slide > 0)) throw new RangeError(`a window of ${size} ms every ${slide} ms holds nothing`);
      const lastStart = (time: InstantMs) => Math.floor((time - offset) / slide) * slide + offset;
      const end = (_: Side, time: InstantMs) => instant(lastStart(time) + size);
      return {
        takesPart: (time) => lastStart(time) + size > time,
        until: end,
        goneAt: end,
        newestPartner: () => NEVER,
        window: (time) => ({ start: instant(lastStart(time)), end: end('left', time) }),
      };
    }
    case 'session': {
      const { gap } = together;
      if (!(gap >= 0)) throw new RangeError(`a session with a gap of ${gap} ms holds nothing`);
      return {
        takesPart: () => true,
        until: (_, __, session) => instant(session + gap),
        goneAt: (_, __, session) => justAfter(instant(session + gap)),
        newestPartner: () => NEVER,
        window: () => undefined,
      };
    }
  }
}
