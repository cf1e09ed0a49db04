import { decodeMessage } from '../core/events/decode.ts';
import type { Rejected, SourceMessage } from '../core/events/decoded.ts';
import type { Event } from '../core/events/event.ts';
import { envelopeWeight, eventWeight, textWeight } from '../core/events/event-weight.ts';
import type { SourceSettings } from '../core/events/source-settings.ts';
import { type Position, whole } from '../core/shards/position.ts';
import type { Route } from '../core/shards/record.ts';
import { standingNumber } from '../core/shards/standing.ts';
import { type ClockState, SourceClock } from '../core/time/source-clock.ts';
import { BEGINNING, type InstantMs } from '../core/time/units.ts';
import type { LogMessage } from '../ports/log.ts';
import type { Logger } from '../ports/logger.ts';
import type { SourceMeasures } from '../ports/measures.ts';
import { type LaneReason, laneDeadLetter } from './lane-dead-letter.ts';
import type { LaneOutput } from './lane-output.ts';
import type { DeadItem, EventItem, LaneRecords } from './lane-records.ts';
import type { Intended, ReplayedFrom } from './replays.ts';
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
    const { disorder, idleAfter, publisher, toldBy } = this.options.settings;
    return new SourceClock({ disorder, idleAfter, perPublisher: publisher !== undefined, toldBy }, state);
  }

  /** Takes a message in. @returns how many events it held */
  take(message: LogMessage): number {
    const { measures, records } = this.options;
    measures.messagesIn += 1;
    measures.bytesIn += message.body.length;
    if (message.stamp > records.stamp) records.stamp = message.stamp;
    const intended = this.options.intended(message);
    const { sequence } = message;
    let events = 0;
    if (intended.kind === 'message') events = this.takeContent({ ...intended, sequence });
    else if (intended.kind === 'tick') {
      const { watermark, standing } = intended.tick;
      this.clock.tick(intended.shard, watermark, standingNumber(standing));
    } else if (intended.kind === 'foreign') {
      this.addDead({ sequence, message, replay: undefined }, 0, {
        cause: 'undecodable',
        text: intended.why,
        index: undefined,
      });
    }
    this.position = whole(sequence);
    measures.watermarkMs = this.clock.watermark;
    return events;
  }

  private takeContent(taken: Taken): number {
    const { settings, measures, logger } = this.options;
    const { message, replay } = taken;
    const decoded = decodeMessage(message, settings);
    const only = replay?.index;
    const events = only === undefined ? decoded.events : decoded.events.filter(({ index }) => index === only);
    measures.eventsIn += events.length;
    measures.eventsExcluded += decoded.excluded;
    measures.expressionsFailed += decoded.expressionsFailed;
    if (decoded.failure !== undefined) {
      logger.debug({ source: settings.name, sequence: message.sequence }, decoded.failure);
    }
    const bytes = events.length === 0 ? 0 : message.body.length / events.length;
    // Strictly by index: a record that is cut between two values of a message counts on it.
    const rejected = decoded.rejected.values();
    let next = rejected.next();
    for (const event of events) {
      for (; !next.done && (next.value.index ?? 0) < event.index; next = rejected.next())
        this.reject(next.value, taken);
      this.takeEvent(event, taken, bytes);
    }
    for (; !next.done; next = rejected.next()) this.reject(next.value, taken);
    return events.length;
  }

  private reject({ index, cause, message: text, further }: Rejected, taken: Taken): void {
    const only = taken.replay?.index;
    const concerned =
      only === undefined || index === undefined || index === only || (further !== undefined && index < only);
    if (concerned) this.addDead(taken, index ?? 0, { cause, text, index, further });
  }

  private takeEvent(event: Event, taken: Taken, bytes: number): void {
    const { router, measures, shards, bodyMax } = this.options;
    const { message, sequence, replay } = taken;
    const rules = replay?.rules;
    const before = this.clock.watermark;
    const lag = this.clock.observe(event.time, this.publisherOf(event));
    router.route(event, rules);
    measures.eventsWithoutKey += router.keyless;
    const weight = this.weightOf(event, message);
    const { index } = event;
    const marked = replay && { sequence, rules };
    let tooLarge = 0;
    const unseenBy: string[] = [];
    for (let target = 0; target < router.targetShards.length; target += 1) {
      const routes = router.targetRoutes[target]!;
      const item: EventItem = { seq: sequence, index, before, bytes, event, lag, routes, replay: marked };
      const bytesOver = weight + routesWeight(routes) > bodyMax ? this.bytesOver(item) : 0;
      if (bytesOver > 0) {
        tooLarge = bytesOver;
        unseenBy.push(...router.rulesOf(routes, rules));
        continue;
      }
      measures.eventsRouted += 1;
      shards[router.targetShards[target]!]!.add(item);
    }
    // One dead letter per event, whatever is wrong with it: its place in the order is the event's.
    if (tooLarge > 0) {
      const text = `The event is ${tooLarge} bytes too large for a shard's record, whose limit is the server's.`;
      const reason = { cause: 'tooLarge', text: [text, ...router.failures].join(' '), index } as const;
      this.addDead(taken, index, { ...reason, rules: [...unseenBy, ...router.failedRules] }, before);
    } else if (router.failures.length > 0) {
      const reason = { cause: 'key', text: router.failures.join(' '), index } as const;
      this.addDead(taken, index, { ...reason, rules: [...router.failedRules] }, before);
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

  /** At least as many bytes as the event has in a record, without its routes: what is less than the limit fits. */
  private weightOf(event: Event, { body }: SourceMessage): number {
    const { bodyMax, settings } = this.options;
    const { each, derived } = settings.extraction;
    const madeUp = each !== undefined || derived.length > 0;
    return RECORD_REST + (madeUp ? eventWeight(event, bodyMax) : envelopeWeight(event) + body.length * GROWTH_MAX);
  }

  /** By how many bytes an event that may be too large exceeds a record of its own; 0 when it fits. */
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

  private addDead(taken: Taken, index: number, reason: DeadReason, before: InstantMs = this.clock.watermark): void {
    const { settings, measures, dead, bodyMax } = this.options;
    const { message, sequence, replay } = taken;
    // A message may hold many bad events; its bytes are kept once, with the first of them.
    const keepsBody = reason.cause !== 'tooLarge' && this.bodyKept !== sequence;
    if (keepsBody) this.bodyKept = sequence;
    const replayed = replay && { id: replay.id, sequence };
    const letter = laneDeadLetter(message, settings, { ...reason, keepsBody, replayed }, bodyMax - 1024);
    dead.add({ seq: sequence, index, before, bytes: letter.length, letter });
    measures.deadLetters.set(reason.cause, (measures.deadLetters.get(reason.cause) ?? 0) + 1);
  }
}

/** A message under way. */
interface Taken {
  /** Its place in what the lane reads; a replayed message has that of the original. */
  readonly sequence: number;
  readonly message: SourceMessage;
  readonly replay: ReplayedFrom | undefined;
}

type DeadReason = Omit<LaneReason, 'keepsBody' | 'replayed'>;

export interface LaneIntakeOptions {
  readonly settings: SourceSettings;
  /** What a message is to be taken for. */
  readonly intended: (message: LogMessage) => Intended;
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

/** What the data of a message grow by in a record at most, compared with the message. */
const GROWTH_MAX = 8;
/** What a record has beside its events, at most: names of the source, of its stream's creation and the like. */
const RECORD_REST = 1024;

function routesWeight(routes: readonly Route[]): number {
  let bytes = 0;
  for (const { keyspace, key } of routes) bytes += textWeight(keyspace) + textWeight(key);
  return bytes;
}
