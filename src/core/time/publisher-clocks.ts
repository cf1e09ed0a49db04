import { BEGINNING, type DurationMs, type InstantMs } from './units.ts';

/**
 * Watermarks of a source whose publishers each have a clock of their own, however far apart: the least of what each
 * would promise alone. One that is ahead of the others so makes none of their events late.
 *
 * A silent publisher must not hold the others up for ever. How long it has been silent is told by the *progress* of the
 * source: how far its clocks have moved, each measured from where it began, and the leading one counts. Progress, not
 * the clocks' readings, so a publisher that is 77 minutes behind is not taken for one that has been silent for 77
 * minutes. After `idleAfter` of it, a silent publisher's own promise moves on as the progress does; after
 * `FORGOTTEN_AFTER` it is forgotten. Progress can leap by `disorder` when an event comes in order after delayed ones, with
 * hardly any time passed: so much of it is no silence.
 *
 * Nothing is promised before the source has made `idleAfter` of progress (and `disorder` more, for the same reason), so
 * that publishers that begin a moment after the first one are known before their first event could be late.
 */
export class PublisherClocks {
  forgotten = 0;
  private readonly disorder: number;
  private readonly idleAfter: number;
  private readonly grace: number;
  private readonly clocks = new Map<string, PublisherClock>();
  /** Of the leading publisher, in ms since the first event. */
  private progress = 0;
  /** The one whose promise is the least, when it was last looked for, and the progress then. */
  private slowest: PublisherClock | undefined;
  private lookedAt = Number.NEGATIVE_INFINITY;
  private least: InstantMs = BEGINNING;

  constructor(
    { disorder, idleAfter }: { readonly disorder: DurationMs; readonly idleAfter: DurationMs },
    start: PublisherState | undefined,
  ) {
    this.disorder = disorder;
    this.idleAfter = idleAfter;
    this.grace = (Number.isFinite(idleAfter) ? idleAfter : GRACE_MS) + disorder;
    if (start === undefined) return;
    this.progress = start.progress;
    for (const [name, latest, offset, heard] of start.clocks) this.clocks.set(name, { latest, offset, heard });
  }

  get watermark(): InstantMs {
    return this.progress < this.grace ? BEGINNING : this.least;
  }

  get isEmpty(): boolean {
    return this.clocks.size === 0;
  }

  get state(): PublisherState {
    const clocks = [...this.clocks].map(([name, { latest, offset, heard }]) => [name, latest, offset, heard] as const);
    return { progress: this.progress, clocks };
  }

  observe(name: string, time: InstantMs): void {
    let clock = this.clocks.get(name);
    const known = clock !== undefined;
    if (clock === undefined) {
      if (this.clocks.size >= PUBLISHERS_MAX) this.forgetSilent();
      clock = { latest: time, offset: this.progress - time, heard: 0 };
      this.clocks.set(name, clock);
    }
    if (time > clock.latest) clock.latest = time;
    this.progress = Math.max(this.progress, clock.latest + clock.offset);
    clock.heard = this.progress + this.disorder;
    if (!known || clock === this.slowest || this.progress - this.lookedAt >= LOOK_MS) this.look();
  }

  elapse(length: DurationMs): void {
    if (this.clocks.size === 0) return;
    // This is time that really passed.
    for (const clock of this.clocks.values()) clock.heard = Math.min(clock.heard, this.progress);
    this.progress += length;
    this.look();
  }

  private look(): void {
    this.lookedAt = this.progress;
    let least = Number.POSITIVE_INFINITY;
    for (const [name, clock] of this.clocks) {
      const silent = this.progress - clock.heard;
      if (silent > FORGOTTEN_AFTER && this.clocks.size > 1) {
        this.clocks.delete(name);
        continue;
      }
      const promise = clock.latest - this.disorder + Math.max(0, silent - this.idleAfter);
      if (promise >= least) continue;
      least = promise;
      this.slowest = clock;
    }
    this.least = least as InstantMs;
  }

  /** Gives up the tenth that has been silent longest, so that it need not be done for every new one. */
  private forgetSilent(): void {
    const bySilence = [...this.clocks].sort(([, a], [, b]) => a.heard - b.heard);
    for (const [name] of bySilence.slice(0, PUBLISHERS_MAX / 10)) this.clocks.delete(name);
    this.forgotten += PUBLISHERS_MAX / 10;
    this.slowest = undefined;
  }
}

/**
 * A publisher's latest event time; its clock's distance to the source's progress; and the progress up to which it does
 * not count as silent: that when it was last heard, and `disorder` more.
 */
interface PublisherClock {
  latest: number;
  readonly offset: number;
  heard: number;
}

export interface PublisherState {
  readonly progress: number;
  /** Name, latest, offset, heard. */
  readonly clocks: readonly (readonly [string, number, number, number])[];
}

/** Publishers with a clock of their own at a time. */
export const PUBLISHERS_MAX = 10_000;
/** A publisher silent for a day of the source's progress is forgotten. */
const FORGOTTEN_AFTER = 86_400_000;
/** Progress before the first promise when silence never counts. */
const GRACE_MS = 2_000;
/** The least clock is looked for again after this much progress at the latest. */
const LOOK_MS = 100;
