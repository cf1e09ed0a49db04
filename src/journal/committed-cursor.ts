import { decodeCommit } from '../core/shards/commit.ts';
import type { FencedLog } from '../ports/log.ts';
import { readFrame } from './frames.ts';

/** Frames that are looked at before it is left unknown: openings and attempts in a row, or parts of one commit. */
const FRAMES_MAX = 256;

/**
 * How far a shard's log is committed, read from the end of its journal without taking the shard over: the cursor of the
 * last whole commit that is neither an opening nor an attempt. 0 when there never was one; undefined when it cannot be told in few reads.
 */
export async function committedCursor(log: FencedLog, subject: string): Promise<number | undefined> {
  let message = await log.last(subject);
  if (message === undefined) return 0;
  let parts: Uint8Array[] = [];
  for (let frames = 0; frames < FRAMES_MAX; frames += 1) {
    const frame = readFrame(message.body);
    // A last part begins a commit, read backwards; parts without it were never finished.
    if (frame.last) parts = [frame.bytes];
    else if (parts.length > 0) parts.unshift(frame.bytes);
    if (frame.part === 0 && parts.length > 0) {
      const commit = decodeCommit(parts.length === 1 ? parts[0]! : Buffer.concat(parts));
      if (!commit.opening && commit.attempt === undefined) return commit.cursor;
      parts = [];
    }
    if (frame.previous === undefined) return undefined;
    if (frame.previous === 0) return 0;
    const before = await log.get(subject, frame.previous);
    if (before === undefined) return undefined;
    message = before;
  }
  return undefined;
}
