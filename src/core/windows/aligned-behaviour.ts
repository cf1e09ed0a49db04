import type { Behaviour, Cells, CellWriter, Output } from '../behaviours/behaviour.ts';
import type { Event } from '../events/event.ts';
import type { KeyValue } from '../rules/rule-set.ts';
import { type InstantMs, instant, NEVER } from '../time/units.ts';
import { AggregateSet } from './aggregate-set.ts';
import { loadAligned, saveAligned } from './aligned-cells.ts';
import { AlignedState } from './aligned-state.ts';
import { Folds, PanesReading } from './folds.ts';
import { limitReached, reportDropped, reportRefused } from './limits.ts';
import { PaneGrid } from './pane-grid.ts';
import { Pane, placeOfPane } from './panes.ts';
import { Speaker } from './speaker.ts';
import type { WindowDefinition, WindowShape } from './window.ts';
import type { WindowRecord } from './window-record.ts';

/**
 * Tumbling and sliding windows. An event is added to its pane and to nothing else; windows are read from the panes when
 * they have to say something.
 *
 * A window is open until time reaches its end, then closed, and gone when the allowed lateness has passed as well. A
 * pane is kept until the last window with it is gone. `state.next` is the next window to look at as it closes: windows
 * without events are passed over, and where the answer of `having` can only change with the content, so are windows with
 * the content of the one before.
 *
 * What is asked at events, not at closings, costs as much for each event as there are windows and panes at once; what is
 * asked at closings costs a constant number of merges for each window.
 */
export class AlignedBehaviour implements Behaviour<AlignedState> {
  readonly takesLate = true;
  readonly #definition: WindowDefinition;
  readonly #grid: PaneGrid;
  readonly #set: AggregateSet;
  readonly #speaker: Speaker;
  readonly #reading: PanesReading;
  readonly #asksAtClose: boolean;
  /** Whether windows are only read once all their panes are complete, late events aside. */
  readonly #asksOnlyAtClose: boolean;
  /** Whether windows of equal content have equal answers. */
  readonly #contentDecides: boolean;

  constructor(definition: WindowDefinition, window: WindowShape & { readonly kind: 'tumbling' | 'sliding' }) {
    this.#definition = definition;
    this.#grid = new PaneGrid(window);
    this.#set = new AggregateSet(definition.aggregates);
    this.#speaker = new Speaker(definition);
    this.#reading = new PanesReading(this.#set, this.#grid);
    const { emitWhen, having, havingReadsWindow } = definition;
    const acrossWindows = emitWhen.kind === 'risingEdge' && emitWhen.across === 'windows';
    this.#asksOnlyAtClose = emitWhen.kind === 'onClose' || acrossWindows;
    this.#asksAtClose = this.#asksOnlyAtClose || emitWhen.kind === 'every';
    this.#contentDecides = this.#asksOnlyAtClose && (having === undefined || havingReadsWindow === false);
  }

  create(key: unknown): AlignedState {
    return new AlignedState(key as KeyValue);
  }

  load(cells: Cells, key: unknown): AlignedState {
    const state = loadAligned(cells, key as KeyValue, this.#set);
    this.#schedule(state);
    return state;
  }

  save(state: AlignedState, cells: CellWriter): void {
    saveAligned(state, this.#set, cells);
  }

  isEmpty(state: AlignedState): boolean {
    return state.isEmpty;
  }

  wakeAt(state: AlignedState): InstantMs {
    return instant(state.wake);
  }

  onTime(state: AlignedState, now: InstantMs, output: Output): void {
    while (state.wake <= now && state.wake !== NEVER) {
      state.now = Math.max(state.now, state.wake);
      if (state.next !== undefined && this.#grid.endOf(state.next) <= state.now) this.#close(state, state.next, output);
      else if (state.tick <= state.now) this.#askOpen(state, output);
      this.#expire(state);
      this.#schedule(state);
    }
    state.now = Math.max(state.now, now);
  }

  close(state: AlignedState, output: Output): void {
    this.onTime(state, NEVER, output);
  }

  onEvent(state: AlignedState, event: Event, output: Output): void {
    if (this.#definition.where?.(event) === false) return;
    const grid = this.#grid;
    const index = grid.paneAt(event.time);
    const first = grid.firstWindowOf(index);
    const last = grid.lastWindowOf(index);
    if (last < first) return; // between two windows
    if (event.time > state.now) this.onTime(state, event.time, output);
    if (this.#goneAt(last) <= state.now) {
      output.incident({ kind: 'late', byMs: state.now - event.time });
      return;
    }
    let oldest = first;
    while (this.#goneAt(oldest) <= state.now) oldest += 1;
    const held = this.#asksBefore ? this.#heldOf(state, oldest, last) : NONE;
    const pane = this.#paneFor(state, index, event, output);
    if (pane === undefined) return;
    this.#set.add(pane.accs, event);
    state.bytes -= pane.bytes;
    pane.bytes = this.#set.sizeOf(pane.accs);
    state.bytes += pane.bytes;
    state.changedPanes.add(pane);
    const isLate = event.time < state.now;
    if (isLate || !this.#asksOnlyAtClose) state.folds = undefined;
    if (this.#asksAtClose) {
      const open = isLate ? Math.max(oldest, grid.firstEndingAfter(state.now)) : oldest;
      if (open <= last && (state.next === undefined || open < state.next)) state.next = open;
    }
    if (isLate || !this.#asksOnlyAtClose) {
      for (let window = oldest; window <= last; window++) this.#onEventOf(state, window, event, held, oldest, output);
    }
    this.#schedule(state);
  }

  /** What a window does when an event has come into it. */
  #onEventOf(
    state: AlignedState,
    window: number,
    event: Event,
    held: readonly boolean[],
    oldest: number,
    output: Output,
  ): void {
    const { emitWhen } = this.#definition;
    const end = this.#grid.endOf(window);
    const isClosed = end <= state.now;
    switch (emitWhen.kind) {
      case 'onClose':
        if (isClosed && this.#asks(state, window, event)) {
          this.#speaker.say(state.key, instant(end), this.#updatable(state, window), output);
        }
        return;
      case 'every':
        if (isClosed) this.#askAgain(state, window, end, event, output);
        else this.#tickBy(state, window, state.now);
        return;
      case 'everyEvents':
        if (this.#countOf(state, window) % emitWhen.events === 0 && this.#asks(state, window, event)) {
          this.#speaker.say(state.key, event.time, this.#updatable(state, window), output);
        }
        return;
      case 'once':
        if (state.records.get(window)?.spoke !== true && this.#asks(state, window, event)) {
          state.recordOf(window).spoke = true;
          this.#speaker.say(state.key, event.time, undefined, output);
        }
        return;
      case 'risingEdge':
        if (emitWhen.across === 'events' && !held[window - oldest]! && this.#asks(state, window, event)) {
          this.#speaker.say(state.key, event.time, undefined, output);
        }
    }
  }

  #close(state: AlignedState, window: number, output: Output): void {
    const { emitWhen } = this.#definition;
    const end = this.#grid.endOf(window);
    let isQuiet = this.#contentDecides;
    if (emitWhen.kind === 'every') this.#askAgain(state, window, end, undefined, output);
    else {
      const holds = this.#asks(state, window, undefined);
      if (emitWhen.kind === 'onClose') {
        if (holds) this.#speaker.say(state.key, instant(end), this.#updatable(state, window), output);
        isQuiet &&= !holds;
      } else {
        if (holds && !state.held) this.#speaker.say(state.key, instant(end), undefined, output);
        state.held = holds;
      }
    }
    state.next = this.#nextAfter(state, window, isQuiet);
  }

  /** The next window to look at after one that has just closed. */
  #nextAfter(state: AlignedState, window: number, isQuiet: boolean): number | undefined {
    const { panes } = state;
    const grid = this.#grid;
    let next = window + 1;
    if (isQuiet) {
      const from = window * grid.step;
      const leaving = panes[placeOfPane(panes, from)];
      const entering = panes[placeOfPane(panes, from + grid.span)];
      if (leaving !== undefined && leaving !== entering) next = grid.lastWindowOf(leaving.index) + 1;
      if (entering !== undefined && leaving !== entering) next = Math.min(next, grid.firstWindowOf(entering.index));
    }
    // A window without events ends an edge, and says nothing else.
    if (state.held) return next;
    const pane = panes[placeOfPane(panes, next * grid.step)];
    return pane === undefined ? undefined : Math.max(next, grid.firstWindowOf(pane.index));
  }

  /** `every`: asks all open windows whose time it is. */
  #askOpen(state: AlignedState, output: Output): void {
    const now = state.tick;
    state.tick = NEVER;
    const grid = this.#grid;
    for (let window = grid.firstEndingAfter(now); grid.startOf(window) < now; window++) {
      if ((now - grid.startOf(window)) % this.#every === 0) this.#askAgain(state, window, now, undefined, output);
      if (this.#countOf(state, window) !== (state.records.get(window)?.asked ?? 0)) this.#tickBy(state, window, now);
    }
  }

  /** `every`: asks a window into which something has come since it was last asked. */
  #askAgain(state: AlignedState, window: number, time: number, event: Event | undefined, output: Output): void {
    const count = this.#countOf(state, window);
    if (count === (state.records.get(window)?.asked ?? 0)) return;
    const record = state.recordOf(window);
    record.asked = count;
    if (this.#asks(state, window, event)) this.#speaker.say(state.key, instant(time), record, output);
  }

  #tickBy(state: AlignedState, window: number, now: number): void {
    const start = this.#grid.startOf(window);
    const tick = start + this.#every * (Math.floor((now - start) / this.#every) + 1);
    if (tick < this.#grid.endOf(window) && tick < state.tick) state.tick = tick;
  }

  get #every(): number {
    const { emitWhen } = this.#definition;
    return emitWhen.kind === 'every' ? emitWhen.every : NEVER;
  }

  get #asksBefore(): boolean {
    const { emitWhen } = this.#definition;
    return emitWhen.kind === 'risingEdge' && emitWhen.across === 'events';
  }

  #heldOf(state: AlignedState, first: number, last: number): boolean[] {
    const held: boolean[] = [];
    for (let window = first; window <= last; window++) {
      this.#turn(state, window, undefined);
      held.push(this.#speaker.heldWithout());
    }
    return held;
  }

  /** Turns the speaker to a window and asks `having`. */
  #asks(state: AlignedState, window: number, event: Event | undefined): boolean {
    this.#turn(state, window, event);
    return this.#speaker.holds();
  }

  #turn(state: AlignedState, window: number, event: Event | undefined): void {
    const reading = this.#read(state, window);
    this.#speaker.turn(state.key, reading, this.#grid.startOf(window), this.#grid.endOf(window), event);
  }

  #countOf(state: AlignedState, window: number): number {
    const reading = this.#read(state, window);
    return reading.isEmpty ? 0 : reading.extent.count;
  }

  #read(state: AlignedState, window: number): PanesReading {
    state.folds ??= new Folds(this.#set, this.#grid.span);
    return this.#reading.of(state.panes, state.folds, window);
  }

  /** The record of a window that may speak again; undefined when it cannot. */
  #updatable(state: AlignedState, window: number): WindowRecord | undefined {
    const { emitWhen, allowedLateness } = this.#definition;
    return emitWhen.kind === 'onClose' && allowedLateness === 0 ? undefined : state.recordOf(window);
  }

  #goneAt(window: number): number {
    return this.#grid.endOf(window) + this.#definition.allowedLateness;
  }

  /** The event's pane, made if need be; undefined when a limit stands in the way. */
  #paneFor(state: AlignedState, index: number, event: Event, output: Output): Pane | undefined {
    const { limits } = this.#definition;
    for (;;) {
      const place = placeOfPane(state.panes, index);
      let pane = state.panes[place];
      if (pane?.index !== index) pane = undefined;
      const limit = limitReached(limits, state.panes.length, state.bytes, pane === undefined);
      if (limit === undefined) {
        if (pane !== undefined) return pane;
        pane = new Pane(index, this.#set.create());
        state.addPane(pane);
        return pane;
      }
      if (limits.onLimit !== 'dropOldest' || place === 0) {
        reportRefused(limits, limit, event, output);
        return undefined;
      }
      state.dropPanes(1);
      state.folds = undefined;
      reportDropped(limit, output);
    }
  }

  #expire(state: AlignedState): void {
    const { panes, now } = state;
    let gone = 0;
    while (gone < panes.length && this.#goneAt(this.#grid.lastWindowOf(panes[gone]!.index)) <= now) gone += 1;
    if (gone > 0) state.dropPanes(gone);
    for (const [window, record] of state.records) {
      if (this.#goneAt(window) > now && !state.isEmpty) break;
      state.dropRecord(window, record);
    }
  }

  #schedule(state: AlignedState): void {
    const last = state.panes.at(-1);
    const gone = last === undefined ? NEVER : this.#goneAt(this.#grid.lastWindowOf(last.index));
    const close = state.next === undefined ? NEVER : this.#grid.endOf(state.next);
    state.wake = Math.min(gone, close, state.tick);
  }
}

const NONE: readonly boolean[] = [];
