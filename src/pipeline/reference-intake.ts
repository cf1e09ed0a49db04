import type { Event } from '../core/events/event.ts';
import { defaultEventId } from '../core/events/event-id.ts';
import { packReferenceValue } from '../core/references/entry-cell.ts';
import { type ReadEntry, readEntry } from '../core/references/read-entry.ts';
import { type ReferenceSettings, referenceSource } from '../core/references/reference-settings.ts';
import { PUT, REMOVE, referenceKeyspace } from '../core/references/shard-references.ts';
import { type Position, whole } from '../core/shards/position.ts';
import { type ClockState, SourceClock } from '../core/time/source-clock.ts';
import { BEGINNING, duration } from '../core/time/units.ts';
import type { LogMessage } from '../ports/log.ts';
import type { Logger } from '../ports/logger.ts';
import type { SourceMeasures } from '../ports/measures.ts';
import { laneDeadLetter } from './lane-dead-letter.ts';
import type { LaneOutput } from './lane-output.ts';
import type { DeadItem, EventItem, LaneRecords } from './lane-records.ts';

/**
 * What the lane of a reference makes of its stream's messages: each is an entry that goes to every shard, in the form of
 * an event with one route, or a dead letter. Time means nothing here.
 *
 * A message that cannot be taken says all the same that what stood under its key is no longer true. So where the key is
 * known, the entry is removed.
 */
export class ReferenceIntake {
  /** How far the stream has been taken in. */
  position: Position = whole(0);
  clock = timeless({ watermark: BEGINNING, publishers: undefined });
  private readonly options: ReferenceIntakeOptions;
  private tooLarge = 0;

  constructor(options: ReferenceIntakeOptions) {
    this.options = options;
  }

  /** Goes on from where another lane was. */
  goOn(position: Position, state: ClockState): void {
    this.position = position;
    this.clock = timeless(state);
  }

  /** Takes a message in. @returns how many events it held: none */
  take(message: LogMessage): number {
    const { measures, records, reference } = this.options;
    measures.messagesIn += 1;
    measures.bytesIn += message.body.length;
    if (message.stamp > records.stamp) records.stamp = message.stamp;
    const entry = this.withinLimits(readEntry(message, reference), message);
    switch (entry.kind) {
      case 'put':
      case 'remove':
        this.send(entry, message);
        break;
      case 'none':
        measures.eventsWithoutKey += 1;
        break;
      case 'rejected':
        this.reject(entry, message);
    }
    this.position = whole(message.sequence);
    return 0;
  }

  private withinLimits(entry: ReadEntry, message: LogMessage): ReadEntry | TooLarge {
    if (entry.kind !== 'put') return entry;
    const { reference, bodyMax } = this.options;
    const bytes = packReferenceValue(entry.value).length;
    const over = (text: string): TooLarge => ({ kind: 'rejected', cause: 'tooLarge', message: text, key: entry.key });
    if (bytes > reference.entryBytesMax)
      return over(`The entry has ${bytes} bytes, more than the ${reference.entryBytesMax} of entryBytesMax.`);
    if (bytes * GROWTH_MAX < bodyMax) return entry;
    const { position } = this;
    const bounds = {
      from: position,
      upto: position,
      watermark: BEGINNING,
      standing: 'leads' as const,
      promised: BEGINNING,
    };
    const excess = this.options.records.encode([this.itemOf(entry, message)], bounds).length - (bodyMax - 64);
    if (excess <= 0) return entry;
    return over(`The entry is ${excess} bytes too large for a shard's record, whose limit is the server's.`);
  }

  private send(entry: Entry, message: LogMessage): void {
    const item = this.itemOf(entry, message);
    for (const shard of this.options.shards) shard.add(item);
  }

  private itemOf(entry: Entry, { sequence, stamp, body }: LogMessage): EventItem {
    const { reference } = this.options;
    const event: Event = {
      id: defaultEventId(sequence, 0),
      type: entry.kind === 'put' ? PUT : REMOVE,
      subject: '',
      time: stamp,
      source: referenceSource(reference).name,
      seq: sequence,
      index: 0,
      headers: undefined,
      data: entry.kind === 'put' ? entry.value : null,
    };
    const routes = [{ keyspace: referenceKeyspace(reference.name), key: entry.key }];
    const bytes = body.length + entry.key.length;
    return { seq: sequence, index: 0, before: this.clock.watermark, bytes, event, lag: 0, routes, replay: undefined };
  }

  private reject({ cause, message: text, key }: Rejected, message: LogMessage): void {
    const { reference, measures, dead, bodyMax, logger } = this.options;
    const reason = { cause, text, index: 0, keepsBody: cause !== 'tooLarge' };
    const letter = laneDeadLetter(message, referenceSource(reference), reason, bodyMax - 1024);
    dead.add({ seq: message.sequence, index: 0, before: this.clock.watermark, bytes: letter.length, letter });
    measures.deadLetters.set(cause, (measures.deadLetters.get(cause) ?? 0) + 1);
    if (cause === 'tooLarge') {
      this.tooLarge += 1;
      // The metric counts every one; the log says the first, second, fourth, eighth … so that it stays readable.
      if (Number.isInteger(Math.log2(this.tooLarge))) {
        logger.warn({ reference: reference.name, key, times: this.tooLarge }, text);
      }
    }
    if (key !== undefined) this.send({ kind: 'remove', key }, message);
  }
}

const timeless = (state: ClockState): SourceClock =>
  new SourceClock({ disorder: duration(0), idleAfter: duration(Number.POSITIVE_INFINITY), perPublisher: false }, state);

type Entry = Extract<ReadEntry, { kind: 'put' | 'remove' }>;
type TooLarge = {
  readonly kind: 'rejected';
  readonly cause: 'tooLarge';
  readonly message: string;
  readonly key: string;
};
type Rejected = Extract<ReadEntry, { kind: 'rejected' }> | TooLarge;

export interface ReferenceIntakeOptions {
  readonly reference: ReferenceSettings;
  readonly records: LaneRecords;
  /** One output for each shard. */
  readonly shards: readonly LaneOutput<EventItem>[];
  readonly dead: LaneOutput<DeadItem>;
  /** Largest record in bytes. */
  readonly bodyMax: number;
  readonly measures: SourceMeasures;
  readonly logger: Logger;
}

/** A value this many times smaller than a record may be fits into one, however it is encoded there. */
const GROWTH_MAX = 8;
