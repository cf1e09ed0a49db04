import { isReferenceLane } from '../core/shards/subjects.ts';
import type { LogMessage } from '../ports/log.ts';

/** The lane that wrote a message of a shard log. */
export const laneOf = ({ subject }: LogMessage): string => subject.slice(subject.lastIndexOf('.') + 1);

/**
 * As many messages as make a batch of at most `BATCH_BYTES`, at least one. Reference data change with the first of a
 * batch or not at all, so that all its turns see them as they are where their events stand in the log.
 */
export function batchLength(messages: readonly LogMessage[]): number {
  let bytes = 0;
  for (let count = 0; count < messages.length; count += 1) {
    bytes += messages[count]!.body.length;
    if (count > 0 && (bytes > BATCH_BYTES || isReferenceLane(laneOf(messages[count]!)))) return count;
  }
  return messages.length;
}

/** Bytes of records in one batch: some thousands of events, so that a commit stays small and other shards get on. */
const BATCH_BYTES = 256 * 1024;
