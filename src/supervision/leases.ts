import { readMarks } from '../core/rules/rule-mark.ts';
import { type DurationMs, duration } from '../core/time/units.ts';
import type { Clock } from '../ports/clock.ts';
import type { Lease, LeaseStore } from '../ports/lease-store.ts';
import type { Logger } from '../ports/logger.ts';
import type { NodeMeasures } from '../ports/measures.ts';
import { decideLeases, type ObservedLease, share } from './lease-decision.ts';
import { leaving, Members, NODE_LEASES, nodeLease } from './members.ts';

/**
 * This node's membership and its leases. It renews one lease, its own, every third of the time to live; a lease on a
 * shard or lane names its holder and stands as long as that node lives. Leases decide who tries; what keeps results
 * right is the fence of every append, so two holders cost time only (protocol.md §7, docs/decisions/0022).
 *
 *   L1. Whether a node lives is judged by the observer's own clock, and only by time in which it could look (members.ts).
 *   L2. Nothing is lost by being cut off: what became of the leases, the first look afterwards tells.
 *   L3. Work stops before its lease is released, so that the next holder finds settled streams.
 *   L4. What the store holds decides, not what an answer said: a write whose answer was lost is found by the next look.
 */
export class Leases {
  private readonly options: LeasesOptions;
  private readonly members: Members;
  /** Revisions of the leases under which this node works. */
  private readonly held = new Map<string, number>();
  /** Those of them that are being given back. */
  private readonly ending = new Set<string>();
  /** When the node's own lease was last renewed. */
  private renewedAt = 0;
  /** Revision of the node's own lease; 0 when it has none. */
  private own = 0;
  private stopped = false;
  private cancel: () => void = () => undefined;
  private unwatch: () => void = () => undefined;
  private ticking: Promise<void> | undefined;
  /** Another round is wanted as soon as the one under way has ended. */
  private again = false;
  private waiting: (() => void)[] = [];
  /** Why the last round did not succeed; undefined when it did. */
  trouble: string | undefined;
  /** As last read; undefined before that, and while they cannot be read. */
  listed: readonly Lease[] | undefined;

  constructor(options: LeasesOptions) {
    this.options = options;
    this.members = new Members(options.ttl);
  }

  /** Begins; the first round runs at once. */
  start(): void {
    const { store, clock } = this.options;
    this.unwatch =
      store.watch?.((name, released) => {
        const isNew = name?.startsWith(NODE_LEASES) === true && this.members.hear(name, clock.monotonic());
        if (released || isNew) this.hurry();
      }) ?? this.unwatch;
    this.tick();
  }

  /** Whether the node's own lease is known to be stored. */
  get joined(): boolean {
    return this.own > 0;
  }

  get count(): number {
    return this.held.size;
  }

  isAlive(node: string): boolean {
    return this.members.isAlive(node);
  }

  /** Gives some leases back, as soon as the work under each has ended. */
  async giveUp(names: readonly string[]): Promise<void> {
    await Promise.all(names.map((name) => this.giveBack(name)));
  }

  /** Resolves when a round that begins from now on has told which leases are still held, or after `stop`. */
  async confirmed(): Promise<void> {
    if (this.stopped) return;
    // One that is under way may have looked already.
    await this.ticking;
    const told = new Promise<void>((resolve) => this.waiting.push(resolve));
    this.hurry();
    await told;
  }

  /**
   * Ends: says that the node leaves, so that others count on taking its work, then stops lanes and after them shards,
   * each lease being free as soon as its own work has ended. Idempotent; what cannot be given back expires.
   */
  async stop(): Promise<void> {
    this.stopped = true;
    this.cancel();
    this.unwatch();
    await this.ticking;
    this.tell();
    const { store, node, life, lanes, shards, lost } = this.options;
    const said = this.own === 0 ? undefined : await store.write(nodeLease(node), leaving(life), this.own);
    const isReachable = said?.kind === 'written';
    for (const kind of [lanes, shards]) {
      await Promise.all(kind.map((name) => (isReachable ? this.giveBack(name) : lost(name))));
    }
    this.held.clear();
    if (isReachable) await this.release(nodeLease(node), said.revision);
  }

  private tick(): void {
    if (this.ticking !== undefined) {
      this.again = true;
      return;
    }
    this.cancel();
    this.again = false;
    const began = this.options.clock.monotonic();
    this.ticking = this.round()
      .then(
        (trouble) => {
          this.trouble = trouble;
          this.tell();
        },
        (error) => {
          this.members.blind();
          this.listed = undefined;
          this.trouble = `leases cannot be read or written: ${error instanceof Error ? error.message : String(error)}`;
        },
      )
      .then(() => {
        this.ticking = undefined;
        if (this.stopped) return;
        const { clock, ttl, node } = this.options;
        // Just after the next node would be dead, so that its work does not wait for a beat.
        const now = clock.monotonic();
        const wait = Math.min(began + ttl / 3 - now, this.members.nextDeath(node, now) + 1);
        this.cancel = clock.after(duration(this.again ? HURRY_MS : Math.max(HURRY_MS, wait)), () => this.tick());
      });
  }

  /** Looks soon: something has changed. */
  hurry(): void {
    if (this.stopped) return;
    if (this.ticking !== undefined) {
      this.again = true;
      return;
    }
    this.cancel();
    this.cancel = this.options.clock.after(duration(HURRY_MS), () => this.tick());
  }

  private tell(): void {
    for (const resolve of this.waiting.splice(0)) resolve();
  }

  /** @returns why the node takes no part, if it does not */
  private async round(): Promise<string | undefined> {
    const { store, node, clock, lanes, shards } = this.options;
    // At once and beside the look, which may take its time.
    const renewing = this.own > 0 ? this.writeOwn(this.own) : Promise.resolve(false);
    const leases = await store.list();
    const isRenewed = await renewing;
    this.members.look(leases, clock.monotonic());
    this.listed = leases;
    const stored = new Map(leases.map((lease) => [lease.name, lease]));
    const newest = leases.reduce((most, { revision }) => Math.max(most, revision), 0);
    if (!isRenewed) {
      const isOurs = await this.renew(stored.get(nodeLease(node)), newest);
      if (!isOurs) return this.giveUpName();
    }
    if (this.stopped || this.own === 0) return undefined;
    this.compare(stored, newest);
    const observed = this.observed(stored);
    const apart = new Set([...readMarks(leases)].flatMap(([name, { waits }]) => (waits ? [name] : [])));
    const sharing = this.members.sharing(node, apart);
    for (const [kind, wanted] of [['lane', lanes] as const, ['shard', shards] as const]) {
      if (this.options.mayClaim?.(kind) === false) continue;
      const staying = wanted.filter((name) => !this.ending.has(name));
      const { claim, release } = decideLeases(staying, observed, node, share(wanted.length, sharing));
      await Promise.all(claim.map(({ name, revision }) => this.claim(name, revision)));
      // Not waited for: what takes long to stop must not keep the node's own lease from being renewed.
      for (const name of release) void this.giveBack(name);
    }
    await this.releaseOrphans(stored);
    return undefined;
  }

  /**
   * Renews the node's own lease.
   * @param newest the greatest revision listed: a list of a replica that lags says nothing about what came later
   * @returns false when another process has the node's name
   */
  private async renew(lease: Lease | undefined, newest: number): Promise<boolean> {
    const { node, life } = this.options;
    if (lease !== undefined && lease.revision > this.own) {
      const isOurs = lease.holder === life;
      // The process that began last has the name; before it has said so, what is there is of an earlier life.
      if (!isOurs && this.own > 0 && !this.members.isSilent(node)) return false;
      if (isOurs || this.own > 0) this.own = lease.revision;
    } else if (lease === undefined && newest > this.own) this.own = 0;
    await this.writeOwn(this.own || (lease?.revision ?? 0));
    return true;
  }

  private async writeOwn(revision: number): Promise<boolean> {
    const { store, node, life, measures } = this.options;
    const written = await store.write(nodeLease(node), life, revision);
    if (written.kind === 'conflict') this.again = true;
    if (written.kind !== 'written') return false;
    this.own = written.revision;
    measures.leaseRenewals += 1;
    this.noteRenewal();
    return true;
  }

  private noteRenewal(): void {
    const { clock, ttl, logger } = this.options;
    const now = clock.monotonic();
    const since = now - this.renewedAt;
    if (this.renewedAt > 0 && since > ttl / 2) {
      const text = `the node's lease was renewed after ${Math.round(since)} ms only; after ${ttl} ms others take its work`;
      logger.warn({ sinceMs: Math.round(since) }, text);
    }
    this.renewedAt = now;
  }

  private giveUpName(): string {
    const { node, logger } = this.options;
    const why = `another process runs as node ${node}`;
    if (this.held.size > 0) logger.error({ node }, `${why}: give each process its own name, or none`);
    for (const name of [...this.held.keys()]) this.lose(name, why);
    return `${why}; this one has given up its leases until that one is gone`;
  }

  /** What is held against what is stored. */
  private compare(stored: ReadonlyMap<string, Lease>, newest: number): void {
    for (const [name, revision] of this.held) {
      const lease = stored.get(name);
      if (lease === undefined) {
        if (newest > revision) this.lose(name, 'it was removed');
      } else if (lease.revision > revision) {
        if (lease.holder === this.options.node) this.held.set(name, lease.revision);
        else this.lose(name, `node ${lease.holder} took it`);
      }
    }
  }

  private async claim(name: string, revision: number): Promise<void> {
    const { store, node } = this.options;
    const written = await store.write(name, node, revision);
    if (written.kind !== 'written') return;
    this.held.set(name, written.revision);
    if (!this.stopped) this.options.gained(name);
  }

  private async giveBack(name: string): Promise<void> {
    const revision = this.held.get(name);
    if (revision !== undefined) this.ending.add(name);
    await this.options.lost(name);
    this.ending.delete(name);
    // Meanwhile it may have been lost.
    if (revision === undefined || !this.held.delete(name)) return;
    await this.release(name, revision);
  }

  private async release(name: string, revision: number): Promise<void> {
    const { store, logger } = this.options;
    try {
      await store.release(name, revision);
    } catch (error) {
      logger.warn({ lease: name, error: String(error) }, 'a lease could not be given back; it expires');
    }
  }

  /**
   * Leases in our name that we do not hold: of an earlier life, or of a claim whose answer was lost. As this node lives,
   * nobody else takes them.
   */
  private async releaseOrphans(stored: ReadonlyMap<string, Lease>): Promise<void> {
    const { node, lanes, shards } = this.options;
    const orphans = [...lanes, ...shards].flatMap((name) => {
      const lease = stored.get(name);
      return lease !== undefined && lease.holder === node && !this.held.has(name) ? [lease] : [];
    });
    await Promise.all(orphans.map(({ name, revision }) => this.release(name, revision)));
  }

  private lose(name: string, why: string): void {
    this.held.delete(name);
    this.options.logger.warn({ lease: name }, `lease lost: ${why}`);
    void this.options.lost(name);
  }

  private observed(stored: ReadonlyMap<string, Lease>): Map<string, ObservedLease> {
    const { node } = this.options;
    const observed = new Map<string, ObservedLease>();
    for (const { name, revision, holder } of stored.values()) {
      // A lease in our name that we do not hold is of an earlier life of this node, or of a claim whose answer was lost.
      const isHeld = holder === node ? this.held.has(name) : this.members.isAlive(holder);
      observed.set(name, { revision, holder: isHeld ? holder : '' });
    }
    // A list that lags does not show what was claimed just now.
    for (const [name, revision] of this.held) observed.set(name, { revision, holder: node });
    return observed;
  }
}

/** Between two rounds, however much happens. */
const HURRY_MS = 20;

export interface LeasesOptions {
  readonly store: LeaseStore;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly measures: NodeMeasures;
  readonly node: string;
  /** A name that no process ever had, this one's. */
  readonly life: string;
  readonly ttl: DurationMs;
  readonly lanes: readonly string[];
  readonly shards: readonly string[];
  /** Whether leases of a kind are to be claimed now; absent: always. */
  readonly mayClaim?: (kind: 'lane' | 'shard') => boolean;
  /** A lease is now ours: begin to work. */
  readonly gained: (name: string) => void;
  /** A lease is no longer ours, or about to be given back: resolves when its work has stopped. */
  readonly lost: (name: string) => Promise<void>;
}
