/** Longest key of an entry, in bytes of UTF-8. */
export const REFERENCE_KEY_BYTES_MAX = 1024;

/**
 * The text by which an entry is kept and found. Keys of a bucket are texts, so a number or boolean stands for its text:
 * 42 finds what was put as "42". Null when there is none; undefined for what is no key.
 */
export function referenceKey(value: unknown): string | null | undefined {
  if (typeof value === 'string') return value;
  if (typeof value === 'number' || typeof value === 'boolean') return String(value);
  return value === null || value === undefined ? null : undefined;
}
