import type { Subjects } from '../core/shards/subjects.ts';
import type { Clock } from '../ports/clock.ts';
import type { FencedLog } from '../ports/log.ts';
import type { Logger } from '../ports/logger.ts';
import type { Measures } from '../ports/measures.ts';
import type { Outbox } from '../ports/outbox.ts';
import type { ShardForwards } from './commit-line.ts';

/** What the owner of a shard works with. */
export interface OwnerPorts {
  readonly log: FencedLog;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Absent: matches go to the match stream alone. */
  readonly outbox?: Outbox;
}

interface Forwarding {
  readonly ports: OwnerPorts;
  readonly shard: number;
  readonly prefix: string;
  readonly subjects: Subjects;
  readonly measures: Measures;
}

/** How the matches of a shard come to the subjects that their rules name; undefined when they do not. */
export function shardForwards({ ports, shard, prefix, subjects, measures }: Forwarding): ShardForwards | undefined {
  const { outbox, logger } = ports;
  if (outbox === undefined) return undefined;
  const measuresOf: ShardForwards['measuresOf'] = (rule) => measures.rules.get(rule);
  return { outbox, logger, prefix, progressSubject: subjects.forwarded(shard), measuresOf };
}
