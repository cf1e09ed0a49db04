import { crc32 } from 'node:zlib';

/** CRC-32 as zip files have it: finds damage, not intent. */
export function checksumOf(bytes: Uint8Array): number {
  return crc32(bytes);
}
