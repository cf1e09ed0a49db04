import type { Lease } from '../ports/lease-store.ts';

/** The lease by which a node says that it lives; the only one that is renewed. */
export const NODE_LEASES = 'node.';
export const nodeLease = (node: string): string => `${NODE_LEASES}${node}`;

/** Behind the life of a node that is about to end: it still holds what it holds, and takes nothing any more. */
const LEAVING = ' leaving';
export const leaving = (life: string): string => `${life}${LEAVING}`;

interface Member {
  readonly revision: number;
  readonly holder: string;
  /** How long its lease has stood unchanged, as far as this observer could see. */
  unchangedMs: number;
  /** When this was last brought up to date. */
  at: number;
}

/**
 * Which nodes live, judged by one observer's own clock (protocol.md §7): a node whose lease has not changed for a time to
 * live is dead. Only time counts in which the observer could look: after an outage of the store every lease has stood
 * unchanged for long, and nobody is dead for it.
 */
export class Members {
  private readonly ttl: number;
  private readonly known = new Map<string, Member>();
  /** When a lease was last heard to be written, which the next look will show. */
  private readonly heard = new Map<string, number>();
  private lookedAt: number | undefined;

  constructor(ttl: number) {
    this.ttl = ttl;
  }

  /** A node's lease was written just now, it seems. @returns whether it is one that was not known before */
  hear(name: string, now: number): boolean {
    this.heard.set(name, now);
    return !this.known.has(name);
  }

  /** The store could not be read: what passes until the next look does not count. */
  blind(): void {
    this.lookedAt = undefined;
  }

  look(leases: readonly Lease[], now: number): void {
    const passed = this.lookedAt === undefined ? 0 : Math.min(now - this.lookedAt, this.ttl / 2);
    this.lookedAt = now;
    const there = new Set<string>();
    for (const { name, revision, holder } of leases) {
      if (!name.startsWith(NODE_LEASES)) continue;
      there.add(name);
      const before = this.known.get(name);
      if (before?.revision === revision) {
        before.unchangedMs += passed;
        before.at = now;
      } else {
        const changedAt = Math.min(now, this.heard.get(name) ?? now);
        this.known.set(name, { revision, holder, unchangedMs: Math.min(now - changedAt, passed), at: now });
      }
    }
    for (const name of this.known.keys()) if (!there.has(name)) this.known.delete(name);
    this.heard.clear();
  }

  isAlive(node: string): boolean {
    const member = this.known.get(nodeLease(node));
    return member !== undefined && member.unchangedMs <= this.ttl;
  }

  /**
   * How many nodes share the work: those that live and do not leave.
   * @param node counts in any case
   * @param apart names of nodes that take no part
   */
  sharing(node: string, apart: ReadonlySet<string>): number {
    let count = 1;
    for (const [name, { holder, unchangedMs }] of this.known) {
      if (name === nodeLease(node) || apart.has(name.slice(NODE_LEASES.length))) continue;
      if (unchangedMs <= this.ttl && !holder.endsWith(LEAVING)) count += 1;
    }
    return count;
  }

  /** In how many ms the next node will be dead if nothing is heard of it; Infinity when none will. */
  nextDeath(node: string, now: number): number {
    let next = Number.POSITIVE_INFINITY;
    for (const [name, { unchangedMs, at }] of this.known) {
      if (name === nodeLease(node) || unchangedMs > this.ttl || this.heard.has(name)) continue;
      next = Math.min(next, this.ttl - unchangedMs - (now - at));
    }
    return Math.max(0, next);
  }

  /** Whether a node's lease has stood unchanged for a time to live; true when there is none. */
  isSilent(node: string): boolean {
    return !this.isAlive(node);
  }
}
