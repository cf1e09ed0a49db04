import type { InstantMs } from '../core/time/units.ts';

/** A message as it lies in a stream. */
export interface LogMessage {
  /** Stream sequence: ascending, with gaps. */
  readonly sequence: number;
  readonly subject: string;
  /** When the server stored it, by the server's clock. */
  readonly stamp: InstantMs;
  /** Lower-case names; undefined when there are none. */
  readonly headers: Readonly<Record<string, string>> | undefined;
  readonly body: Uint8Array;
}

/** What identifies a stream and how far it reaches. A recreated stream has another `created`. */
export interface StreamFacts {
  readonly created: string;
  /** Where reading from the beginning starts; one past the last when the stream is empty, so 1 when it never had any. */
  readonly firstSequence: number;
  /** 0 when it never had a message. */
  readonly lastSequence: number;
}

/**
 * Reads a stream in order from a position; one reader belongs to one incarnation of whoever reads and shares nothing.
 * It never skips: a gap in delivery is healed by asking again, and a position that the stream cannot serve any more is
 * an error. How much it reads ahead is bounded by bytes.
 */
export interface LogReader {
  /**
   * All messages at hand, at least one, in stream order; waits while there is none. Undefined when the stream has an
   * end and it is reached (files; never NATS) or the reader was closed.
   * @throws {PortError} STREAM_GONE, STREAM_CHANGED or POSITION_GONE; the reader is then of no more use.
   */
  next(): Promise<readonly LogMessage[] | undefined>;
  /** Ends the reader; a waiting `next` gives undefined. Idempotent. */
  close(): Promise<void>;
  /**
   * Every message before this sequence that fits has been given out. With a filter it may move without messages, as the
   * stream moves on; who keeps positions keeps this, or a stream's retention overtakes the position of a rare event.
   */
  readonly position?: number;
  /**
   * Asks now whether everything there is has been given out; false when in doubt or out of reach. Absent where there
   * is no telling (an input that comes as it comes).
   */
  caughtUp?(): Promise<boolean>;
  /** Messages that the stream held beyond the last one received, when that came. For measuring only. */
  readonly pending?: number;
}

/** A stream that others write and Corral only reads. */
export interface EventSource {
  /** @throws {PortError} STREAM_GONE when the stream does not exist, UNAVAILABLE when NATS cannot be reached now. */
  facts(): Promise<StreamFacts>;
  /** The first sequence stored at or after an instant; one past the end when there is none. */
  sequenceAt(time: InstantMs): Promise<number>;
  /** @param from the first sequence wanted, at least 1. */
  read(from: number): LogReader;
  /**
   * When the message with this sequence was stored; undefined when it is not there, or is none that is read. Absent
   * where messages cannot become others under the same sequences.
   */
  storedAt?(sequence: number): Promise<InstantMs | undefined>;
}

/** The answer to a fenced append. */
export type Appended =
  | { readonly kind: 'stored'; readonly sequence: number }
  /** The subject's last message is another than expected. Nothing was stored. */
  | { readonly kind: 'refused' }
  /** No answer, or none that can be trusted: it may be stored already, or may still be stored later. */
  | { readonly kind: 'unknown'; readonly cause: string; readonly reason?: UnknownReason };

/**
 * Why nobody knows what became of an append: no connection; no answer in time; nobody there to answer (no stream, or
 * JetStream is down); the store has no room; anything else that the server says.
 */
export const UNKNOWN_REASONS = ['disconnected', 'noAnswer', 'nobody', 'full', 'other'] as const;
export type UnknownReason = (typeof UNKNOWN_REASONS)[number];

/**
 * Streams of subjects that each have one writer at a time (protocol.md, P1 to P6). Safe against any number of
 * confused writers: the store compares `expected` with the subject's last message and refuses all but one.
 */
export interface FencedLog {
  /**
   * Appends to a subject if its last message has the sequence `expected` (0: it never had one).
   * Never throws for what the network or server does; the caller keeps one append in flight per subject.
   * @param headers stored with the message and given back by `last`, `get` and readers; names in lower case
   * @throws {PortError} TOO_LARGE when the body exceeds `bodyMax`.
   */
  append(
    subject: string,
    expected: number,
    body: Uint8Array,
    headers?: Readonly<Record<string, string>>,
  ): Promise<Appended>;
  /** The subject's last message, read at the leader; undefined when it never had one. Retries until it has an answer. */
  last(subject: string): Promise<LogMessage | undefined>;
  /** The message with this sequence; undefined when it is gone. Retries until it has an answer. */
  get(subject: string, sequence: number): Promise<LogMessage | undefined>;
  /**
   * Reads one subject, or all that fit one wildcard filter, from a stream sequence on.
   * @param subject a subject or a filter, within one of the log's streams.
   * @param from the first stream sequence wanted, at least 1.
   */
  read(subject: string, from: number): LogReader;
  /** Removes what is before `sequence` on a subject. `sequence` must be that of a message known to be on it (P3). */
  trim(subject: string, sequence: number): Promise<void>;
  /** Facts of the stream that holds this subject. */
  facts(subject: string): Promise<StreamFacts>;
  /** Largest body in bytes that `append` takes. */
  readonly bodyMax: number;
}

export type PortErrorCode = 'STREAM_GONE' | 'STREAM_CHANGED' | 'POSITION_GONE' | 'TOO_LARGE' | 'UNAVAILABLE' | 'CLOSED';
