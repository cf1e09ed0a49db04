import type { UnknownReason } from './log.ts';

/**
 * What one node has counted, as plain numbers: a hot path adds to a field (1 ns) instead of calling a metrics library
 * (18 to 290 ns), and whoever exposes metrics reads them when asked. Counters only grow; gauges say so.
 */
export interface SourceMeasures {
  messagesIn: number;
  bytesIn: number;
  eventsIn: number;
  /** Events handed to shards: one that goes to several counts in each, one that no rule can take notice of in none. */
  eventsRouted: number;
  /** Values that the source's `where` excluded. */
  eventsExcluded: number;
  /** Expressions of the source that failed without costing the event: `let`, `where`, `id`, `type`. */
  expressionsFailed: number;
  /** Events without a key in some keyspace. */
  eventsWithoutKey: number;
  /** Dead letters by cause: undecodable, key, time, tooLarge. */
  readonly deadLetters: Map<string, number>;
  /** How often the source went on although its stream had changed: recreated, purged, lostTail. */
  readonly streamChanges: Map<string, number>;
  /** Messages of the stream that were gone then before they were read, at most: some may have been gone anyway. */
  messagesMissed: number;
  /** Gauge: messages in the stream that the lane has not read yet. */
  pending: number;
  /** Gauge: the lane's watermark in ms since the epoch; -Infinity before the first event. */
  watermarkMs: number;
  /** Publishers whose own clock was given up, to keep their number within its limit. */
  publishersForgotten: number;
  /** Gauge: 1 while this node runs the source's lane. */
  laneOwned: number;
  /** Gauge: bytes of events read that wait until shards have acknowledged them; an event counts in each of its shards. */
  backlogBytes: number;
}

export interface RuleMeasures {
  matches: number;
  /** By side output: timeout, late and those of process rules. */
  readonly sideOutputs: Map<string, number>;
  late: number;
  /** Events and timers on which the rule threw. */
  failures: number;
  /** Events and times that the rule was not shown any more, because they had ended the process twice. */
  parked: number;
  expressionsFailed: number;
  /** What became of sending matches to the rule's `to`: stored, duplicate, sent, failed. */
  readonly forwards: Map<string, number>;
  /** What the rule's `throttle` and `dedupe` left out, by which of them. */
  readonly heldBack: Map<string, number>;
  /** By limit. */
  readonly limitsReached: Map<string, number>;
}

/** Seconds spent, as a sum and a count per bucket of `SECONDS_BUCKETS`. */
export interface SecondsHistogram {
  sum: number;
  count: number;
  readonly buckets: Float64Array;
}

/** Upper bounds of the buckets of every `SecondsHistogram`; the last bucket is +Infinity. */
export const SECONDS_BUCKETS: readonly number[] = [
  0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10,
];

/**
 * The stages of the path of one event in which this process computes: decoding and routing in the lane, encoding records,
 * reading them, the actors' turns, and gathering and encoding commits.
 */
export const STAGES = ['decode', 'append', 'read', 'turn', 'commit'] as const;
export type Stage = (typeof STAGES)[number];

export interface NodeMeasures {
  /** Fenced appends by answer, over lanes, journals and relays. */
  readonly appends: { stored: number; refused: number; unknown: number };
  /** Of those without an answer to rely on, how many for which reason. */
  readonly appendsUnknown: Record<UnknownReason, number>;
  /** Gauge: bytes of committed outputs that wait for the match stream to acknowledge them. */
  relayBacklogBytes: number;
  batches: number;
  batchEvents: number;
  /** Events of shard logs whose consequences are committed. An event that goes to several shards counts in each. */
  eventsCommitted: number;
  commits: number;
  commitBytes: number;
  readonly commitSeconds: SecondsHistogram;
  readonly relaySeconds: SecondsHistogram;
  readonly recoverySeconds: SecondsHistogram;
  /** Snapshots whose manifest is acknowledged, and the bytes of the pages written for them. */
  snapshots: number;
  snapshotBytes: number;
  /** From the beginning of a snapshot to the acknowledgement of its manifest. */
  readonly snapshotSeconds: SecondsHistogram;
  /** Gauge: bytes of journals since the newest snapshots start: what takeovers would have to read beside the state. */
  journalTailBytes: number;
  /** Shards begun afresh from the journal: at start, after a takeover, after a refused commit. */
  recoveries: number;
  actorsSpawned: number;
  actorsPassivated: number;
  actorsFailed: number;
  /** Gauges. */
  actorsActive: number;
  keys: number;
  stateBytes: number;
  shardsOwned: number;
  /** Shards that work carefully, because their last owners ended without getting on. */
  shardsCareful: number;
  timersPending: number;
  timersFired: number;
  leaseRenewals: number;
  /** Gauge: matches that wait for a subject that their rule names with `to`. */
  forwardsWaiting: number;
  /** Busy seconds per stage of this process; the rest of wall time is idle or waiting. */
  readonly busySeconds: Record<Stage, number>;
  /** Keys whose state of rules that do not run any more was dropped. */
  ruleStateDroppedKeys: number;
  /** Events that a rule should have seen, but its code is not on this node; counted per rule. */
  ruleEventsUnseen: number;
  /** Gauges: number of the rule version that this node runs (0 = none), and of the newest there is (0 = not known yet). */
  rulesOwn: number;
  rulesActive: number;
  /** Seconds a lane waited because shards, journal or match stream were behind. */
  backpressuredSeconds: number;
}

export interface ReferenceMeasures {
  /** Gauge: entries, as the shard of this node has them that has most. */
  entries: number;
  /** Gauge: bytes of keys and values, over all shards of this node: each has a copy of its own. */
  bytes: number;
  /** Entries kept out because the reference would have got too large. Counted where the first shard is. */
  refused: number;
}

export interface Measures {
  readonly node: NodeMeasures;
  readonly sources: ReadonlyMap<string, SourceMeasures>;
  /** Rules of other versions of the rules are added when they come to run. */
  readonly rules: Map<string, RuleMeasures>;
  readonly references: ReadonlyMap<string, ReferenceMeasures>;
}
