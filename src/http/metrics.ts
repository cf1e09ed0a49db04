import { Counter, collectDefaultMetrics, Gauge, Registry } from 'prom-client';
import { UNKNOWN_REASONS } from '../ports/log.ts';
import { type Measures, STAGES } from '../ports/measures.ts';
import { MeasuredHistogram } from './measured-histogram.ts';
import {
  type MetricDeclaration,
  ofNode,
  ofReference,
  ofRule,
  ofRuleBy,
  ofSource,
  type Plain,
  type Sample,
  type Seconds,
  seconds,
} from './metric-forms.ts';

/**
 * Every metric of a node, declared here and nowhere else, each with its unit (in the name), its labels and how its
 * value is read. Hot paths count in plain numbers (`Measures`); these are read when Prometheus asks, so a metric lags
 * by nothing but the scrape. Labels are bounded by the configuration: sources, rules, stages and fixed words; never
 * keys, subjects or ids of events.
 */
const PLAIN: readonly Plain[] = [
  ofSource('counter', 'corral_source_messages_total', 'Messages read from the source stream.', (s) => s.messagesIn),
  ofSource('counter', 'corral_source_bytes_total', 'Bytes of the messages read.', (s) => s.bytesIn),
  ofSource('counter', 'corral_events_total', 'Events decoded; a message may hold many.', (s) => s.eventsIn),
  ofSource(
    'counter',
    'corral_events_routed_total',
    'Events handed to shards: one that goes to several counts in each, one that no rule can notice in none.',
    (s) => s.eventsRouted,
  ),
  ofSource(
    'counter',
    'corral_events_excluded_total',
    "Values that the source's `where` left out.",
    (s) => s.eventsExcluded,
  ),
  ofSource(
    'counter',
    'corral_source_expression_failures_total',
    'Expressions of the source that failed without costing the event: let, where, id, type.',
    (s) => s.expressionsFailed,
  ),
  ofSource(
    'counter',
    'corral_events_without_key_total',
    'Events to which the key expression of a keyspace gave no key; counted once per keyspace.',
    (s) => s.eventsWithoutKey,
  ),
  {
    name: 'corral_dead_letters_total',
    type: 'counter',
    help: 'Events of a source that became dead letters, by reason.',
    labels: ['source', 'reason'],
    read: ({ sources }) =>
      [...sources].flatMap(([source, { deadLetters }]) =>
        [...deadLetters].map(([reason, count]): Sample => [{ source, reason }, count]),
      ),
  },
  {
    name: 'corral_source_stream_changes_total',
    type: 'counter',
    help: 'How often a source went on although its stream had changed: recreated, purged, lostTail.',
    labels: ['source', 'change'],
    read: ({ sources }) =>
      [...sources].flatMap(([source, { streamChanges }]) =>
        [...streamChanges].map(([change, count]): Sample => [{ source, change }, count]),
      ),
  },
  ofSource(
    'counter',
    'corral_source_missed_messages_total',
    'Messages that were gone then before they were read, at most.',
    (s) => s.messagesMissed,
  ),
  ofSource(
    'gauge',
    'corral_source_pending_messages',
    'Messages in the stream that the lane has not read yet.',
    (s) => s.pending,
  ),
  ofSource(
    'gauge',
    'corral_source_watermark_timestamp_seconds',
    "The lane's watermark, in seconds since 1970; absent before the first event.",
    (s) => s.watermarkMs / 1000,
  ),
  ofSource(
    'counter',
    'corral_source_publishers_forgotten_total',
    'Publishers whose own watermark was given up because there were too many.',
    (s) => s.publishersForgotten,
  ),
  ofSource('gauge', 'corral_source_lane_owned', '1 while this node reads the source.', (s) => s.laneOwned),
  ofSource(
    'gauge',
    'corral_source_backlog_bytes',
    'Bytes of events read that wait until shards have acknowledged them; an event counts in each of its shards.',
    (s) => s.backlogBytes,
  ),

  ofRule('corral_matches_total', 'Matches that the rule emitted.', (r) => r.matches),
  ofRuleBy('output', 'corral_side_outputs_total', 'Emissions to side outputs, by output.', (r) => r.sideOutputs),
  ofRule('corral_rule_failures_total', 'Events and timers that a rule failed on.', (r) => r.failures),
  ofRule(
    'corral_rule_parked_total',
    'Events and timers not shown to the rule, since they had ended the process twice.',
    (r) => r.parked,
  ),
  ofRule('corral_late_events_total', 'Events that came after the watermark had passed them.', (r) => r.late),
  ofRule(
    'corral_expression_failures_total',
    'Expressions of the rule that failed on an event.',
    (r) => r.expressionsFailed,
  ),
  ofRuleBy(
    'result',
    'corral_forwards_total',
    "Matches sent to the rule's `to`, by what came of it.",
    (r) => r.forwards,
  ),
  ofRuleBy('reason', 'corral_held_back_total', 'What `throttle` and `dedupe` left out.', (r) => r.heldBack),
  ofRuleBy('limit', 'corral_limits_reached_total', 'How often a limit of the rule acted.', (r) => r.limitsReached),

  ofReference(
    'gauge',
    'corral_reference_entries',
    'Entries of the reference, as the shard of this node has them that has most.',
    (r) => r.entries,
  ),
  ofReference(
    'gauge',
    'corral_reference_bytes',
    'Bytes of the reference on this node, over all its shards: each has a copy of its own.',
    (r) => r.bytes,
  ),
  ofReference(
    'counter',
    'corral_reference_entries_refused_total',
    'Entries kept out because the reference would have got too large; counted where the first shard is.',
    (r) => r.refused,
  ),

  {
    name: 'corral_appends_total',
    type: 'counter',
    help: 'Fenced appends over lanes, journals and relays, by answer: stored, refused, unknown.',
    labels: ['result'],
    read: ({ node }) => Object.entries(node.appends).map(([result, count]): Sample => [{ result }, count]),
  },
  {
    name: 'corral_appends_unknown_total',
    type: 'counter',
    help: 'Fenced appends without an answer to rely on, by reason: disconnected, noAnswer, nobody, full, other.',
    labels: ['reason'],
    read: ({ node }) => UNKNOWN_REASONS.map((reason): Sample => [{ reason }, node.appendsUnknown[reason]]),
  },
  ofNode(
    'gauge',
    'corral_relay_backlog_bytes',
    'Bytes of committed outputs that wait for the match stream to acknowledge them.',
    (n) => n.relayBacklogBytes,
  ),
  ofNode('counter', 'corral_batches_total', 'Batches that shard owners computed.', (n) => n.batches),
  ofNode('counter', 'corral_batch_events_total', 'Events in those batches.', (n) => n.batchEvents),
  ofNode(
    'counter',
    'corral_events_committed_total',
    'Events whose consequences are committed; one that goes to several shards counts in each.',
    (n) => n.eventsCommitted,
  ),
  ofNode('counter', 'corral_commits_total', 'Commits acknowledged.', (n) => n.commits),
  ofNode('counter', 'corral_commit_bytes_total', 'Bytes of those commits.', (n) => n.commitBytes),
  ofNode('counter', 'corral_snapshots_total', 'Snapshots of shards completed.', (n) => n.snapshots),
  ofNode('counter', 'corral_snapshot_bytes_total', 'Bytes of the pages written for snapshots.', (n) => n.snapshotBytes),
  ofNode(
    'gauge',
    'corral_journal_tail_bytes',
    'Bytes of the journals of this node since their newest snapshots start, which a takeover reads beside the state.',
    (n) => n.journalTailBytes,
  ),
  ofNode(
    'counter',
    'corral_recoveries_total',
    'Shards begun afresh from their journal: at start, after a takeover, after a refused commit.',
    (n) => n.recoveries,
  ),
  ofNode('counter', 'corral_actors_spawned_total', 'Key actors spawned.', (n) => n.actorsSpawned),
  ofNode(
    'counter',
    'corral_actors_passivated_total',
    'Key actors put back to packed state.',
    (n) => n.actorsPassivated,
  ),
  ofNode('counter', 'corral_actors_failed_total', 'Key actors that failed.', (n) => n.actorsFailed),
  ofNode('gauge', 'corral_actors_active', 'Key actors in memory.', (n) => n.actorsActive),
  ofNode('gauge', 'corral_keys', 'Keys with state, active or passive, on this node.', (n) => n.keys),
  ofNode('gauge', 'corral_state_bytes', 'Bytes of packed state on this node.', (n) => n.stateBytes),
  ofNode('gauge', 'corral_shards_owned', 'Shards that this node owns.', (n) => n.shardsOwned),
  ofNode(
    'gauge',
    'corral_shards_careful',
    'Shards that work carefully, because their last owners ended without getting on.',
    (n) => n.shardsCareful,
  ),
  ofNode('gauge', 'corral_timers_pending', 'Timers that wait.', (n) => n.timersPending),
  ofNode('counter', 'corral_timers_fired_total', 'Timers that fired.', (n) => n.timersFired),
  ofNode('gauge', 'corral_forwards_waiting', 'Matches that wait for a subject of `to`.', (n) => n.forwardsWaiting),
  ofNode('counter', 'corral_lease_renewals_total', 'Leases renewed.', (n) => n.leaseRenewals),
  {
    name: 'corral_rules_version',
    type: 'gauge',
    help: 'Number of the version of the rules: version=own is what this node runs (0 = it waits), version=active the newest.',
    labels: ['version'],
    read: ({ node }) => [
      [{ version: 'own' }, node.rulesOwn],
      [{ version: 'active' }, node.rulesActive],
    ],
  },
  ofNode(
    'counter',
    'corral_rule_state_dropped_keys_total',
    'Keys whose state of edited or removed rules was dropped.',
    (n) => n.ruleStateDroppedKeys,
  ),
  ofNode(
    'counter',
    'corral_rule_events_unseen_total',
    'Events that a rule should have seen, but its module is not on this node; counted per rule.',
    (n) => n.ruleEventsUnseen,
  ),
  {
    name: 'corral_busy_seconds_total',
    type: 'counter',
    help: 'Seconds this process was busy, by stage of the path of an event.',
    labels: ['stage'],
    read: ({ node }) => STAGES.map((stage): Sample => [{ stage }, node.busySeconds[stage]]),
  },
  ofNode(
    'counter',
    'corral_backpressured_seconds_total',
    'Seconds that lanes waited because shards, journal or match stream were behind.',
    (n) => n.backpressuredSeconds,
  ),
];

const SECONDS: readonly Seconds[] = [
  seconds('corral_commit_seconds', 'From sending a commit to its acknowledgement.', (n) => n.commitSeconds),
  seconds('corral_relay_seconds', 'From sending a match to its acknowledgement.', (n) => n.relaySeconds),
  seconds('corral_recovery_seconds', 'Rebuilding a shard from its snapshot and journal.', (n) => n.recoverySeconds),
  seconds(
    'corral_snapshot_seconds',
    'From the beginning of a snapshot to the acknowledgement of its manifest.',
    (n) => n.snapshotSeconds,
  ),
];

const READY: MetricDeclaration = {
  name: 'corral_ready',
  type: 'gauge',
  help: '1 while the node is ready, as /readyz says.',
  labels: [],
};

const BUILD: MetricDeclaration = {
  name: 'corral_build_info',
  type: 'gauge',
  help: 'Always 1; says which version of Corral runs, and which rules.',
  labels: ['version', 'rules'],
};

/** All metrics of Corral's own, for the documentation and the test that compares the two. */
export const METRICS: readonly MetricDeclaration[] = [...PLAIN, ...SECONDS, READY, BUILD];

/**
 * Default metrics of the client library that count nothing and are yet named like counters, to which promtool objects;
 * `nodejs_active_resources` says the same.
 */
const UNWANTED = ['nodejs_active_handles_total', 'nodejs_active_requests_total', 'nodejs_active_resources_total'];

export interface MetricsOf {
  /** Undefined until the node has been assembled, as while NATS is waited for. */
  readonly measures: () => Measures | undefined;
  readonly notReady: () => readonly string[];
  readonly version: string;
  /** Version of the rule set. */
  readonly rules: string;
}

/** A registry that reads a node's measures whenever it is scraped, beside the metrics of the process. */
export function metricsRegistry({ measures, notReady, version, rules }: MetricsOf): Registry {
  const registry = new Registry();
  const readNow = <Value>(read: (measures: Measures) => Value): Value | undefined => {
    const now = measures();
    return now === undefined ? undefined : read(now);
  };
  const registers = [registry];
  for (const { name, type, help, labels, read } of PLAIN) {
    const options = { name, help, labelNames: [...labels], registers };
    const samples = () => readNow(read) ?? [];
    if (type === 'gauge') {
      new Gauge({
        ...options,
        collect() {
          this.reset();
          for (const [values, value] of samples()) this.set(values, value);
        },
      });
    } else {
      new Counter({
        ...options,
        collect() {
          this.reset();
          for (const [values, value] of samples()) this.inc(values, value);
        },
      });
    }
  }
  for (const { name, help, read } of SECONDS) {
    new MeasuredHistogram({ name, help, registers }, () => readNow(read));
  }
  const { name, help } = READY;
  new Gauge({
    name,
    help,
    registers,
    collect() {
      this.set(notReady().length === 0 ? 1 : 0);
    },
  });
  new Gauge({ name: BUILD.name, help: BUILD.help, labelNames: [...BUILD.labels], registers }).set(
    { version, rules },
    1,
  );
  collectDefaultMetrics({ register: registry });
  for (const unwanted of UNWANTED) registry.removeSingleMetric(unwanted);
  return registry;
}
