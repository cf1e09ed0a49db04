import { parseInstant } from '../time/parse-instant.ts';
import { type InstantMs, instant } from '../time/units.ts';
import { isBinaryCloudEvent, isMsgpack, mediaType, parseBinary, parseStructured } from './cloudevents.ts';
import type { Event } from './event.ts';
import { defaultEventId } from './event-id.ts';
import type { Extract, Extraction } from './extraction.ts';
import { parseJson } from './json.ts';
import { EVENTS_PER_MESSAGE_MAX } from './limits.ts';
import { beginsMsgpack, parseMsgpack } from './msgpack.ts';
import type { Envelope, Parsed, Unparsed } from './parsed.ts';
import type { SourceSettings } from './source-settings.ts';

/**
 * From the bytes of one message to its events, in two steps: read the body (JSON, CloudEvents or msgpack; one event or
 * a list of them), then apply what the source's settings extract (`each`, `let`, `where`, `id`, `type`, `time`).
 *
 *   D1. Nothing is thrown for what a publisher sent, and nothing vanishes: every value of the message becomes an event,
 *       is excluded by `where` (counted), or is rejected with a cause. A fault of one value leaves its neighbours alone.
 *   D2. The index of an event is the position of its value, counted after `each` and before `where`: an edit of `where`
 *       does not rename events.
 *   D3. An absent time falls on to the next rule (source's `time`, CloudEvents `time`, stored time of the stream); only
 *       a time that is present and names no instant is rejected.
 */

/** A message as the decoder wants it; `LogMessage` fits. */
export interface SourceMessage {
  readonly sequence: number;
  readonly subject: string;
  /** When the server stored it. */
  readonly stamp: InstantMs;
  /** Lower-case names. */
  readonly headers: Readonly<Record<string, string>> | undefined;
  readonly body: Uint8Array;
}

/** A message, or one value of it, that is no event of this source and must become a dead letter. */
export interface Rejected {
  readonly cause: 'undecodable' | 'extraction' | 'time' | 'tooLarge';
  /** What is wrong, as a sentence. */
  readonly message: string;
  /** Position of the value within the message; undefined when it is the message as a whole. */
  readonly index: number | undefined;
}

export interface Decoded {
  /** In the order of their index. */
  readonly events: readonly Event[];
  readonly rejected: readonly Rejected[];
  /** Values that `where` excluded. */
  readonly excluded: number;
  /** Expressions of the source that failed without the value being rejected (`let`, `where`, `id`, `type`). */
  readonly expressionsFailed: number;
  /** The last such failure, for the log. */
  readonly failure: string | undefined;
}

type Mutable<T> = { -readonly [Name in keyof T]: T[Name] };

const NONE: readonly never[] = [];

/** Decodes one message of a source. Never throws. */
export function decodeMessage(message: SourceMessage, source: SourceSettings): Decoded {
  const parsed = parse(message, source.format);
  if ('reason' in parsed) return rejectWhole('undecodable', `The message ${parsed.reason}.`);
  if (parsed.values.length > EVENTS_PER_MESSAGE_MAX) return rejectWhole('tooLarge', tooMany(parsed.values.length));
  if (isPlain(source.extraction) && parsed.envelopes === undefined && parsed.bad === undefined) {
    if (message.body.length <= source.eventBytesMax) return plainEvents(parsed.values, message, source);
  }
  return new Decoding(message, source).run(parsed);
}

function rejectWhole(cause: Rejected['cause'], message: string): Decoded {
  return {
    events: NONE,
    rejected: [{ cause, message, index: undefined }],
    excluded: 0,
    expressionsFailed: 0,
    failure: undefined,
  };
}

const tooMany = (count: number): string =>
  `The message holds ${count} events, more than the ${EVENTS_PER_MESSAGE_MAX} that one message may hold.`;

function parse(message: SourceMessage, format: SourceSettings['format']): Parsed | Unparsed {
  const { body, headers } = message;
  if (format === 'json') return body.length === 0 ? EMPTY : parseJson(body);
  if (format === 'msgpack') return body.length === 0 ? EMPTY : parseMsgpack(body);
  if (headers !== undefined) {
    const media = mediaType(headers['content-type']);
    if (media.startsWith('application/cloudevents')) {
      return body.length === 0 ? EMPTY : parseStructured(body, headers, media);
    }
    if (isBinaryCloudEvent(headers)) return parseBinary(body, headers);
    if (format === 'auto' && body.length > 0 && isMsgpack(media)) return parseMsgpack(body);
  }
  if (body.length === 0) return EMPTY;
  if (format === 'cloudevents') return parseStructured(body, headers, '');
  return beginsMsgpack(body[0]!) ? parseMsgpack(body) : parseJson(body);
}

const EMPTY: Unparsed = { reason: 'is empty' };

function isPlain(extraction: Extraction): boolean {
  return (
    extraction.time === undefined &&
    extraction.type === undefined &&
    extraction.id === undefined &&
    extraction.where === undefined &&
    extraction.each === undefined &&
    extraction.derived.length === 0
  );
}

/** The short way for a source that extracts nothing. */
function plainEvents(values: readonly unknown[], message: SourceMessage, source: SourceSettings): Decoded {
  const { sequence, subject, stamp, headers } = message;
  const events: Event[] = [];
  for (let index = 0; index < values.length; index++) {
    events.push({
      id: defaultEventId(sequence, index),
      type: '',
      subject,
      time: stamp,
      source: source.name,
      seq: sequence,
      index,
      headers,
      data: values[index],
    });
  }
  return { events, rejected: NONE, excluded: 0, expressionsFailed: 0, failure: undefined };
}

/** The decoding of one message, with what has been counted so far. */
class Decoding {
  readonly #message: SourceMessage;
  readonly #source: SourceSettings;
  readonly #events: Event[] = [];
  readonly #rejected: Rejected[] = [];
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
    this.#rejected.push({ cause, message, index: this.#index++ });
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
