import { decodeMessage } from '../core/events/decode.ts';
import type { Rejected } from '../core/events/decoded.ts';
import type { Event } from '../core/events/event.ts';
import type { SourceSettings } from '../core/events/source-settings.ts';
import type { RuleSet } from '../core/rules/rule-set.ts';
import { decodeDeadRecord, encodeDeadRecord } from '../core/shards/dead-record.ts';
import { comparePositions, type Position, whole } from '../core/shards/position.ts';
import { decodeRecord, encodeRecord, type RoutedEvent } from '../core/shards/record.ts';
import type { Subjects } from '../core/shards/subjects.ts';
import { BEGINNING, duration, type InstantMs, instant, NEVER } from '../core/time/units.ts';
import { BoundedDisorder } from '../core/time/watermark.ts';
import type { Clock } from '../ports/clock.ts';
import type { EventSource, FencedLog, LogMessage, LogReader } from '../ports/log.ts';
import type { Logger } from '../ports/logger.ts';
import type { NodeMeasures, SourceMeasures } from '../ports/measures.ts';
import { backoff, pause } from '../ports/pause.ts';
import { type LaneCause, laneDeadLetter } from './lane-dead-letter.ts';
import { type LaneItem, LaneOutput, type LaneProgress, type RecordForm } from './lane-output.ts';
import { laneStart } from './lane-start.ts';
import { Router } from './router.ts';

/**
 * The reader of one source: decodes, keys, packs, and appends to shard logs.
 *
 * Its position is in the records it writes and nowhere else (protocol.md, L1 to L5): a new lane looks at the end of
 * every (shard, lane) subject and reads the source again from the least of them, with the watermark that belongs to
 * that position, so what it derives is what its predecessor derived. It stops reading while more than `BACKLOG_MAX`
 * events wait for their shards' acknowledgements.
 */
export class Lane {
  readonly name: string;
  private readonly options: LaneOptions;
  private readonly shards: LaneOutput<EventItem>[];
  private readonly dead: LaneOutput<DeadItem>;
  /** All of them: what holds for a shard's records holds for those of dead letters. */
  private readonly outputs: readonly LaneOutput<LaneItem>[];
  private readonly router: Router;
  private position: Position = whole(0);
  private time = new BoundedDisorder(duration(0));
  private stamp: InstantMs = instant(0);
  private created = '';
  /** Sequence of the message whose bytes the last dead letter with a body holds. */
  private bodyKept = 0;
  private reader: LogReader | undefined;
  private stopped = false;
  private failed: (error: unknown) => void = () => undefined;
  private wake: () => void = () => undefined;

  constructor(options: LaneOptions) {
    const { ports, settings, subjects } = options;
    this.options = options;
    this.name = settings.name;
    this.router = new Router(options.rules, settings.name, options.shards);
    this.shards = Array.from(
      { length: options.shards },
      (_, shard) => new LaneOutput(ports.log, subjects.shardLog(shard, this.name), this.eventForm(), ports.measures),
    );
    this.dead = new LaneOutput(ports.log, subjects.laneDead(this.name), this.deadForm(), ports.measures);
    this.outputs = [...this.shards, this.dead] as unknown as readonly LaneOutput<LaneItem>[];
  }

  /**
   * Reads until the source ends, `stop` is called or something fails.
   * @param ready called when the position is known and reading begins
   * @returns whether the source has ended and everything of it is in the shard logs
   * @throws {PortError} from the source; {LogLostTail} when the lane must start over
   */
  async run(ready: () => void): Promise<'ended' | 'stopped'> {
    const failure = new Promise<never>((_, reject) => (this.failed = reject));
    failure.catch(() => undefined); // observed by the race below; not by anyone when the loop ends first
    const cancelBeat = this.beat();
    try {
      await this.takeOver();
      if (this.stopped) return 'stopped';
      ready();
      return await Promise.race([this.read(), failure]);
    } finally {
      cancelBeat();
      this.stopped = true;
      await this.reader?.close();
    }
  }

  /** Stops reading. What has not been appended is left to the next lane, which derives it again. */
  stop(): void {
    this.stopped = true;
    this.wake();
    void this.reader?.close();
  }

  private async takeOver(): Promise<void> {
    const { source } = this.options;
    const facts = await source.facts();
    this.created = facts.created;
    const start = await laneStart(this.options, this.created);
    await Promise.all(this.outputs.map((output) => output.takeOver(start)));
    let least: LaneOutput<LaneItem> = this.outputs[0]!;
    for (const output of this.outputs) if (comparePositions(output.upto, least.upto) < 0) least = output;
    this.position = least.upto;
    this.time = new BoundedDisorder(this.options.settings.disorder, least.watermark);
    this.reader = source.read(this.nextSequence());
  }

  /** A message that was cut is read again; its first part is skipped by the outputs that have it. */
  private nextSequence(): number {
    return this.position.part === whole(0).part ? this.position.seq + 1 : this.position.seq;
  }

  private async read(): Promise<'ended' | 'stopped'> {
    const { ports } = this.options;
    for (;;) {
      const messages = await this.reader!.next();
      if (this.stopped) return 'stopped';
      if (messages === undefined) return await this.finish();
      const started = ports.clock.monotonic();
      for (const message of messages) this.take(message);
      this.options.measures.pending = this.reader!.pending ?? 0;
      ports.measures.busySeconds.decode += (ports.clock.monotonic() - started) / 1000;
      this.flushWaiting();
      await this.roomForMore();
      if (this.stopped) return 'stopped';
    }
  }

  private take(message: LogMessage): void {
    const { settings, ports, measures } = this.options;
    const decoded = decodeMessage(message, settings);
    measures.messagesIn += 1;
    measures.bytesIn += message.body.length;
    measures.eventsIn += decoded.events.length;
    measures.eventsExcluded += decoded.excluded;
    measures.expressionsFailed += decoded.expressionsFailed;
    this.stamp = message.stamp > this.stamp ? message.stamp : this.stamp;
    if (decoded.failure !== undefined) {
      ports.logger.debug({ source: settings.name, sequence: message.sequence }, decoded.failure);
    }
    const bytes = decoded.events.length === 0 ? 0 : message.body.length / decoded.events.length;
    // Strictly by index: a record that is cut between two values of a message counts on it.
    const rejected = decoded.rejected.values();
    let next = rejected.next();
    for (const event of decoded.events) {
      for (; !next.done && (next.value.index ?? 0) < event.index; next = rejected.next())
        this.reject(next.value, message);
      this.takeEvent(event, message, bytes);
    }
    for (; !next.done; next = rejected.next()) this.reject(next.value, message);
    this.position = whole(message.sequence);
    measures.watermarkMs = this.time.watermark;
  }

  private reject({ index, cause, message: text }: Rejected, message: LogMessage): void {
    this.addDead(message, index ?? 0, cause, text, index);
  }

  private takeEvent(event: Event, message: LogMessage, bytes: number): void {
    const before = this.time.watermark;
    const lag = this.time.observe(event.time);
    const { router } = this;
    router.route(event);
    this.options.measures.eventsWithoutKey += router.keyless;
    const large = message.body.length > this.options.ports.log.bodyMax / GROWTH_MAX;
    let tooLarge = 0;
    for (let target = 0; target < router.targetShards.length; target += 1) {
      const routes = router.targetRoutes[target]!;
      const item: EventItem = { seq: event.seq, index: event.index, before, bytes, event, lag, routes };
      const bytesOver = large ? this.bytesOver(item) : 0;
      if (bytesOver > 0) {
        tooLarge = bytesOver;
        continue;
      }
      this.options.measures.eventsRouted += 1;
      this.shards[router.targetShards[target]!]!.add(item);
    }
    // One dead letter per event, whatever is wrong with it: its place in the order is the event's.
    if (tooLarge > 0) {
      const text = `The event is ${tooLarge} bytes too large for a shard's record, whose limit is the server's.`;
      this.addDead(message, event.index, 'tooLarge', [text, ...router.failures].join(' '), event.index, before);
    } else if (router.failures.length > 0) {
      this.addDead(message, event.index, 'key', router.failures.join(' '), event.index, before);
    }
  }

  /** By how many bytes an event of a large message exceeds a record of its own; 0 when it fits. */
  private bytesOver(routed: RoutedEvent): number {
    const bytes = this.encodeEvents([routed], this.position, this.position, this.time.watermark).length;
    return Math.max(0, bytes - (this.options.ports.log.bodyMax - 64));
  }

  private encodeEvents(events: readonly RoutedEvent[], from: Position, upto: Position, watermark: InstantMs): Buffer {
    const { ruleVersion, ports } = this.options;
    const { stamp, created, name: source } = this;
    const started = ports.clock.monotonic();
    const bytes = encodeRecord({ from, upto, stamp, watermark, ruleVersion, source, created, events });
    ports.measures.busySeconds.append += (ports.clock.monotonic() - started) / 1000;
    return bytes;
  }

  private addDead(
    message: LogMessage,
    index: number,
    cause: LaneCause,
    text: string,
    eventIndex: number | undefined,
    before: InstantMs = this.time.watermark,
  ): void {
    const { settings, ports, measures } = this.options;
    // A message may hold many bad events; its bytes are kept once, with the first of them.
    const keepsBody = cause !== 'tooLarge' && this.bodyKept !== message.sequence;
    if (keepsBody) this.bodyKept = message.sequence;
    const letter = laneDeadLetter(
      message,
      settings,
      { cause, text, index: eventIndex, keepsBody },
      ports.log.bodyMax - 1024,
    );
    const item: DeadItem = { seq: message.sequence, index, before, bytes: letter.length, letter };
    this.dead.add(item);
    measures.deadLetters.set(cause, (measures.deadLetters.get(cause) ?? 0) + 1);
  }

  private eventForm(): RecordForm<EventItem> {
    return {
      encode: (items, from, upto, watermark) => this.encodeEvents(items, from, upto, watermark),
      decode: (body) => decodeRecord(body),
    };
  }

  private deadForm(): RecordForm<DeadItem> {
    return {
      encode: (items, from, upto, watermark) =>
        encodeDeadRecord({ from, upto, watermark, letters: items.map(({ letter }) => letter) }),
      decode: (body) => decodeDeadRecord(body),
    };
  }

  /** How far it has read, and what it promises. */
  get reached(): LaneProgress {
    return this.progress;
  }

  private get progress(): LaneProgress {
    return { position: this.position, watermark: this.time.watermark };
  }

  /** Sends what waits; each output then goes on by itself while more is waiting. */
  private flushWaiting(): void {
    for (const output of this.outputs) if (output.idle && output.backlog > 0) this.pump(output);
  }

  private pump(output: LaneOutput<LaneItem>, attempt = 0): void {
    if (!output.idle) return; // while one was pausing, new events have begun another
    output.flush(this.progress).then(async (answered) => {
      this.wake();
      if (!answered) await pause(this.options.ports.clock, backoff(attempt));
      if (!this.stopped && output.backlog > 0) this.pump(output, answered ? 0 : attempt + 1);
    }, this.failed);
  }

  private async roomForMore(): Promise<void> {
    if (this.backlog() < BACKLOG_MAX) return;
    const { clock, measures } = this.options.ports;
    const started = clock.monotonic();
    while (!this.stopped && this.backlog() >= BACKLOG_MAX / 2) await this.somethingStored();
    measures.backpressuredSeconds += (clock.monotonic() - started) / 1000;
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
      }
      cancel = ports.clock.after(duration(heartbeat), again);
    };
    cancel = ports.clock.after(duration(heartbeat), again);
    return () => cancel();
  }

  /**
   * A filtered source is read far beyond its last message while others fill the stream. Without moving on with the
   * reader, a restart would ask for a position that the stream's retention has long passed.
   */
  private moveOverForeign(): void {
    const read = (this.reader?.position ?? 0) - 1;
    if (read > this.position.seq && this.backlog() === 0) this.position = whole(read);
  }

  private flushBehind(): void {
    for (const output of this.outputs) if (output.idle && output.isBehind(this.progress)) this.pump(output);
  }

  /** The source has ended: the last watermark goes out, and everything is stored. */
  private async finish(): Promise<'ended' | 'stopped'> {
    const reached = this.time.watermark;
    const { disorder } = this.options.settings;
    // At the end nothing can come any more that is older than the last event; `close` says so and no more than that.
    if (this.options.atEnd === 'close' && reached !== BEGINNING)
      this.time = new BoundedDisorder(duration(0), instant(reached + disorder + 1));
    if (this.options.atEnd === 'drain') this.time = new BoundedDisorder(duration(0), NEVER);
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

/** A message this many times smaller than the limit holds no event that could exceed it once it is in a record. */
const GROWTH_MAX = 8;

export interface LaneOptions {
  readonly ports: {
    readonly log: FencedLog;
    readonly clock: Clock;
    readonly logger: Logger;
    readonly measures: NodeMeasures;
  };
  readonly source: EventSource;
  readonly settings: SourceSettings;
  readonly rules: RuleSet;
  readonly ruleVersion: number;
  readonly shards: number;
  readonly subjects: Subjects;
  readonly heartbeat: number;
  readonly atEnd: 'close' | 'stop' | 'drain';
  readonly measures: SourceMeasures;
}

type EventItem = LaneItem & RoutedEvent;

interface DeadItem extends LaneItem {
  readonly letter: Uint8Array;
}
