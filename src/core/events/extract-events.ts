import { parseInstant } from '../time/parse-instant.ts';
import { type InstantMs, instant } from '../time/units.ts';
import { type Decoded, type Rejected, rejectWhole, type SourceMessage, tooMany } from './decoded.ts';
import type { Event } from './event.ts';
import { defaultEventId } from './event-id.ts';
import type { Extract } from './extraction.ts';
import { EVENTS_PER_MESSAGE_MAX, REJECTED_PER_MESSAGE_MAX } from './limits.ts';
import type { Envelope, Parsed } from './parsed.ts';
import type { SourceSettings } from './source-settings.ts';

type Mutable<T> = { -readonly [Name in keyof T]: T[Name] };

/** Makes events of the values of a message by the source's settings: `each`, `let`, `where`, then `id`, `type`, `time`. */
export function extractEvents(parsed: Parsed, message: SourceMessage, source: SourceSettings): Decoded {
  return new Extracting(message, source).run(parsed);
}

/** The work on one message, with what has been counted so far. */
class Extracting {
  readonly #message: SourceMessage;
  readonly #source: SourceSettings;
  readonly #events: Event[] = [];
  readonly #rejected: Rejected[] = [];
  /** The first one rejected beyond those listed, and how many those are. */
  #further: Rejected | undefined;
  #furtherCount = 0;
  #index = 0;
  #excluded = 0;
  #expressionsFailed = 0;
  #failure: string | undefined;

  constructor(message: SourceMessage, source: SourceSettings) {
    this.#message = message;
    this.#source = source;
  }

  run(parsed: Parsed): Decoded {
    const { values, envelopes, bad } = parsed;
    const { each } = this.#source.extraction;
    for (let i = 0; i < values.length; i++) {
      const reason = bad?.get(i);
      if (reason !== undefined) this.#reject('undecodable', `Value ${i} of the message ${reason}.`);
      else if (each === undefined) this.#take(values[i], envelopes?.[i], false);
      else if (!this.#takeEach(each, values[i], envelopes?.[i])) {
        return rejectWhole('tooLarge', tooMany(this.#index));
      }
    }
    if (this.#further !== undefined) {
      const { message } = this.#further;
      const text = `${this.#furtherCount} further values of the message were rejected, the first of them: ${message}`;
      this.#rejected.push({ ...this.#further, message: text, further: this.#furtherCount });
    }
    return {
      events: this.#events,
      rejected: this.#rejected,
      excluded: this.#excluded,
      expressionsFailed: this.#expressionsFailed,
      failure: this.#failure,
    };
  }

  /** One value to many. False when the message then holds too many. */
  #takeEach(each: Extract, value: unknown, envelope: Envelope | undefined): boolean {
    const list = each(this.#event(value, envelope, false));
    if (!list.ok || !Array.isArray(list.value)) {
      const found = list.ok ? `gave ${nameOf(list.value)}, not a list` : `failed: ${list.message}`;
      this.#reject('extraction', `The source's \`each\` ${found}.`);
      return true;
    }
    if (this.#index + list.value.length > EVENTS_PER_MESSAGE_MAX) {
      this.#index += list.value.length;
      return false;
    }
    for (const item of list.value) this.#take(item, envelope, true);
    return true;
  }

  #reject(cause: Rejected['cause'], message: string): void {
    const rejected = { cause, message, index: this.#index++ };
    if (this.#rejected.length < REJECTED_PER_MESSAGE_MAX) {
      this.#rejected.push(rejected);
    } else {
      this.#further ??= rejected;
      this.#furtherCount++;
    }
  }

  #take(value: unknown, envelope: Envelope | undefined, isItem: boolean): void {
    const { extraction, eventBytesMax } = this.#source;
    if (this.#message.body.length > eventBytesMax) {
      const bytes = this.#bytesOf(value);
      if (bytes > eventBytesMax) {
        this.#reject('tooLarge', `The event has ${bytes} bytes, more than the ${eventBytesMax} of eventBytesMax.`);
        return;
      }
    }
    const event = this.#event(value, envelope, isItem);
    if (extraction.derived.length > 0 && !this.#derive(event)) return;
    if (extraction.where !== undefined && this.#value(extraction.where, event, 'where') !== true) {
      this.#excluded++;
      this.#index++;
      return;
    }
    if (extraction.id !== undefined) event.id = this.#text(extraction.id, event, 'id') ?? event.id;
    if (extraction.type !== undefined) event.type = this.#text(extraction.type, event, 'type') ?? event.type;
    const time = this.#timeOf(extraction.time, event, envelope);
    if (time === undefined) return;
    event.time = time;
    this.#events.push(event);
    this.#index++;
  }

  #event(data: unknown, envelope: Envelope | undefined, isItem: boolean): Mutable<Event> {
    const { sequence, subject, stamp, headers } = this.#message;
    const index = this.#index;
    let id: string;
    if (envelope === undefined) id = defaultEventId(sequence, index);
    else id = isItem ? `${envelope.id}.${index}` : envelope.id;
    return {
      id,
      type: envelope === undefined ? '' : envelope.type,
      subject,
      time: (envelope?.time !== undefined ? parseInstant(envelope.time) : undefined) ?? instant(stamp),
      source: this.#source.name,
      seq: sequence,
      index,
      headers: envelope === undefined ? headers : envelope.headers,
      data,
    };
  }

  /** Adds the derived fields to a copy of the data: `each` may have given the same map twice. */
  #derive(event: Mutable<Event>): boolean {
    const { data } = event;
    if (typeof data !== 'object' || data === null || Array.isArray(data)) {
      this.#reject('extraction', `The source's \`let\` wants a map to add fields to; the event is ${nameOf(data)}.`);
      return false;
    }
    const fields: Record<string, unknown> = { ...data };
    event.data = fields;
    for (const { name, value } of this.#source.extraction.derived) {
      fields[name] = this.#value(value, event, `let ${name}`);
    }
    return true;
  }

  /** The value of an expression; null when it fails, which is counted. */
  #value(expression: Extract, event: Event, place: string): unknown {
    const result = expression(event);
    if (result.ok) return result.value;
    this.#fail(`\`${place}\` of source ${this.#source.name} failed: ${result.message}`);
    return null;
  }

  #fail(failure: string): void {
    this.#expressionsFailed++;
    this.#failure = failure;
  }

  /** The text an expression gives; numbers and booleans become text. Undefined when it gives nothing of use. */
  #text(expression: Extract, event: Event, place: string): string | undefined {
    const value = this.#value(expression, event, place);
    if (typeof value === 'string') return value;
    if (value === null || value === undefined) return undefined;
    if (typeof value !== 'object') return String(value);
    this.#fail(`\`${place}\` of source ${this.#source.name} gave ${nameOf(value)}, not a text`);
    return undefined;
  }

  /** The event's time; undefined when it was rejected. */
  #timeOf(expression: Extract | undefined, event: Event, envelope: Envelope | undefined): InstantMs | undefined {
    let found: unknown;
    if (expression !== undefined) {
      const result = expression(event);
      if (!result.ok) {
        this.#reject('time', `The source's \`time\` failed: ${result.message}.`);
        return undefined;
      }
      found = result.value;
    }
    found ??= envelope?.time;
    if (found === null || found === undefined) return instant(this.#message.stamp);
    const time = parseInstant(found);
    if (time === undefined) this.#reject('time', `The event's time is ${shown(found)}: ${WANTED}.`);
    return time;
  }

  /** Size of one value as JSON, whatever it came as; asked only when the message is large enough to hold such a value. */
  #bytesOf(value: unknown): number {
    return Buffer.byteLength(JSON.stringify(value) ?? '');
  }
}

const WANTED = 'it must be RFC 3339 with an offset (2017-03-27T13:06:56.000Z), or milliseconds since the epoch';

const shown = (value: unknown): string =>
  typeof value === 'string'
    ? JSON.stringify(value.slice(0, 100))
    : typeof value === 'object'
      ? nameOf(value)
      : String(value);

function nameOf(value: unknown): string {
  if (value === null || value === undefined) return 'null';
  if (Array.isArray(value)) return 'a list';
  return typeof value === 'object' ? 'a map' : `a ${typeof value}`;
}
