import type { Taken } from './pattern.ts';
import { compareEvents, type TakenEvent } from './taken-event.ts';

// What runs hold. A run's events form a path: each node has one event and the step that took it, and points at what
// was taken before. Nodes never change, so runs that forked share their common beginning.

export class PathNode {
  readonly step: number;
  readonly event: TakenEvent;
  readonly parent: PathNode | undefined;
  /** The first node of the path; itself when it is the first. */
  readonly root: PathNode;
  /**
   * Large state: unique within it, and larger than those of older nodes. Small state: its place in the save under way,
   * -1 outside of one.
   */
  number: number;
  /** Runs, held matches and later nodes that point here. */
  uses = 0;

  constructor(step: number, event: TakenEvent, parent: PathNode | undefined, number: number) {
    this.step = step;
    this.event = event;
    this.parent = parent;
    this.root = parent === undefined ? this : parent.root;
    this.number = number;
  }
}

/**
 * One partial match, or one complete match that is held back: a state and the path taken so far. A partial match that
 * goes on is changed in place; a held one never is.
 */
export class Run {
  state: number;
  node: PathNode;

  constructor(state: number, node: PathNode) {
    this.state = state;
    this.node = node;
  }
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
