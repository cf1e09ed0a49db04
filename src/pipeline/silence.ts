import { type DurationMs, duration } from '../core/time/units.ts';
import type { Clock } from '../ports/clock.ts';
import type { LogReader } from '../ports/log.ts';

/**
 * How long a source has been silent, as far as that is known. Time counts only between two moments, a few beats apart at
 * most, at which the server itself said that there was nothing more to read: not while the connection was down, the
 * process was paused or a backlog was being read, since what was published meanwhile is still to come.
 */
export class Silence {
  private readonly clock: Clock;
  private readonly longestGapMs: number;
  /** When an event was last read, and when it was last known that no more was there. */
  private heardAt: number | undefined;
  private quietAt: number | undefined;
  private heardSinceBeat = false;

  /** @param heartbeat how often `beat` is called */
  constructor(clock: Clock, heartbeat: number) {
    this.clock = clock;
    this.longestGapMs = 3 * heartbeat;
  }

  /** Events were read just now. */
  heard(): void {
    this.heardAt = this.clock.monotonic();
    this.heardSinceBeat = true;
  }

  /** Whether the last beat found that all there is has been read. */
  get isQuiet(): boolean {
    return this.quietAt !== undefined;
  }

  /** Looks whether there is anything to read. Gives the silence that has passed and was not given before. */
  async beat(reader: LogReader): Promise<DurationMs> {
    const now = this.clock.monotonic();
    const before = this.quietAt;
    if (this.heardSinceBeat) {
      // That none was pending behind the last message was known when that came. More may be on its way: whether the time
      // since then was silence is known when the server is next asked.
      this.heardSinceBeat = false;
      this.quietAt = reader.pending === 0 ? this.heardAt : undefined;
      return duration(0);
    }
    const quiet = (await reader.caughtUp?.()) ?? false;
    this.quietAt = quiet ? now : undefined;
    if (!quiet || before === undefined || now - before > this.longestGapMs) return duration(0);
    // What was read while the question was under way ends the silence.
    return duration(Math.max(0, now - Math.max(before, this.heardAt ?? before)));
  }
}
