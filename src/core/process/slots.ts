import { DURATION_FORM, parseDuration } from '../time/parse-duration.ts';
import { type DurationMs, duration } from '../time/units.ts';
import type { AnyProcessRule, Clock, Duration, StateSpec } from './process-rule.ts';
import { WrongCall } from './rule-failed.ts';

/** One declared state or timer of a process rule, and how its items are stored. */
export interface Slot {
  /** Place among all: states as declared, then timers. */
  readonly index: number;
  readonly name: string;
  readonly kind: StateSpec['kind'] | 'timer';
  /** By which `ttl` or the timer goes. */
  readonly clock: Clock;
  /** Undefined for timers and for what is remembered for ever. */
  readonly ttl: DurationMs | undefined;
  /** Order among what is due at one moment: timers before what is forgotten. */
  readonly order: number;
}

export interface Slots {
  readonly all: readonly Slot[];
  readonly byName: ReadonlyMap<string, Slot>;
  /** Whether processing timers can fire, in whose calls the key's latest event time is asked for. */
  readonly byProcessing: boolean;
}

const FORGET = 1_000_000;

/** `byName` has states under `state.name` and timers under `timers.name`. */
export function slotsOf({ state = {}, timers = {} }: AnyProcessRule): Slots {
  const all: Slot[] = [];
  for (const [name, { kind, ttl, ttlClock = 'event' }] of Object.entries(state)) {
    const length = ttl === undefined ? undefined : durationOf(ttl, `state.${name}.ttl`);
    all.push({ index: all.length, name, kind, clock: ttlClock, ttl: length, order: FORGET + all.length });
  }
  const states = all.length;
  for (const [name, { clock }] of Object.entries(timers))
    all.push({ index: all.length, name, kind: 'timer', clock, ttl: undefined, order: all.length });
  return {
    all,
    byName: new Map(all.map((slot, at) => [`${at < states ? 'state' : 'timers'}.${slot.name}`, slot])),
    byProcessing: all.some(({ kind, clock }) => kind === 'timer' && clock === 'processing'),
  };
}

/** @throws {WrongCall} when it is no length of time */
export function durationOf(length: Duration, what: string): DurationMs {
  const found = typeof length === 'string' ? parseDuration(length) : duration(length);
  if (found === undefined || !(found >= 0))
    throw new WrongCall(`${what} is ${JSON.stringify(length)}: give ${DURATION_FORM}, or milliseconds`);
  return found;
}
