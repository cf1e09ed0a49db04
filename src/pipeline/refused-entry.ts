import { encodeDeadLetter } from '../core/events/dead-letter.ts';
import type { RefusedEntry } from '../core/references/shard-references.ts';
import type { CommitOutput } from '../core/shards/commit.ts';
import type { ShardState } from '../core/shards/shard-state.ts';
import { deadOutput, referenceLane } from '../core/shards/subjects.ts';
import type { Logger } from '../ports/logger.ts';
import type { Measures } from '../ports/measures.ts';

interface RefusedEntryOptions {
  readonly ports: { readonly log: { readonly bodyMax: number }; readonly logger: Logger };
  readonly shard: number;
  readonly measures: Measures;
}

/**
 * The dead letter of an entry that a limit kept out, counted and logged. All shards see the same entries and refuse the
 * same ones; the first shard tells it for all.
 */
export function refusedEntry(
  { ports, shard, measures }: RefusedEntryOptions,
  state: ShardState,
  { reference, sequence, time, message }: RefusedEntry,
): CommitOutput[] {
  if (shard !== 0) return [];
  const counts = measures.references.get(reference);
  if (counts !== undefined) {
    counts.refused += 1;
    // The metric counts every one; the log says the first, second, fourth, eighth … so that it stays readable.
    if (Number.isInteger(Math.log2(counts.refused))) ports.logger.warn({ reference, times: counts.refused }, message);
  }
  const subject = deadOutput(shard);
  const ordinal = state.lastOrdinal(subject) + 1;
  state.setOrdinal(subject, ordinal);
  const letter = {
    cause: 'limit' as const,
    message,
    time,
    source: referenceLane(reference),
    stream: '',
    sequence,
    index: 0,
    subject: '',
    rule: undefined,
    key: undefined,
    events: undefined,
    headers: undefined,
    body: undefined,
  };
  return [{ subject, ordinal, body: encodeDeadLetter(letter, Math.min(DEAD_BYTES_MAX, ports.log.bodyMax)) }];
}

const DEAD_BYTES_MAX = 64 * 1024;
