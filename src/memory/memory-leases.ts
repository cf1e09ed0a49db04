import type { Lease, LeaseStore, LeaseWritten } from '../ports/lease-store.ts';

/** Leases of nodes in one process. The nodes share the store, as they would a bucket. */
export class MemoryLeases implements LeaseStore {
  readonly #leases = new Map<string, Lease>();
  readonly #watchers = new Set<(name: string, released: boolean) => void>();
  #revision = 0;

  async list(): Promise<readonly Lease[]> {
    return [...this.#leases.values()];
  }

  async write(name: string, holder: string, revision: number): Promise<LeaseWritten> {
    if ((this.#leases.get(name)?.revision ?? 0) !== revision) return { kind: 'conflict' };
    this.#revision += 1;
    this.#leases.set(name, { name, holder, revision: this.#revision });
    this.#tell(name, false);
    return { kind: 'written', revision: this.#revision };
  }

  async release(name: string, revision: number): Promise<void> {
    if (this.#leases.get(name)?.revision !== revision) return;
    this.#leases.delete(name);
    this.#tell(name, true);
  }

  watch(changed: (name: string, released: boolean) => void): () => void {
    this.#watchers.add(changed);
    return () => this.#watchers.delete(changed);
  }

  #tell(name: string, released: boolean): void {
    for (const watcher of this.#watchers) watcher(name, released);
  }
}
