import { isBinaryCloudEvent, isMsgpack, mediaType, parseBinary, parseStructured } from './cloudevents.ts';
import { type Decoded, rejectWhole, type SourceMessage, tooMany } from './decoded.ts';
import type { Event } from './event.ts';
import { defaultEventId } from './event-id.ts';
import { extractEvents } from './extract-events.ts';
import type { Extraction } from './extraction.ts';
import { parseJson } from './json.ts';
import { EVENTS_PER_MESSAGE_MAX } from './limits.ts';
import { beginsMsgpack, parseMsgpack } from './msgpack.ts';
import type { Parsed, Unparsed } from './parsed.ts';
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

const NONE: readonly never[] = [];

/** Decodes one message of a source. Never throws. */
export function decodeMessage(message: SourceMessage, source: SourceSettings): Decoded {
  const parsed = parse(message, source.format);
  if ('reason' in parsed) return rejectWhole('undecodable', `The message ${parsed.reason}.`);
  if (parsed.values.length > EVENTS_PER_MESSAGE_MAX) return rejectWhole('tooLarge', tooMany(parsed.values.length));
  if (isPlain(source.extraction) && parsed.envelopes === undefined && parsed.bad === undefined) {
    if (message.body.length <= source.eventBytesMax) return plainEvents(parsed.values, message, source);
  }
  return extractEvents(parsed, message, source);
}

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
