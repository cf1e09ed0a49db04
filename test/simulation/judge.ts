import { decodeRecord, type LaneRecord } from '../../src/core/shards/record.ts';
import { refOf } from './plain-rule.ts';
import type { Stored, StoredMessage } from './store.ts';

/** What a lane has last said in a shard. */
type LaneSaid = Pick<LaneRecord, 'watermark' | 'standing'>;

/** What the shard logs say of the events and the time of a rule. */
export interface Judged {
  /** By event, every record that holds it for the rule: in which shard, and by how many ms it was late there. */
  readonly verdicts: ReadonlyMap<string, readonly { readonly shard: string; readonly lateBy: number }[]>;
  /** By shard, what the rule's clock reads at the end. */
  readonly upto: ReadonlyMap<string, number>;
}

/** Reads the shard logs as a rule over these sources must have seen them. @param keyspace by which events are routed to it */
export function judge(stored: Stored, sources: readonly string[], keyspace: string): Judged {
  const verdicts = new Map<string, { shard: string; lateBy: number }[]>();
  const upto = new Map<string, number>();
  for (const [shard, messages] of shardLogs(stored, sources)) {
    const lanes = new Map<string, LaneSaid>();
    let clock = Number.NEGATIVE_INFINITY;
    for (const { body } of messages) {
      const { events, source, watermark, standing } = decodeRecord(body);
      for (const { event, lag, routes } of events) {
        if (!routes.some((route) => route.keyspace === keyspace)) continue;
        // By its source, or by the clock of all, which need not have waited for a source that had never said anything.
        const lateBy = Math.max(-lag, clock - event.time);
        const verdict = { shard, lateBy };
        const before = verdicts.get(refOf(event));
        if (before === undefined) verdicts.set(refOf(event), [verdict]);
        else before.push(verdict);
      }
      lanes.set(source, { watermark, standing });
      clock = Math.max(clock, reading(sources, lanes));
    }
    upto.set(shard, clock);
  }
  return { verdicts, upto };
}

/** How far time has come in every shard for a rule over these sources, at least. Cheap, for asking often. */
export function reachedEverywhere(stored: Stored, sources: readonly string[]): number {
  const shards = new Map<string, Map<string, LaneSaid>>();
  for (const [subject, messages] of stored) {
    const [, kind, shard, source] = subject.split('.');
    if (kind !== 'shard' || !sources.includes(source!)) continue;
    const lanes = shards.get(shard!) ?? new Map<string, LaneSaid>();
    shards.set(shard!, lanes.set(source!, decodeRecord(messages.at(-1)!.body)));
  }
  return Math.min(...[...shards.values()].map((lanes) => reading(sources, lanes)));
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

/** By shard, the records of these sources' lanes in the order in which they were stored. */
function shardLogs(stored: Stored, sources: readonly string[]): ReadonlyMap<string, readonly StoredMessage[]> {
  const logs = new Map<string, StoredMessage[]>();
  for (const [subject, messages] of stored) {
    const [, kind, shard, source] = subject.split('.');
    if (kind === 'shard' && sources.includes(source!)) logs.set(shard!, [...(logs.get(shard!) ?? []), ...messages]);
  }
  for (const messages of logs.values()) messages.sort((a, b) => a.sequence - b.sequence);
  return logs;
}
