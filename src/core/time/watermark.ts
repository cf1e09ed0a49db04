import { BEGINNING, type DurationMs, type InstantMs } from './units.ts';

/**
 * Watermarks of a source whose events are at most `disorder` out of order: the largest event time so far less
 * `disorder`. A pure function of the events seen, so a lane that starts over from a record's position and watermark
 * promises exactly what its predecessor did.
 */
export class BoundedDisorder {
  private readonly disorder: DurationMs;
  private reached: InstantMs;

  /** @param watermark where to go on from; the beginning when there is no predecessor */
  constructor(disorder: DurationMs, watermark: InstantMs = BEGINNING) {
    this.disorder = disorder;
    this.reached = watermark;
  }

  get watermark(): InstantMs {
    return this.reached;
  }

  /** Takes an event's time. Gives it less the watermark before it, in ms: negative = the event is late by that much. */
  observe(time: InstantMs): number {
    const lag = time - this.reached;
    const reaches = time - this.disorder;
    if (reaches > this.reached) this.reached = reaches as InstantMs;
    return lag;
  }
}
