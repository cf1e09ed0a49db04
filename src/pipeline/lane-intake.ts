import { decodeMessage } from '../core/events/decode.ts';
import type { Rejected } from '../core/events/decoded.ts';
import type { Event } from '../core/events/event.ts';
import type { SourceSettings } from '../core/events/source-settings.ts';
import { type Position, whole } from '../core/shards/position.ts';
import { type ClockState, SourceClock } from '../core/time/source-clock.ts';
import { BEGINNING, type InstantMs } from '../core/time/units.ts';
import type { LogMessage } from '../ports/log.ts';
import type { Logger } from '../ports/logger.ts';
import type { SourceMeasures } from '../ports/measures.ts';
import { type LaneCause, laneDeadLetter } from './lane-dead-letter.ts';
import type { LaneOutput } from './lane-output.ts';
import type { DeadItem, EventItem, LaneRecords } from './lane-records.ts';
import type { Router } from './router.ts';

/**
 * What a lane makes of its source's messages: events on their way to shards, dead letters, and the source's time. It
 * waits for nothing, and what it makes is a function of where it started and what it was given.
 */
export class LaneIntake {
  /** How far the source has been taken in. */
  position: Position = whole(0);
  clock: SourceClock;
  private readonly options: LaneIntakeOptions;
  /** Sequence of the message whose bytes the last dead letter with a body holds. */
  private bodyKept = 0;

  constructor(options: LaneIntakeOptions) {
    this.options = options;
    this.clock = this.clockFrom({ watermark: BEGINNING, publishers: undefined });
  }

  /** Goes on from where another lane was. */
  goOn(position: Position, state: ClockState): void {
    this.position = position;
    this.clock = this.clockFrom(state);
  }

  private clockFrom(state: ClockState): SourceClock {
    const { disorder, idleAfter, publisher } = this.options.settings;
    return new SourceClock({ disorder, idleAfter, perPublisher: publisher !== undefined }, state);
  }

  /** Takes a message in. @returns how many events it held */
  take(message: LogMessage): number {
    const { settings, measures, records, logger } = this.options;
    const decoded = decodeMessage(message, settings);
    const { events } = decoded;
    measures.messagesIn += 1;
    measures.bytesIn += message.body.length;
    measures.eventsIn += events.length;
    measures.eventsExcluded += decoded.excluded;
    measures.expressionsFailed += decoded.expressionsFailed;
    if (message.stamp > records.stamp) records.stamp = message.stamp;
    if (decoded.failure !== undefined) {
      logger.debug({ source: settings.name, sequence: message.sequence }, decoded.failure);
    }
    const bytes = events.length === 0 ? 0 : message.body.length / events.length;
    // Strictly by index: a record that is cut between two values of a message counts on it.
    const rejected = decoded.rejected.values();
    let next = rejected.next();
    for (const event of events) {
      for (; !next.done && (next.value.index ?? 0) < event.index; next = rejected.next())
        this.reject(next.value, message);
      this.takeEvent(event, message, bytes);
    }
    for (; !next.done; next = rejected.next()) this.reject(next.value, message);
    this.position = whole(message.sequence);
    measures.watermarkMs = this.clock.watermark;
    return events.length;
  }

  private reject({ index, cause, message: text }: Rejected, message: LogMessage): void {
    this.addDead(message, index ?? 0, cause, text, index);
  }

  private takeEvent(event: Event, message: LogMessage, bytes: number): void {
    const { router, measures, shards, bodyMax } = this.options;
    const before = this.clock.watermark;
    const lag = this.clock.observe(event.time, this.publisherOf(event));
    router.route(event);
    measures.eventsWithoutKey += router.keyless;
    const large = message.body.length > bodyMax / GROWTH_MAX;
    let tooLarge = 0;
    for (let target = 0; target < router.targetShards.length; target += 1) {
      const routes = router.targetRoutes[target]!;
      const item: EventItem = { seq: event.seq, index: event.index, before, bytes, event, lag, routes };
      const bytesOver = large ? this.bytesOver(item) : 0;
      if (bytesOver > 0) {
        tooLarge = bytesOver;
        continue;
      }
      measures.eventsRouted += 1;
      shards[router.targetShards[target]!]!.add(item);
    }
    // One dead letter per event, whatever is wrong with it: its place in the order is the event's.
    if (tooLarge > 0) {
      const text = `The event is ${tooLarge} bytes too large for a shard's record, whose limit is the server's.`;
      this.addDead(message, event.index, 'tooLarge', [text, ...router.failures].join(' '), event.index, before);
    } else if (router.failures.length > 0) {
      this.addDead(message, event.index, 'key', router.failures.join(' '), event.index, before);
    }
  }

  private publisherOf(event: Event): string {
    const { settings, measures } = this.options;
    if (settings.publisher === undefined) return '';
    const named = settings.publisher(event);
    if (named.ok) return named.value === null ? '' : String(named.value);
    measures.expressionsFailed += 1;
    return '';
  }

  /** By how many bytes an event of a large message exceeds a record of its own; 0 when it fits. */
  private bytesOver(item: EventItem): number {
    const { position, clock } = this;
    const bounds = {
      from: position,
      upto: position,
      watermark: clock.watermark,
      standing: 'leads' as const,
      promised: BEGINNING,
    };
    return Math.max(0, this.options.records.encode([item], bounds).length - (this.options.bodyMax - 64));
  }

  private addDead(
    message: LogMessage,
    index: number,
    cause: LaneCause,
    text: string,
    eventIndex: number | undefined,
    before: InstantMs = this.clock.watermark,
  ): void {
    const { settings, measures, dead, bodyMax } = this.options;
    // A message may hold many bad events; its bytes are kept once, with the first of them.
    const keepsBody = cause !== 'tooLarge' && this.bodyKept !== message.sequence;
    if (keepsBody) this.bodyKept = message.sequence;
    const letter = laneDeadLetter(message, settings, { cause, text, index: eventIndex, keepsBody }, bodyMax - 1024);
    dead.add({ seq: message.sequence, index, before, bytes: letter.length, letter });
    measures.deadLetters.set(cause, (measures.deadLetters.get(cause) ?? 0) + 1);
  }
}

export interface LaneIntakeOptions {
  readonly settings: SourceSettings;
  readonly router: Router;
  readonly records: LaneRecords;
  /** One output for each shard. */
  readonly shards: readonly LaneOutput<EventItem>[];
  readonly dead: LaneOutput<DeadItem>;
  /** Largest record in bytes. */
  readonly bodyMax: number;
  readonly measures: SourceMeasures;
  readonly logger: Logger;
}

/** A message this many times smaller than the limit holds no event that could exceed it once it is in a record. */
const GROWTH_MAX = 8;
