import { parseJson, parseJsonValue, utf8 } from './json.ts';
import { beginsMsgpack, parseMsgpack, parseMsgpackValue } from './msgpack.ts';
import type { Envelope, Parsed, Unparsed } from './parsed.ts';

/**
 * CloudEvents 1.0 over NATS: structured (the body is the whole event, or a batch of them), and binary (attributes in
 * `ce-` headers, the body is the data). Either way the attributes, extensions included, are found by rules as `ce-`
 * headers, so that a rule need not know the mode. A CloudEvent without text in `id`, `type` and `specversion` is
 * undecodable, as the specification requires them.
 */

type Headers = Readonly<Record<string, string>>;

/** The part of a Content-Type before any parameter, in lower case; the empty string when there is none. */
export function mediaType(contentType: unknown): string {
  if (typeof contentType !== 'string') return '';
  const end = contentType.indexOf(';');
  return (end < 0 ? contentType : contentType.slice(0, end)).trim().toLowerCase();
}

const isJson = (media: string): boolean =>
  media === 'application/json' || media === 'text/json' || media.endsWith('+json');

export const isMsgpack = (media: string): boolean =>
  media === 'application/msgpack' ||
  media === 'application/x-msgpack' ||
  media === 'application/vnd.msgpack' ||
  media.endsWith('+msgpack');

/** True when the headers make the message a CloudEvent in binary mode. */
export const isBinaryCloudEvent = (headers: Headers): boolean => headers['ce-specversion'] !== undefined;

/** The body is a CloudEvent, or a list of them. */
export function parseStructured(body: Uint8Array, headers: Headers | undefined, media: string): Parsed | Unparsed {
  const parsed =
    isMsgpack(media) || (body.length > 0 && beginsMsgpack(body[0]!)) ? parseMsgpack(body) : parseJson(body);
  if ('reason' in parsed) return parsed;
  const values: unknown[] = [];
  const envelopes: (Envelope | undefined)[] = [];
  const bad = new Map(parsed.bad);
  for (const [index, value] of parsed.values.entries()) {
    const read = bad.has(index) ? undefined : structuredEvent(value, headers);
    if (read !== undefined && 'reason' in read) bad.set(index, read.reason);
    const good = read !== undefined && 'envelope' in read ? read : undefined;
    values.push(good?.data);
    envelopes.push(good?.envelope);
  }
  return { values, envelopes, bad: bad.size > 0 ? bad : undefined };
}

type Read = { readonly envelope: Envelope; readonly data: unknown } | Unparsed;

function structuredEvent(value: unknown, headers: Headers | undefined): Read {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    return { reason: 'is no CloudEvent: it is not a map' };
  }
  const event = value as Readonly<Record<string, unknown>>;
  const attributes: Record<string, string> = {};
  if (headers !== undefined) Object.assign(attributes, headers);
  for (const name of Object.keys(event)) {
    const attribute = event[name];
    if (name === 'data' || name === 'data_base64' || attribute === null) continue;
    if (typeof attribute === 'object') return { reason: `is no CloudEvent: attribute ${name} is not a scalar` };
    attributes[`ce-${name.toLowerCase()}`] = String(attribute);
  }
  const envelope = envelopeOf(event.id, event.type, event.time, event.specversion, attributes);
  if ('reason' in envelope) return envelope;
  const encoded = event.data_base64;
  if (encoded === undefined || encoded === null) return { envelope, data: event.data ?? null };
  if (typeof encoded !== 'string' || !/^[A-Za-z0-9+/]*={0,2}$/.test(encoded)) {
    return { reason: 'is no CloudEvent: data_base64 is not base64 text' };
  }
  const data = dataOf(Buffer.from(encoded, 'base64'), mediaType(event.datacontenttype), encoded);
  return 'reason' in data ? data : { envelope, data: data.value };
}

/** The attributes are in the headers, the body is the data of one event. */
export function parseBinary(body: Uint8Array, headers: Headers): Parsed | Unparsed {
  const attributes: Record<string, string> = {};
  for (const name of Object.keys(headers)) {
    const value = headers[name]!;
    attributes[name] = name.startsWith('ce-') && value.includes('%') ? percentDecoded(value) : value;
  }
  const envelope = envelopeOf(
    attributes['ce-id'],
    attributes['ce-type'],
    attributes['ce-time'],
    attributes['ce-specversion'],
    attributes,
  );
  if ('reason' in envelope) return envelope;
  const media = mediaType(attributes['content-type'] ?? attributes['ce-datacontenttype']);
  const data = body.length === 0 ? { value: null } : dataOf(body, media, undefined);
  return 'reason' in data ? data : { values: [data.value], envelopes: [envelope], bad: undefined };
}

function envelopeOf(
  id: unknown,
  type: unknown,
  time: unknown,
  version: unknown,
  headers: Headers,
): Envelope | Unparsed {
  if (typeof version !== 'string') return { reason: 'is no CloudEvent: it has no specversion' };
  if (typeof id !== 'string' || id === '') return { reason: 'is no CloudEvent: it has no id' };
  if (typeof type !== 'string' || type === '') return { reason: 'is no CloudEvent: it has no type' };
  // A time of another type is kept as text: it then is a time that cannot be used, which is an answer of its own.
  return { id, type, time: time === undefined || time === null ? undefined : String(time), headers };
}

/** Data by its media type: JSON, msgpack, text; anything else stays base64 text. Untyped data is JSON or msgpack. */
function dataOf(bytes: Uint8Array, media: string, encoded: string | undefined): { readonly value: unknown } | Unparsed {
  if (isMsgpack(media)) return parseMsgpackValue(bytes);
  if (isJson(media)) return parseJsonValue(bytes);
  if (media === '' && encoded === undefined) {
    return beginsMsgpack(bytes[0]!) ? parseMsgpackValue(bytes) : parseJsonValue(bytes);
  }
  const text = media.startsWith('text/') || media.endsWith('xml') ? utf8(bytes) : undefined;
  return { value: text ?? encoded ?? Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('base64') };
}

/** A header value with its percent encoding undone; as it is when the encoding is faulty. */
function percentDecoded(value: string): string {
  try {
    return decodeURIComponent(value);
  } catch {
    return value;
  }
}
