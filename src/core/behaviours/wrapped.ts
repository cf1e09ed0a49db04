import type { Event } from '../events/event.ts';
import type { KeyValue } from '../rules/rule-set.ts';
import type { InstantMs } from '../time/units.ts';
import type { Behaviour, Cells, CellWriter, Output } from './behaviour.ts';
import { firstExtraCell, splitCells } from './extra-cells.ts';

/** What a wrapper remembers beside the behaviour within. */
export interface Memory {
  /** Writes what changed; cells are numbered from `first`. */
  save(cells: CellWriter, first: number): void;
  /** Whether it says no more than a fresh one. */
  readonly isEmpty: boolean;
  /** When it can forget something. */
  readonly wakeAt: InstantMs;
  onTime(now: InstantMs): void;
}

/** A state within a wrapper's state. */
export interface WrappedState<Own extends Memory> {
  readonly inner: unknown;
  readonly own: Own;
  readonly key: KeyValue;
}

export interface Wrapper<Own extends Memory> {
  /** Its number among wrappers; see extra-cells. */
  readonly number: number;
  create(): Own;
  load(cells: Cells): Own;
  /** What stands between the behaviour and the output; undefined = nothing does. */
  output?(own: Own, output: Output, key: KeyValue): Output;
  /** Shows the behaviour an event, or does not. */
  onEvent?(own: Own, event: Event, show: () => void, output: Output, key: KeyValue): void;
}

/**
 * Puts a wrapper around a behaviour: calls go to what it stands before, its memory lives in the same state, in cells of
 * its own.
 */
export function wrapped<Own extends Memory>(inner: Behaviour, wrapper: Wrapper<Own>): Behaviour<WrappedState<Own>> {
  type State = WrappedState<Own>;
  const first = firstExtraCell(wrapper.number);
  const through = ({ own, key }: State, output: Output): Output => wrapper.output?.(own, output, key) ?? output;
  return {
    create: (key) => ({ inner: inner.create(key), own: wrapper.create(), key: key as KeyValue }),
    load(cells, key) {
      const parts = splitCells(cells, wrapper.number);
      const state = parts.inner.size === 0 ? inner.create(key) : inner.load(parts.inner, key);
      const own = parts.own.size === 0 ? wrapper.create() : wrapper.load(parts.own);
      return { inner: state, own, key: key as KeyValue };
    },
    save(state, cells) {
      inner.save(state.inner, cells);
      state.own.save(cells, first);
    },
    isEmpty: (state) => inner.isEmpty(state.inner) && state.own.isEmpty,
    onEvent(state, event, output) {
      const said = through(state, output);
      const show = (): void => inner.onEvent(state.inner, event, said);
      if (wrapper.onEvent === undefined) show();
      else wrapper.onEvent(state.own, event, show, output, state.key);
    },
    onTime(state, now, output) {
      inner.onTime(state.inner, now, through(state, output));
      state.own.onTime(now);
    },
    wakeAt: (state) => Math.min(inner.wakeAt(state.inner), state.own.wakeAt) as InstantMs,
    ...(inner.close !== undefined && {
      close: (state: State, output: Output) => inner.close!(state.inner, through(state, output)),
    }),
    ...(inner.wakeAtProcessing !== undefined && {
      wakeAtProcessing: (state: State) => inner.wakeAtProcessing!(state.inner),
    }),
    ...(inner.onProcessingTime !== undefined && {
      onProcessingTime: (state: State, now: InstantMs, output: Output) =>
        inner.onProcessingTime!(state.inner, now, through(state, output)),
    }),
    ...(inner.takesLate !== undefined && { takesLate: inner.takesLate }),
  };
}
