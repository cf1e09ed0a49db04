import { ByteReader } from '../core/shards/byte-reader.ts';
import { ByteWriter } from '../core/shards/byte-writer.ts';
import { checksumOf } from './checksum.ts';

/**
 * A commit on its way through the journal. One that fits the server's limit is one message, a larger one is cut into
 * numbered parts, each a fenced append, that take effect with the last (protocol.md, C5). An opening commit or a new
 * first part voids what is unfinished.
 *
 *     frame  = format, checksum of what follows, flags (1 = last part, 2 = of a commit that holds a manifest), commit
 *              number, part number, sequence before it on the journal, sequence of the newest manifest before it, bytes
 *
 *   F1. Every frame names the one before it, so nothing can be missing between two unnoticed.
 *   F2. Every frame names the last part of the commit that holds the newest manifest, so whoever reads the end of the
 *       journal knows where to begin.
 */
export interface Frame {
  readonly number: number;
  readonly part: number;
  readonly last: boolean;
  /** Its commit holds a manifest. */
  readonly holdsManifest: boolean;
  /** Sequence of the journal's message before it, 0 when it is the first; undefined in frames of format 1. */
  readonly previous: number | undefined;
  /** Sequence of the last part of the newest commit before it that holds a manifest; 0 when there is none. */
  readonly manifestAt: number;
  readonly bytes: Uint8Array;
}

const FORMAT = 2;
/** Before snapshots: without manifests, the frame before, and checksum. */
const FORMAT_1 = 1;
const CHECKSUM_BYTES = 4;
const HEADER_MAX = 40;
const LAST = 1;
const HOLDS_MANIFEST = 2;

/** Cuts a commit into as many pieces as it needs frames. @param frameMax largest frame in bytes; at least 1 KiB */
export function cutCommit(commit: Uint8Array, frameMax: number): Uint8Array[] {
  const room = frameMax - HEADER_MAX;
  const pieces: Uint8Array[] = [];
  for (let at = 0; at === 0 || at < commit.length; at += room) pieces.push(commit.subarray(at, at + room));
  return pieces;
}

export function encodeFrame(frame: Frame & { readonly previous: number }): Buffer {
  const writer = new ByteWriter(frame.bytes.length + HEADER_MAX);
  writer.byte(FORMAT);
  writer.raw(new Uint8Array(CHECKSUM_BYTES));
  writer.byte((frame.last ? LAST : 0) | (frame.holdsManifest ? HOLDS_MANIFEST : 0));
  writer.varint(frame.number);
  writer.varint(frame.part);
  writer.varint(frame.previous);
  writer.varint(frame.manifestAt);
  writer.raw(frame.bytes);
  const encoded = writer.view();
  encoded.writeUInt32LE(checksumOf(encoded.subarray(1 + CHECKSUM_BYTES)), 1);
  return encoded;
}

/** @throws {RangeError} when the bytes are no frame of a known format, or are not what was written. */
export function readFrame(bytes: Uint8Array): Frame {
  const reader = new ByteReader(bytes);
  const format = reader.byte();
  if (format === FORMAT) {
    const checksum = reader.raw(CHECKSUM_BYTES).readUInt32LE();
    if (checksumOf(bytes.subarray(reader.position)) !== checksum) throw new RangeError('its checksum is another');
  } else if (format !== FORMAT_1) {
    throw new RangeError(`journal frame format ${format} is unknown; this Corral reads ${FORMAT_1} and ${FORMAT}`);
  }
  const flags = reader.byte();
  const number = reader.varint();
  const part = reader.varint();
  const previous = format === FORMAT ? reader.varint() : undefined;
  const manifestAt = format === FORMAT ? reader.varint() : 0;
  return {
    number,
    part,
    last: (flags & LAST) !== 0,
    holdsManifest: (flags & HOLDS_MANIFEST) !== 0,
    previous,
    manifestAt,
    bytes: bytes.subarray(reader.position),
  };
}

/** Where the newest manifest stands, by the frame at the journal's end: sequence of its last part, 0 = there is none. */
export function newestManifest(end: Frame, sequence: number): number {
  return end.last && end.holdsManifest ? sequence : end.manifestAt;
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
