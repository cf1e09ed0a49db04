import { PublisherClocks, type PublisherState } from './publisher-clocks.ts';
import { TickClocks, type TickState } from './tick-clocks.ts';
import { BEGINNING, type DurationMs, type InstantMs } from './units.ts';

/**
 * The clock of one source: turns the times of its events, and the time that passes without any, into watermarks. It
 * computes only: elapsed time is an argument, so a lane that starts over from a stored state goes on as the one before.
 *
 *   - While events come, the watermark is the largest event time so far less `disorder`.
 *   - While none comes, it moves on with the *elapsed* time, `idleAfter` behind: never to any clock's reading, so history
 *     that is read again is not made late, and events whose arrival varies by less than `idleAfter` are not late either.
 *   - A source that is told its time (see tick-clocks) goes by that alone.
 *   - With one clock per publisher it is the least of theirs (see publisher-clocks).
 *
 * It never goes back. An event older than the watermark before it is late.
 */
export class SourceClock {
  private readonly settings: ClockSettings;
  private readonly publishers: PublisherClocks | undefined;
  private readonly ticks: TickClocks | undefined;
  private reached: InstantMs;
  /** What the events alone have reached. */
  private base: InstantMs;
  private newest: InstantMs = BEGINNING;
  /** Time that has passed since the last event, as far as it is known that there was none. */
  private idle = 0;

  /** @param start where to go on from; the beginning when there is no predecessor */
  constructor(settings: ClockSettings, start: ClockState = { watermark: BEGINNING, publishers: undefined }) {
    this.settings = settings;
    this.reached = start.watermark;
    this.base = start.watermark;
    this.publishers = settings.perPublisher ? new PublisherClocks(settings, start.publishers) : undefined;
    this.ticks = settings.toldBy === undefined ? undefined : new TickClocks(settings.toldBy, start.ticks);
  }

  get watermark(): InstantMs {
    return this.reached;
  }

  /** Greatest event time so far, of this clock or those before it, as far as that is known. */
  get latest(): InstantMs {
    const least = (this.reached + this.settings.disorder) as InstantMs;
    return this.newest > least ? this.newest : least;
  }

  /** Whether any event has ever been taken, by this clock or those before it. */
  get hasHeard(): boolean {
    return this.latest !== BEGINNING || this.publishers?.isEmpty === false;
  }

  /** Publishers that were given up to keep their number within its limit. */
  get publishersForgotten(): number {
    return this.publishers?.forgotten ?? 0;
  }

  /**
   * Takes an event's time. Gives it less the watermark before it, in ms: negative = the event is late by that much.
   * @param publisher whose clock it is by; of no effect without clocks per publisher
   */
  observe(time: InstantMs, publisher = ''): number {
    const lag = time - this.reached;
    if (time > this.newest) this.newest = time;
    if (this.ticks !== undefined) return lag;
    if (this.publishers !== undefined) this.publishers.observe(publisher, time);
    else if (time - this.settings.disorder > this.base) this.base = (time - this.settings.disorder) as InstantMs;
    this.idle = 0;
    this.rise(this.publishers === undefined ? this.base : this.publishers.watermark);
    return lag;
  }

  /** Time has passed in which the source had nothing to read. */
  elapse(length: DurationMs): void {
    if (this.publishers !== undefined) {
      this.publishers.elapse(length);
      this.rise(this.publishers.watermark);
      return;
    }
    this.idle += length;
    if (this.idle > this.settings.idleAfter) this.rise((this.base + this.idle - this.settings.idleAfter) as InstantMs);
  }

  /** A shard has said how far it is. */
  tick(shard: number, watermark: InstantMs, standing: number): void {
    this.ticks?.tick(shard, watermark, standing);
    if (this.ticks !== undefined) this.rise(this.ticks.watermark);
  }

  /** How the shards stand that tell it its time; empty while some are not heard of. */
  get standings(): readonly number[] {
    return this.ticks?.standings ?? [];
  }

  /** The source has ended or its end is decided: nothing older than this comes. */
  advanceTo(watermark: InstantMs): void {
    this.rise(watermark);
  }

  /** What a successor needs to promise no more than this clock has. Plain data. */
  get state(): ClockState {
    return { watermark: this.reached, publishers: this.publishers?.state, ticks: this.ticks?.state };
  }

  private rise(watermark: InstantMs): void {
    if (watermark > this.reached) this.reached = watermark;
  }
}

export interface ClockSettings {
  /** How far out of order events may come, by one publisher's clock. */
  readonly disorder: DurationMs;
  /** Silence after which time moves on without events; Infinity = never. */
  readonly idleAfter: DurationMs;
  /** Whether every publisher has a clock of its own. */
  readonly perPublisher: boolean;
  /** How many shards tell the clock its time; undefined = none does. */
  readonly toldBy?: number | undefined;
}

export interface ClockState {
  readonly watermark: InstantMs;
  readonly publishers: PublisherState | undefined;
  readonly ticks?: TickState | undefined;
}
