import type { SimulatedSource } from './scenario.ts';

/**
 * What a source's events say of its time, by its documentation: no event is to come that is older than the latest one
 * less `disorder`; where publishers have clocks of their own, than the least of theirs.
 */
export class PlainClock {
  watermark = Number.NEGATIVE_INFINITY;
  private readonly source: SimulatedSource;
  private readonly latest = new Map<string, number>();
  private readonly first = new Map<string, number>();
  /** How far the source had come when a publisher was first heard. */
  private readonly begun = new Map<string, number>();
  private progress = 0;

  constructor(source: SimulatedSource) {
    this.source = source;
  }

  observe(publisher: string, time: number): void {
    const { latest, first, begun, source } = this;
    if (!first.has(publisher)) {
      first.set(publisher, time);
      begun.set(publisher, this.progress);
    }
    latest.set(publisher, Math.max(time, latest.get(publisher) ?? time));
    const own = begun.get(publisher)! + latest.get(publisher)! - first.get(publisher)!;
    this.progress = Math.max(this.progress, own);
    // So that publishers that begin a little later are known before anything is promised for them.
    if (source.clocks.length > 1 && this.progress < GRACE_MS + source.disorder) return;
    this.watermark = Math.max(this.watermark, Math.min(...latest.values()) - source.disorder);
  }
}

/** Nothing is promised before the source has come this far, when silence never counts. */
const GRACE_MS = 2000;
