import { markName, markText, type RuleMark, readMarks } from '../core/rules/rule-mark.ts';
import type { Lease, LeaseStore } from '../ports/lease-store.ts';

/** What the leases tell of nodes. */
export interface SeenLeases {
  /** As last read; undefined while the store could not be read. */
  readonly listed: readonly Lease[] | undefined;
  isAlive(node: string): boolean;
}

/** Says which rules this node runs, and knows what the others say. */
export class RuleMarks {
  private readonly store: LeaseStore;
  private readonly node: string;
  private readonly seen: () => SeenLeases;
  private written: { readonly text: string; readonly revision: number } | undefined;

  constructor(store: LeaseStore, node: string, seen: () => SeenLeases) {
    this.store = store;
    this.node = node;
    this.seen = seen;
  }

  /** Whether what other nodes say is known now. */
  get areKnown(): boolean {
    return this.seen().listed !== undefined;
  }

  /** Whether some living node works under a version. */
  someoneRuns(number: number): boolean {
    return this.living().some(([, mark]) => mark.number === number && !mark.waits);
  }

  /** Whether a living node with older rules still has a lane. */
  olderReads(number: number): boolean {
    const older = new Set(this.living().flatMap(([node, mark]) => (mark.number < number ? [node] : [])));
    if (older.size === 0) return false;
    return (this.seen().listed ?? []).some(({ name, holder }) => name.startsWith('lane.') && older.has(holder));
  }

  /** Says it, unless that is what was said last. */
  async put(mark: RuleMark): Promise<void> {
    const text = markText(mark);
    if (this.written?.text === text) return;
    const name = markName(this.node);
    const stored = this.seen().listed?.find((lease) => lease.name === name);
    const revision = Math.max(this.written?.revision ?? 0, stored?.revision ?? 0);
    const answer = await this.store.write(name, text, revision);
    // Otherwise it is said again with the next look at the leases.
    if (answer.kind === 'written') this.written = { text, revision: answer.revision };
    else this.written = undefined;
  }

  async remove(): Promise<void> {
    if (this.written === undefined) return;
    await this.store.release(markName(this.node), this.written.revision).catch(() => undefined); // the node's own lease says that it is gone
  }

  private living(): readonly (readonly [string, RuleMark])[] {
    const seen = this.seen();
    return [...readMarks(seen.listed ?? [])].filter(([node]) => node !== this.node && seen.isAlive(node));
  }
}
