import { type InstantMs, instant } from './units.ts';

/**
 * The first instant after `time`. Time reaches it when everything at `time` has been seen, so what is to be decided
 * once nothing at `time` can come any more is due then. Infinite instants are given back as they are.
 */
export function justAfter(time: InstantMs): InstantMs {
  if (!Number.isFinite(time)) return time;
  if (time === 0) return instant(Number.MIN_VALUE);
  // Doubles of one sign are ordered as their bits are: one more is the next one away from zero.
  view.setFloat64(0, time);
  const low = view.getUint32(4);
  const high = view.getUint32(0);
  if (time > 0) {
    view.setUint32(4, low + 1);
    if (low === 0xffffffff) view.setUint32(0, high + 1);
  } else {
    view.setUint32(4, low - 1);
    if (low === 0) view.setUint32(0, high - 1);
  }
  return instant(view.getFloat64(0));
}

const view = new DataView(new ArrayBuffer(8));
