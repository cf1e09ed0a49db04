/**
 * Owners of shards that this process has had: whatever ended them, it was not the end of the process. Bounded; one that
 * is forgotten is taken for dead, which costs a shard some care and nothing else.
 */
export class Survivors {
  private readonly names = new Set<string>();

  /** @returns the name given */
  add(incarnation: string): string {
    const [oldest] = this.names;
    if (this.names.size >= NAMES_MAX) this.names.delete(oldest!);
    this.names.add(incarnation);
    return incarnation;
  }

  readonly has = (incarnation: string): boolean => this.names.has(incarnation);
}

const NAMES_MAX = 10_000;
