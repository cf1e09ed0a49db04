import { fnv1a32 } from '../core/shards/shard-of.ts';

/** A lease as a node sees it: who wrote it, and how long ago it saw it change, by its own clock. */
export interface ObservedLease {
  readonly name: string;
  readonly revision: number;
  /** Empty when it was released. */
  readonly holder: string;
  readonly unchangedMs: number;
}

export interface LeaseDecision {
  /** Leases to try for, with the revision to replace (0: there is none). */
  readonly claim: readonly { readonly name: string; readonly revision: number }[];
  /** Own leases to give back, since others have fewer. */
  readonly release: readonly string[];
}

/**
 * Which leases a node tries for or gives back, so that all are held and every living node holds about as many. A pure
 * decision; when two nodes decide for the same lease, the store's revision lets one of them have it.
 * @param wanted all names of one kind (shards, or lanes)
 * @param observed what is in the store
 * @param nodes names of the living nodes, this one included
 * @param ttlMs a lease unchanged for longer is anyone's
 */
export function decideLeases(
  wanted: readonly string[],
  observed: ReadonlyMap<string, ObservedLease>,
  node: string,
  nodes: readonly string[],
  ttlMs: number,
): LeaseDecision {
  const share = Math.ceil(wanted.length / Math.max(1, nodes.length));
  const own: string[] = [];
  const free: { name: string; revision: number }[] = [];
  for (const name of wanted) {
    const lease = observed.get(name);
    if (lease === undefined) free.push({ name, revision: 0 });
    else if (lease.holder === node) own.push(name);
    else if (lease.holder === '' || lease.unchangedMs > ttlMs) free.push({ name, revision: lease.revision });
  }
  // Each node begins elsewhere, so that claimants rarely meet.
  const rank = (name: string) => fnv1a32(`${node} ${name}`);
  free.sort((a, b) => rank(a.name) - rank(b.name));
  own.sort((a, b) => rank(a) - rank(b));
  return { claim: free.slice(0, Math.max(0, share - own.length)), release: own.slice(share) };
}
