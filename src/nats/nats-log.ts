import { headers } from 'nats';
import type { Appended, FencedLog, LogMessage, LogReader, StreamFacts } from '../ports/log.ts';
import {
  ADDED_LATER,
  assertHeaderSize,
  HEADER_BYTES_MAX,
  LOG_STREAMS,
  type LogStreamName,
  logStreamOf,
} from '../ports/log-streams.ts';
import { PortError } from '../ports/port-error.ts';
import { AppendTroubles, unanswered } from './append-troubles.ts';
import { parseServerTime, storedHeaders } from './delivery.ts';
import { assertFenceVersion, EXPECTED, probeFence } from './fence-probe.ts';
import { callApi, JsErrorCode, persistApi } from './js-api.ts';
import type { NatsLink } from './link.ts';
import { appendedOf, parsePubAck } from './pub-ack.ts';
import { PullReader } from './pull-reader.ts';
import { streamGone } from './reader-consumer.ts';
import { NatsSetupError } from './setup-error.ts';
import { ensureStream, type LogOptions, logStreamName, type StreamInfo } from './stream-setup.ts';

/** What the server counts of an append beside its body: the fence's header, and those that are given. */
const HEADER_ROOM = 128 + HEADER_BYTES_MAX;
const PREFIX = /^[a-z0-9_-]+$/;
/** A node has a reader for each of its shards. */
const SHARD_READ_AHEAD_BYTES = 1024 * 1024;

/**
 * Opens the streams of a deployment, creating those that are not there. Waits as long as NATS does not answer; the
 * link's status says why meanwhile.
 * @throws {NatsSetupError} STREAM_MISCONFIGURED, STREAM_REFUSED, SERVER_TOO_OLD, FENCE_BROKEN: see there.
 */
export async function openNatsLog(link: NatsLink, options: LogOptions): Promise<FencedLog> {
  if (!PREFIX.test(options.prefix)) {
    throw new NatsSetupError(
      'NATS_OPTIONS',
      `the prefix '${options.prefix}' cannot name subjects and streams: use lower-case letters, digits, - and _`,
    );
  }
  assertFenceVersion(link.serverVersion, options.replicas ?? 1);
  const created = new Map<LogStreamName, string>();
  for (const { name } of LOG_STREAMS) created.set(name, (await ensureStream(link, name, options)).created);
  if ((options.replicas ?? 1) > 1) {
    await probeFence(link, logStreamName(options.prefix, 'JOURNAL'), `${options.prefix}.page.probe`);
  }
  return new NatsLog(link, options.prefix, created);
}

/**
 * The streams of a deployment that is there, for commands that look at it. Creates nothing but streams that a deployment
 * of an older Corral does not have (`ADDED_LATER`).
 * @throws {PortError} STREAM_GONE when no deployment of this prefix is there, UNAVAILABLE
 * @throws {NatsSetupError} STREAM_REFUSED, STREAM_MISCONFIGURED
 */
export async function attachNatsLog(link: NatsLink, prefix: string): Promise<FencedLog> {
  const created = new Map<LogStreamName, string>();
  const { config } = await streamInfo(link, logStreamName(prefix, 'DEAD'));
  const storage = config.storage === 'memory' ? 'memory' : 'file';
  const options = { prefix, replicas: config.num_replicas ?? 1, storage } as const;
  for (const { name } of LOG_STREAMS) {
    const isLater = ADDED_LATER.includes(name);
    const info = await (isLater ? ensureStream(link, name, options) : streamInfo(link, logStreamName(prefix, name)));
    created.set(name, info.created);
  }
  return new NatsLog(link, prefix, created);
}

export interface StoredMessage {
  readonly message: {
    readonly subject: string;
    readonly seq: number;
    readonly data?: string;
    readonly hdrs?: string;
    readonly time: string;
  };
}

/** The deployment's streams on JetStream. */
class NatsLog implements FencedLog {
  readonly #link: NatsLink;
  readonly #prefix: string;
  /** By stream, as it was at start: another one of the same name is not the deployment's (protocol P8). */
  readonly #created: ReadonlyMap<LogStreamName, string>;
  readonly #troubles: AppendTroubles;

  constructor(link: NatsLink, prefix: string, created: ReadonlyMap<LogStreamName, string>) {
    this.#link = link;
    this.#prefix = prefix;
    this.#created = created;
    this.#troubles = new AppendTroubles(link);
  }

  /** As the server now connected says; it may differ after a reconnect. */
  get bodyMax(): number {
    return this.#link.maxPayload - HEADER_ROOM;
  }

  async append(
    subject: string,
    expected: number,
    body: Uint8Array,
    more?: Readonly<Record<string, string>>,
  ): Promise<Appended> {
    if (body.length > this.bodyMax) {
      throw new PortError('TOO_LARGE', `${subject}: ${body.length} bytes exceed the ${this.bodyMax} that NATS takes`);
    }
    const stream = this.#streamOf(subject);
    const fence = headers();
    fence.set(EXPECTED, String(expected));
    if (more !== undefined) {
      assertHeaderSize(subject, more);
      for (const [name, value] of Object.entries(more)) fence.set(name, value);
    }
    const { data, cause } = await this.#link.request(subject, body, fence);
    const answer = data === undefined ? unanswered(this.#link, cause) : appendedOf(parsePubAck(data));
    this.#troubles.note(stream, answer);
    return answer;
  }

  last(subject: string): Promise<LogMessage | undefined> {
    return this.#fetch(subject, { last_by_subj: subject });
  }

  async get(subject: string, sequence: number): Promise<LogMessage | undefined> {
    const message = await this.#fetch(subject, { seq: sequence });
    return message?.subject === subject ? message : undefined;
  }

  /** By STREAM.MSG.GET, which the stream's leader answers; a direct get may come from a replica that lags (P4). */
  async #fetch(subject: string, which: object): Promise<LogMessage | undefined> {
    const stream = this.#streamOf(subject);
    const answer = await persistApi<StoredMessage>(this.#link, `STREAM.MSG.GET.${stream}`, which);
    if (answer.kind === 'ok') return messageOf(answer.value);
    if (answer.code === JsErrorCode.messageNotFound) return undefined;
    if (answer.code === JsErrorCode.streamNotFound) throw streamGone(stream);
    throw unexpected(`reading ${subject}`, answer);
  }

  read(subject: string, from: number): LogReader {
    const name = logStreamOf(this.#prefix, subject);
    return new PullReader({
      link: this.#link,
      stream: logStreamName(this.#prefix, name),
      filter: subject,
      from,
      created: this.#created.get(name),
      past: 'trimmed',
      readAheadBytes: SHARD_READ_AHEAD_BYTES,
    });
  }

  /**
   * Purges by subject and sequence, capped by the subject's own last message: whatever is asked, and however late it
   * arrives, the last message stays, and with it the fence (P2, P3).
   */
  async trim(subject: string, sequence: number): Promise<void> {
    const last = await this.last(subject);
    if (last === undefined) return;
    const stream = this.#streamOf(subject);
    const answer = await persistApi(this.#link, `STREAM.PURGE.${stream}`, {
      filter: subject,
      seq: Math.min(sequence, last.sequence),
    });
    if (answer.kind === 'error') throw unexpected(`trimming ${subject}`, answer);
  }

  async facts(subject: string): Promise<StreamFacts> {
    const stream = this.#streamOf(subject);
    const answer = await persistApi<StreamInfo>(this.#link, `STREAM.INFO.${stream}`);
    if (answer.kind === 'ok') return factsOf(answer.value);
    if (answer.code === JsErrorCode.streamNotFound) throw streamGone(stream);
    throw unexpected(`looking at ${stream}`, answer);
  }

  #streamOf(subject: string): string {
    return logStreamName(this.#prefix, logStreamOf(this.#prefix, subject));
  }
}

/** A message as STREAM.MSG.GET gives it. */
export function messageOf({ message: { subject, seq, data = '', hdrs, time } }: StoredMessage): LogMessage {
  return {
    sequence: seq,
    subject,
    stamp: parseServerTime(time),
    headers: hdrs === undefined ? undefined : storedHeaders(Buffer.from(hdrs, 'base64')),
    body: Buffer.from(data, 'base64'),
  };
}

export function factsOf({ created, state }: StreamInfo): StreamFacts {
  // An empty stream that never had a message says 0 or 1 by version; one that was emptied says where it goes on.
  const firstSequence = state.messages === 0 ? state.last_seq + 1 : state.first_seq;
  return { created, firstSequence, lastSequence: state.last_seq };
}

function unexpected(doing: string, answer: { description: string; code: number }): PortError {
  return new PortError('UNAVAILABLE', `${doing}: JetStream answers "${answer.description}" (${answer.code})`);
}

/** Facts of any stream, from one try. @throws {PortError} STREAM_GONE, UNAVAILABLE */
export async function streamInfo(link: NatsLink, stream: string): Promise<StreamInfo> {
  link.assertOpen();
  const answer = await callApi<StreamInfo>(link, `STREAM.INFO.${stream}`);
  if (answer.kind === 'ok') return answer.value;
  if (answer.kind === 'unavailable') throw new PortError('UNAVAILABLE', `looking at stream ${stream}: ${answer.cause}`);
  if (answer.code === JsErrorCode.streamNotFound) throw streamGone(stream);
  throw unexpected(`looking at stream ${stream}`, answer);
}
