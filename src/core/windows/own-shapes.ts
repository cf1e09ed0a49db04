import { NEVER } from '../time/units.ts';
import type { AggregateSet } from './aggregate-set.ts';
import type { OwnWindow, OwnWindowsState } from './own-windows.ts';
import type { OwnShape } from './own-windows-behaviour.ts';
import type { WindowShape } from './window.ts';

/**
 * Sessions: a gap of exactly `gap` stays inside, so a session closes one millisecond later; `maxSize` is exclusive. For
 * that millisecond, times being fractional, another session may already have begun.
 */
export function sessionShape(
  window: WindowShape & { readonly kind: 'session' },
  allowedLateness: number,
  set: AggregateSet,
): OwnShape {
  const { gap } = window;
  const maxSize: number = window.maxSize ?? NEVER;
  return {
    joined(state, time) {
      const near: OwnWindow[] = [];
      for (let place = state.windows.length - 1; place >= 0; place--) {
        const { first, last } = set.extentOf(state.windows[place]!.accs);
        if (last + gap < time) break;
        if (first - gap <= time) near.push(state.windows[place]!);
      }
      // The earliest comes first; what would make the session too long stays on its own.
      let from = time;
      let to = time;
      return near.reverse().filter(({ accs }) => {
        const { first, last } = set.extentOf(accs);
        if (Math.max(to, last) - Math.min(from, first) >= maxSize) return false;
        from = Math.min(from, first);
        to = Math.max(to, last);
        return true;
      });
    },
    endOf: (first, last) => Math.min(last + gap, first + maxSize),
    closesAt: (first, last) => Math.min(last + gap + 1, first + maxSize),
    goneAt: (first, last) => Math.min(last + gap + 1, first + maxSize) + allowedLateness,
    endsWithInput: false,
    isFull: () => false,
  };
}

/** One window after another of `size` events each, in order of arrival; with an infinite size, one for ever. */
export function countShape(size: number): OwnShape {
  return {
    joined: (state: OwnWindowsState) => [...state.windows],
    endOf: (_first, last) => last,
    closesAt: () => NEVER,
    goneAt: () => NEVER,
    endsWithInput: size === Number.POSITIVE_INFINITY,
    isFull: (count) => count >= size,
  };
}
