import type { KeyValue } from '../rules/rule-set.ts';
import { BEGINNING, NEVER } from '../time/units.ts';
import { CellPairs } from './cell-pairs.ts';
import type { Folds } from './folds.ts';
import { type Pane, placeOfPane } from './panes.ts';
import { WindowRecord } from './window-record.ts';

/** A key's tumbling or sliding windows: the panes that some window still needs, and what windows have said. */
export class AlignedState {
  readonly key: KeyValue;
  /** Ascending. */
  panes: Pane[] = [];
  /** By window; only those that have said or been asked something that matters later. */
  readonly records = new Map<number, WindowRecord>();
  /** The next window that is looked at when it closes; undefined when none needs that. */
  next: number | undefined = undefined;
  /** Edges across windows: whether the window last looked at held. */
  held = false;
  /** `every`: when some open window is to be asked next. */
  tick: number = NEVER;
  /** About how many bytes the panes take. */
  bytes = 0;
  /** Known from the caller at each call, so it is not stored. */
  now: number = BEGINNING;
  wake: number = NEVER;
  /** What was computed of the panes and still holds. Never stored. */
  folds: Folds | undefined = undefined;

  readonly pairs = new CellPairs(2);
  readonly changedPanes = new Set<Pane>();
  readonly changedRecords = new Map<number, WindowRecord>();
  /** Cell 0 as it stands in the table: its next window, tick and edge, and whether the only pane is in it. */
  stored:
    | { readonly next: number | undefined; readonly held: boolean; readonly tick: number; inline: boolean }
    | undefined;

  constructor(key: KeyValue) {
    this.key = key;
  }

  get isEmpty(): boolean {
    return this.panes.length === 0 && !this.held;
  }

  addPane(pane: Pane): void {
    const last = this.panes.at(-1);
    if (last === undefined || last.index < pane.index) this.panes.push(pane);
    else this.panes.splice(placeOfPane(this.panes, pane.index), 0, pane);
  }

  /** Removes the oldest panes. */
  dropPanes(count: number): void {
    for (const pane of this.panes.splice(0, count)) {
      this.bytes -= pane.bytes;
      this.changedPanes.delete(pane);
      if (pane.cell >= 0) this.pairs.giveBack(pane.cell, pane.saved);
    }
  }

  recordOf(window: number): WindowRecord {
    let record = this.records.get(window);
    if (record === undefined) {
      record = new WindowRecord();
      record.cell = this.pairs.take();
      this.records.set(window, record);
    }
    this.changedRecords.set(window, record);
    return record;
  }

  dropRecord(window: number, record: WindowRecord): void {
    this.records.delete(window);
    this.changedRecords.delete(window);
    record.end(this.pairs);
    this.pairs.giveBack(record.cell, record.saved);
  }
}
