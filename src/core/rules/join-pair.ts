import type { Event } from '../events/event.ts';
import type { Side, TimeWindow } from '../joins/join.ts';
import type { Taken } from '../patterns/pattern.ts';
import type { ScopeStep, ScopeValue } from './expressions/term.ts';
import type { NamedStep } from './step-table.ts';

/** The sides as expressions know them: like steps that hold one event, or none. */
export const STEP_OF: Readonly<Record<Side, number>> = { left: 0, right: 1 };

/**
 * What the expressions of a join are run with. There is one for each join, filled before each use: it is read during
 * the call alone, and one event may be tried with thousands of others.
 */
export class Pair implements Taken {
  left: Event | undefined;
  right: Event | undefined;
  window: TimeWindow | undefined;

  /** This, holding these. */
  of(left: Event | undefined, right: Event | undefined, window?: TimeWindow): this {
    this.left = left;
    this.right = right;
    this.window = window;
    return this;
  }

  first(step: number): Event | undefined {
    return step === STEP_OF.left ? this.left : this.right;
  }

  last(step: number): Event | undefined {
    return this.first(step);
  }

  events(step: number): readonly Event[] {
    const event = this.first(step);
    return event === undefined ? [] : [event];
  }

  count(step: number): number {
    return this.first(step) === undefined ? 0 : 1;
  }
}

/** The window of a pair, in expressions. */
export const PAIR_WINDOW: ScopeValue = { type: 'map', read: (taken) => (taken as Pair).window ?? null };

/** The two aliases as names in expressions. `unusable` says of a side why it cannot be named there. */
export function sideNames(
  names: Readonly<Record<Side, string>>,
  unusable: Partial<Record<Side, ScopeStep['unusable']>> = {},
): ReadonlyMap<string, ScopeStep> {
  return new Map(
    (['left', 'right'] as const).map((side) => [
      names[side],
      { index: STEP_OF[side], many: false, unusable: unusable[side] },
    ]),
  );
}

/** The same for functions of modules. */
export const sideSteps = (names: Readonly<Record<Side, string>>): readonly NamedStep[] =>
  (['left', 'right'] as const).map((side) => ({
    name: names[side],
    entry: { index: STEP_OF[side], many: false, bans: false },
  }));
