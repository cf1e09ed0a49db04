import { isBinaryCloudEvent, isMsgpack, mediaType } from '../events/cloudevents.ts';
import { decodeMessage } from '../events/decode.ts';
import type { SourceMessage } from '../events/decoded.ts';
import type { Event } from '../events/event.ts';
import { defaultEventId } from '../events/event-id.ts';
import { parseJsonValue, utf8 } from '../events/json.ts';
import { beginsMsgpack, parseMsgpackValue } from '../events/msgpack.ts';
import { typeOf } from '../rules/expressions/values.ts';
import { REFERENCE_KEY_BYTES_MAX, referenceKey } from './reference-key.ts';
import { type ReferenceSettings, referenceSource } from './reference-settings.ts';

/** What a message of a reference says. */
export type ReadEntry =
  | { readonly kind: 'put'; readonly key: string; readonly value: unknown }
  | { readonly kind: 'remove'; readonly key: string }
  /** It has no key, so it is about no entry. Counted. */
  | { readonly kind: 'none' }
  /** A dead letter. What stood under its key, if that is known, is no longer true. */
  | {
      readonly kind: 'rejected';
      readonly cause: 'undecodable' | 'extraction' | 'key';
      readonly message: string;
      readonly key: string | undefined;
    };

/** Reads one message of a reference: exactly one entry, whatever the body is. Never throws. */
export function readEntry(message: SourceMessage, settings: ReferenceSettings): ReadEntry {
  const { keyPrefix } = settings;
  const ofBucket = keyPrefix === undefined ? undefined : message.subject.slice(keyPrefix.length);
  if (ofBucket !== undefined && isRemoval(message)) return { kind: 'remove', key: ofBucket };
  const decoded = decode(message, settings);
  if ('reason' in decoded) {
    const text = `The message ${decoded.reason}.`;
    return { kind: 'rejected', cause: 'undecodable', message: text, key: ofBucket };
  }
  const { event } = decoded;
  const key = ofBucket ?? keyOf(event, settings);
  if (typeof key !== 'string') return key;
  if (Buffer.byteLength(key) > REFERENCE_KEY_BYTES_MAX) {
    const text = `The key has more than ${REFERENCE_KEY_BYTES_MAX} bytes.`;
    return { kind: 'rejected', cause: 'key', message: text, key: undefined };
  }
  return entryOf(key, event, settings);
}

function entryOf(key: string, event: Event, { value, remove }: ReferenceSettings): ReadEntry {
  const failed = (what: string, why: string): ReadEntry => ({
    kind: 'rejected',
    cause: 'extraction',
    message: `The reference's \`${what}\` ${why}.`,
    key,
  });
  const removed = remove?.(event);
  if (removed?.ok === false) return failed('remove', `failed: ${removed.message}`);
  if (removed?.value === true) return { kind: 'remove', key };
  const given = value?.(event) ?? { ok: true, value: event.data };
  if (!given.ok) return failed('value', `failed: ${given.message}`);
  return given.value === null || given.value === undefined
    ? { kind: 'remove', key }
    : { kind: 'put', key, value: given.value };
}

/** What a bucket keeps in the place of an entry that was deleted, purged or has expired. */
function isRemoval({ headers }: SourceMessage): boolean {
  if (headers === undefined) return false;
  const operation = headers['kv-operation'];
  return operation === 'DEL' || operation === 'PURGE' || headers['nats-marker-reason'] !== undefined;
}

function keyOf(event: Event, { key }: ReferenceSettings): string | ReadEntry {
  const found = key!(event);
  const rejected = (message: string): ReadEntry => ({ kind: 'rejected', cause: 'key', message, key: undefined });
  if (!found.ok) return rejected(`The reference's \`key\` failed: ${found.message}.`);
  const text = referenceKey(found.value);
  if (text === undefined) return rejected(`The reference's \`key\` gave ${typeOf(found.value)}, which is no key.`);
  return text ?? { kind: 'none' };
}

type Decoded = { readonly event: Event } | { readonly reason: string };

function decode(message: SourceMessage, settings: ReferenceSettings): Decoded {
  const { headers } = message;
  const { format } = settings;
  const isCloudEvent =
    format === 'cloudevents' ||
    (format === 'auto' &&
      headers !== undefined &&
      (isBinaryCloudEvent(headers) || mediaType(headers['content-type']).startsWith('application/cloudevents')));
  if (isCloudEvent && message.body.length > 0) return cloudEvent(message, settings);
  const parsed = parse(message, format);
  if ('reason' in parsed) return parsed;
  const { sequence, subject, stamp } = message;
  const id = defaultEventId(sequence, 0);
  const source = referenceSource(settings).name;
  return {
    event: { id, type: '', subject, time: stamp, source, seq: sequence, index: 0, headers, data: parsed.value },
  };
}

function cloudEvent(message: SourceMessage, settings: ReferenceSettings): Decoded {
  const { events, rejected } = decodeMessage(message, { ...referenceSource(settings), format: 'cloudevents' });
  const [event] = events;
  if (rejected.length === 0 && event !== undefined && events.length === 1) return { event };
  const why = rejected[0]?.message ?? `it holds ${events.length} events`;
  return { reason: `is not one CloudEvent: ${why}` };
}

function parse(
  { body, headers }: SourceMessage,
  format: ReferenceSettings['format'],
): { readonly value: unknown } | { readonly reason: string } {
  if (body.length === 0) return { value: null };
  if (format === 'text') {
    const value = utf8(body);
    return value === undefined ? { reason: 'is no text: its bytes are not UTF-8' } : { value };
  }
  const packed = format === 'auto' && (isMsgpack(mediaType(headers?.['content-type'])) || beginsMsgpack(body[0]!));
  return format === 'msgpack' || packed ? parseMsgpackValue(body) : parseJsonValue(body);
}
