import { greatestCommonDivisor } from './divisor.ts';
import type { WindowShape } from './window.ts';

/**
 * Tumbling and sliding windows are cut into panes, so that an event is added once however many windows it is in. Windows
 * and panes are numbered by time, from the epoch plus the offset:
 *
 *     pane p   = [offset + p * width, offset + (p + 1) * width)
 *     window k = [offset + k * slide, offset + k * slide + size) = panes k * step to k * step + span - 1
 *
 * All lengths are whole milliseconds, so a pane's bounds are exact.
 */
export class PaneGrid {
  readonly size: number;
  readonly slide: number;
  readonly #offset: number;
  readonly #width: number;
  /** Panes of a window. */
  readonly span: number;
  /** Panes from one window's beginning to the next one's. */
  readonly step: number;

  constructor(window: WindowShape & { readonly kind: 'tumbling' | 'sliding' }) {
    this.size = window.size;
    this.slide = window.kind === 'sliding' ? window.slide : window.size;
    this.#offset = window.offset;
    this.#width = greatestCommonDivisor(this.size, this.slide);
    this.span = this.size / this.#width;
    this.step = this.slide / this.#width;
  }

  paneAt(time: number): number {
    const pane = Math.floor((time - this.#offset) / this.#width);
    // The division is rounded; the bounds are not.
    if (this.#offset + pane * this.#width > time) return pane - 1;
    return this.#offset + (pane + 1) * this.#width <= time ? pane + 1 : pane;
  }

  /** The first and last window with this pane; last is less than first when it lies between windows. */
  firstWindowOf(pane: number): number {
    return Math.floor((pane - this.span) / this.step) + 1;
  }

  lastWindowOf(pane: number): number {
    return Math.floor(pane / this.step);
  }

  startOf(window: number): number {
    return this.#offset + window * this.slide;
  }

  endOf(window: number): number {
    return this.#offset + window * this.slide + this.size;
  }

  /** The first window that ends after `time`. */
  firstEndingAfter(time: number): number {
    let window = Math.floor((time - this.#offset - this.size) / this.slide);
    while (this.endOf(window) <= time) window += 1;
    return window;
  }
}
