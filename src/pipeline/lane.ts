import { comparePositions, showPosition, whole } from '../core/shards/position.ts';
import { type Standing, standingOf, standingOfAll } from '../core/shards/standing.ts';
import { duration, instant, NEVER } from '../core/time/units.ts';
import type { LogReader } from '../ports/log.ts';
import { backoff, pause } from '../ports/pause.ts';
import { during } from '../ports/turn-watch.ts';
import { chained, chainedRules } from './chains.ts';
import { firstToRead, followStream } from './follow-stream.ts';
import { LaneClock } from './lane-clock.ts';
import { LaneIntake } from './lane-intake.ts';
import type { LaneOptions } from './lane-options.ts';
import { type LaneItem, LaneOutput, type LaneProgress } from './lane-output.ts';
import { LaneRecords } from './lane-records.ts';
import { laneStart } from './lane-start.ts';
import { readNumbered } from './numbered-source.ts';
import { QuietProgress } from './quiet-progress.ts';
import { ReferenceIntake } from './reference-intake.ts';
import { referencesLoaded } from './references-loaded.ts';
import { ordinary, replayed, sourceHasTold } from './replays.ts';
import { Router } from './router.ts';
import { Silence } from './silence.ts';
import { disturbed } from './stream-changed.ts';

/**
 * The reader of one source: decodes, keys, packs, and appends to shard logs.
 *
 * Its position is in the records it writes and nowhere else (protocol.md, L1 to L5): a new lane looks at the end of
 * every (shard, lane) subject and reads the source again from the least of them, with the watermark that belongs to
 * that position, so what it derives is what its predecessor derived. It stops reading while more than `BACKLOG_MAX`
 * events, or `BACKLOG_BYTES_MAX` bytes of them, wait for their shards' acknowledgements.
 */
export class Lane {
  readonly name: string;
  private readonly options: LaneOptions;
  private readonly records: LaneRecords;
  private readonly intake: LaneIntake | ReferenceIntake;
  /** One for each shard, and one for dead letters: what holds for a shard's records holds for those too. */
  private readonly outputs: readonly LaneOutput<LaneItem>[];
  /** Undefined when the watermark in the records says all there is to know of the clock. */
  private readonly keptClock: LaneClock | undefined;
  private readonly silence: Silence;
  private standing: Standing = 'leads';
  /** Number of the message with which a reference is loaded; undefined for events, and when it is. */
  private loadsTo: number | undefined;
  private listening = false;
  private readonly ticks: boolean;
  private reader: LogReader | undefined;
  private stopped = false;
  private failed: (error: unknown) => void = () => undefined;
  private wake: () => void = () => undefined;
  /** Says for the watch what is being taken in. */
  private readonly where = () => `lane ${this.name}, after message ${showPosition(this.intake.position)} of its stream`;

  constructor(options: LaneOptions) {
    const { ports, settings, subjects, rules, measures } = options;
    const { log, logger } = ports;
    this.options = options;
    this.name = options.name;
    this.records = new LaneRecords(ports, settings.name, options.ruleVersion);
    const { records } = this;
    const shards = Array.from(
      { length: options.shards },
      (_, shard) => new LaneOutput(log, subjects.shardLog(shard, this.name), records.events, ports.measures),
    );
    const quiet = new QuietProgress(log, subjects.laneLetters(this.name));
    const dead = new LaneOutput(log, subjects.laneDead(this.name), records.dead, ports.measures, quiet);
    this.outputs = [...shards, dead] as unknown as readonly LaneOutput<LaneItem>[];
    const router = new Router(rules, settings.name, options.shards);
    const { bodyMax } = log;
    const intended = settings.toldBy !== undefined ? chained : options.replays ? replayed : ordinary;
    const { reference } = options;
    this.intake =
      reference === undefined
        ? new LaneIntake({ settings, intended, router, records, shards, dead, bodyMax, measures, logger })
        : new ReferenceIntake({ reference, records, shards, dead, bodyMax, measures, logger });
    const clockKept = settings.publisher !== undefined || settings.toldBy !== undefined;
    this.keptClock = clockKept ? new LaneClock(log, subjects.laneClock(this.name)) : undefined;
    this.silence = new Silence(ports.clock, options.heartbeat);
    // Those that read a rule are told its time now and then, by processing time: so it must go on after the last event.
    const readByOthers = chainedRules(rules);
    this.ticks = rules.rules.some(
      (rule) =>
        rule.sources.includes(this.name) &&
        (rule.behaviour.onProcessingTime !== undefined || readByOthers.includes(rule)),
    );
  }

  /**
   * Reads until the source ends, `stop` is called or something fails.
   * @param ready called when the position is known and reading begins
   * @returns whether the source has ended and everything of it is in the shard logs
   * @throws {PortError} from the source; {LogLostTail}, {SourceDisturbed} when the lane must start over; {StreamChanged}
   *   when the source's stream is no longer what was read of it
   */
  async run(ready: () => void): Promise<'ended' | 'stopped'> {
    const failure = new Promise<never>((_, reject) => (this.failed = reject));
    failure.catch(() => undefined); // observed by the race below; not by anyone when the loop ends first
    const cancelBeat = this.beat();
    try {
      await this.takeOver();
      if (this.options.replays) await sourceHasTold(this.options, () => this.stopped);
      for (const output of this.outputs) if (output.isNewVersion) this.pump(output);
      // Events are not judged before what is looked up for them is there.
      if (!(await Promise.race([referencesLoaded(this.options, () => this.stopped), failure]))) return 'stopped';
      ready();
      return await Promise.race([this.read(), failure]);
    } finally {
      cancelBeat();
      this.stopped = true;
      this.options.pace?.leave(this.name);
      await this.reader?.close();
    }
  }

  /** Stops reading. What has not been appended is left to the next lane, which derives it again. */
  stop(): void {
    this.stopped = true;
    this.wake();
    this.options.pace?.leave(this.name);
    void this.reader?.close();
  }

  private async takeOver(): Promise<void> {
    const { source } = this.options;
    const stored = await laneStart(this.options);
    const start = whole(stored.start.seq);
    await Promise.all(this.outputs.map((output) => output.takeOver(start)));
    const least = this.leastBehind();
    const stamp = instant(Math.max(...this.outputs.map(({ stampFound }) => stampFound)));
    this.records.stamp = stamp;
    const most = Math.max(...this.outputs.map(({ upto }) => upto.seq));
    const followed = await followStream(this.options, stored, { most, least: least.upto.seq, stamp });
    this.records.created = followed.facts.created;
    const kept = await this.keptClock?.takeOver();
    if (kept !== undefined && comparePositions(kept.upto, least.upto) <= 0) this.intake.goOn(kept.upto, kept.state);
    else {
      // Clocks of publishers that were never stored are found by reading everything again.
      const fromStart = this.keptClock !== undefined && kept === undefined;
      this.intake.goOn(fromStart ? start : least.upto, { watermark: least.watermark, publishers: undefined });
    }
    const next = this.nextSequence();
    const first = firstToRead(this.options, followed, next);
    if (first > next) this.intake.position = whole(first - 1);
    this.reader = readNumbered(source, followed.numbering, first);
    const { reference, finite } = this.options;
    if (reference === undefined) return;
    this.loadsTo = finite === true ? NEVER : followed.numbering.laneNumber(followed.facts.lastSequence);
    await this.noteLoaded();
    this.flushBehind();
  }

  /** A reference stands as ended once it has what its stream held at first: nobody needs to wait for it any more. */
  private async noteLoaded(): Promise<void> {
    if (this.loadsTo === undefined) return;
    const { reader, intake } = this;
    if (intake.position.seq < this.loadsTo) {
      if ((await reader?.caughtUp?.()) !== true) return;
      // What the reader has just given out has yet to be taken in.
      if (intake.position.seq < (reader?.position ?? 1) - 1) return;
    }
    this.loadsTo = undefined;
    this.standing = 'ended';
  }

  /** The output that has the least of the source. */
  private leastBehind(): LaneOutput<LaneItem> {
    let least: LaneOutput<LaneItem> = this.outputs[0]!;
    for (const output of this.outputs) if (comparePositions(output.upto, least.upto) < 0) least = output;
    return least;
  }

  /** A message that was cut is read again; its first part is skipped by the outputs that have it. */
  private nextSequence(): number {
    const { seq, part } = this.intake.position;
    return part === whole(0).part ? seq + 1 : seq;
  }

  private async read(): Promise<'ended' | 'stopped'> {
    const { ports } = this.options;
    for (;;) {
      if (this.isOver()) return await this.finish();
      const messages = await this.reader!.next().catch(disturbed);
      if (this.stopped) return 'stopped';
      if (messages === undefined) return await this.finish();
      const started = ports.clock.monotonic();
      let events = 0;
      during(this.options.watch, this.where, () => {
        for (const message of messages) events += this.intake.take(message);
      });
      if (events > 0) {
        this.silence.heard();
        this.standing = 'leads';
      }
      this.options.measures.pending = this.reader!.pending ?? 0;
      ports.measures.busySeconds.decode += (ports.clock.monotonic() - started) / 1000;
      await this.noteLoaded();
      this.flushWaiting();
      await this.roomForMore();
      await this.options.pace?.step(this.name, this.intake.clock.watermark);
      if (this.stopped) return 'stopped';
    }
  }

  /** Whether a source that is told its time is told its end as well; how it stands meanwhile is noted. */
  private isOver(): boolean {
    const { standings } = this.intake.clock;
    if (standings.length === 0) return false;
    this.standing = standingOfAll(standings.map(standingOf));
    return this.standing === 'ended' || this.standing === 'closed';
  }

  /** How far it has read, and what it promises. */
  get reached(): LaneProgress {
    return this.progress;
  }

  private get progress(): LaneProgress {
    const { position, clock } = this.intake;
    return { position, watermark: clock.watermark, standing: this.standing };
  }

  /** Sends what waits; each output then goes on by itself while more is waiting. */
  private flushWaiting(): void {
    for (const output of this.outputs) if (output.idle && output.backlog > 0) this.pump(output);
  }

  private pump(output: LaneOutput<LaneItem>, attempt = 0, always = false): void {
    if (!output.idle) return; // while one was pausing, new events have begun another
    output.flush(this.progress, always).then(async (answered) => {
      this.wake();
      if (!answered) await pause(this.options.ports.clock, backoff(attempt));
      if (!this.stopped && output.backlog > 0) this.pump(output, answered ? 0 : attempt + 1);
    }, this.failed);
  }

  private async roomForMore(): Promise<void> {
    if (!this.isFull(1)) return;
    const { clock, measures } = this.options.ports;
    const started = clock.monotonic();
    while (!this.stopped && this.isFull(1 / 2)) await this.somethingStored();
    measures.backpressuredSeconds += (clock.monotonic() - started) / 1000;
  }

  /** Whether so much waits, and tells how much does. @param share of what may wait */
  private isFull(share: number): boolean {
    let bytes = 0;
    for (const output of this.outputs) bytes += output.backlogBytes;
    this.options.measures.backlogBytes = bytes;
    return bytes >= share * BACKLOG_BYTES_MAX || this.backlog() >= share * BACKLOG_MAX;
  }

  private backlog(): number {
    let sum = 0;
    for (const output of this.outputs) sum += output.backlog;
    return sum;
  }

  private somethingStored(): Promise<void> {
    return new Promise((resolve) => (this.wake = resolve));
  }

  /** Every second or so, tells each shard how far the lane is (L5): bounds what a new lane reads again. */
  private beat(): () => void {
    const { ports, heartbeat } = this.options;
    let cancel: () => void = () => undefined;
    const again = () => {
      if (this.reader !== undefined && !this.stopped) {
        this.moveOverForeign();
        this.flushBehind();
        this.listen(this.reader).catch(this.failed);
      }
      cancel = ports.clock.after(duration(heartbeat), again);
    };
    cancel = ports.clock.after(duration(heartbeat), again);
    return () => cancel();
  }

  /** Lets time pass in silence, and tells the shards where the lane is. */
  private async listen(reader: LogReader): Promise<void> {
    if (this.listening) return;
    this.listening = true;
    const silent = await this.silence.beat(reader).finally(() => (this.listening = false));
    if (this.stopped) return;
    const { settings, measures } = this.options;
    const { clock, position } = this.intake;
    if (Number.isFinite(settings.idleAfter)) {
      if (silent > 0) clock.elapse(silent);
      if (this.silence.isQuiet && !clock.hasHeard) this.standing = settings.idleAfter;
    }
    await this.noteLoaded();
    this.isFull(1);
    measures.watermarkMs = clock.watermark;
    measures.publishersForgotten = clock.publishersForgotten;
    await this.keptClock?.beat(position, clock.state, this.leastBehind().upto);
    if (this.stopped) return;
    // Rules that go by processing time hear the clock tick.
    if (this.ticks) for (const output of this.outputs) this.pump(output, 0, true);
    else this.flushBehind();
  }

  /**
   * A filtered source is read far beyond its last message while others fill the stream. Without moving on with the
   * reader, a restart would ask for a position that the stream's retention has long passed.
   */
  private moveOverForeign(): void {
    const read = (this.reader?.position ?? 0) - 1;
    if (read > this.intake.position.seq && this.backlog() === 0) this.intake.position = whole(read);
  }

  private flushBehind(): void {
    for (const output of this.outputs) if (output.idle && output.isBehind(this.progress)) this.pump(output);
  }

  /** The source has ended: the last watermark goes out, and everything is stored. */
  private async finish(): Promise<'ended' | 'stopped'> {
    // At the end nothing can come any more that is older than the last event; `close` says so and no more than that.
    const { clock } = this.intake;
    if (this.options.atEnd === 'close' && clock.hasHeard) clock.advanceTo(instant(clock.latest + 1));
    if (this.options.atEnd === 'drain') clock.advanceTo(NEVER);
    this.standing = this.options.atEnd === 'close' ? 'closed' : 'ended';
    this.options.pace?.leave(this.name);
    for (;;) {
      this.flushBehind();
      if (this.outputs.every((output) => output.idle && !output.isBehind(this.progress))) return 'ended';
      if (this.stopped) return 'stopped';
      await this.somethingStored();
    }
  }
}

/** Events and dead letters that may wait for acknowledgements before the lane stops reading. */
const BACKLOG_MAX = 65_536;
/** And their bytes as they were read: an event counts in each shard that it goes to. One read more may come on top. */
const BACKLOG_BYTES_MAX = 32 * 1024 * 1024;
