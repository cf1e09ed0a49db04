/** A lease as it stands in the store. */
export interface Lease {
  readonly name: string;
  /** Changes with every write; an update or removal names the one it replaces. */
  readonly revision: number;
  /** The node that wrote it. */
  readonly holder: string;
}

export type LeaseWritten =
  | { readonly kind: 'written'; readonly revision: number }
  /** Someone else wrote first. */
  | { readonly kind: 'conflict' }
  | { readonly kind: 'unknown'; readonly cause: string };

/**
 * Named leases, changed by revision only (protocol.md §7). The store knows nothing of time: an observer judges expiry
 * by its own monotone clock since it last saw the revision change. Two holders cost time, never correctness.
 */
export interface LeaseStore {
  /** @throws {PortError} UNAVAILABLE when there is no answer now. */
  list(): Promise<readonly Lease[]>;
  /** @param revision of the lease it replaces; 0 when there must be none (or only a released one). */
  write(name: string, holder: string, revision: number): Promise<LeaseWritten>;
  /** Gives a lease back; a conflict means that it was already someone else's. */
  release(name: string, revision: number): Promise<void>;
  /**
   * Calls back soon after a lease is written or released, as a hint to look: it may be missing, late or wrong. Without a
   * name, anything may have changed. Absent where there is no such news. Gives what ends it.
   */
  watch?(changed: (name: string | undefined, released: boolean) => void): () => void;
}
