import type { RuleMark } from '../../core/rules/rule-mark.ts';
import type { InstantMs } from '../../core/time/units.ts';
import type { AccountUse, StreamDetails } from '../../nats/inspect.ts';

/** What NATS says of a deployment at one moment. Undefined fields are not known. */
export interface Status {
  readonly prefix: string;
  /** Version of the nats-server that answered. */
  readonly server: string;
  /** By the server's clock; undefined when there is no deployment. */
  readonly at: InstantMs | undefined;
  readonly nodes: readonly Holder[];
  /** Number of the newest version of the rules, which is the active one; absent when there is none. */
  readonly activeRules?: number | undefined;
  readonly shards: readonly ShardStatus[];
  readonly lanes: readonly LaneStatus[];
  readonly rules: readonly RuleStatus[];
  /** Of the last 24 hours. */
  readonly deadLetters: {
    /** Neither replayed nor dropped. */
    readonly undecided: number;
    readonly byCause: ReadonlyMap<string, number>;
    readonly byRule: ReadonlyMap<string, ReadonlyMap<string, number>>;
  };
  readonly streams: readonly StreamDetails[];
  /** Streams of a deployment that are not there. */
  readonly missing: readonly string[];
  readonly disk: AccountUse | undefined;
}

/** Whoever holds a lease. */
export interface Holder {
  readonly node: string;
  /** Version of the rules that a node was given; absent for other leases, and nodes that have not said it. */
  readonly rules?: RuleMark | undefined;
  /** Since the lease was last renewed. */
  readonly seenMs: number;
  /** False once the lease has expired, so that others may take it. */
  readonly alive: boolean;
}

export interface ShardStatus {
  readonly shard: number;
  readonly owner: Holder | undefined;
  /** Records of the shard log that are not committed, heartbeats included. */
  readonly lag: number | undefined;
}

export interface LaneStatus {
  readonly lane: string;
  readonly owner: Holder | undefined;
  /** The source's stream; undefined when it is gone or was made anew. */
  readonly stream: string | undefined;
  /** Everything up to this sequence of the stream is in the shard logs. */
  readonly position: number;
  /** What is added to the stream's sequences in matches and dead letters, since it has used some of them twice. */
  readonly countsOn: number;
  /** Messages of the stream beyond it, those that the source's filter leaves out included. */
  readonly pending: number | undefined;
  readonly watermark: InstantMs | undefined;
  readonly watermarkAgeMs: number | undefined;
}

/** What a rule has stored, as far as the match stream still holds it. */
export interface RuleStatus {
  readonly rule: string;
  readonly matches: number;
  /** By side output, such as `timeout` and `late`. */
  readonly sides: ReadonlyMap<string, number>;
  /** Of the last 24 hours, by cause. */
  readonly deadLetters: ReadonlyMap<string, number>;
}

/** From this share of what the account may store on, it is said. */
const DISK_FULL = 0.9;

/** Why the deployment is not healthy, each a sentence; empty when it is. */
export function problemsOf(status: Status): readonly string[] {
  const { prefix, nodes, shards, lanes, streams, missing, disk, at } = status;
  const problems: string[] = [];
  if (at === undefined)
    problems.push(`there is no deployment '${prefix}' here: ${listed(missing)} ${are(missing)} missing`);
  if (at !== undefined && !nodes.some(({ alive }) => alive)) problems.push('no node is alive');
  if (at !== undefined && shards.length === 0) problems.push('no lane has ever run, so nothing is read');
  const orphans = shards.filter(({ owner }) => owner?.alive !== true).map(({ shard }) => shard);
  if (orphans.length > 0)
    problems.push(`${orphans.length} of ${shards.length} shards have no living owner: ${ranges(orphans)}`);
  for (const { lane, owner, stream } of lanes) {
    if (owner?.alive !== true) problems.push(`lane ${lane} has no living owner, so its source is not read`);
    if (stream === undefined) problems.push(`the stream that lane ${lane} has read is gone or was made anew`);
  }
  for (const { name, replicasMissing } of streams)
    if (replicasMissing.length > 0) problems.push(`stream ${name} lacks replicas: ${listed(replicasMissing)}`);
  if (disk?.limit !== undefined && disk.bytes >= disk.limit * DISK_FULL)
    problems.push(`the account has stored ${Math.round((100 * disk.bytes) / disk.limit)} % of what it may`);
  return problems;
}

/** What a person might look for here and cannot find, each a sentence. */
export const NOT_KNOWN: readonly string[] = [
  'sync_interval of the servers: it is in their configuration (2m unless set); acknowledged is not yet on disk',
  'keys, state, timers, and late events that are dropped: see /metrics of the nodes',
  'rules that never said anything, and the filter of a source: pending may count what the filter leaves out',
];

const listed = (names: readonly string[]): string => names.join(', ');
const are = (names: readonly string[]): string => (names.length === 1 ? 'is' : 'are');

/** `0-3, 7, 9-10`; what is too long to read ends with how many more there are. */
export function ranges(numbers: readonly number[]): string {
  const parts: string[] = [];
  for (let first = 0; first < numbers.length; ) {
    let last = first;
    while (numbers[last + 1] === numbers[last]! + 1) last += 1;
    parts.push(first === last ? `${numbers[first]}` : `${numbers[first]}-${numbers[last]}`);
    first = last + 1;
  }
  const shown = parts.slice(0, RANGES_SHOWN).join(', ');
  return parts.length > RANGES_SHOWN ? `${shown} and ${parts.length - RANGES_SHOWN} more` : shown;
}

const RANGES_SHOWN = 8;
