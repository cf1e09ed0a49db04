import { setImmediate as nextTurn } from 'node:timers/promises';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import type { Event } from '../../../src/core/events/event.ts';
import { explainBound, type PatternBound } from '../../../src/core/patterns/bound.ts';
import type { Pattern } from '../../../src/core/patterns/pattern.ts';
import { patternBehaviour } from '../../../src/core/patterns/pattern-behaviour.ts';
import { duration, instant } from '../../../src/core/time/units.ts';
import { automatonOf, begin, followedBy, followedByAny, forever, patternOf } from './pattern-text.ts';

// Many events of one key within an hour-long window: what its state takes, by its own count, in memory, and stored.

export interface Flood {
  readonly pattern: Pattern;
  /** Made to reach the bound. */
  readonly adversarial: boolean;
  /** Most events it is worth: where every event is work for every partial match, fewer say as much. */
  readonly most: number;
  /** The type of the next event, given a random number below 1. */
  readonly type: (random: number) => string;
  /** Length of a text in the data. */
  readonly text: number;
}

const hour = 3_600_000;
const letters = 'abcdefghijklmnopqrstuvwxyz';

function over(stages: Parameters<typeof patternOf>[0], more: Partial<Pattern> = {}): Pattern {
  // More than the defaults, so that what else comes and goes in the process hardly counts.
  const limits = { partialMatches: 40_000, stateBytes: 16 * 1024 * 1024, onLimit: 'dropOldest' } as const;
  return patternOf(stages, { within: duration(hour), emitTimeouts: false, limits, ...more });
}

const mixed = (random: number): string => (random < 0.6 ? 'x' : random < 0.98 ? 'a' : random < 0.999 ? 'b' : 'c');
const onlyA = (): string => 'a';

export const floods: Readonly<Record<string, Flood>> = {
  'random events, a sequence': {
    pattern: over([begin('a'), followedBy('b'), followedBy('c')], { keep: [[['n']], undefined, undefined] }),
    adversarial: false,
    most: Number.POSITIVE_INFINITY,
    type: mixed,
    text: 10,
  },
  'random events, a loop': {
    pattern: over([begin('a', { times: [2, forever], greedy: true }), followedBy('b')], {
      afterMatch: { kind: 'skipPastLastEvent' },
    }),
    adversarial: false,
    most: Number.POSITIVE_INFINITY,
    type: mixed,
    text: 10,
  },
  'beginnings only': {
    pattern: over([begin('a'), followedBy('b')], { keep: [undefined, undefined] }),
    adversarial: true,
    most: Number.POSITIVE_INFINITY,
    type: onlyA,
    text: 10,
  },
  'large events': {
    pattern: over([begin('a'), followedBy('b')]),
    adversarial: true,
    most: 100_000,
    type: onlyA,
    text: 1_000,
  },
  'every event forks every partial match': {
    pattern: over([begin('a', { times: [2, forever], inner: 'nonDeterministic' }), followedByAny('b')]),
    adversarial: true,
    most: 22,
    type: onlyA,
    text: 0,
  },
};

export interface Flooded {
  readonly events: number;
  readonly bound: PatternBound;
  /** Partial matches given up at the limit. */
  readonly dropped: number;
  // The most there ever were, between two events.
  readonly partialMatches: number;
  readonly countedBytes: number;
  /** Bytes of cells. */
  readonly storedBytes: number;
  /** Bytes of memory that letting go of the state frees; the most over `looks` looks. */
  readonly memoryBytes: number;
}

/** @param looks how often memory and cells are looked at, evenly over the events */
export async function flood(given: Flood, wanted: number, seed: number, looks: number): Promise<Flooded> {
  const flooded = pour(given, Math.min(wanted, given.most), seed, looks);
  // Until then a frame of the stack may still hold the state.
  await nextTurn();
  // What is left without the state is not the state's: compiled code, buffers that all keys share.
  return { ...flooded, memoryBytes: flooded.memoryBytes - memoryInUse() };
}

/** `memoryBytes` is that of the process. */
function pour({ pattern, type, text }: Flood, events: number, seed: number, looks: number): Flooded {
  const automaton = automatonOf(pattern);
  const behaviour = patternBehaviour({ automaton, emit: () => undefined });
  const random = randomFrom(seed);
  let dropped = 0;
  const output = { emit: () => undefined, incident: () => void dropped++ };
  const state = behaviour.create('key');
  const cells = new Map<number, number>();
  const writer = {
    put: (cell: number, bytes: Uint8Array) => void cells.set(cell, bytes.length),
    remove: (cell: number) => void cells.delete(cell),
  };
  let partialMatches = 0;
  let countedBytes = 0;
  let storedBytes = 0;
  let memoryBytes = 0;
  for (let at = 0; at < events; at++) {
    const event: Event = {
      id: String(at),
      type: type(random()),
      subject: 'flood',
      time: instant(1.7e12 + Math.floor((at * hour) / events)),
      source: 'flood',
      seq: at,
      index: 0,
      headers: undefined,
      // A text of its own, as one that was decoded is.
      data: JSON.parse(JSON.stringify({ n: random(), text: letters[at % letters.length]!.repeat(text) })),
    };
    behaviour.onEvent(state, event, output);
    partialMatches = Math.max(partialMatches, state.runCount + state.held.length);
    countedBytes = Math.max(countedBytes, state.bytes);
    if ((at + 1) % Math.ceil(events / looks) !== 0) continue;
    behaviour.save(state, writer);
    storedBytes = Math.max(
      storedBytes,
      [...cells.values()].reduce((sum, bytes) => sum + bytes, 0),
    );
    memoryBytes = Math.max(memoryBytes, memoryInUse());
  }
  return { events, bound: explainBound(automaton), dropped, partialMatches, countedBytes, storedBytes, memoryBytes };
}

setFlagsFromString('--expose-gc');
// A compiler at work beside us would keep alive what the code that it compiles has seen.
setFlagsFromString('--no-concurrent-recompilation');
const collect = runInNewContext('gc') as () => void;

/** Bytes in use after a full collection. */
function memoryInUse(): number {
  collect();
  collect();
  const { heapUsed, arrayBuffers } = process.memoryUsage();
  return heapUsed + arrayBuffers;
}

/** Random numbers below 1, the same for the same seed. */
function randomFrom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
}
