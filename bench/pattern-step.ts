import { pathToFileURL } from 'node:url';
import type { CellWriter, Output } from '../src/core/behaviours/behaviour.ts';
import type { Event } from '../src/core/events/event.ts';
import { compilePattern } from '../src/core/patterns/automaton.ts';
import type { Contiguity, Pattern, Quantifier, Stage } from '../src/core/patterns/pattern.ts';
import { patternBehaviour } from '../src/core/patterns/pattern-behaviour.ts';
import { duration, instant } from '../src/core/time/units.ts';

// The pattern step alone, in process and on one core: events are ready, keys' states are at hand, nothing is stored.
// What a match would carry is built and thrown away.

export interface PatternStepResult {
  readonly shape: string;
  readonly keys: number;
  readonly events: number;
  readonly eventsPerSecond: number;
  readonly matches: number;
}

const once: Quantifier = {
  min: 1,
  max: 1,
  optional: false,
  greedy: false,
  inner: 'relaxed',
  within: undefined,
  until: undefined,
};

function step(index: number, type: string, contiguity: Contiguity | undefined, quantifier = once): Stage {
  return {
    kind: 'step',
    contiguity,
    step: index,
    where: Object.assign((event: Event) => event.type === type, { stateless: true }),
    quantifier,
    withinPrevious: undefined,
    span: undefined,
  };
}

function pattern(stages: readonly Stage[], afterMatch: Pattern['afterMatch']): Pattern {
  return {
    steps: ['first', 'second', 'third'],
    stages,
    within: duration(60_000),
    afterMatch,
    emitTimeouts: false,
    limits: { partialMatches: 10_000, stateBytes: 10_000_000, onLimit: 'dropOldest' },
    keep: [[['amount']], undefined, undefined],
  };
}

/** Times as they are today: milliseconds since 1970, which need a double. */
const begun = Date.UTC(2026, 10, 22);

/** The shapes measured: their patterns, and the types that a key's events have in turn. */
export const shapes: Readonly<Record<string, { readonly pattern: Pattern; readonly types: readonly string[] }>> = {
  'three-step sequence': {
    pattern: pattern([step(0, 'a', undefined), step(1, 'b', 'relaxed'), step(2, 'c', 'relaxed')], {
      kind: 'skipPastLastEvent',
    }),
    types: ['a', 'x', 'b', 'x', 'c', 'x'],
  },
  'burst, then one': {
    pattern: pattern(
      [
        step(0, 'a', undefined, { ...once, min: 3, max: Number.POSITIVE_INFINITY, greedy: true }),
        step(1, 'b', 'relaxed'),
      ],
      { kind: 'skipPastLastEvent' },
    ),
    types: ['a', 'a', 'x', 'a', 'b', 'x'],
  },
  'absence at the end': {
    pattern: pattern(
      [
        step(0, 'a', undefined),
        {
          kind: 'not',
          contiguity: 'relaxed',
          step: 1,
          where: (event) => event.type === 'b',
          withinPrevious: undefined,
        },
      ],
      { kind: 'noSkip' },
    ),
    types: ['a', 'x', 'b', 'x', 'x', 'x'],
  },
};

/** How long a key's state is at hand: while it lives, or for one event, as when a key is seen rarely. */
export type PatternWork = 'event alone' | 'create, event, save' | 'load, event, save';

/**
 * Runs `events` events of one shape over `keys` keys, taken in turn, and measures the second of two rounds.
 * @param work `create, event, save` gives every event to a fresh state; `load, event, save` takes the key's state from
 *   its cells and puts it back, as a turn with one event does
 */
export function measurePatternStep(
  shape: string,
  keys: number,
  events: number,
  work: PatternWork = 'event alone',
): PatternStepResult {
  const { pattern: measured, types } = shapes[shape]!;
  const compiled = compilePattern(measured);
  if (!compiled.ok) throw new Error(JSON.stringify(compiled.problems));
  const behaviour = patternBehaviour({ automaton: compiled.automaton, emit: () => undefined });
  let matches = 0;
  const output: Output = { emit: () => void matches++, incident: () => undefined };
  // Prepared ahead, because decoding is not what is measured; reused in turn, because a million would not fit a cache.
  const prepared: Event[] = Array.from({ length: 4096 }, (_, at) => ({
    id: String(at),
    type: '',
    subject: 'bench',
    time: instant(0),
    source: 'bench',
    seq: at,
    index: 0,
    headers: undefined,
    data: { amount: at, user: 'somebody', ip: '10.0.0.1' },
  }));
  const states = work === 'event alone' ? Array.from({ length: keys }, (_, key) => behaviour.create(key)) : [];
  const stored: (Map<number, Uint8Array> | undefined)[] = new Array(work === 'load, event, save' ? keys : 0);
  let cells = new Map<number, Uint8Array>();
  const writer: CellWriter = {
    put: (cell, bytes) => void cells.set(cell, bytes),
    remove: (cell) => void cells.delete(cell),
  };
  const give = (key: number, event: Event): void => {
    if (work === 'event alone') {
      behaviour.onEvent(states[key]!, event, output);
      return;
    }
    const known = work === 'load, event, save' ? stored[key] : undefined;
    const state = known === undefined ? behaviour.create(key) : behaviour.load(known, key);
    behaviour.onEvent(state, event, output);
    cells = known ?? new Map();
    behaviour.save(state, writer);
    if (work === 'load, event, save') stored[key] = cells.size === 0 ? undefined : cells;
  };
  const round = (count: number, from: number): number => {
    const begin = process.cpuUsage();
    for (let at = 0; at < count; at++) {
      const number = from + at;
      const key = number % keys;
      const turn = Math.floor(number / keys);
      const event = prepared[at & 4095] as { -readonly [Field in keyof Event]: Event[Field] };
      event.type = types[work === 'create, event, save' ? 0 : (turn + key) % types.length]!;
      event.time = instant(begun + Math.floor(number / 100));
      give(key, event);
    }
    // Time on the processor, so that neighbours on the machine do not count; the collector's threads do.
    const { user, system } = process.cpuUsage(begin);
    return (user + system) / 1e6;
  };
  round(events, 0);
  matches = 0;
  const seconds = round(events, events);
  return { shape, keys, events, eventsPerSecond: Math.round(events / seconds), matches };
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  for (const keys of [10_000, 1_000_000]) {
    for (const shape of Object.keys(shapes)) {
      const { eventsPerSecond, matches, events } = measurePatternStep(shape, keys, Math.max(2_000_000, 3 * keys));
      console.log(`${shape}, ${keys} keys: ${eventsPerSecond} events/s (${matches} matches in ${events} events)`);
    }
  }
  for (const work of ['create, event, save', 'load, event, save'] as const) {
    for (const shape of Object.keys(shapes)) {
      const { eventsPerSecond } = measurePatternStep(shape, 10_000, 500_000, work);
      console.log(`${shape}, ${work}: ${(1e6 / eventsPerSecond).toFixed(2)} µs`);
    }
  }
}
