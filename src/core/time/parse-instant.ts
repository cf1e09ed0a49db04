import { type InstantMs, instant } from './units.ts';

/** What `Date` can hold: 100,000,000 days on either side of the epoch. */
const MS_MAX = 8.64e15;

/** Days before each month of a year that is not a leap year. */
const DAYS_BEFORE = [0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334];
const DAYS_IN = [31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];

/**
 * The instant that a value names, or undefined when it names none.
 *
 * Text must be RFC 3339 in full: date, `T` (or `t`, or one blank), time with seconds, any number of decimals, and an
 * offset (`Z`, `z`, `+hh:mm`, `-hh:mm`). A text without an offset names no instant. Dates that do not exist are
 * refused; second 60 is taken as the first of the next minute. Decimals finer than a millisecond are kept as a fraction
 * as far as a double holds them (about 0.2 µs today). A number is milliseconds since the epoch, at most 8.64e15 on
 * either side.
 */
export function parseInstant(value: unknown): InstantMs | undefined {
  if (typeof value === 'string') return parseText(value);
  if (typeof value === 'number' && value >= -MS_MAX && value <= MS_MAX) return instant(value);
  return undefined;
}

/** Two decimal digits at `at`; NaN when they are not digits. */
function two(text: string, at: number): number {
  const tens = text.charCodeAt(at) - 48;
  const ones = text.charCodeAt(at + 1) - 48;
  return tens >= 0 && tens <= 9 && ones >= 0 && ones <= 9 ? tens * 10 + ones : Number.NaN;
}

function parseText(text: string): InstantMs | undefined {
  const length = text.length;
  if (length < 20) return undefined;
  const year = two(text, 0) * 100 + two(text, 2);
  const month = two(text, 5);
  const day = two(text, 8);
  const hour = two(text, 11);
  const minute = two(text, 14);
  const second = two(text, 17);
  const separator = text.charCodeAt(10);
  // Written so that NaN fails every comparison that must hold.
  if (
    !(year >= 0 && month >= 1 && month <= 12 && day >= 1 && hour <= 23 && minute <= 59 && second <= 60) ||
    text.charCodeAt(4) !== 45 ||
    text.charCodeAt(7) !== 45 ||
    (separator !== 84 && separator !== 116 && separator !== 32) ||
    text.charCodeAt(13) !== 58 ||
    text.charCodeAt(16) !== 58
  ) {
    return undefined;
  }
  const leap = year % 4 === 0 && (year % 100 !== 0 || year % 400 === 0);
  if (day > DAYS_IN[month - 1]! && !(leap && month === 2 && day === 29)) return undefined;

  let at = 19;
  let wholeMs = 0;
  let fractionMs = 0;
  if (text.charCodeAt(at) === 46) {
    at++;
    const begin = at;
    let weight = 100;
    for (; at < length; at++) {
      const digit = text.charCodeAt(at) - 48;
      if (digit < 0 || digit > 9) break;
      if (at - begin < 3) wholeMs += digit * weight;
      else fractionMs += digit * weight;
      weight /= 10;
    }
    if (at === begin) return undefined;
  }
  const offsetMs = parseOffset(text, at);
  if (offsetMs === undefined) return undefined;

  const before = year - 1;
  const days =
    365 * year +
    (year === 0 ? 0 : 1 + Math.floor(before / 4) - Math.floor(before / 100) + Math.floor(before / 400)) +
    DAYS_BEFORE[month - 1]! +
    (leap && month > 2 ? 1 : 0) +
    (day - 1) -
    719528;
  return instant(days * 86_400_000 + (hour * 3600 + minute * 60 + second) * 1000 + wholeMs - offsetMs + fractionMs);
}

/** The offset that fills the rest of the text from `at`, in ms. */
function parseOffset(text: string, at: number): number | undefined {
  const sign = text.charCodeAt(at);
  if (sign === 90 || sign === 122) return text.length === at + 1 ? 0 : undefined;
  if ((sign !== 43 && sign !== 45) || text.length !== at + 6 || text.charCodeAt(at + 3) !== 58) return undefined;
  const hours = two(text, at + 1);
  const minutes = two(text, at + 4);
  if (!(hours <= 23 && minutes <= 59)) return undefined;
  const ms = (hours * 60 + minutes) * 60_000;
  return sign === 43 ? ms : -ms;
}
