import type { Cells } from './behaviour.ts';

/**
 * Cells for what stands around a behaviour, such as a throttle: far above those that any behaviour numbers for itself,
 * so that the cells within keep their numbers, and the emissions that name one of them keep naming it.
 */
const FIRST = 2 ** 40;
const SPAN = 2 ** 32;

/** The first cell of a wrapper's own; each kind of wrapper has a number, from 0. */
export const firstExtraCell = (wrapper: number): number => FIRST + wrapper * SPAN;

/** Takes the cells apart: what belongs to the behaviour within, and what to a wrapper, by its own numbering. */
export function splitCells(cells: Cells, wrapper: number): { readonly inner: Cells; readonly own: Cells } {
  const first = firstExtraCell(wrapper);
  const inner = new Map<number, Uint8Array>();
  const own = new Map<number, Uint8Array>();
  for (const [cell, bytes] of cells) {
    if (cell >= first && cell < first + SPAN) own.set(cell - first, bytes);
    else inner.set(cell, bytes);
  }
  return { inner, own };
}

export const THROTTLE = 0;
export const DEDUPE_EVENTS = 1;
export const DEDUPE_MATCHES = 2;
