import type { Behaviour, Cells, CellWriter, Output } from '../behaviours/behaviour.ts';
import type { Event } from '../events/event.ts';
import type { KeyValue } from '../rules/rule-set.ts';
import { type InstantMs, instant, NEVER } from '../time/units.ts';
import { type Accs, AccsReading, AggregateSet } from './aggregate-set.ts';
import { limitReached, reportDropped, reportRefused } from './limits.ts';
import { loadOwnWindows, type OwnWindow, OwnWindowsState, saveOwnWindows } from './own-windows.ts';
import { Speaker } from './speaker.ts';
import type { WindowDefinition } from './window.ts';

/** What the shapes with windows of their own differ in. */
export interface OwnShape {
  /** The windows that an event belongs to, ascending: none, one, or several that it makes one. */
  joined(state: OwnWindowsState, time: number): OwnWindow[];
  /** What a window's end is called. */
  endOf(first: number, last: number): number;
  /** When a window with these first and last events closes, and when it is gone for late events as well. */
  closesAt(first: number, last: number): number;
  goneAt(first: number, last: number): number;
  /** Whether a window that no time closes closes when the input ends. */
  readonly endsWithInput: boolean;
  /** Whether a window with so many events is complete, whatever the time. */
  isFull(count: number): boolean;
}

/**
 * Sessions and windows that go by count: each has accumulators of its own, and at any time a key has few of them.
 *
 * A session is closed when its gap has passed without an event, and gone when the allowed lateness has passed as well. A
 * late event may make it longer, so that it is open again, and may make two sessions one: the first that has spoken gives
 * the updates their name.
 */
export class OwnWindowsBehaviour implements Behaviour<OwnWindowsState> {
  readonly takesLate = true;
  readonly #definition: WindowDefinition;
  readonly #shape: OwnShape;
  readonly #set: AggregateSet;
  readonly #speaker: Speaker;
  readonly #reading: AccsReading;

  constructor(definition: WindowDefinition, shapeOf: (set: AggregateSet) => OwnShape) {
    this.#definition = definition;
    this.#set = new AggregateSet(definition.aggregates);
    this.#shape = shapeOf(this.#set);
    this.#speaker = new Speaker(definition);
    this.#reading = new AccsReading(this.#set);
  }

  create(key: unknown): OwnWindowsState {
    return new OwnWindowsState(key as KeyValue);
  }

  load(cells: Cells, key: unknown): OwnWindowsState {
    const state = loadOwnWindows(cells, key as KeyValue, this.#set);
    this.#schedule(state);
    return state;
  }

  save(state: OwnWindowsState, cells: CellWriter): void {
    saveOwnWindows(state, this.#set, cells);
  }

  isEmpty(state: OwnWindowsState): boolean {
    return state.isEmpty;
  }

  wakeAt(state: OwnWindowsState): InstantMs {
    return instant(state.wake);
  }

  onTime(state: OwnWindowsState, now: InstantMs, output: Output): void {
    while (state.wake <= now && state.wake !== NEVER) {
      state.now = Math.max(state.now, state.wake);
      // Copied, since windows go.
      for (const window of [...state.windows]) this.#wake(state, window, output);
      this.#schedule(state);
    }
    state.now = Math.max(state.now, now);
  }

  close(state: OwnWindowsState, output: Output): void {
    this.onTime(state, NEVER, output);
    if (!this.#shape.endsWithInput) return;
    for (const window of [...state.windows]) {
      this.#onClosed(state, window, undefined, output);
      state.remove(window);
    }
  }

  onEvent(state: OwnWindowsState, event: Event, output: Output): void {
    if (this.#definition.where?.(event) === false) return;
    const { time } = event;
    if (time > state.now) this.onTime(state, time, output);
    const joined = this.#shape.joined(state, time);
    let [window] = joined;
    if (this.#isLate(state, window, time)) {
      output.incident({ kind: 'late', byMs: state.now - time });
      return;
    }
    if (!this.#hasRoom(state, window, event, output)) return;
    const held = this.#asksBefore && this.#heldBefore(state, joined, time);
    if (window === undefined) {
      let place = state.windows.length;
      while (place > 0 && this.#set.extentOf(state.windows[place - 1]!.accs).first > time) place -= 1;
      window = state.insert(place, this.#set.create());
    }
    this.#set.add(window.accs, event);
    for (const later of joined.slice(1)) this.#merge(state, window, later);
    state.bytes -= window.bytes;
    window.bytes = this.#set.sizeOf(window.accs);
    state.bytes += window.bytes;
    state.changed.add(window);
    this.#afterEvent(state, window, event, held, output);
    this.#schedule(state);
  }

  #isLate(state: OwnWindowsState, window: OwnWindow | undefined, time: number): boolean {
    if (time >= state.now) return false;
    const { closesAt, goneAt } = this.#shape;
    if (closesAt(time, time) === NEVER) return time + this.#definition.allowedLateness < state.now;
    return window === undefined && goneAt(time, time) <= state.now;
  }

  #merge(state: OwnWindowsState, into: OwnWindow, from: OwnWindow): void {
    this.#set.merge(into.accs, from.accs);
    into.record.spoke ||= from.record.spoke;
    into.record.asked = 0;
    if (into.record.identity === undefined && from.record.identity !== undefined) {
      const { spoke } = into.record;
      [into.record, from.record] = [from.record, into.record];
      into.record.spoke = spoke;
      into.record.asked = 0;
    }
    state.remove(from);
  }

  #afterEvent(state: OwnWindowsState, window: OwnWindow, event: Event, held: boolean, output: Output): void {
    const { emitWhen } = this.#definition;
    const { first, last, count } = this.#set.extentOf(window.accs);
    const isFull = this.#shape.isFull(count);
    const closesAt = this.#shape.closesAt(first, last);
    window.isClosed = isFull || closesAt <= state.now;
    switch (emitWhen.kind) {
      case 'onClose':
      case 'every':
        if (window.isClosed) this.#onClosed(state, window, event, output);
        else if (emitWhen.kind === 'every') {
          let tick = first + emitWhen.every * (Math.floor((state.now - first) / emitWhen.every) + 1);
          // The division is rounded, and so the next one may be now.
          if (tick <= state.now) tick += emitWhen.every;
          window.tick = tick < closesAt ? tick : NEVER;
        }
        break;
      case 'everyEvents':
        if (count % emitWhen.events === 0 && this.#asks(state, window, event)) {
          this.#speaker.say(state.key, event.time, window.record, output);
        }
        break;
      case 'once':
        if (!window.record.spoke && this.#asks(state, window, event)) {
          window.record.spoke = true;
          this.#speaker.say(state.key, event.time, undefined, output);
        }
        break;
      case 'risingEdge':
        if (!held && this.#asks(state, window, event)) this.#speaker.say(state.key, event.time, undefined, output);
    }
    if (isFull) state.remove(window);
  }

  /** Time has reached something: of this window or of another. */
  #wake(state: OwnWindowsState, window: OwnWindow, output: Output): void {
    const { first, last } = this.#set.extentOf(window.accs);
    if (window.tick <= state.now) {
      window.tick = NEVER;
      state.changed.add(window);
      this.#askAgain(state, window, state.now, undefined, output);
    }
    if (!window.isClosed && this.#shape.closesAt(first, last) <= state.now) {
      window.isClosed = true;
      state.changed.add(window);
      this.#onClosed(state, window, undefined, output);
    }
    if (this.#shape.goneAt(first, last) <= state.now) state.remove(window);
  }

  /** The window has closed, or a closed one was changed by a late event. */
  #onClosed(state: OwnWindowsState, window: OwnWindow, event: Event | undefined, output: Output): void {
    const { emitWhen, allowedLateness } = this.#definition;
    const { first, last } = this.#set.extentOf(window.accs);
    const closesAt = this.#shape.closesAt(first, last);
    // Without a time of its own to close it closes with its last event, for good.
    const time = closesAt === NEVER ? last : closesAt;
    window.tick = NEVER;
    if (emitWhen.kind === 'every') this.#askAgain(state, window, time, event, output);
    else if (emitWhen.kind === 'onClose' && this.#asks(state, window, event)) {
      const isLastWord = closesAt === NEVER || allowedLateness === 0;
      this.#speaker.say(state.key, instant(time), isLastWord ? undefined : window.record, output);
    }
  }

  /** `every`: asks a window into which something has come since it was last asked. */
  #askAgain(state: OwnWindowsState, window: OwnWindow, time: number, event: Event | undefined, output: Output): void {
    const { count } = this.#set.extentOf(window.accs);
    if (count === window.record.asked) return;
    window.record.asked = count;
    if (this.#asks(state, window, event)) this.#speaker.say(state.key, instant(time), window.record, output);
  }

  get #asksBefore(): boolean {
    return this.#definition.emitWhen.kind === 'risingEdge';
  }

  #heldBefore(state: OwnWindowsState, joined: readonly OwnWindow[], time: number): boolean {
    const held = ({ accs }: { readonly accs: Accs }, first: number, last: number): boolean => {
      this.#speaker.turn(state.key, this.#reading.of(accs), first, this.#shape.endOf(first, last), undefined);
      return this.#speaker.heldWithout();
    };
    if (joined.length === 0) return held({ accs: this.#set.create() }, time, time);
    return joined.some((window) => {
      const { first, last } = this.#set.extentOf(window.accs);
      return held(window, first, last);
    });
  }

  #asks(state: OwnWindowsState, window: OwnWindow, event: Event | undefined): boolean {
    const { first, last } = this.#set.extentOf(window.accs);
    this.#speaker.turn(state.key, this.#reading.of(window.accs), first, this.#shape.endOf(first, last), event);
    return this.#speaker.holds();
  }

  /** Makes room for an event if a limit stands in the way and the rule wants that; false when it cannot be taken. */
  #hasRoom(state: OwnWindowsState, window: OwnWindow | undefined, event: Event, output: Output): boolean {
    const { limits } = this.#definition;
    for (;;) {
      const limit = limitReached(limits, state.windows.length, state.bytes, window === undefined);
      if (limit === undefined) return true;
      const [oldest] = state.windows;
      if (limits.onLimit !== 'dropOldest' || oldest === undefined || oldest === window) {
        reportRefused(limits, limit, event, output);
        return false;
      }
      state.remove(oldest);
      reportDropped(limit, output);
    }
  }

  #schedule(state: OwnWindowsState): void {
    let wake: number = NEVER;
    for (const { accs, isClosed, tick } of state.windows) {
      const { first, last } = this.#set.extentOf(accs);
      const due = isClosed ? this.#shape.goneAt(first, last) : this.#shape.closesAt(first, last);
      wake = Math.min(wake, due, tick);
    }
    state.wake = wake;
  }
}
