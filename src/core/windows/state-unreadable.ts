import { ByteReader } from '../shards/byte-reader.ts';

/** Version of the cells of window rules: the first byte of every cell that this folder writes. */
export const FORMAT = 1;

/** Cells that this version cannot read, or that are not what they claim to be. */
export class WindowStateUnreadable extends Error {
  readonly code = 'WINDOW_STATE_UNREADABLE';
}

/** @throws {WindowStateUnreadable} when a newer version wrote the cell */
export function openCell(bytes: Uint8Array, cell: number): ByteReader {
  const reader = new ByteReader(bytes);
  const version = reader.byte();
  if (version === FORMAT) return reader;
  throw new WindowStateUnreadable(
    `cell ${cell} of a window's state has format ${version}; this version of Corral reads ${FORMAT}. Start a version that wrote it`,
  );
}

/** Does what reads cells; whatever goes wrong in it means that they are damaged. */
export function reading<Result>(read: () => Result): Result {
  try {
    return read();
  } catch (cause) {
    if (cause instanceof WindowStateUnreadable) throw cause;
    throw new WindowStateUnreadable(`a window's state is damaged: ${cause}. Rebuild it from the journal`, { cause });
  }
}
