import { type DurationMs, duration } from '../core/time/units.ts';
import type { Clock } from '../ports/clock.ts';
import type { LeaseStore } from '../ports/lease-store.ts';
import type { Logger } from '../ports/logger.ts';
import type { NodeMeasures } from '../ports/measures.ts';
import { decideLeases, type ObservedLease } from './lease-decision.ts';

/**
 * Holds this node's leases: claims its share of shards and lanes, renews them every third of the time to live, and
 * gives them up when it could not renew in time. Leases decide who tries; what keeps results right is the fence of
 * every append, so two holders cost time only (protocol.md §7).
 *
 *   L1. Expiry is judged by the observer's own monotone clock since it last saw the revision change.
 *   L2. A lease that could not be renewed for a whole time to live is lost here too, without asking.
 *   L3. Work stops before its lease is released, so that the next holder finds settled streams.
 */
export class Leases {
  private readonly options: LeasesOptions;
  private readonly seen = new Map<string, { revision: number; holder: string; at: number }>();
  private readonly held = new Map<string, { revision: number; renewedAt: number }>();
  private stopped = false;
  private cancel: () => void = () => undefined;
  private ticking: Promise<void> = Promise.resolve();
  /** Why the last round did not succeed; undefined when it did. */
  trouble: string | undefined;

  constructor(options: LeasesOptions) {
    this.options = options;
  }

  /** Begins; the first round runs at once. */
  start(): void {
    this.ticking = this.tick();
  }

  holds(name: string): boolean {
    return this.held.has(name);
  }

  get count(): number {
    return this.held.size;
  }

  /** Ends and gives all leases back. Whoever works under them must have stopped. */
  async stop(): Promise<void> {
    this.stopped = true;
    this.cancel();
    await this.ticking;
    const { store, logger } = this.options;
    const given = [...this.held];
    this.held.clear();
    await Promise.all(
      given.map(([name, { revision }]) =>
        store
          .release(name, revision)
          .catch((error) =>
            logger.warn({ lease: name, error: String(error) }, 'a lease could not be given back; it expires'),
          ),
      ),
    );
  }

  private async tick(): Promise<void> {
    const { clock, ttl } = this.options;
    try {
      await this.round();
      this.trouble = undefined;
    } catch (error) {
      this.trouble = `leases cannot be read or written: ${error instanceof Error ? error.message : String(error)}`;
    }
    if (this.stopped) return;
    this.dropExpired();
    this.cancel = clock.after(duration(ttl / 3), () => {
      this.ticking = this.tick();
    });
  }

  private async round(): Promise<void> {
    const { store, node, lanes, shards } = this.options;
    await this.renew(nodeLease(node));
    await Promise.all([...this.held.keys()].filter((name) => name !== nodeLease(node)).map((name) => this.renew(name)));
    this.observe(await store.list());
    if (this.stopped) return;
    const observed = this.observed();
    const nodes = this.livingNodes(observed);
    for (const wanted of [lanes, shards]) {
      const { claim, release } = decideLeases(wanted, observed, node, nodes, this.options.ttl);
      await Promise.all(claim.map(({ name, revision }) => this.claim(name, revision)));
      await Promise.all(release.map((name) => this.giveBack(name)));
    }
  }

  private async renew(name: string): Promise<void> {
    const { store, node, clock, measures } = this.options;
    const lease = this.held.get(name);
    const written = await store.write(name, node, lease?.revision ?? this.seen.get(name)?.revision ?? 0);
    if (written.kind === 'written') {
      this.held.set(name, { revision: written.revision, renewedAt: clock.monotonic() });
      measures.leaseRenewals += 1;
    } else if (written.kind === 'conflict' && lease !== undefined) this.lose(name, 'another node took it');
  }

  private async claim(name: string, revision: number): Promise<void> {
    const { store, node, clock } = this.options;
    const written = await store.write(name, node, revision);
    if (written.kind !== 'written') return;
    this.held.set(name, { revision: written.revision, renewedAt: clock.monotonic() });
    if (!this.stopped) this.options.gained(name);
  }

  private async giveBack(name: string): Promise<void> {
    const lease = this.held.get(name);
    // Our name in the store under a lease we do not hold: from before a restart. It is ours to claim or to let expire.
    if (lease === undefined) return;
    await this.options.lost(name);
    this.held.delete(name);
    await this.options.store.release(name, lease.revision);
  }

  private lose(name: string, why: string): void {
    this.held.delete(name);
    this.options.logger.warn({ lease: name }, `lease lost: ${why}`);
    void this.options.lost(name);
  }

  private dropExpired(): void {
    const { clock, ttl } = this.options;
    for (const [name, { renewedAt }] of this.held) {
      if (clock.monotonic() - renewedAt > ttl) this.lose(name, `it could not be renewed for ${ttl} ms`);
    }
  }

  private observe(leases: Awaited<ReturnType<LeaseStore['list']>>): void {
    const now = this.options.clock.monotonic();
    const names = new Set<string>();
    for (const { name, revision, holder } of leases) {
      names.add(name);
      const before = this.seen.get(name);
      if (before?.revision !== revision) this.seen.set(name, { revision, holder, at: now });
    }
    for (const name of this.seen.keys()) if (!names.has(name)) this.seen.delete(name);
  }

  private observed(): Map<string, ObservedLease> {
    const now = this.options.clock.monotonic();
    const observed = new Map<string, ObservedLease>();
    for (const [name, { revision, holder, at }] of this.seen) {
      // A lease in our name that we do not hold is one of an earlier life of this node: free at once.
      const orphan = holder === this.options.node && !this.held.has(name);
      observed.set(name, { name, revision, holder: orphan ? '' : holder, unchangedMs: now - at });
    }
    return observed;
  }

  private livingNodes(observed: ReadonlyMap<string, ObservedLease>): string[] {
    const { node, ttl } = this.options;
    const nodes = new Set([node]);
    for (const { name, holder, unchangedMs } of observed.values()) {
      if (name.startsWith(NODE_LEASES) && holder !== '' && unchangedMs <= ttl) nodes.add(holder);
    }
    return [...nodes];
  }
}

const NODE_LEASES = 'node.';
/** The lease by which a node says that it lives. */
export const nodeLease = (node: string): string => `${NODE_LEASES}${node}`;

export interface LeasesOptions {
  readonly store: LeaseStore;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly measures: NodeMeasures;
  readonly node: string;
  readonly ttl: DurationMs;
  readonly lanes: readonly string[];
  readonly shards: readonly string[];
  /** A lease is now ours: begin to work. */
  readonly gained: (name: string) => void;
  /** A lease is no longer ours, or about to be given back: resolves when its work has stopped. */
  readonly lost: (name: string) => Promise<void>;
}
