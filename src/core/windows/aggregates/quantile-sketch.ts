import type { ByteReader } from '../../shards/byte-reader.ts';
import type { ByteWriter } from '../../shards/byte-writer.ts';
import { readNumber, writeNumber } from './values.ts';

/**
 * Counts numbers in buckets whose bounds grow by a constant factor, so that a bucket's middle is within 1 % of every
 * number in it (DDSketch). Counts can be added and taken away exactly, in any order. Numbers nearer to 0 than 1e-9 count
 * as 0.
 *
 * Number of buckets: about 115 for each power of ten that the numbers span.
 */
export const RELATIVE_ERROR = 0.01;
const GROWTH = (1 + RELATIVE_ERROR) / (1 - RELATIVE_ERROR);
const LOG_GROWTH = Math.log(GROWTH);
const LEAST = 1e-9;

/** Positive numbers are in buckets from 0 up, negative ones mirrored from -1 down; 0 has one of its own. */
const OFFSET = 2 ** 20;
const ZERO = 0;

/** The bucket of a number; greater numbers have greater or equal buckets. */
export function bucketOf(number: number): number {
  const size = Math.abs(number);
  if (size < LEAST) return ZERO;
  const bucket = Math.ceil(Math.log(size) / LOG_GROWTH) + OFFSET;
  return number < 0 ? -bucket : bucket;
}

/** A number within 1 % of every number in the bucket. */
export function middleOf(bucket: number): number {
  if (bucket === ZERO) return 0;
  const middle = (2 * Math.exp((Math.abs(bucket) - OFFSET) * LOG_GROWTH)) / (GROWTH + 1);
  return bucket < 0 ? -middle : middle;
}

/** Counts by bucket. */
export type Buckets = Map<number, number>;

export function changeBucket(buckets: Buckets, bucket: number, by: number): void {
  const count = (buckets.get(bucket) ?? 0) + by;
  if (count === 0) buckets.delete(bucket);
  else buckets.set(bucket, count);
}

/** The bucket of the number at `rank`, counted from 1 for the least. */
export function bucketAt(buckets: Buckets, rank: number): number {
  const order = Int32Array.from(buckets.keys()).sort();
  let seen = 0;
  for (const bucket of order) {
    seen += buckets.get(bucket)!;
    if (seen >= rank) return bucket;
  }
  throw new RangeError(`no rank ${rank} among ${seen} numbers`);
}

export function writeBuckets(buckets: Buckets, writer: ByteWriter): void {
  writer.varint(buckets.size);
  let before = 0;
  for (const bucket of Int32Array.from(buckets.keys()).sort()) {
    writeNumber(writer, bucket - before);
    before = bucket;
    writer.varint(buckets.get(bucket)!);
  }
}

export function readBuckets(reader: ByteReader): Buckets {
  const buckets: Buckets = new Map();
  let bucket = 0;
  for (let left = reader.varint(); left > 0; left--) {
    bucket += readNumber(reader);
    buckets.set(bucket, reader.varint());
  }
  return buckets;
}
