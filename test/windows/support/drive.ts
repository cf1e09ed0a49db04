import type { Behaviour, Emission, Incident, Output } from '../../../src/core/behaviours/behaviour.ts';
import type { Event } from '../../../src/core/events/event.ts';
import { ByteWriter } from '../../../src/core/shards/byte-writer.ts';
import { instant, NEVER } from '../../../src/core/time/units.ts';

/** What happens to one key: an event comes, or the watermark rises. */
export type Input = { readonly event: Event } | { readonly watermark: number };

/** An emission as the shell would number it, or a late event. */
export interface Said {
  readonly kind: string;
  /** Number of the emission, or of the first one for an update. */
  readonly ordinal?: number;
  readonly revision?: number | undefined;
  readonly time?: number;
  readonly first?: number | undefined;
  readonly last?: number | undefined;
  readonly count?: number;
  readonly by?: string | undefined;
  readonly emit?: unknown;
  readonly approximate?: readonly string[] | undefined;
  readonly byMs?: number;
}

export interface Driven {
  readonly said: Said[];
  readonly incidents: Incident[];
  /** After the last save. */
  readonly cells: ReadonlyMap<number, Uint8Array>;
  /** Bytes written by each save. */
  readonly written: number[];
  /** When it next wants to be woken. */
  readonly wakeAt: number;
}

export function event(time: number, seq: number, data: unknown = {}): Event {
  return {
    id: String(seq),
    type: 'Reading',
    subject: 'readings',
    time: instant(time),
    source: 'readings',
    seq,
    index: 0,
    headers: undefined,
    data,
  };
}

/**
 * Does with a behaviour what a key's actor and its shard do: brings it to each event's time, fires its timers, tells it
 * the watermark before a late event, numbers its emissions, writes the numbers into its cells.
 * @param saveAfter whether the state is packed and let go of after the input of this number, and loaded for the next
 */
export function drive<State>(
  behaviour: Behaviour<State>,
  inputs: readonly Input[],
  options: { saveAfter?: (input: number) => boolean; end?: boolean } = {},
): Driven {
  const { saveAfter = () => false, end = false } = options;
  const said: Said[] = [];
  const incidents: Incident[] = [];
  const written: number[] = [];
  const cells = new Map<number, Uint8Array>();
  let unnumbered: { emission: Emission; at: number }[] = [];
  let ordinals = 0;
  let state: State | undefined;
  let watermark = Number.NEGATIVE_INFINITY;
  const output: Output = {
    emit(emission) {
      unnumbered.push({ emission, at: said.length });
      said.push({ kind: '' });
    },
    incident(incident) {
      if (incident.kind === 'late') said.push({ kind: 'late', byMs: incident.byMs });
      else incidents.push(incident);
    },
  };

  const save = (): void => {
    let bytes = 0;
    if (state !== undefined) {
      behaviour.save(state, {
        put(cell, content) {
          cells.set(cell, Uint8Array.from(content));
          bytes += content.length;
        },
        remove: (cell) => cells.delete(cell),
      });
    }
    for (const { emission, at } of unnumbered) {
      const { identity } = emission;
      let ordinal = identity?.ordinal;
      if (ordinal === undefined) {
        ordinals += 1;
        ordinal = ordinals;
        if (identity !== undefined) identity.ordinal = ordinal;
        if (identity?.cell !== undefined) cells.set(identity.cell, varint(ordinal));
      }
      const { kind, revision, time, first, last, events, emit, approximate } = emission;
      const { count, refs } = events[0]!;
      said[at] = { kind, ordinal, revision, time, first, last, count, by: refs[0]?.id, emit, approximate };
    }
    unnumbered = [];
    written.push(bytes);
    if (state !== undefined && behaviour.isEmpty(state)) {
      if (cells.size > 0) throw new Error(`an empty state left cells ${[...cells.keys()]}`);
      state = undefined;
    }
  };
  const fire = (upto: number): void => {
    if (state === undefined) return;
    for (let due = behaviour.wakeAt(state); due <= upto && due !== NEVER; ) {
      behaviour.onTime(state, due, output);
      const next = behaviour.wakeAt(state);
      if (next <= due) throw new Error(`woken at ${due}, and wants to be woken at ${next}`);
      due = next;
    }
  };

  inputs.forEach((input, number) => {
    if (state === undefined && cells.size > 0) state = behaviour.load(new Map(cells), 'key');
    if ('event' in input) {
      const { time } = input.event;
      if (time < watermark && behaviour.takesLate !== true) said.push({ kind: 'late', byMs: watermark - time });
      else {
        if (state === undefined) state = behaviour.create('key');
        if (time < watermark) behaviour.onTime(state, instant(watermark), output);
        else if (behaviour.wakeAt(state) <= time) behaviour.onTime(state, instant(time), output);
        behaviour.onEvent(state, input.event, output);
      }
      watermark = Math.max(watermark, time);
    } else watermark = Math.max(watermark, input.watermark);
    fire(watermark);
    if (!saveAfter(number)) return;
    save();
    state = undefined;
  });
  if (state === undefined && cells.size > 0) state = behaviour.load(new Map(cells), 'key');
  if (end && state !== undefined) behaviour.close?.(state, output);
  save();
  const wakeAt = state === undefined ? NEVER : behaviour.wakeAt(state);
  return { said, incidents, cells, written, wakeAt };
}

function varint(value: number): Uint8Array {
  const writer = new ByteWriter(8);
  writer.varint(value);
  return writer.copy();
}
