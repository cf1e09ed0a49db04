import type { Behaviour, Cells, CellWriter, Output } from '../behaviours/behaviour.ts';
import type { Event } from '../events/event.ts';
import type { KeyValue } from '../rules/rule-set.ts';
import { type InstantMs, instant, NEVER } from '../time/units.ts';
import { AggregateSet } from './aggregate-set.ts';
import { greatestCommonDivisor } from './divisor.ts';
import { limitReached, reportDropped, reportRefused } from './limits.ts';
import { loadRing, RingState, saveRing } from './ring-state.ts';
import { Speaker } from './speaker.ts';
import type { WindowDefinition, WindowShape } from './window.ts';

/** What both windows over a ring have in common: where the state is kept, and how windows are asked and limits held. */
abstract class RingBehaviour implements Behaviour<RingState> {
  abstract readonly takesLate: boolean;
  protected readonly definition: WindowDefinition;
  protected readonly set: AggregateSet;
  protected readonly speaker: Speaker;

  constructor(definition: WindowDefinition) {
    this.definition = definition;
    this.set = new AggregateSet(definition.aggregates);
    this.speaker = new Speaker(definition);
  }

  create(key: unknown): RingState {
    return new RingState(key as KeyValue, this.set);
  }

  load(cells: Cells, key: unknown): RingState {
    const state = loadRing(cells, key as KeyValue, this.set);
    this.schedule(state);
    return state;
  }

  save(state: RingState, cells: CellWriter): void {
    saveRing(state, this.set, cells);
  }

  isEmpty(state: RingState): boolean {
    return state.isEmpty;
  }

  wakeAt(state: RingState): InstantMs {
    return instant(state.wake);
  }

  onTime(state: RingState, now: InstantMs, _output: Output): void {
    if (now > state.now) state.now = now;
    if (state.wake > now || state.wake === NEVER) return;
    state.ring.clear();
    state.changed = true;
    this.schedule(state);
  }

  close(state: RingState, output: Output): void {
    this.onTime(state, NEVER, output);
  }

  abstract onEvent(state: RingState, event: Event, output: Output): void;

  /** Sets when all of the ring is too old. */
  protected abstract schedule(state: RingState): void;

  /** Adds the event as an entry of its own; false when a limit stands in the way. */
  protected push(state: RingState, event: Event, output: Output): boolean {
    const { limits } = this.definition;
    const { ring } = state;
    for (;;) {
      const limit = limitReached(limits, ring.size, ring.bytes, true);
      if (limit === undefined) break;
      if (limits.onLimit !== 'dropOldest' || ring.size === 0) {
        reportRefused(limits, limit, event, output);
        return false;
      }
      ring.shift();
      reportDropped(limit, output);
    }
    const accs = this.set.create();
    this.set.add(accs, event);
    if (ring.next < state.changedFrom) state.changedFrom = ring.next;
    ring.push({ accs, bytes: this.set.sizeOf(accs) });
    state.changed = true;
    return true;
  }
}

/**
 * One window for each event: that event and those before it that are at most `size` older. The events themselves are
 * kept, each with its own accumulators, until they are too old for any event to come.
 */
export class PerEventBehaviour extends RingBehaviour {
  readonly takesLate = false;
  readonly #size: number;

  constructor(definition: WindowDefinition, window: WindowShape & { readonly kind: 'perEvent' }) {
    super(definition);
    this.#size = window.size;
  }

  override onEvent(state: RingState, event: Event, output: Output): void {
    const { where, emitWhen } = this.definition;
    if (where?.(event) === false) return;
    if (event.time < state.now) {
      output.incident({ kind: 'late', byMs: state.now - event.time });
      return;
    }
    state.now = event.time;
    const { ring } = state;
    const start = event.time - this.#size;
    while (!ring.isEmpty && ring.extentOf(ring.first).last < start) ring.shift();
    state.changed = true;
    if (ring.isEmpty) state.changedFrom = 0;
    let held = false;
    if (emitWhen.kind === 'risingEdge') {
      this.speaker.turn(state.key, ring, start, event.time, undefined);
      held = this.speaker.heldWithout();
    }
    if (this.push(state, event, output) && !held) {
      this.speaker.turn(state.key, ring, start, event.time, event);
      if (this.speaker.holds()) this.speaker.say(state.key, event.time, undefined, output);
    }
    this.schedule(state);
  }

  protected override schedule(state: RingState): void {
    const { ring } = state;
    state.wake = ring.isEmpty ? NEVER : ring.extentOf(ring.next - 1).last + this.#size + 1;
  }
}

/**
 * The last `size` events, looked at after every `slide` of them. Events are kept in panes of as many as divide both, so
 * an entry of the ring is a pane.
 */
export class CountSlidingBehaviour extends RingBehaviour {
  readonly takesLate = true;
  /** Events of a pane. */
  readonly #pane: number;
  readonly #size: number;
  readonly #slide: number;

  constructor(definition: WindowDefinition, window: WindowShape & { readonly kind: 'countSliding' }) {
    super(definition);
    this.#size = window.size;
    this.#slide = window.slide;
    this.#pane = greatestCommonDivisor(window.size, window.slide);
  }

  override onEvent(state: RingState, event: Event, output: Output): void {
    const { where, emitWhen, allowedLateness } = this.definition;
    if (where?.(event) === false) return;
    if (event.time + allowedLateness < state.now) {
      output.incident({ kind: 'late', byMs: state.now - event.time });
      return;
    }
    if (event.time > state.now) state.now = event.time;
    if (!this.#take(state, event, output)) return;
    if (state.counted < this.#slide) return;
    state.counted = 0;
    const { ring } = state;
    const { first, last } = ring.extent;
    this.speaker.turn(state.key, ring, first, last, event);
    const holds = this.speaker.holds();
    if (holds && !(emitWhen.kind === 'risingEdge' && state.held)) {
      this.speaker.say(state.key, event.time, undefined, output);
    }
    state.held = holds && emitWhen.kind === 'risingEdge';
    // What the next window does not reach back to.
    const kept = Math.max(0, (this.#size - this.#slide) / this.#pane);
    while (ring.size > kept) ring.shift();
  }

  #take(state: RingState, event: Event, output: Output): boolean {
    const { ring } = state;
    if (state.counted % this.#pane === 0 || ring.isEmpty) {
      if (!this.push(state, event, output)) return false;
      while (ring.size > this.#size / this.#pane) ring.shift();
    } else {
      const entry = ring.at(ring.next - 1);
      this.set.add(entry.accs, event);
      const bytes = this.set.sizeOf(entry.accs);
      ring.bytes += bytes - entry.bytes;
      entry.bytes = bytes;
      state.changedFrom = Math.min(state.changedFrom, ring.next - 1);
    }
    state.counted += 1;
    state.changed = true;
    return true;
  }

  protected override schedule(state: RingState): void {
    state.wake = NEVER;
  }
}
