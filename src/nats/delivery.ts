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

const DOT = 46;
const ZERO = 48;
/** Digits of nanoseconds within a millisecond. */
const FRACTION_DIGITS = 6;

/**
 * Reads `$JS.ACK.<stream>.<consumer>.<delivered>.<stream seq>.<consumer seq>.<ns>.<pending>`, and the longer form with
 * domain and account before the stream and one token after the end.
 * @returns undefined when it is neither.
 */
export function parseDelivery(reply: string): Delivery | undefined {
  if (!reply.startsWith('$JS.ACK.')) return undefined;
  let dots = 0;
  for (let index = 0; index < reply.length; index++) if (reply.charCodeAt(index) === DOT) dots++;
  // Nine tokens in the short form; eleven, later twelve, in the long one.
  const skipped = dots === 8 ? 5 : dots === 10 || dots === 11 ? 7 : 0;
  if (skipped === 0) return undefined;
  let at = 0;
  for (let token = 0; token < skipped; token++) at = reply.indexOf('.', at) + 1;
  const streamEnd = reply.indexOf('.', at);
  const consumerEnd = reply.indexOf('.', streamEnd + 1);
  const stampEnd = reply.indexOf('.', consumerEnd + 1);
  const pendingEnd = dots === 11 ? reply.indexOf('.', stampEnd + 1) : reply.length;
  const msEnd = stampEnd - FRACTION_DIGITS;
  return {
    streamSequence: digits(reply, at, streamEnd),
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
  return instant(Date.parse(`${seconds}${zone}`) + Number(nanoseconds.slice(0, 3)) + Number(nanoseconds.slice(3)) / 1e6);
}

/** Headers as a plain object with lower-case names; several values of one name are joined by a comma. */
export function headersOf(message: Msg): Readonly<Record<string, string>> | undefined {
  const found: MsgHdrs | undefined = message.headers;
  if (found === undefined) return undefined;
  const names = Object.create(null) as Record<string, string>;
  let any = false;
  for (const [name, values] of found) {
    const lower = name.toLowerCase();
    names[lower] = lower in names ? `${names[lower]}, ${values.join(', ')}` : values.join(', ');
    any = true;
  }
  return any ? names : undefined;
}
