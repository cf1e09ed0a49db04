import { type InstantMs, instant } from '../core/time/units.ts';
import type { Appended, FencedLog, LogMessage, LogReader, StreamFacts } from '../ports/log.ts';
import { assertHeaderSize, LOG_STREAMS, type LogStreamName, logStreamOf } from '../ports/log-streams.ts';
import { PortError } from '../ports/port-error.ts';
import { MemoryStream, type Retention } from './memory-stream.ts';

export interface MemoryLogOptions {
  /** First token of all subjects. */
  readonly prefix: string;
  /** What a message is stamped with: the server's clock, as it were. Never goes back, or stamps are held. */
  readonly now: () => InstantMs;
  /**
   * `all` (default) keeps what is not trimmed. `consumed` is for a single run without recovery, such as a replay: what
   * every open reader has been given goes, and an append waits while a reader of its subject is far behind. Readers of
   * outputs must then be open before anything is written; only shard logs and chains wait for their first reader.
   */
  readonly retention?: Retention;
  /** Largest body in bytes. Default: what a nats-server takes with its default settings. */
  readonly bodyMax?: number;
  /** In retention `consumed`: bytes of a reader's backlog beyond which appends to its subject wait. Default 8 MiB. */
  readonly backlogBytes?: number;
}

/** 1 MiB less the room for headers. */
const BODY_MAX = 1024 * 1024 - 1024;
const BACKLOG_BYTES = 8 * 1024 * 1024;

/**
 * The fenced log of embedded runs and of the simulation, where several nodes share one. It has the semantics of the one
 * on NATS, and never an unknown answer: who wants faults wraps it.
 */
export class MemoryLog implements FencedLog {
  readonly bodyMax: number;
  readonly #prefix: string;
  readonly #waits: boolean;
  readonly #backlogBytes: number;
  readonly #streams: ReadonlyMap<LogStreamName, MemoryStream>;

  constructor(options: MemoryLogOptions) {
    const { prefix, now, retention = 'all', bodyMax = BODY_MAX, backlogBytes = BACKLOG_BYTES } = options;
    this.bodyMax = bodyMax;
    this.#prefix = prefix;
    this.#waits = retention === 'consumed';
    this.#backlogBytes = backlogBytes;
    const readLater = [`${prefix}.shard.`, `${prefix}.chain.`];
    let latest = instant(Number.NEGATIVE_INFINITY);
    const stamp = (): InstantMs => {
      latest = instant(Math.max(latest, now()));
      return latest;
    };
    this.#streams = new Map(
      LOG_STREAMS.map(({ name }) => [
        name,
        new MemoryStream({
          name: `${prefix.toUpperCase()}_${name}`,
          created: `memory-${name}`,
          now: stamp,
          retention,
          keepsUnread: (subject) => readLater.some((start) => subject.startsWith(start)),
        }),
      ]),
    );
  }

  async append(
    subject: string,
    expected: number,
    body: Uint8Array,
    headers?: Readonly<Record<string, string>>,
  ): Promise<Appended> {
    if (body.length > this.bodyMax) {
      throw new PortError(
        'TOO_LARGE',
        `${subject}: ${body.length} bytes exceed the ${this.bodyMax} that the log takes`,
      );
    }
    if (headers !== undefined) assertHeaderSize(subject, headers);
    const stream = this.#streamOf(subject);
    if ((stream.last(subject)?.sequence ?? 0) !== expected) return { kind: 'refused' };
    const { sequence } = stream.append(subject, body, headers);
    if (this.#waits) await stream.room(subject, this.#backlogBytes);
    return { kind: 'stored', sequence };
  }

  async last(subject: string): Promise<LogMessage | undefined> {
    return this.#streamOf(subject).last(subject);
  }

  async get(subject: string, sequence: number): Promise<LogMessage | undefined> {
    return this.#streamOf(subject).get(subject, sequence);
  }

  read(subject: string, from: number): LogReader {
    return this.#streamOf(subject).read(subject, from);
  }

  async trim(subject: string, sequence: number): Promise<void> {
    this.#streamOf(subject).trim(subject, sequence);
  }

  async facts(subject: string): Promise<StreamFacts> {
    return this.#streamOf(subject).facts();
  }

  /** What an operator does who removes the stream of this subject and makes it anew. */
  recreate(subject: string): void {
    this.#streamOf(subject).recreate();
  }

  #streamOf(subject: string): MemoryStream {
    const stream = this.#streams.get(logStreamOf(this.#prefix, subject));
    if (stream === undefined) throw new TypeError(`no stream holds ${subject}`);
    return stream;
  }
}
