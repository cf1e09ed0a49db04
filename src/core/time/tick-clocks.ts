import { BEGINNING, type InstantMs, instant } from './units.ts';

/**
 * The clock of a source that is told its time: the matches of a rule, whose shards each say how far the rule's own clock
 * has come there. The watermark is the least of what they have said, and there is none before all have.
 */
export class TickClocks {
  private readonly shards: number;
  private readonly told: Map<number, { readonly watermark: InstantMs; readonly standing: number }>;

  /** @param shards how many there are to hear from */
  constructor(shards: number, start: TickState | undefined) {
    this.shards = shards;
    this.told = new Map(
      (start ?? []).map(([shard, watermark, standing]) => [shard, { watermark: instant(watermark), standing }]),
    );
  }

  get watermark(): InstantMs {
    if (this.told.size < this.shards) return BEGINNING;
    return instant(Math.min(...[...this.told.values()].map(({ watermark }) => watermark)));
  }

  /** How all shards stand, as numbers (see core/shards/standing); empty while some are not heard of. */
  get standings(): readonly number[] {
    return this.told.size < this.shards ? [] : [...this.told.values()].map(({ standing }) => standing);
  }

  get state(): TickState {
    return [...this.told].map(([shard, { watermark, standing }]) => [shard, watermark, standing] as const);
  }

  tick(shard: number, watermark: InstantMs, standing: number): void {
    const before = this.told.get(shard)?.watermark ?? BEGINNING;
    this.told.set(shard, { watermark: instant(Math.max(before, watermark)), standing });
  }
}

/** What each shard has said last. */
export type TickState = readonly (readonly [shard: number, watermark: number, standing: number])[];
