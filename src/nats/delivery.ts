import type { Msg, MsgHdrs } from 'nats';
import { type InstantMs, instant } from '../core/time/units.ts';

/** What JetStream tells about a delivered message, in the subject to which it would be acknowledged. */
export interface Delivery {
  readonly streamSequence: number;
  /** 1, 2, 3 … for one consumer: a missing number is a lost message. */
  readonly consumerSequence: number;
  readonly stamp: InstantMs;
  /** Messages that this consumer will still deliver, as far as known at delivery. */
  readonly pending: number;
}

const ZERO = 48;
/** Digits of nanoseconds within a millisecond. */
const FRACTION_DIGITS = 6;

/** How the subjects of one consumer are laid out: all begin alike, up to the sequence in the stream. */
export interface DeliveryLayout {
  /** Where the sequence in the stream begins. */
  readonly start: number;
  /** Whether a token of no meaning follows the last. */
  readonly trailing: boolean;
}

/**
 * Takes the layout from a consumer's first message, so that only digits are left to read of the others:
 * `$JS.ACK.<stream>.<consumer>.<delivered>.<stream seq>.<consumer seq>.<ns>.<pending>`, or the longer form with domain
 * and account before the stream, and one token after the end on most servers. Consumers that acknowledge nothing have
 * a `delivered` of 1 for ever, so the layout stays.
 * @returns undefined when it is neither: a status of the server.
 */
export function deliveryLayout(reply: string): DeliveryLayout | undefined {
  if (!reply.startsWith('$JS.ACK.')) return undefined;
  const tokens = reply.split('.').length;
  const before = tokens === 9 ? 5 : tokens === 11 || tokens === 12 ? 7 : 0;
  if (before === 0) return undefined;
  let start = 0;
  for (let token = 0; token < before; token++) start = reply.indexOf('.', start) + 1;
  return { start, trailing: tokens === 12 };
}

export function parseDelivery(reply: string, { start, trailing }: DeliveryLayout): Delivery {
  const streamEnd = reply.indexOf('.', start);
  const consumerEnd = reply.indexOf('.', streamEnd + 1);
  const stampEnd = reply.indexOf('.', consumerEnd + 1);
  const pendingEnd = trailing ? reply.indexOf('.', stampEnd + 1) : reply.length;
  const msEnd = stampEnd - FRACTION_DIGITS;
  return {
    streamSequence: digits(reply, start, streamEnd),
    consumerSequence: digits(reply, streamEnd + 1, consumerEnd),
    // Nanoseconds since the epoch do not fit a number; milliseconds with a fraction do, to a quarter of a microsecond.
    stamp: instant(digits(reply, consumerEnd + 1, msEnd) + digits(reply, msEnd, stampEnd) / 1e6),
    pending: digits(reply, stampEnd + 1, pendingEnd),
  };
}

function digits(text: string, start: number, end: number): number {
  let value = 0;
  for (let index = start; index < end; index++) value = value * 10 + (text.charCodeAt(index) - ZERO);
  return value;
}

/** A time as the server writes it, with up to nine digits of a second. */
export function parseServerTime(text: string): InstantMs {
  const match = /^(.*?)(?:\.(\d+))?(Z|[+-]\d\d:\d\d)$/.exec(text);
  if (match === null) throw new RangeError(`'${text}' is no time of a NATS server`);
  const [, seconds, fraction = '', zone] = match;
  const nanoseconds = fraction.padEnd(9, '0').slice(0, 9);
  return instant(
    Date.parse(`${seconds}${zone}`) + Number(nanoseconds.slice(0, 3)) + Number(nanoseconds.slice(3)) / 1e6,
  );
}

type Headers = Readonly<Record<string, string>>;

/** Headers as a plain object with lower-case names; several values of one name are joined by a comma. */
export function headersOf(message: Msg): Headers | undefined {
  const found: MsgHdrs | undefined = message.headers;
  if (found === undefined) return undefined;
  let headers: Record<string, string> | undefined;
  for (const [name, values] of found) headers = withHeader(headers, name, values.join(', '));
  return headers;
}

/** The same from the block of bytes that the server stores. */
export function storedHeaders(block: Uint8Array): Headers | undefined {
  let headers: Record<string, string> | undefined;
  for (const line of new TextDecoder().decode(block).split('\r\n')) {
    const colon = line.indexOf(':');
    if (colon > 0) headers = withHeader(headers, line.slice(0, colon), line.slice(colon + 1).trim());
  }
  return headers;
}

/** Adds one, unless it says how the message was to be stored and nothing of what it is. */
function withHeader(headers: Record<string, string> | undefined, name: string, value: string): typeof headers {
  const lower = name.toLowerCase();
  if (lower.startsWith('nats-expected-')) return headers;
  const some = headers ?? (Object.create(null) as Record<string, string>);
  some[lower] = lower in some ? `${some[lower]}, ${value}` : value;
  return some;
}
