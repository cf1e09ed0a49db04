import type { KeyValue } from '../rules/rule-set.ts';
import { type InstantMs, NEVER } from '../time/units.ts';
import type { CellStore } from './cell-store.ts';
import { PathNode, type Run } from './path.ts';
import { popRun } from './run-heap.ts';
import type { TakenEvent } from './taken-event.ts';

/** Bytes counted for a state, a node and a run, beside the events, against `PatternLimits.stateBytes`. */
export const bytesOfState = 320;
export const bytesOfNode = 88;
export const bytesOfRun = 80;

/** The list of a state that had no run yet; shared by all of them, so nothing is ever added to it. */
const none: Run[] = [];

/**
 * What one key holds for one pattern. Counts the uses of nodes and events, so that it is known at any time how much is
 * held, and so that saving need not look at what did not change.
 *
 * The permanent start run of Flink is not among `runs`: it sorts after all others, so it is simply taken last.
 */
export class PatternState {
  // What every event looks at stands first, so that it is near each other in memory.
  /** When time next changes something; `NEVER` when it does not. */
  due: InstantMs = NEVER;
  /**
   * The partial matches, in the order in which they look at an event: a heap by beginning, or, when the automaton is
   * `ordered`, sorted by beginning. Entries before `head` are gone.
   */
  runs: Run[] = none;
  head = 0;
  readonly key: KeyValue;
  /** Complete matches that wait for partial matches which began earlier: a heap by beginning. */
  held: Run[] = none;
  /** How many runs wait in each state; undefined when not known. Kept only where there are many. */
  counts: Int32Array | undefined = undefined;
  /** Where the parts of a large state are stored; undefined while the state is small. */
  store: CellStore | undefined = undefined;
  nextOrdinal = 0;
  nodeCount = 0;
  /** Something changed since the last save. */
  changed = false;
  /** Cell 0 exists. */
  saved = false;
  #bytes = 0;
  /** How many ways the pattern has of keeping an event's data. */
  readonly variants: number;
  /** Number of the next node of a large state. */
  nextNode = 0;
  /** Position that `runs[0]` has since the state became large; positions only grow when runs leave at the front. */
  runsBase = 0;

  constructor(key: KeyValue, variants: number) {
    this.key = key;
    this.variants = variants;
  }

  get runCount(): number {
    return this.runs.length - this.head;
  }

  get isEmpty(): boolean {
    return this.runs.length === this.head && this.held.length === 0;
  }

  /** Bytes held, as counted against the limit: about what they take in memory, rather more than less. */
  get bytes(): number {
    if (this.isEmpty) return 0;
    return bytesOfState + this.#bytes + (this.runCount + this.held.length) * bytesOfRun;
  }

  extend(parent: PathNode | undefined, step: number, event: TakenEvent): PathNode {
    const { store } = this;
    const node = new PathNode(step, event, parent, store === undefined ? -1 : this.nextNode++);
    if (parent !== undefined) parent.uses++;
    if (event.uses++ === 0) {
      this.#bytes += event.bytes;
      store?.addEvent(event);
    }
    this.nodeCount++;
    this.#bytes += bytesOfNode;
    store?.addNode(node);
    return node;
  }

  hold(node: PathNode): void {
    node.uses++;
    this.changed = true;
  }

  drop(node: PathNode): void {
    this.changed = true;
    for (let at: PathNode | undefined = node; at !== undefined && --at.uses === 0; at = at.parent) {
      const { event } = at;
      if (--event.uses === 0) {
        this.#bytes -= event.bytes;
        this.store?.removeEvent(event);
      }
      this.nodeCount--;
      this.#bytes -= bytesOfNode;
      this.store?.removeNode(at);
    }
  }

  /** Makes room for a run where there was never one: exactly that much, because mostly there is no second. */
  addFirstRun(run: Run): boolean {
    if (this.runs !== none) return false;
    this.runs = [run];
    return true;
  }

  /** The list of held matches, to be added to. */
  get heldToAdd(): Run[] {
    if (this.held === none) this.held = [];
    return this.held;
  }

  /** Runs at `place` in `runs` and behind it are not what they were. */
  runsChangedFrom(place: number): void {
    this.counts = undefined;
    this.store?.runsChangedFrom(this.runsBase + place);
  }

  /** Puts `next` in place of the runs there are; up to before `changedFrom` in `runs` they are the same. */
  replaceRuns(next: Run[], changedFrom = this.#firstOther(next)): void {
    this.runsChangedFrom(changedFrom);
    this.runsBase += this.head;
    this.runs = next;
    this.head = 0;
  }

  #firstOther(next: readonly Run[]): number {
    if (this.store === undefined) return this.head;
    let same = 0;
    while (same < next.length && next[same] === this.runs[this.head + same]) same++;
    return this.head + same;
  }

  /** Nothing is held, so there is nothing that the counters order. */
  rewind(): void {
    this.nextOrdinal = 0;
    this.nextNode = 0;
  }

  /** Removes the first run of an ordered list. */
  shiftRun(): Run {
    const run = this.runs[this.head]!;
    // Nobody looks before `head`, and what stood there must not be kept alive.
    (this.runs as (Run | undefined)[])[this.head++] = undefined;
    if (this.counts !== undefined) this.counts[run.state]!--;
    if (this.head === this.runs.length) {
      this.runsBase += this.head;
      this.runs = [];
      this.head = 0;
    } else if (this.head > 64 && this.head * 2 > this.runs.length) {
      this.runsBase += this.head;
      this.runs = this.runs.slice(this.head);
      this.head = 0;
    }
    return run;
  }

  /** Removes the first run of a heap. */
  popRun(): Run {
    const run = popRun(this.runs);
    this.runsChangedFrom(0);
    return run;
  }
}
