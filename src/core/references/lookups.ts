/** The entries of all references as one shard has them now. */
export interface ReferenceTables {
  /** The value of an entry; null when there is none. It is shared, so nobody may change it. */
  valueOf(reference: string, key: string): unknown;
}

/**
 * What stands between the rules of a deployment and reference data. Rules are compiled once, while every shard has data
 * of its own; so a turn, in which nothing is waited for, lends its shard's tables to the rules it runs. Outside of turns
 * nothing can be looked up: neither a lane nor another shard ever sees them.
 */
export class Lookups {
  /** Names of the references of the configuration; undefined = not known, so they are not checked. */
  readonly names: readonly string[] | undefined;
  private tables: ReferenceTables | undefined;

  constructor(names: readonly string[] | undefined) {
    this.names = names;
  }

  /** Does what may look up in these tables. It must not wait for anything. */
  during<Result>(tables: ReferenceTables, work: () => Result): Result {
    const before = this.tables;
    this.tables = tables;
    try {
      return work();
    } finally {
      this.tables = before;
    }
  }

  valueOf(reference: string, key: string): unknown {
    if (this.tables === undefined) throw new Error(`reference ${reference} was looked up outside of a turn`);
    return this.tables.valueOf(reference, key);
  }
}

/** Does some work while tables are lent to rules of one or several rule sets. */
export type Lending = <Result>(work: () => Result) => Result;

/** @returns undefined when there is nothing to lend, or nobody to lend it to */
export function lending(
  lookups: readonly (Lookups | undefined)[],
  tables: ReferenceTables | undefined,
): Lending | undefined {
  if (tables === undefined) return undefined;
  let all: Lending | undefined;
  for (const one of new Set(lookups)) {
    if (one === undefined) continue;
    const others = all;
    all = (work) => one.during(tables, () => (others === undefined ? work() : others(work)));
  }
  return all;
}

/** The same for one rule, which knows what it looks up. */
export class RuleLookups {
  /** Names of the references that the rule's expressions name. */
  readonly used = new Set<string>();
  private readonly lookups: Lookups;

  constructor(lookups: Lookups) {
    this.lookups = lookups;
  }

  get names(): readonly string[] | undefined {
    return this.lookups.names;
  }

  valueOf(reference: string, key: string): unknown {
    return this.lookups.valueOf(reference, key);
  }
}
