import { ByteReader } from '../core/shards/byte-reader.ts';
import { ByteWriter } from '../core/shards/byte-writer.ts';

/**
 * A commit on its way through the journal. One that fits the server's limit is one message, a larger one is cut into
 * numbered parts, each a fenced append, that take effect with the last (protocol.md, C5). An opening commit or a new
 * first part voids what is unfinished.
 *
 *     frame  = format, flags (1 = last part), commit number, part number, bytes
 */
export interface Frame {
  readonly number: number;
  readonly part: number;
  readonly last: boolean;
  readonly bytes: Uint8Array;
}

const FORMAT = 1;
const HEADER_MAX = 18;

/** @param frameMax largest frame in bytes; at least 1 KiB */
export function toFrames(number: number, commit: Uint8Array, frameMax: number): Buffer[] {
  const room = frameMax - HEADER_MAX;
  const frames: Buffer[] = [];
  for (let part = 0, at = 0; part === 0 || at < commit.length; part += 1, at += room) {
    const bytes = commit.subarray(at, at + room);
    const writer = new ByteWriter(bytes.length + HEADER_MAX);
    writer.byte(FORMAT);
    writer.byte(at + room >= commit.length ? 1 : 0);
    writer.varint(number);
    writer.varint(part);
    writer.raw(bytes);
    frames.push(writer.view());
  }
  return frames;
}

/** @throws {RangeError} when the bytes are no frame of a known format. */
export function readFrame(bytes: Uint8Array): Frame {
  const reader = new ByteReader(bytes);
  const format = reader.byte();
  if (format !== FORMAT) throw new RangeError(`journal frame format ${format} is unknown; this Corral reads ${FORMAT}`);
  const last = reader.byte() === 1;
  const number = reader.varint();
  const part = reader.varint();
  return { number, part, last, bytes: bytes.subarray(reader.position) };
}

/** Puts the parts of commits together, in the order the journal has them. */
export class FrameJoiner {
  private parts: Uint8Array[] = [];
  private number = 0;

  /** The whole commit when this frame completes one. @throws {RangeError} when a part is missing. */
  push(frame: Frame): Uint8Array | undefined {
    if (frame.part === 0) {
      this.parts = [];
      this.number = frame.number;
    }
    if (frame.number !== this.number || frame.part !== this.parts.length) {
      throw new RangeError(
        `part ${frame.part} of commit ${frame.number} follows part ${this.parts.length - 1} of commit ${this.number}`,
      );
    }
    this.parts.push(frame.bytes);
    if (!frame.last) return undefined;
    const [only] = this.parts;
    const commit = this.parts.length === 1 ? only! : Buffer.concat(this.parts);
    this.parts = [];
    return commit;
  }
}
