import type { KeyValue } from '../rules/rule-set.ts';

const OFFSET = 0x811c9dc5;
const PRIME = 0x01000193;

/**
 * FNV-1a, 32 bit, over the UTF-8 bytes of a text. The server's `partition(n, …)` subject mapping uses the same
 * function, so a subject token partitioned by the server falls to the same shard as the same text as a key.
 */
export function fnv1a32(text: string, hash: number = OFFSET): number {
  for (let i = 0; i < text.length; i += 1) {
    const code = text.charCodeAt(i);
    if (code > 0x7f) return fnv1a32Bytes(Buffer.from(text.slice(i), 'utf8'), hash);
    hash = Math.imul(hash ^ code, PRIME);
  }
  return hash >>> 0;
}

/** As `fnv1a32`, of a text that is there as UTF-8 bytes. */
export function fnv1a32Bytes(bytes: Uint8Array, hash: number = OFFSET): number {
  for (let i = 0; i < bytes.length; i += 1) hash = Math.imul(hash ^ bytes[i]!, PRIME);
  return hash >>> 0;
}

/** The shard a key belongs to: the hash of its text modulo the number of shards; parts of a list are concatenated. */
export function shardOf(key: KeyValue, shards: number): number {
  if (typeof key === 'string') return fnv1a32(key) % shards;
  if (typeof key !== 'object') return fnv1a32(String(key)) % shards;
  let hash = OFFSET;
  for (const part of key) hash = fnv1a32(String(part), hash);
  return (hash >>> 0) % shards;
}
