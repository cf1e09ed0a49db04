import { decodeRecord, type LaneRecord } from '../../src/core/shards/record.ts';
import { type PlainRule, refOf } from './plain-rule.ts';
import type { Stored, StoredMessage } from './store.ts';

/** What a lane has last said in a shard. */
type LaneSaid = Pick<LaneRecord, 'watermark' | 'standing'>;

/** An event of a record, for one key of a rule. */
export interface Routed {
  readonly ref: string;
  /** The text that stands for the key. */
  readonly key: string;
  /** By how many ms it was late there; 0 or less when it was not. */
  readonly lateBy: number;
}

/** A record of a shard's log, as a rule must have seen it. */
export interface StoryRecord {
  readonly events: readonly Routed[];
  /** What the rule's clock reads after it, and before. */
  readonly clock: number;
  readonly before: number;
  /** The latest that the server's clock has shown in the shard so far. */
  readonly processing: number;
}

/** Reads the shard logs as a rule must have seen them. @param keyspace by which events are routed to it */
export function storiesOf(
  stored: Stored,
  { sources, meaning }: Pick<PlainRule, 'sources' | 'meaning'>,
  keyspace: string,
): ReadonlyMap<string, readonly StoryRecord[]> {
  const stories = new Map<string, StoryRecord[]>();
  for (const [shard, messages] of shardLogs(stored)) {
    const lanes = new Map<string, LaneSaid>();
    const story: StoryRecord[] = [];
    let clock = Number.NEGATIVE_INFINITY;
    let processing = Number.NEGATIVE_INFINITY;
    for (const { body, stamp } of messages) {
      const { events, source, watermark, standing } = recordOf(body);
      const before = clock;
      processing = Math.max(processing, stamp);
      const routed: Routed[] = [];
      for (const { event, lag, routes } of events) {
        // By its source, or by the clock of all, which need not have waited for a source that had never said anything.
        const byAll = clock - event.time;
        // What takes late events goes by the clock of all alone.
        const lateBy = meaning.takesLate && sources.length > 1 ? byAll : Math.max(-lag, byAll);
        for (const route of routes) {
          if (route.keyspace === keyspace) routed.push({ ref: refOf(event), key: route.key, lateBy });
        }
      }
      lanes.set(source, { watermark, standing });
      clock = Math.max(clock, reading(sources, lanes));
      story.push({ events: routed, clock, before, processing });
    }
    stories.set(shard, story);
  }
  return stories;
}

/** How far time has come in every shard for a rule over these sources, at least. Cheap, for asking often. */
export function reachedEverywhere(stored: Stored, sources: readonly string[]): number {
  const shards = new Map<string, Map<string, LaneSaid>>();
  for (const [subject, messages] of stored) {
    const [, kind, shard, source] = subject.split('.');
    if (kind !== 'shard' || !sources.includes(source!)) continue;
    const lanes = shards.get(shard!) ?? new Map<string, LaneSaid>();
    shards.set(shard!, lanes.set(source!, recordOf(messages.at(-1)!.body)));
  }
  return Math.min(...[...shards.values()].map((lanes) => reading(sources, lanes)));
}

/** Whether every shard has heard of a source up to this message. */
export function isReadUpto(stored: Stored, source: string, seq: number, shards: number): boolean {
  let there = 0;
  for (const [subject, messages] of stored) {
    const [, kind, , of] = subject.split('.');
    if (kind !== 'shard' || of !== source) continue;
    if (recordOf(messages.at(-1)!.body).upto.seq < seq) return false;
    there += 1;
  }
  return there === shards;
}

/** What the server's clock has shown in each shard at most. */
export function processingTimes(stored: Stored): readonly number[] {
  const latest = new Map<string, number>();
  for (const [subject, messages] of stored) {
    const [, kind, shard] = subject.split('.');
    if (kind !== 'shard') continue;
    for (const { stamp } of messages) latest.set(shard!, Math.max(latest.get(shard!) ?? 0, stamp));
  }
  return [...latest.values()];
}

/**
 * The least watermark of the sources. One that never had an event keeps time as far behind the others as it says; when
 * none has had any, nothing is known.
 */
function reading(sources: readonly string[], lanes: ReadonlyMap<string, LaneSaid>): number {
  const said = sources.map((source) => lanes.get(source));
  if (said.includes(undefined)) return Number.NEGATIVE_INFINITY;
  const known = said as LaneSaid[];
  const leading = known.filter(({ standing }) => standing === 'leads').map(({ watermark }) => watermark);
  if (leading.length === 0) return Number.NEGATIVE_INFINITY;
  const least = Math.min(...leading);
  const behind = known.map(({ standing }) => (typeof standing === 'number' ? least - standing : least));
  return Math.min(...behind);
}

/** By shard, its records in the order in which they were stored. */
function shardLogs(stored: Stored): ReadonlyMap<string, readonly StoredMessage[]> {
  const logs = new Map<string, StoredMessage[]>();
  for (const [subject, messages] of stored) {
    const [, kind, shard] = subject.split('.');
    if (kind === 'shard') logs.set(shard!, [...(logs.get(shard!) ?? []), ...messages]);
  }
  for (const messages of logs.values()) messages.sort((a, b) => a.sequence - b.sequence);
  return logs;
}

/** Every rule's story has the same records: each is read once. */
const known = new WeakMap<Uint8Array, LaneRecord>();

function recordOf(body: Uint8Array): LaneRecord {
  let record = known.get(body);
  if (record === undefined) known.set(body, (record = decodeRecord(body)));
  return record;
}
