import type { Cells, CellWriter } from '../behaviours/behaviour.ts';
import type { KeyValue } from '../rules/rule-set.ts';
import { openCell, PatternStateUnreadable, SMALL } from './cell-format.ts';
import { readSmallOfFormat1 } from './format-1.ts';
import { gather, packCounters, readLarge, spread } from './large-state.ts';
import { PatternState } from './pattern-state.ts';
import { packSmall, readSmall } from './small-state.ts';

// A state and its cells:
//
//     small:  cell 0 alone, with all of it
//     large:  cell 0 with the counters, and the cells of `cell-store.ts`
//
// A state becomes large when it holds many nodes and small again when few are left, with room between the two so that
// it does not change to and fro.

const nodesOfLarge = 64;
const nodesOfSmall = 16;

export function saveState(state: PatternState, cells: CellWriter): void {
  if (state.isEmpty) {
    state.store?.removeAll(cells);
    state.store = undefined;
    if (state.saved) cells.remove(0);
    state.saved = false;
    state.changed = false;
    return;
  }
  if (!state.changed) return;
  if (state.store === undefined && state.nodeCount > nodesOfLarge) spread(state);
  else if (state.store !== undefined && state.nodeCount < nodesOfSmall) {
    state.store.removeAll(cells);
    gather(state);
  }
  if (state.store === undefined) {
    cells.put(0, packSmall(state));
  } else {
    state.store.save(state, cells);
    cells.put(0, packCounters(state));
  }
  state.saved = true;
  state.changed = false;
}

/** @throws {PatternStateUnreadable} */
export function loadState(cells: Cells, key: KeyValue, variants: number): PatternState {
  const state = new PatternState(key, variants);
  const first = cells.get(0);
  if (first === undefined) return state;
  const { format, kind, reader } = openCell(first, 0);
  try {
    if (kind !== SMALL) readLarge(state, reader, cells);
    else if (format === 1) readSmallOfFormat1(state, reader);
    else readSmall(state, reader, first);
  } catch (error) {
    if (error instanceof PatternStateUnreadable) throw error;
    throw new PatternStateUnreadable(`the pattern's state is damaged: ${error}. Rebuild it from the journal`, {
      cause: error,
    });
  }
  state.saved = true;
  state.changed = false;
  return state;
}
