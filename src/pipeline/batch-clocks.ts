import type { Clocks } from '../core/behaviours/turn.ts';
import type { LaneState } from '../core/shards/commit.ts';
import { BEGINNING, type InstantMs } from '../core/time/units.ts';

/**
 * Readings of every clock after each record of a batch (T2): the least watermark over the lanes of its sources. Which
 * lanes those are is said by the rules, so a lane not heard of yet holds the clock at the beginning.
 *
 * A lane that does not lead (see standing) does not hold the clock up, but keeps it as far behind the others as it says.
 * So such a clock could go back when the lane has its first event; it stands still instead, and its reading is part of
 * the shard's state.
 */
export class BatchClocks implements Clocks {
  readonly records: number;
  private readonly scopes: ReadonlyMap<number, readonly string[]>;
  private readonly readings = new Map<number, Float64Array>();
  private readonly processing: Float64Array;
  private readonly start = new Map<number, InstantMs>();
  private readonly closings = new Map<number, number>();
  /** Readings of the clocks of several sources, brought up to date here. */
  private readonly kept: Map<number, InstantMs>;

  constructor(records: number, scopes: ReadonlyMap<number, readonly string[]>, kept: Map<number, InstantMs>) {
    this.records = records;
    this.scopes = scopes;
    this.kept = kept;
    this.processing = new Float64Array(records);
    for (const scope of scopes.keys()) this.readings.set(scope, new Float64Array(records));
  }

  /** Before the first record. */
  begin(lanes: ReadonlyMap<string, LaneState>): void {
    for (const [scope, sources] of this.scopes) {
      this.start.set(scope, this.reading(scope, sources, lanes));
      if (allClosed(sources, lanes)) this.closings.set(scope, BEFORE);
    }
  }

  read(record: number, lanes: ReadonlyMap<string, LaneState>, processingTime: InstantMs): void {
    this.processing[record] = processingTime;
    for (const [scope, sources] of this.scopes) {
      this.readings.get(scope)![record] = this.reading(scope, sources, lanes);
      if (!this.closings.has(scope) && allClosed(sources, lanes)) this.closings.set(scope, record);
    }
  }

  processingTime(record: number): InstantMs {
    return this.processing[record] as InstantMs;
  }

  closesAt(scope: number): number | undefined {
    const record = this.closings.get(scope);
    return record === BEFORE ? undefined : record;
  }

  watermarks(scope: number): Float64Array {
    return this.readings.get(scope)!;
  }

  before(scope: number, record: number): InstantMs {
    return record === 0 ? this.start.get(scope)! : (this.watermarks(scope)[record - 1] as InstantMs);
  }

  last(scope: number): InstantMs {
    return this.watermarks(scope)[this.records - 1] as InstantMs;
  }

  private reading(scope: number, sources: readonly string[], lanes: ReadonlyMap<string, LaneState>): InstantMs {
    if (sources.length === 1) return lanes.get(sources[0]!)?.watermark ?? BEGINNING;
    const before = this.kept.get(scope) ?? BEGINNING;
    const now = combined(sources, lanes);
    if (now <= before) return before;
    this.kept.set(scope, now);
    return now;
  }
}

function combined(sources: readonly string[], lanes: ReadonlyMap<string, LaneState>): InstantMs {
  let least = Number.POSITIVE_INFINITY;
  let most: number = BEGINNING;
  let anyLeads = false;
  for (const source of sources) {
    const lane = lanes.get(source);
    if (lane === undefined) return BEGINNING;
    if (lane.watermark > most) most = lane.watermark;
    if (lane.standing !== 'leads') continue;
    anyLeads = true;
    if (lane.watermark < least) least = lane.watermark;
  }
  // When all have ended, time stands where the last of them left it.
  if (!anyLeads) return most as InstantMs;
  let reading = least;
  for (const source of sources) {
    const { standing, watermark } = lanes.get(source)!;
    if (standing === 'leads') continue;
    const behind = typeof standing === 'number' ? standing : 0;
    reading = Math.min(reading, Math.max(watermark, least - behind));
  }
  return reading as InstantMs;
}

const allClosed = (sources: readonly string[], lanes: ReadonlyMap<string, LaneState>): boolean =>
  sources.every((source) => lanes.get(source)?.standing === 'closed');

/** A clock that was closed before the batch began. */
const BEFORE = -1;
