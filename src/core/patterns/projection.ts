import type { Event } from '../events/event.ts';
import type { Pattern } from './pattern.ts';
import { define } from './value-bytes.ts';

// What is kept of an event once it is taken. A state holds every taken event for as long as a partial match may need
// it, so it keeps only the data that a condition or `emit` reads later.

export interface Projection {
  /** From 0, one per distinct projection of the pattern. */
  readonly variant: number;
  /** Picks the data to keep of an event; undefined when nothing is. */
  readonly pick: (data: unknown) => unknown;
}

const nothing: Projection['pick'] = () => undefined;
const everything: Projection['pick'] = (data) => data;

/** Per step; steps that keep the same share one projection, so that an event both take is stored once. */
export function projections(pattern: Pattern): { readonly ofStep: readonly Projection[]; readonly variants: number } {
  const known = new Map<string, Projection>();
  const ofStep = pattern.steps.map((_, step) => {
    const keep = pattern.keep[step];
    const name = JSON.stringify(keep) ?? '';
    const shared = known.get(name) ?? { variant: known.size, pick: picker(keep) };
    known.set(name, shared);
    return shared;
  });
  return { ofStep, variants: known.size };
}

/** Picks what is at some paths; undefined keeps nothing, an empty list everything. */
export function picker(keep: readonly (readonly string[])[] | undefined): Projection['pick'] {
  if (keep === undefined || keep.length === 0) return keep === undefined ? nothing : everything;
  if (keep.some((path) => path.length === 0)) return everything;
  return (data) => {
    const kept: Record<string, unknown> = {};
    for (const path of keep) copy(data, kept, path, 0);
    return kept;
  };
}

/** A missing field stays missing; what is no object (a list, a text) is kept whole where a path enters it. */
function copy(from: unknown, to: Record<string, unknown>, path: readonly string[], depth: number): void {
  if (!isPlain(from)) return;
  const name = path[depth]!;
  if (!Object.hasOwn(from, name)) return;
  const value = from[name];
  if (depth === path.length - 1 || !isPlain(value)) {
    define(to, name, value);
    return;
  }
  const there = Object.hasOwn(to, name) ? to[name] : undefined;
  if (there === value) return; // a shorter path has kept all of it
  const inner = isPlain(there) ? there : {};
  define(to, name, inner);
  copy(value, inner, path, depth + 1);
}

function isPlain(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value) && !(value instanceof Uint8Array);
}

// What is counted against `stateBytes` is what things take in memory, on the safe side: bytes as V8 lays objects out on a
// 64-bit machine, with the places that a large state has for them. `npm run memory:patterns` measures it.

const event = 184;
const text = 24;
const list = 48;
const object = 56;
const field = 8;
const double = 16;

/** About how many bytes the event takes while it is held: its fields, and its kept data. */
export function sizeOfEvent({ id, type }: Event, data: unknown): number {
  return sizeOfEventHead(type) + text + id.length + sizeOfData(data);
}

/** The part of `sizeOfEvent` that does not depend on id and data. The source's name is the configuration's. */
export function sizeOfEventHead(type: string): number {
  return event + text + type.length;
}

function sizeOfData(data: unknown): number {
  switch (typeof data) {
    case 'string':
      return text + data.length;
    case 'number':
      return double;
    case 'object': {
      if (data === null) return 0;
      if (data instanceof Uint8Array) return 2 * list + data.length;
      let bytes: number;
      if (Array.isArray(data)) {
        bytes = list;
        for (const item of data) bytes += field + sizeOfData(item);
      } else {
        bytes = object;
        for (const name in data) bytes += field + sizeOfData((data as Record<string, unknown>)[name]);
      }
      return bytes;
    }
    default:
      return 0;
  }
}
