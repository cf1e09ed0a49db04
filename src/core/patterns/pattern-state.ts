import type { KeyValue } from '../rules/rule-set.ts';
import { type InstantMs, NEVER } from '../time/units.ts';
import type { CellStore } from './cell-store.ts';
import { PathNode, type Run, type TakenEvent } from './path.ts';

/** Bytes counted for a node and for a run, beside the events, against `PatternLimits.stateBytes`. */
export const bytesOfNode = 16;
export const bytesOfRun = 16;

/**
 * What one key holds for one pattern. Counts the uses of nodes and events, so that it is known at any time how much is
 * held, and so that saving need not look at what did not change.
 *
 * The permanent start run of Flink is not among `runs`: it sorts after all others, so it is simply taken last.
 */
export class PatternState {
  readonly key: KeyValue;
  /**
   * The partial matches, in the order in which they look at an event: a heap by beginning, or, when the automaton is
   * `ordered`, sorted by beginning. Entries before `head` are gone.
   */
  runs: Run[] = [];
  head = 0;
  /** Complete matches that wait for partial matches which began earlier: a heap by beginning. */
  held: Run[] = [];
  /** When time next changes something; `NEVER` when it does not. */
  due: InstantMs = NEVER;
  nextOrdinal = 0;
  nextNode = 0;
  nodeCount = 0;
  /** How many runs wait in each state; undefined when not known. Kept only where there are many. */
  counts: Int32Array | undefined = undefined;
  /** Position that `runs[0]` has since the state became large; positions only grow when runs leave at the front. */
  runsBase = 0;
  /** Something changed since the last save. */
  changed = false;
  /** Cell 0 exists. */
  saved = false;
  /** Where the parts of a large state are stored; undefined while the state is small. */
  store: CellStore | undefined = undefined;
  #bytes = 0;

  /** How many ways the pattern has of keeping an event's data. */
  readonly variants: number;

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

  /** Bytes held, as counted against the limit. */
  get bytes(): number {
    return this.#bytes + (this.runCount + this.held.length) * bytesOfRun;
  }

  extend(parent: PathNode | undefined, step: number, event: TakenEvent): PathNode {
    const node = new PathNode(step, event, parent, this.nextNode++);
    this.adopt(node);
    return node;
  }

  /** Counts a node that is not yet counted; its parent must be. */
  adopt(node: PathNode): void {
    const { event, parent } = node;
    if (parent !== undefined) parent.uses++;
    if (event.uses++ === 0) {
      this.#bytes += event.bytes;
      this.store?.addEvent(event);
    }
    this.nodeCount++;
    this.#bytes += bytesOfNode;
    this.store?.addNode(node);
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

  /** Puts `next` in place of the runs there are. */
  replaceRuns(next: Run[]): void {
    if (this.store !== undefined) {
      let same = 0;
      while (same < next.length && next[same] === this.runs[this.head + same]) same++;
      this.store.runsChangedFrom(this.runsBase + this.head + same);
    }
    this.runsBase += this.head;
    this.runs = next;
    this.head = 0;
    this.counts = undefined;
  }

  /** Nothing is held, so there is nothing that the counters order. */
  rewind(): void {
    this.nextOrdinal = 0;
    this.nextNode = 0;
  }

  /** Removes the first run of an ordered list. */
  shiftRun(): Run {
    const run = this.runs[this.head++]!;
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
}
