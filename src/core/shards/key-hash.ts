import { fnv1a32, fnv1a32Bytes } from './shard-of.ts';

// The hash by which a shard finds its keys and divides them into pages. Pages that are stored depend on it: it may
// change only together with the format of pages.

export function keyHash(keyspace: number, key: string): number {
  return mixed(fnv1a32(key, seedOf(keyspace)));
}

/** The same for a key text that is there as UTF-8 bytes. */
export function keyHashOfBytes(keyspace: number, key: Uint8Array): number {
  return mixed(fnv1a32Bytes(key, seedOf(keyspace)));
}

/** Which of 2^`bits` pages a key belongs to: the high bits of its hash. */
export function pageOf(hash: number, bits: number): number {
  return bits === 0 ? 0 : hash >>> (32 - bits);
}

function seedOf(keyspace: number): number {
  return (0x811c9dc5 ^ Math.imul(keyspace, 0x9e3779b1)) >>> 0;
}

/** FNV's low bits are weak for short texts that differ in the last character; two rounds of mixing even out all bits. */
function mixed(hash: number): number {
  const once = Math.imul(hash ^ (hash >>> 15), 0x85ebca6b);
  const twice = Math.imul(once ^ (once >>> 13), 0xc2b2ae35);
  return (twice ^ (twice >>> 16)) >>> 0;
}
