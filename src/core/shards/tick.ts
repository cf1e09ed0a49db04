import { type InstantMs, instant } from '../time/units.ts';
import { type Standing, standingNumber, standingOf } from './standing.ts';

/**
 * What a shard says, between the matches of a rule that other rules read, of how far the rule's clock has come: no match
 * that is older follows on the same subject. JSON, so that who looks at the stream sees what it is; no CloudEvent, so
 * that no one takes it for a match.
 */
export interface Tick {
  readonly watermark: InstantMs;
  readonly standing: Standing;
}

export const encodeTick = ({ watermark, standing }: Tick): Buffer =>
  Buffer.from(`${HEAD}"${watermark}","standing":${standingNumber(standing)}}`);

/** Undefined when it is a match. @throws {RangeError} when it is neither as we write them */
export function decodeTick(body: Uint8Array): Tick | undefined {
  if (!Buffer.from(body.buffer, body.byteOffset, Math.min(body.length, HEAD.length)).equals(HEAD_BYTES))
    return undefined;
  const { tick, standing } = JSON.parse(Buffer.from(body).toString()) as { tick: string; standing: number };
  const watermark = Number(tick);
  if (Number.isNaN(watermark) || typeof standing !== 'number') throw new RangeError('not a tick as Corral writes it');
  return { watermark: instant(watermark), standing: standingOf(standing) };
}

const HEAD = '{"tick":';
const HEAD_BYTES = Buffer.from(HEAD);
