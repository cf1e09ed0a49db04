import type { Event } from '../events/event.ts';
import type { InstantMs } from '../time/units.ts';
import type { Taken } from './pattern.ts';

// What runs hold. A run's events form a path: each node has one event and the step that took it, and points at what
// was taken before. Nodes never change, so runs that forked share their common beginning.

/** An event as a run keeps it: without subject and headers, and with the data that is still needed. */
export class TakenEvent implements Event {
  readonly id: string;
  readonly type: string;
  readonly time: InstantMs;
  readonly source: string;
  readonly seq: number;
  readonly index: number;
  readonly data: unknown;
  /** Order of arrival among the events held for this key; breaks ties between equal times. */
  ordinal: number;
  /** Which projection `data` is; an event may be held once under each. */
  readonly variant: number;
  /** Bytes counted against the limit. */
  readonly bytes: number;
  /** Path nodes that hold it. */
  uses = 0;
  /** As stored, once it was. */
  packed: Uint8Array | undefined = undefined;
  /** Marks of the last save that saw it, and its place in it. */
  seenIn = 0;
  place = 0;

  constructor(event: Event, data: unknown, ordinal: number, variant: number, bytes: number) {
    this.id = event.id;
    this.type = event.type;
    this.time = event.time;
    this.source = event.source;
    this.seq = event.seq;
    this.index = event.index;
    this.data = data;
    this.ordinal = ordinal;
    this.variant = variant;
    this.bytes = bytes;
  }

  get subject(): string {
    return '';
  }

  get headers(): undefined {
    return undefined;
  }
}

export class PathNode {
  readonly step: number;
  readonly event: TakenEvent;
  readonly parent: PathNode | undefined;
  /** The first node of the path; itself when it is the first. */
  readonly root: PathNode;
  /** Unique within one key's state while it is large; children have larger numbers than their parents. */
  number: number;
  /** Runs, held matches and later nodes that point here. */
  uses = 0;
  /** Marks of the last save that saw it, and its place in it. */
  seenIn = 0;
  place = 0;

  constructor(step: number, event: TakenEvent, parent: PathNode | undefined, number: number) {
    this.step = step;
    this.event = event;
    this.parent = parent;
    this.root = parent === undefined ? this : parent.root;
    this.number = number;
  }
}

/** One partial match, or one complete match that is held back: a state and the path taken so far. */
export class Run {
  readonly state: number;
  readonly node: PathNode;

  constructor(state: number, node: PathNode) {
    this.state = state;
    this.node = node;
  }
}

/** Order of two events of one key: by time, then by arrival. */
export function compareEvents(one: TakenEvent, other: TakenEvent): number {
  return one.time === other.time ? one.ordinal - other.ordinal : one.time - other.time;
}

/** Order of runs: by their first events. */
export function compareRuns(one: Run, other: Run): number {
  return compareEvents(one.node.root.event, other.node.root.event);
}

/** True when both paths have the same events under the same steps. */
export function samePath(one: PathNode | undefined, other: PathNode | undefined): boolean {
  let left = one;
  let right = other;
  while (left !== right) {
    if (left === undefined || right === undefined) return false;
    if (left.step !== right.step || left.event.ordinal !== right.event.ordinal) return false;
    left = left.parent;
    right = right.parent;
  }
  return true;
}

const empty: readonly TakenEvent[] = [];

/** A path as conditions and `emit` see it. One view serves many paths, one after the other. */
export class PathView implements Taken {
  #node: PathNode | undefined = undefined;
  #byStep: Map<number, TakenEvent[]> | undefined = undefined;

  show(node: PathNode | undefined): this {
    if (node !== this.#node) {
      this.#node = node;
      this.#byStep = undefined;
    }
    return this;
  }

  events(step: number): readonly TakenEvent[] {
    let byStep = this.#byStep;
    if (byStep === undefined) {
      byStep = new Map();
      for (let node = this.#node; node !== undefined; node = node.parent) {
        const events = byStep.get(node.step);
        if (events === undefined) byStep.set(node.step, [node.event]);
        else events.push(node.event);
      }
      for (const events of byStep.values()) events.reverse();
      this.#byStep = byStep;
    }
    return byStep.get(step) ?? empty;
  }

  count(step: number): number {
    return this.events(step).length;
  }

  first(step: number): TakenEvent | undefined {
    return this.events(step)[0];
  }

  last(step: number): TakenEvent | undefined {
    if (this.#byStep !== undefined) return this.events(step).at(-1);
    for (let node = this.#node; node !== undefined; node = node.parent) if (node.step === step) return node.event;
    return undefined;
  }
}
