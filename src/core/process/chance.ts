import { fnv1a32 } from '../shards/shard-of.ts';

/**
 * Chance that is a function of a name: the same numbers, from 0 to below 1, whenever the same call is made again. Two
 * 32-bit counters with mixed output (as in splitmix) are ample for sampling and spreading; it keeps no secrets.
 */
export function chanceOf(name: string): () => number {
  let high = fnv1a32(name);
  let low = fnv1a32(name, 0x9747b28c);
  return () => {
    high = (high + 0x9e3779b9) | 0;
    low = (low + 0x6d2b79f5) | 0;
    // 26 and 27 bits make the 53 of a double.
    return ((mix(high ^ mix(low)) >>> 6) * 0x8000000 + (mix(low) >>> 5)) / 2 ** 53;
  };
}

function mix(bits: number): number {
  let mixed = Math.imul(bits ^ (bits >>> 16), 0x85ebca6b);
  mixed = Math.imul(mixed ^ (mixed >>> 13), 0xc2b2ae35);
  return (mixed ^ (mixed >>> 16)) >>> 0;
}
