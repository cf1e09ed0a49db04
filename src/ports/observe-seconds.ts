import { SECONDS_BUCKETS, type SecondsHistogram } from './measures.ts';

export function secondsHistogram(): SecondsHistogram {
  return { sum: 0, count: 0, buckets: new Float64Array(SECONDS_BUCKETS.length + 1) };
}

/** Adds one observation. */
export function observeSeconds(histogram: SecondsHistogram, seconds: number): void {
  histogram.sum += seconds;
  histogram.count += 1;
  let bucket = 0;
  while (bucket < SECONDS_BUCKETS.length && seconds > SECONDS_BUCKETS[bucket]!) bucket += 1;
  histogram.buckets[bucket]! += 1;
}
