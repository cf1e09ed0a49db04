import type { Event } from '../events/event.ts';
import type { Taken } from '../patterns/pattern.ts';
import type { Results, WindowView } from '../windows/window.ts';
import type { ScopeStep, ScopeValue } from './expressions/term.ts';

/**
 * What `having` and `emit` of a window are run with. There is one for each rule, turned to a window before each use:
 * it is read during the call alone.
 */
export class WindowTaken implements Taken {
  results!: Results;
  window!: WindowView;

  of(results: Results, window: WindowView): this {
    this.results = results;
    this.window = window;
    return this;
  }

  first(): Event | undefined {
    return this.window.event;
  }

  last(): Event | undefined {
    return this.window.event;
  }

  events(): readonly Event[] {
    const { event } = this.window;
    return event === undefined ? [] : [event];
  }

  count(): number {
    return this.window.event === undefined ? 0 : 1;
  }
}

const WINDOW_NAMES = ['start', 'end', 'first', 'last', 'count'] as const;

/** A window as a plain value. Times are milliseconds since the epoch. */
export const windowValue = ({ start, end, first, last, count }: WindowView): Readonly<Record<string, number>> => ({
  start,
  end,
  first,
  last,
  count,
});

/** The aggregates and the window as names in expressions. */
export function windowNames(aggregates: readonly string[]): ReadonlyMap<string, ScopeValue> {
  const names = aggregates.map((name): [string, ScopeValue] => [
    name,
    { type: 'any', read: (taken) => (taken as WindowTaken).results[name] ?? null },
  ]);
  const window: ScopeValue = {
    type: 'map',
    fields: WINDOW_NAMES,
    read: (taken) => windowValue((taken as WindowTaken).window),
  };
  return new Map([...names, ['window', window]]);
}

/** The event that made a window speak, as expressions name it. */
export const SPEAKING_EVENT: readonly [string, ScopeStep] = ['event', { index: 0, many: false, unusable: undefined }];
