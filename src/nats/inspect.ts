import type { InstantMs } from '../core/time/units.ts';
import type { LogMessage } from '../ports/log.ts';
import { PortError } from '../ports/port-error.ts';
import { parseServerTime } from './delivery.ts';
import { type ApiAnswer, callApi, JsErrorCode } from './js-api.ts';
import { leaseName } from './lease-token.ts';
import type { NatsLink } from './link.ts';
import { messageOf, type StoredMessage } from './nats-log.ts';
import { PullReader } from './pull-reader.ts';
import { removeConsumer } from './reader-consumer.ts';
import type { StreamInfo } from './stream-setup.ts';

/**
 * Looking at streams from outside, for commands that a person runs: one try each, nothing is changed. A stream or
 * message that is not there is a value; only what cannot be known now is an error.
 */

/** A stream as the server tells of it. */
export interface StreamDetails {
  readonly name: string;
  /** When it was created, as text: names it together with its name. */
  readonly created: string;
  readonly storage: string;
  readonly replicas: number;
  /** Replicas that the server says are offline or behind. */
  readonly replicasMissing: readonly string[];
  readonly messages: number;
  readonly bytes: number;
  readonly firstSequence: number;
  readonly lastSequence: number;
}

type Info = StreamInfo & {
  readonly state: { readonly bytes: number; readonly subjects?: Readonly<Record<string, number>> };
  readonly cluster?: {
    readonly leader?: string;
    readonly replicas?: readonly { readonly name: string; readonly current: boolean; readonly offline?: boolean }[];
  };
  readonly total?: number;
};

/** @throws {PortError} UNAVAILABLE */
export async function streamDetails(link: NatsLink, stream: string): Promise<StreamDetails | undefined> {
  const info = present(await callApi<Info>(link, `STREAM.INFO.${stream}`), `stream ${stream}`);
  return info && detailsOf(info);
}

/** Every stream that the account sees. @throws {PortError} UNAVAILABLE */
export async function allStreams(link: NatsLink): Promise<readonly StreamDetails[]> {
  const found: StreamDetails[] = [];
  for (;;) {
    const answer = await callApi<{ total: number; streams: Info[] | null }>(link, 'STREAM.LIST', {
      offset: found.length,
    });
    const page = present(answer, 'the list of streams');
    const streams = page?.streams ?? [];
    found.push(...streams.map(detailsOf));
    if (streams.length === 0 || found.length >= (page?.total ?? 0)) return found;
  }
}

/**
 * Messages per subject, for subjects that fit a filter; empty when there is no such stream.
 * @throws {PortError} UNAVAILABLE
 */
export async function subjectCounts(
  link: NatsLink,
  stream: string,
  filter: string,
): Promise<ReadonlyMap<string, number>> {
  const counts = new Map<string, number>();
  for (;;) {
    const request = { subjects_filter: filter, offset: counts.size };
    const info = present(await callApi<Info>(link, `STREAM.INFO.${stream}`, request), `stream ${stream}`);
    const page = Object.entries(info?.state.subjects ?? {});
    for (const [subject, count] of page) counts.set(subject, count);
    if (page.length === 0 || counts.size >= (info?.total ?? 0)) return counts;
  }
}

/** One message of a stream; undefined when it, or the stream, is not there. @throws {PortError} UNAVAILABLE */
export async function storedMessage(
  link: NatsLink,
  stream: string,
  which: { readonly seq: number } | { readonly last_by_subj: string },
): Promise<LogMessage | undefined> {
  const found = present(await callApi<StoredMessage>(link, `STREAM.MSG.GET.${stream}`, which), `stream ${stream}`);
  return found && messageOf(found);
}

/** How much a stream holds from a sequence on, and what the server's clock says. */
export interface Ahead {
  readonly messages: number;
  readonly serverTime: InstantMs;
}

/**
 * Asks by a consumer that nobody reads from: only so does a server count messages by filter and position, and old ones
 * tell their time in no other way.
 * @param filter undefined = every message
 * @throws {PortError} UNAVAILABLE
 */
export async function ahead(
  link: NatsLink,
  stream: string,
  filter: string | undefined,
  from: number,
): Promise<Ahead | undefined> {
  const config = {
    deliver_policy: 'by_start_sequence',
    opt_start_seq: Math.max(1, from),
    ack_policy: 'none',
    mem_storage: true,
    num_replicas: 1,
    inactive_threshold: CONSUMER_LIFE_NS,
    ...(filter === undefined ? {} : { filter_subject: filter }),
  };
  const request = { stream_name: stream, config };
  const answer = await callApi<{ name: string; created: string; num_pending: number }>(
    link,
    `CONSUMER.CREATE.${stream}`,
    request,
  );
  const made = present(answer, `stream ${stream}`);
  if (made === undefined) return undefined;
  removeConsumer(link, stream, made.name);
  return { messages: made.num_pending, serverTime: parseServerTime(made.created) };
}

const CONSUMER_LIFE_NS = 5_000_000_000;

/** What the account has stored in files, and may; undefined limit = as much as the server has. */
export interface AccountUse {
  readonly bytes: number;
  readonly limit: number | undefined;
}

/** @throws {PortError} UNAVAILABLE */
export async function accountUse(link: NatsLink): Promise<AccountUse | undefined> {
  const answer = await callApi<{ storage: number; limits?: { max_storage?: number } }>(link, 'INFO');
  const info = present(answer, 'the account');
  if (info === undefined) return undefined;
  const limit = info.limits?.max_storage ?? -1;
  return { bytes: info.storage, limit: limit < 0 ? undefined : limit };
}

function detailsOf({ config, created, state, cluster }: Info): StreamDetails {
  const missing = (cluster?.replicas ?? []).filter(({ current, offline }) => !current || offline === true);
  return {
    name: config.name,
    created,
    storage: config.storage ?? 'file',
    replicas: config.num_replicas ?? 1,
    replicasMissing: missing.map(({ name }) => name),
    messages: state.messages,
    bytes: state.bytes,
    firstSequence: state.first_seq,
    lastSequence: state.last_seq,
  };
}

const ABSENT: readonly number[] = [JsErrorCode.streamNotFound, JsErrorCode.messageNotFound];

/** The value of an answer; undefined when what was asked for does not exist. */
function present<Value>(answer: ApiAnswer<Value>, what: string): Value | undefined {
  if (answer.kind === 'ok') return answer.value;
  if (answer.kind === 'unavailable') throw new PortError('UNAVAILABLE', `looking at ${what}: ${answer.cause}`);
  if (ABSENT.includes(answer.code)) return undefined;
  throw new PortError('UNAVAILABLE', `looking at ${what}: JetStream answers "${answer.description}" (${answer.code})`);
}

/** A lease as it lies in its bucket. */
export interface StoredLease {
  readonly name: string;
  readonly holder: string;
  /** When it was last written, by the server's clock. */
  readonly written: InstantMs;
}

/** Leases that are held, or were until their holder died; undefined when the deployment has no bucket for them. */
export async function storedLeases(link: NatsLink, prefix: string): Promise<readonly StoredLease[] | undefined> {
  const bucket = `${prefix}_leases`;
  const stream = `KV_${bucket}`;
  const details = await streamDetails(link, stream);
  if (details === undefined) return undefined;
  const leases = new Map<string, StoredLease>();
  // Holders write all the time: every message may be replaced before it is read, by one that comes later.
  const { created } = details;
  const reader = new PullReader({ link, stream, filter: undefined, from: 1, created, past: 'trimmed' });
  try {
    for (let reached = 0; reached < details.lastSequence; ) {
      for (const { subject, sequence, headers, body, stamp } of (await reader.next()) ?? []) {
        reached = sequence;
        const name = leaseName(subject.slice(`$KV.${bucket}.`.length));
        if (headers?.['kv-operation'] !== undefined) leases.delete(name);
        else leases.set(name, { name, holder: new TextDecoder().decode(body), written: stamp });
      }
    }
  } finally {
    await reader.close();
  }
  return [...leases.values()];
}
