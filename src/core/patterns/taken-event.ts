import type { Event } from '../events/event.ts';
import type { InstantMs } from '../time/units.ts';
import { PatternStateUnreadable } from './cell-format.ts';
import { type Content, readContent } from './content-bytes.ts';

/** What `TakenEvent.storedAt` says of an event that is not, or no longer, mere bytes. */
const OPEN = -1;

/**
 * An event as a partial match keeps it: without subject and headers, and with the data that is still needed.
 *
 * One that was loaded leaves its id and data in the bytes they were stored as until somebody asks. Mostly nobody does:
 * a key is loaded for one event, and what it held is stored again as it was.
 */
export class TakenEvent implements Event {
  readonly time: InstantMs;
  /** Order of arrival among the events held for this key; breaks ties between equal times. */
  ordinal: number;
  /** Path nodes that hold it. */
  uses = 0;
  readonly type: string;
  readonly source: string;
  readonly seq: number;
  readonly index: number;
  /** Which projection `data` is; an event may be held once under each. */
  readonly variant: number;
  /** Bytes counted against the limit. */
  readonly bytes: number;
  /** Its place in the save under way; -1 outside of one. */
  place = -1;
  #id: string;
  /** The data; while `storedAt` is not -1, the bytes that have it. */
  #data: unknown;
  #storedAt: number;

  private constructor(
    envelope: TakenEnvelope,
    ordinal: number,
    variant: number,
    bytes: number,
    id: string,
    data: unknown,
    storedAt: number,
  ) {
    this.time = envelope.time;
    this.ordinal = ordinal;
    this.type = envelope.type;
    this.source = envelope.source;
    this.seq = envelope.seq;
    this.index = envelope.index;
    this.variant = variant;
    this.bytes = bytes;
    this.#id = id;
    this.#data = data;
    this.#storedAt = storedAt;
  }

  /** @param data what is kept of the event's data */
  static of(event: Event, data: unknown, ordinal: number, variant: number, bytes: number): TakenEvent {
    return new TakenEvent(event, ordinal, variant, bytes, event.id, data, OPEN);
  }

  /** @param at where in `stored`, which is kept, the content begins (`content-bytes.ts`) */
  static stored(
    envelope: TakenEnvelope,
    ordinal: number,
    variant: number,
    bytes: number,
    stored: Uint8Array,
    at: number,
  ): TakenEvent {
    return new TakenEvent(envelope, ordinal, variant, bytes, '', stored, at);
  }

  get id(): string {
    if (this.#storedAt !== OPEN) this.#open();
    return this.#id;
  }

  get data(): unknown {
    if (this.#storedAt !== OPEN) this.#open();
    return this.#data;
  }

  get subject(): string {
    return '';
  }

  get headers(): undefined {
    return undefined;
  }

  /** Where in `storedBytes` the content begins; -1 when there are none. */
  get storedAt(): number {
    return this.#storedAt;
  }

  /** To be asked only when `storedAt` is not -1. */
  get storedBytes(): Uint8Array {
    return this.#data as Uint8Array;
  }

  /** @throws {PatternStateUnreadable} what was not looked at when the state was loaded may be damaged all the same */
  #open(): void {
    const { id, data } = this.#content();
    this.#id = id;
    this.#data = data;
    this.#storedAt = OPEN;
  }

  #content(): Content {
    try {
      return readContent(this.storedBytes, this.#storedAt, this.seq);
    } catch (cause) {
      throw new PatternStateUnreadable(
        `event ${this.seq} of ${this.source} in a pattern's state is damaged: ${cause}. Rebuild it from the journal`,
        { cause },
      );
    }
  }
}

/** What is known of an event without its id and data. */
export type TakenEnvelope = Pick<Event, 'time' | 'type' | 'source' | 'seq' | 'index'>;

/** Order of two events of one key: by time, then by arrival. */
export function compareEvents(one: TakenEvent, other: TakenEvent): number {
  return one.time === other.time ? one.ordinal - other.ordinal : one.time - other.time;
}
