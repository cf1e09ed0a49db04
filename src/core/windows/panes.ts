import type { Accs } from './aggregate-set.ts';

/** What the events of one pane hold together. */
export class Pane {
  readonly index: number;
  readonly accs: Accs;
  /** About how many bytes it takes. */
  bytes = 0;
  /** The first of a pair of cells; -1 while it has none. */
  cell = -1;
  /** Whether the cell stands in the table. */
  saved = false;
  changed = true;

  constructor(index: number, accs: Accs) {
    this.index = index;
    this.accs = accs;
  }
}

/** Where the first pane at or after `index` is; the length when there is none. */
export function placeOfPane(panes: readonly Pane[], index: number): number {
  let high = panes.length;
  // Most questions are about the end or the beginning.
  if (high === 0 || panes[high - 1]!.index < index) return high;
  if (panes[0]!.index >= index) return 0;
  let low = 0;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (panes[middle]!.index < index) low = middle + 1;
    else high = middle;
  }
  return low;
}
