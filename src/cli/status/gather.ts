import { readMarks } from '../../core/rules/rule-mark.ts';
import { decodeLaneStart, type LaneStart } from '../../core/shards/lane-start.ts';
import { Numbering } from '../../core/shards/numbering.ts';
import { decodeRecord } from '../../core/shards/record.ts';
import { replayedSource, type Subjects, subjects } from '../../core/shards/subjects.ts';
import { BEGINNING, type InstantMs, instant } from '../../core/time/units.ts';
import { committedCursor } from '../../journal/committed-cursor.ts';
import { RuleRegistry } from '../../journal/rule-registry.ts';
import {
  accountUse,
  ahead,
  allStreams,
  type StoredLease,
  type StreamDetails,
  storedLeases,
  subjectCounts,
} from '../../nats/inspect.ts';
import type { NatsLink } from '../../nats/link.ts';
import { attachNatsLog } from '../../nats/nats-log.ts';
import { natsSource } from '../../nats/nats-source.ts';
import { logStreamName } from '../../nats/stream-setup.ts';
import type { FencedLog } from '../../ports/log.ts';
import { ADDED_LATER, LOG_STREAMS, type LogStreamName } from '../../ports/log-streams.ts';
import { Catalog } from '../dead-letters/catalog.ts';
import type { Holder, LaneStatus, RuleStatus, ShardStatus, Status } from './status.ts';

/**
 * What NATS knows of a deployment: leases say who works on what, ends of subjects how far it has come. Nothing is asked
 * of the nodes, so that it also tells about those that do not answer. Readings are of slightly different moments.
 */
export async function gatherStatus(link: NatsLink, prefix: string, leaseTtlMs: number): Promise<Status> {
  const names = subjects(prefix);
  const streams = await allStreams(link);
  const own = LOG_STREAMS.map(({ name }) => logStreamName(prefix, name));
  const found = own.flatMap((name) => streams.find((stream) => stream.name === name) ?? []);
  const missing = own.filter((name) => !found.some((stream) => stream.name === name));
  const base = { prefix, server: link.serverVersion, streams: found, missing, disk: await accountUse(link) };
  const [anyStream] = found;
  const later = ADDED_LATER.map((name) => logStreamName(prefix, name));
  // Without the others there is no deployment.
  if (anyStream === undefined || missing.some((name) => !later.includes(name))) {
    return { ...base, at: undefined, nodes: [], shards: [], lanes: [], rules: [], deadLetters: NO_LETTERS };
  }
  const log = await attachNatsLog(link, prefix);
  const at = (await ahead(link, anyStream.name, undefined, 1))!.serverTime;
  const gathering: Gathering = { link, log, names, prefix, streams, at };
  const leases = (await storedLeases(link, prefix)) ?? [];
  const marks = readMarks(leases);
  const holders = holdersOf(leases, at, leaseTtlMs);
  const [lanes, shards] = await lanesAndShards(gathering, holders);
  const deadLetters = await newDeadLetters(gathering);
  return {
    ...base,
    at,
    nodes: [...holders].flatMap(([name, holder]) =>
      name.startsWith(NODE_LEASES) ? [{ ...holder, rules: marks.get(holder.node) }] : [],
    ),
    activeRules: (await new RuleRegistry(log, names.ruleVersions).read()).newest?.number,
    lanes,
    shards,
    rules: await rulesOf(gathering, deadLetters.byRule),
    deadLetters,
  };
}

interface Gathering {
  readonly link: NatsLink;
  readonly log: FencedLog;
  readonly names: Subjects;
  readonly prefix: string;
  readonly streams: readonly StreamDetails[];
  readonly at: InstantMs;
}

const streamOf = ({ prefix }: Gathering, name: LogStreamName): string => logStreamName(prefix, name);

const NODE_LEASES = 'node.';

/** A node renews its own lease alone; the others name their holder, and stand as long as that lives. */
function holdersOf(leases: readonly StoredLease[], at: InstantMs, ttlMs: number): ReadonlyMap<string, Holder> {
  const written = new Map(leases.map((lease) => [lease.name, lease.written]));
  return new Map(
    leases.map((lease) => {
      const { name, holder } = lease;
      const node = name.startsWith(NODE_LEASES) ? name.slice(NODE_LEASES.length) : holder;
      const renewed = written.get(NODE_LEASES + node);
      const seenMs = Math.max(0, at - (renewed ?? lease.written));
      return [name, { node, seenMs, alive: renewed !== undefined && seenMs <= ttlMs }];
    }),
  );
}

async function lanesAndShards(
  gathering: Gathering,
  holders: ReadonlyMap<string, Holder>,
): Promise<[readonly LaneStatus[], readonly ShardStatus[]]> {
  const { link, log, names, prefix } = gathering;
  const starts = [...(await subjectCounts(link, streamOf(gathering, 'SHARD'), names.laneStart('*'))).keys()];
  const lanes: LaneStatus[] = [];
  let count = 0;
  for (const subject of starts.sort()) {
    const start = await log.last(subject);
    if (start === undefined) continue;
    const stored = decodeLaneStart(start.body);
    count = Math.max(count, stored.shards);
    const lane = subject.slice(`${prefix}.lane.`.length);
    lanes.push(await laneStatus(gathering, lane, stored, holders.get(`lane.${lane}`)));
  }
  const shards = await inTurns(count, (shard) => shardStatus(gathering, shard, holders.get(`shard.${shard}`)));
  return [lanes, shards];
}

async function laneStatus(
  { link, log, names, streams, at }: Gathering,
  lane: string,
  start: LaneStart,
  owner: Holder | undefined,
): Promise<LaneStatus> {
  let number = Number.POSITIVE_INFINITY;
  let watermark: InstantMs = BEGINNING;
  await inTurns(start.shards, async (shard) => {
    const end = await log.last(names.shardLog(shard, lane));
    const record = end && decodeRecord(end.body);
    number = Math.min(number, record?.upto.seq ?? start.seq);
    if (record !== undefined && record.watermark > watermark) watermark = record.watermark;
  });
  const numbering = new Numbering(start.renumberings);
  const position = numbering.streamSequence(number);
  const stream = streams.find(({ created }) => created === start.created);
  const source = replayedSource(lane);
  const filter = source === undefined ? undefined : names.decisionsOf(source);
  const rest = stream && (await ahead(link, stream.name, filter, position + 1));
  return {
    lane,
    owner,
    stream: stream?.name,
    position,
    countsOn: numbering.laneNumber(position + 1) - (position + 1),
    pending: rest?.messages,
    watermark: Number.isFinite(watermark) ? watermark : undefined,
    watermarkAgeMs: Number.isFinite(watermark) ? at - watermark : undefined,
  };
}

async function shardStatus(gathering: Gathering, shard: number, owner: Holder | undefined): Promise<ShardStatus> {
  const { link, log, names } = gathering;
  const cursor = await committedCursor(log, names.journal(shard));
  if (cursor === undefined) return { shard, owner, lag: undefined };
  const rest = await ahead(link, streamOf(gathering, 'SHARD'), names.shardLogOfAllLanes(shard), cursor + 1);
  return { shard, owner, lag: rest?.messages };
}

/** Counts of the match stream's subjects, and dead letters of rules. A rule that never said anything has neither. */
async function rulesOf(
  gathering: Gathering,
  dead: ReadonlyMap<string, ReadonlyMap<string, number>>,
): Promise<readonly RuleStatus[]> {
  const { link, names, prefix } = gathering;
  const rules = new Map<string, { matches: number; sides: Map<string, number> }>();
  const of = (rule: string) => {
    let known = rules.get(rule);
    if (known === undefined) rules.set(rule, (known = { matches: 0, sides: new Map() }));
    return known;
  };
  const stream = streamOf(gathering, 'MATCH');
  for (const [subject, count] of await subjectCounts(link, stream, names.allMatches)) {
    const [rule = ''] = subject.slice(`${prefix}.match.`.length).split('.');
    of(rule).matches += count;
  }
  for (const [subject, count] of await subjectCounts(link, stream, names.allSides)) {
    const [rule = '', side = ''] = subject.slice(`${prefix}.side.`.length).split('.');
    const { sides } = of(rule);
    sides.set(side, (sides.get(side) ?? 0) + count);
  }
  for (const rule of dead.keys()) of(rule);
  return [...rules]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([rule, counts]) => ({ rule, ...counts, deadLetters: dead.get(rule) ?? new Map() }));
}

const DAY_MS = 86_400_000;
const NO_LETTERS = { undecided: 0, byCause: new Map<string, number>(), byRule: new Map<string, Map<string, number>>() };

/** Those of the last day: reading all that ever were takes long when they are needed most. */
async function newDeadLetters({ link, log, names, prefix, at }: Gathering): Promise<Status['deadLetters']> {
  const stream = logStreamName(prefix, 'DEAD');
  const decided = await subjectCounts(link, logStreamName(prefix, 'REPLAY'), names.allDecisions);
  const from = await natsSource(link, { stream, subject: undefined }).sequenceAt(instant(at - DAY_MS));
  const catalog = new Catalog(log, names);
  const byCause = new Map<string, number>();
  const byRule = new Map<string, Map<string, number>>();
  let undecided = 0;
  for await (const found of catalog.letters(from)) {
    const { cause, rule } = found.letter;
    byCause.set(cause, (byCause.get(cause) ?? 0) + 1);
    if (!decided.has(catalog.decisionSubject(found))) undecided += 1;
    if (rule === undefined) continue;
    const causes = byRule.get(rule) ?? new Map<string, number>();
    byRule.set(rule, causes.set(cause, (causes.get(cause) ?? 0) + 1));
  }
  return { undecided, byCause, byRule };
}

const AT_ONCE = 16;

/** One after another for each number below `count`, several at a time; results in order. */
async function inTurns<Result>(count: number, one: (number: number) => Promise<Result>): Promise<Result[]> {
  const results: Result[] = new Array(count);
  let next = 0;
  const worker = async (): Promise<void> => {
    while (next < count) {
      const number = next++;
      results[number] = await one(number);
    }
  };
  await Promise.all(Array.from({ length: Math.min(AT_ONCE, count) }, worker));
  return results;
}
