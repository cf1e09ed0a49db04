import { pack, unpack } from 'msgpackr';
import type { InstantMs } from '../time/units.ts';
import type { Position } from './position.ts';

/**
 * A lane's record of dead letters (protocol.md, L7): one more output of the lane, with a range like a shard's, so that
 * no dead letter is lost or doubled either.
 */
export interface DeadRecord {
  readonly from: Position;
  readonly upto: Position;
  /** The lane's, so that a lane may start over from this record as from a shard's. */
  readonly watermark: InstantMs;
  /** Stored forms of dead letters (see events/dead-letter). */
  readonly letters: readonly Uint8Array[];
}

const FORMAT = 1;

export function encodeDeadRecord(record: DeadRecord): Buffer {
  const { from, upto, watermark, letters } = record;
  return Buffer.from(pack([FORMAT, from.seq, from.part, upto.seq, upto.part, watermark, letters]));
}

/** @throws {RangeError} when the bytes are no record of a known format. */
export function decodeDeadRecord(bytes: Uint8Array): DeadRecord {
  const fields = unpack(bytes);
  if (!Array.isArray(fields) || fields[0] !== FORMAT)
    throw new RangeError(`not a dead-letter record of format ${FORMAT}`);
  const [, fromSeq, fromPart, uptoSeq, uptoPart, watermark, letters] = fields;
  return { from: { seq: fromSeq, part: fromPart }, upto: { seq: uptoSeq, part: uptoPart }, watermark, letters };
}
