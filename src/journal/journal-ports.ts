import type { Clock } from '../ports/clock.ts';
import type { FencedLog } from '../ports/log.ts';
import type { NodeMeasures } from '../ports/measures.ts';

/** What journals, pages and snapshots need of the outside. */
export interface JournalPorts {
  readonly log: FencedLog;
  readonly clock: Clock;
  readonly measures: NodeMeasures;
}

/** A shard, and the names under which it is stored. */
export interface JournalNames {
  readonly shard: number;
  /** The journal's subject. */
  readonly journal: string;
  /** The subject of a lane's records for the shard. */
  readonly shardLog: (lane: string) => string;
  /** The subject of a page of snapshots. */
  readonly page: (page: number) => string;
}
