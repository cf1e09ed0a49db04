import { fnv1a32 } from '../core/shards/shard-of.ts';

/** A lease on a shard or lane as a node sees it. */
export interface ObservedLease {
  readonly revision: number;
  /** A living node; empty when anyone may have it. */
  readonly holder: string;
}

export interface LeaseDecision {
  /** Leases to try for, with the revision to replace (0: there is none). */
  readonly claim: readonly { readonly name: string; readonly revision: number }[];
  /** Own leases to give back, since others have fewer. */
  readonly release: readonly string[];
}

/** How many of so many leases each of so many nodes holds at most. */
export const share = (wanted: number, nodes: number): number => Math.ceil(wanted / Math.max(1, nodes));

/**
 * Which leases a node tries for or gives back, so that all are held and every living node holds about as many. A pure
 * decision; when two nodes decide for the same lease, the store's revision lets one of them have it.
 * @param wanted all names of one kind (shards, or lanes)
 * @param observed what is in the store, by name
 * @param share how many of them a node is to hold at most
 */
export function decideLeases(
  wanted: readonly string[],
  observed: ReadonlyMap<string, ObservedLease>,
  node: string,
  share: number,
): LeaseDecision {
  const own: string[] = [];
  const free: { name: string; revision: number }[] = [];
  for (const name of wanted) {
    const lease = observed.get(name);
    if (lease === undefined) free.push({ name, revision: 0 });
    else if (lease.holder === node) own.push(name);
    else if (lease.holder === '') free.push({ name, revision: lease.revision });
  }
  // Each node begins elsewhere, so that claimants rarely meet.
  const rank = (name: string) => fnv1a32(`${node} ${name}`);
  free.sort((a, b) => rank(a.name) - rank(b.name));
  own.sort((a, b) => rank(a) - rank(b));
  return { claim: free.slice(0, Math.max(0, share - own.length)), release: own.slice(share) };
}
