import { compareRuns, type Run } from './path.ts';

// A binary heap of runs, earliest beginning at the root, in the very arrangement that Flink's queue has
// (java.util.PriorityQueue): among runs that begin with the same event the arrangement decides which comes first, and
// under a skip strategy that decides which match there is. Equal elements must therefore never be swapped needlessly.

export function pushRun(heap: Run[], run: Run): void {
  placeRun(heap, heap.push(run) - 1, run);
}

/** Puts the run at `free`, behind a heap of that length, and up from there; returns where it went. */
export function placeRun(heap: Run[], free: number, run: Run): number {
  let at = free;
  while (at > 0) {
    const above = (at - 1) >>> 1;
    const parent = heap[above]!;
    if (compareRuns(run, parent) >= 0) break;
    heap[at] = parent;
    at = above;
  }
  heap[at] = run;
  return at;
}

/** Removes and returns the root of a heap that is not empty. */
export function popRun(heap: Run[]): Run {
  const root = heap[0]!;
  const last = heap.pop()!;
  if (heap.length > 0) sink(heap, 0, last);
  return root;
}

/** Restores the order after elements were filtered out, as the queue does for a bulk removal. */
export function heapify(heap: Run[]): void {
  for (let at = (heap.length >>> 1) - 1; at >= 0; at--) sink(heap, at, heap[at]!);
}

function sink(heap: Run[], from: number, run: Run): void {
  const half = heap.length >>> 1;
  let at = from;
  while (at < half) {
    let below = 2 * at + 1;
    let child = heap[below]!;
    const right = below + 1;
    if (right < heap.length && compareRuns(child, heap[right]!) > 0) {
      below = right;
      child = heap[right]!;
    }
    if (compareRuns(run, child) <= 0) break;
    heap[at] = child;
    at = below;
  }
  heap[at] = run;
}
