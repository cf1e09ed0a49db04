import { ByteReader } from '../shards/byte-reader.ts';

/** Cells of a throttle or dedupe that this version cannot read, or that are not what they claim to be. */
export class WrapperStateUnreadable extends Error {
  readonly code = 'WRAPPER_STATE_UNREADABLE';
}

/**
 * Reads a cell whose first byte is its format.
 * @throws {WrapperStateUnreadable}
 */
export function openWrapperCell(
  whose: string,
  bytes: Uint8Array,
  format: number,
  read: (reader: ByteReader) => void,
): void {
  const reader = new ByteReader(bytes);
  let version: number;
  try {
    version = reader.byte();
    if (version === format) {
      read(reader);
      return;
    }
  } catch (cause) {
    const message = `the state of ${whose} is damaged: ${cause}. Rebuild it from the journal`;
    throw new WrapperStateUnreadable(message, { cause });
  }
  throw new WrapperStateUnreadable(
    `the state of ${whose} has format ${version}; this version of Corral reads ${format}. Start a version that wrote it`,
  );
}
