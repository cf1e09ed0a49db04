import type { Event } from '../../src/core/events/event.ts';
import type { Side, Together } from '../../src/core/joins/join.ts';

/**
 * What a join must say, computed from the whole input at once with plain lists: for every two events it is asked afresh
 * whether they are together, and for every event what the last moment of a partner would have been. Shares only types
 * with the engine.
 */
export interface NaiveJoin {
  readonly together: Together;
  readonly pairs: 'all' | 'oneToOne';
  readonly unmatched: readonly Side[];
  readonly fits: (left: Event, right: Event) => boolean;
}

type SideOf = (event: Event) => Side | 'both';

/** @returns `kind name:id … @time`, in order; nothing that is decided after `end` */
export function naiveJoin(join: NaiveJoin, events: readonly Event[], sideOf: SideOf, end: number): string[] {
  const isOn = (event: Event, side: Side): boolean => sideOf(event) === side || sideOf(event) === 'both';
  const sessions = sessionsOf(join.together, events);
  const areTogether = (left: Event, right: Event): boolean =>
    left !== right && join.fits(left, right) && inTime(join.together, left.time, right.time, sessions, left, right);

  const said: { readonly text: string; readonly time: number; readonly order: number[] }[] = [];
  const partnersOf = new Map<string, number>();
  /** Index of the event that completed the pair an event is in, for one to one. */
  const used = new Map<Event, number>();
  const isPaired = (event: Event, side: Side, decidedAt: number): boolean =>
    join.pairs === 'oneToOne'
      ? (used.get(event) ?? Number.POSITIVE_INFINITY) <= decidedAt
      : (partnersOf.get(`${side} ${event.id}`) ?? 0) > 0;
  events.forEach((event, at) => {
    for (const side of ['left', 'right'] as const) {
      if (!isOn(event, side)) continue;
      for (const other of events.slice(0, at)) {
        const [left, right] = side === 'left' ? [event, other] : [other, event];
        if (!isOn(left, 'left') || !isOn(right, 'right') || !areTogether(left, right)) continue;
        if (join.pairs === 'oneToOne') {
          if (used.has(event) || used.has(other)) continue;
          used.set(event, at).set(other, at);
        }
        for (const [name, one] of [
          ['left', left],
          ['right', right],
        ] as const)
          partnersOf.set(`${name} ${one.id}`, (partnersOf.get(`${name} ${one.id}`) ?? 0) + 1);
        const text = `match created:${left.id} confirmed:${right.id} @${event.time}`;
        said.push({ text, time: event.time, order: [1, at, said.length] });
      }
    }
  });
  events.forEach((event, at) => {
    for (const side of ['left', 'right'] as const) {
      if (!join.unmatched.includes(side) || !isOn(event, side)) continue;
      const { until, inclusive } = deadline(join.together, side, event, sessions);
      if (until === undefined || until > end) continue;
      const time = Math.max(until, event.time);
      // What can only pair with earlier events is decided with the event itself; a later deadline after all events of it.
      const atOnce = inclusive ? until < event.time : until <= event.time;
      // An event on both sides may be given up on one of them before it finds a partner on the other.
      const decidedAt = atOnce ? at : events.findLastIndex((other) => other.time <= until);
      if (isPaired(event, side, decidedAt)) continue;
      const text = `unmatched ${side === 'left' ? 'created' : 'confirmed'}:${event.id} @${time}`;
      const order = atOnce
        ? [1, at, Number.MAX_SAFE_INTEGER]
        : inclusive
          ? [2, at, side === 'left' ? 0 : 1]
          : [0, at, side === 'left' ? 0 : 1];
      said.push({ text, time, order });
    }
  });
  return said.sort((a, b) => a.time - b.time || compare(a.order, b.order)).map(({ text }) => text);
}

function compare(one: readonly number[], other: readonly number[]): number {
  const at = one.findIndex((value, index) => value !== other[index]);
  return at < 0 ? 0 : one[at]! - other[at]!;
}

/** For each event the time of the last event of its session. */
function sessionsOf(together: Together, events: readonly Event[]): Map<Event, number> {
  const ends = new Map<Event, number>();
  if (together.kind !== 'session') return ends;
  for (let at = events.length - 1; at >= 0; at--) {
    const next = events[at + 1];
    const goesOn = next !== undefined && next.time <= events[at]!.time + together.gap;
    ends.set(events[at]!, goesOn ? ends.get(next)! : events[at]!.time);
  }
  return ends;
}

function inTime(
  together: Together,
  left: number,
  right: number,
  sessions: Map<Event, number>,
  one: Event,
  other: Event,
): boolean {
  switch (together.kind) {
    case 'interval':
      // Said in two ways that differ by roundings only; the engine counts a deadline from the event that waits.
      return left <= right
        ? left <= right - together.from && right <= left + together.to
        : right <= left + together.to && left <= right - together.from;
    case 'window':
      return windowsOf(together, left).some((start) => windowsOf(together, right).includes(start));
    case 'session':
      return sessions.get(one) === sessions.get(other);
  }
}

/** Starts of all windows that hold a time. */
function windowsOf(together: Together & { readonly kind: 'window' }, time: number): number[] {
  const { size, slide, offset } = together;
  const starts: number[] = [];
  for (let number = Math.floor((time - offset - size) / slide) - 1; number * slide + offset <= time; number++) {
    const start = number * slide + offset;
    if (start <= time && time < start + size) starts.push(start);
  }
  return starts;
}

/** The last moment of a partner, and whether one at that very moment would do; undefined = it takes no part. */
function deadline(
  together: Together,
  side: Side,
  event: Event,
  sessions: Map<Event, number>,
): { readonly until: number | undefined; readonly inclusive: boolean } {
  switch (together.kind) {
    case 'interval':
      return { until: side === 'left' ? event.time + together.to : event.time - together.from, inclusive: true };
    case 'window': {
      const starts = windowsOf(together, event.time);
      return { until: starts.length === 0 ? undefined : Math.max(...starts) + together.size, inclusive: false };
    }
    case 'session':
      return { until: sessions.get(event)! + together.gap, inclusive: true };
  }
}
