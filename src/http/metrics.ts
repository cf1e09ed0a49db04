import { Counter, collectDefaultMetrics, Gauge, Registry } from 'prom-client';
import {
  type Measures,
  type NodeMeasures,
  type RuleMeasures,
  type SecondsHistogram,
  type SourceMeasures,
  STAGES,
} from '../ports/measures.ts';
import { MeasuredHistogram } from './measured-histogram.ts';

/**
 * Every metric of a node, declared here and nowhere else, each with its unit (in the name), its labels and how its
 * value is read. Hot paths count in plain numbers (`Measures`); these are read when Prometheus asks, so a metric lags
 * by nothing but the scrape. Labels are bounded by the configuration: sources, rules, stages and fixed words; never
 * keys, subjects or ids of events.
 */
export interface MetricDeclaration {
  readonly name: string;
  readonly type: 'counter' | 'gauge' | 'histogram';
  readonly help: string;
  readonly labels: readonly string[];
}

type Labels = Readonly<Record<string, string>>;
type Sample = readonly [labels: Labels, value: number];

interface Plain extends MetricDeclaration {
  readonly type: 'counter' | 'gauge';
  readonly read: (measures: Measures) => Iterable<Sample>;
}

interface Seconds extends MetricDeclaration {
  readonly type: 'histogram';
  readonly read: (measures: Measures) => SecondsHistogram;
}

const none: Labels = {};

const ofNode = (type: Plain['type'], name: string, help: string, read: (node: NodeMeasures) => number): Plain => ({
  name,
  type,
  help,
  labels: [],
  read: ({ node }) => [[none, read(node)]],
});

const ofSource = (
  type: Plain['type'],
  name: string,
  help: string,
  read: (source: SourceMeasures) => number,
): Plain => ({
  name,
  type,
  help,
  labels: ['source'],
  read: ({ sources }) =>
    [...sources]
      .map(([source, measures]): Sample => [{ source }, read(measures)])
      // A watermark before the first event is no point in time yet.
      .filter(([, value]) => Number.isFinite(value)),
});

const ofRule = (name: string, help: string, read: (rule: RuleMeasures) => number): Plain => ({
  name,
  type: 'counter',
  help,
  labels: ['rule'],
  read: ({ rules }) => [...rules].map(([rule, measures]): Sample => [{ rule }, read(measures)]),
});

const ofRuleBy = (
  label: string,
  name: string,
  help: string,
  read: (rule: RuleMeasures) => ReadonlyMap<string, number>,
): Plain => ({
  name,
  type: 'counter',
  help,
  labels: ['rule', label],
  read: ({ rules }) =>
    [...rules].flatMap(([rule, measures]) =>
      [...read(measures)].map(([which, count]): Sample => [{ rule, [label]: which }, count]),
    ),
});

const seconds = (name: string, help: string, read: (node: NodeMeasures) => SecondsHistogram): Seconds => ({
  name,
  type: 'histogram',
  help,
  labels: [],
  read: ({ node }) => read(node),
});

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

  ofRule('corral_matches_total', 'Matches that the rule emitted.', (r) => r.matches),
  ofRuleBy('output', 'corral_side_outputs_total', 'Emissions to side outputs, by output.', (r) => r.sideOutputs),
  ofRule('corral_rule_failures_total', 'Events and timers that a rule failed on.', (r) => r.failures),
  ofRule('corral_late_events_total', 'Events that came after the watermark had passed them.', (r) => r.late),
  ofRule(
    'corral_expression_failures_total',
    'Expressions of the rule that failed on an event.',
    (r) => r.expressionsFailed,
  ),
  ofRuleBy('reason', 'corral_held_back_total', 'What `throttle` and `dedupe` left out.', (r) => r.heldBack),
  ofRuleBy('limit', 'corral_limits_reached_total', 'How often a limit of the rule acted.', (r) => r.limitsReached),

  {
    name: 'corral_appends_total',
    type: 'counter',
    help: 'Fenced appends over lanes, journals and relays, by answer: stored, refused, unknown.',
    labels: ['result'],
    read: ({ node }) => Object.entries(node.appends).map(([result, count]): Sample => [{ result }, count]),
  },
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
  ofNode('gauge', 'corral_timers_pending', 'Timers that wait.', (n) => n.timersPending),
  ofNode('counter', 'corral_timers_fired_total', 'Timers that fired.', (n) => n.timersFired),
  ofNode('counter', 'corral_lease_renewals_total', 'Leases renewed.', (n) => n.leaseRenewals),
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
