import type { InstantMs } from './units.ts';

const DAY_MS = 86_400_000;

const TWO: readonly string[] = Array.from({ length: 100 }, (_, n) => String(n).padStart(2, '0'));
const THREE: readonly string[] = Array.from({ length: 1000 }, (_, n) => String(n).padStart(3, '0'));

/** The day written last: times of one stream mostly share it, and its text is most of the cost. */
let lastDay = Number.NaN;
let lastDate = '';

/**
 * An instant as RFC 3339 text in UTC: `2017-04-14T05:15:13.000Z`. Three decimals, six when the instant has a fraction of
 * a millisecond. Years outside 0 to 9999 are written with a sign and six digits, as `Date` does.
 * @param time finite, at most 8.64e15 ms on either side of the epoch.
 */
export function formatInstant(time: InstantMs): string {
  let ms = Math.floor(time);
  let micros = Math.round((time - ms) * 1000);
  if (micros === 1000) {
    ms += 1;
    micros = 0;
  }
  const day = Math.floor(ms / DAY_MS);
  if (day !== lastDay) {
    const text = new Date(day * DAY_MS).toISOString();
    lastDate = text.slice(0, text.indexOf('T') + 1);
    lastDay = day;
  }
  const inDay = ms - day * DAY_MS;
  const seconds = Math.floor(inDay / 1000);
  const minutes = Math.floor(seconds / 60);
  const clock = `${TWO[Math.floor(minutes / 60)]}:${TWO[minutes % 60]}:${TWO[seconds % 60]}.${THREE[inDay % 1000]}`;
  return micros === 0 ? `${lastDate}${clock}Z` : `${lastDate}${clock}${THREE[micros]}Z`;
}
