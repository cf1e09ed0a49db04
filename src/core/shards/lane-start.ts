import { pack, unpack } from 'msgpackr';
import type { Renumbering } from './numbering.ts';

/**
 * Where a source began for a deployment: stored once, by the first lane that ever read it, and again whenever the source
 * goes on after its stream has used numbers a second time.
 */
export interface LaneStart {
  /** Everything up to this number of the source is not read. */
  readonly seq: number;
  /** When the stream was created. */
  readonly created: string;
  /** Number of shards of the deployment. */
  readonly shards: number;
  /** How the lane's numbers differ from the stream's (see numbering); empty for nearly every source. */
  readonly renumberings: readonly Renumbering[];
}

const FORMAT = 2;

/** Without renumberings it is written as format 1, a map, which an older Corral reads too. */
export function encodeLaneStart({ seq, created, shards, renumberings }: LaneStart): Uint8Array {
  if (renumberings.length === 0) return pack({ seq, created, shards });
  return pack([FORMAT, seq, created, shards, renumberings.map(({ after, shift }) => [after, shift])]);
}

/** @throws {RangeError} when the bytes are of a newer format. */
export function decodeLaneStart(bytes: Uint8Array): LaneStart {
  const stored = unpack(bytes);
  if (!Array.isArray(stored)) return { ...(stored as Omit<LaneStart, 'renumberings'>), renumberings: [] };
  const [format, seq, created, shards, list] = stored;
  if (format !== FORMAT) throw new RangeError(`a lane's start of format ${format}; this Corral reads 1 and ${FORMAT}`);
  const renumberings = (list as [number, number][]).map(([after, shift]) => ({ after, shift }));
  return { seq, created, shards, renumberings };
}
