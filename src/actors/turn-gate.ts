/**
 * Lets the rounds of a node's shards pass one after another once many turns are under way. nact runs every turn in
 * `setImmediate`, and Node runs all of those before it looks at the network again: without a bound, 64 shards with large
 * batches would keep leases from being renewed and acknowledgements from being read.
 */
export class TurnGate {
  private inside = 0;
  private readonly waiting: { readonly turns: number; readonly enter: () => void }[] = [];

  /** Resolves when a round of so many turns may begin. A round larger than the bound passes alone. */
  enter(turns: number): Promise<void> | undefined {
    if (this.waiting.length === 0 && this.fits(turns)) {
      this.inside += turns;
      return undefined;
    }
    return new Promise((enter) => this.waiting.push({ turns, enter }));
  }

  /** A round has ended, or was given up. */
  leave(turns: number): void {
    this.inside -= turns;
    for (let next = this.waiting[0]; next !== undefined && this.fits(next.turns); next = this.waiting[0]) {
      this.waiting.shift();
      this.inside += next.turns;
      next.enter();
    }
  }

  private fits(turns: number): boolean {
    return this.inside === 0 || this.inside + turns <= TURNS_MAX;
  }
}

/** Turns under way at once on a node: some ten milliseconds of work. */
const TURNS_MAX = 4096;
/** As many turns as let no other round in. */
export const ALONE = TURNS_MAX + 1;
