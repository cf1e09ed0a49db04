import type { Msg } from 'nats';
import type { InstantMs } from '../core/time/units.ts';
import type { LogMessage, LogReader } from '../ports/log.ts';
import { PortError } from '../ports/port-error.ts';
import { ConsumerSession } from './consumer-session.ts';
import { type Delivery, headersOf } from './delivery.ts';
import { callApi } from './js-api.ts';
import type { NatsLink } from './link.ts';
import { openConsumer, positionGone, removeConsumer } from './reader-consumer.ts';
import type { StreamInfo } from './stream-setup.ts';

/**
 * Reads a stream in order through ephemeral pull consumers of its own. A consumer is a mere cursor on the server:
 * nothing is acknowledged, and whatever happens to it (gap in its numbers, silence, loss, reconnect), the reader makes
 * another one at its own position. docs/decisions/0003 says why it is pulled.
 *
 *   R1. `#received` is the first sequence not yet received; it alone decides where a consumer starts.
 *   R2. Every consumer is checked against the stream as it was when reading began (protocol P8): a start beyond the end
 *       would wait silently, one before the first message would skip silently.
 *   R3. What may be on its way is never more than what is free of `readAheadBytes`, one largest message excepted.
 */
export interface PullReaderOptions {
  readonly link: NatsLink;
  readonly stream: string;
  /** Undefined = every message of the stream. */
  readonly filter: string | undefined;
  readonly from: number;
  /** The stream's `created` as known; undefined = whatever it is when reading begins. */
  readonly created: string | undefined;
  /**
   * `retained`: a message before the stream's first one is lost, and an error. `trimmed`: the owner of the stream
   * removes what was read, and finds gaps by what the messages say.
   */
  readonly past: 'retained' | 'trimmed';
  /** Bytes that may wait to be taken. Default 4 MiB. */
  readonly readAheadBytes?: number;
  /** How often the server says that it has nothing, in ms; three missing ones make a new consumer. Default 5000. */
  readonly heartbeatMs?: number;
}

const READ_AHEAD_BYTES = 4 * 1024 * 1024;
const HEARTBEAT_MS = 5_000;
const RETRY_MS = 100;
const RETRY_MAX_MS = 1_000;
/** What the objects of a buffered message cost beside its body, roughly. */
const BUFFERED_BYTES = 200;

interface ConsumerInfo {
  readonly num_pending: number;
  readonly delivered: { readonly consumer_seq: number };
}

export class PullReader implements LogReader {
  pending = 0;
  readonly #options: PullReaderOptions;
  readonly #readAheadBytes: number;
  readonly #offChange: () => void;
  #received: number;
  #created: string | undefined;
  #session: ConsumerSession | undefined;
  #opening = false;
  #failed: unknown;
  #closed = false;
  #buffer: LogMessage[] = [];
  #bufferedBytes = 0;
  /** What should have come before the first gap in the buffer; 0 = there is no gap to look into. */
  #gapAt = 0;
  /** Whether, when the last message came, the consumer had no more, and has been asked for more ever since. */
  #listening = false;
  /** The last message received. */
  #last: { readonly sequence: number; readonly stamp: InstantMs } | undefined;
  /** Where the stream ended, and what had been received, when it was last looked at in silence. */
  #quiet: { readonly end: number; readonly received: number } | undefined;
  #wake: (() => void) | undefined;

  constructor(options: PullReaderOptions) {
    this.#options = options;
    this.#readAheadBytes = options.readAheadBytes ?? READ_AHEAD_BYTES;
    this.#received = options.from;
    this.#created = options.created;
    this.#offChange = options.link.onChange((connected) => this.#connectionChanged(connected));
    this.#reopen();
  }

  get position(): number {
    return this.#buffer[0]?.sequence ?? this.#received;
  }

  async next(): Promise<readonly LogMessage[] | undefined> {
    for (;;) {
      if (this.#closed) return undefined;
      if (this.#buffer.length > 0 && this.#gapAt === 0) return this.#take();
      if (this.#failed !== undefined) throw this.#failed;
      if (this.#buffer.length > 0) {
        await this.#checkGap();
        continue;
      }
      if (this.#wake !== undefined)
        throw new Error('a reader gives one answer at a time: await next() before the next');
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }

  /** The consumer says that it has nothing more to give, and all that it gave has arrived. */
  async caughtUp(): Promise<boolean> {
    const session = this.#session;
    if (session === undefined || this.#buffer.length > 0) return false;
    const { link, stream } = this.#options;
    const answer = await callApi<ConsumerInfo>(link, `CONSUMER.INFO.${stream}.${session.consumer}`);
    if (answer.kind !== 'ok' || session !== this.#session || this.#buffer.length > 0) return false;
    const { num_pending: pending, delivered } = answer.value;
    return pending === 0 && delivered.consumer_seq === session.received;
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    this.#buffer = [];
    this.#end();
  }

  #take(): readonly LogMessage[] {
    const taken = this.#buffer;
    this.#buffer = [];
    this.#bufferedBytes = 0;
    this.#ask();
    return taken;
  }

  get #ended(): boolean {
    return this.#closed || this.#failed !== undefined;
  }

  /** Ends the reader with an error, which is told after what is already there was taken. */
  #fail(error: unknown): void {
    this.#failed ??= error;
    this.#end();
  }

  #end(): void {
    this.#offChange();
    this.#session?.end();
    this.#session = undefined;
    this.#wakeUp();
  }

  #wakeUp(): void {
    const wake = this.#wake;
    this.#wake = undefined;
    wake?.();
  }

  #connectionChanged(connected: boolean): void {
    if (this.#options.link.closed) {
      this.#fail(new PortError('CLOSED', `reading ${this.#options.stream}: the connection to NATS is closed`));
    } else if (connected) {
      this.#reopen();
    }
  }

  /** Makes a new consumer at the position, until there is one or the reader has ended. */
  #reopen(): void {
    this.#session?.end();
    this.#session = undefined;
    this.#quiet = undefined;
    this.#listening = false;
    if (this.#opening || this.#ended) return;
    this.#opening = true;
    this.#open()
      .catch((error) => this.#fail(error))
      .finally(() => {
        this.#opening = false;
      });
  }

  async #open(): Promise<void> {
    const { link, stream, filter, past } = this.#options;
    const last = past === 'retained' ? this.#last : undefined;
    for (let wait = RETRY_MS; !this.#ended; wait = Math.min(2 * wait, RETRY_MAX_MS)) {
      const wanted = { stream, filter, position: this.#received, created: this.#created, past, last };
      const opened = await openConsumer(link, wanted);
      if (opened.kind === 'open') {
        link.report(undefined);
        this.#created = opened.created;
        if (this.#ended) removeConsumer(link, stream, opened.name);
        else this.#use(opened.name);
        return;
      }
      link.report(`reading ${stream}: ${opened.cause}`);
      await link.pause(wait * (0.5 + Math.random()));
    }
  }

  #use(consumer: string): void {
    const { link, stream, heartbeatMs = HEARTBEAT_MS } = this.#options;
    this.#session = new ConsumerSession(link, stream, consumer, heartbeatMs, {
      received: (message, delivery) => this.#keep(message, delivery),
      exhausted: () => this.#ask(),
      idle: () => void this.#lookAtEnd(),
      lost: () => this.#reopen(),
    });
    this.#ask();
  }

  /** Asks for more when half of what may be read ahead is free. */
  #ask(): void {
    const free = this.#readAheadBytes - this.#bufferedBytes;
    if (free >= this.#readAheadBytes / 2) this.#session?.ask(free);
    else this.#listening = false;
  }

  #keep(message: Msg, { streamSequence, stamp, pending }: Delivery): void {
    const { past, filter } = this.#options;
    // What others publish leaves gaps too. What came while it was waited for has left none of its own.
    const foreign = filter !== undefined && this.#listening;
    if (streamSequence > this.#received && this.#gapAt === 0 && past === 'retained' && !foreign) {
      this.#gapAt = this.#received;
    }
    this.#received = streamSequence + 1;
    this.#last = { sequence: streamSequence, stamp };
    this.#listening = pending === 0;
    this.pending = pending;
    const body = message.data;
    this.#buffer.push({
      sequence: streamSequence,
      subject: message.subject,
      stamp,
      headers: headersOf(message),
      body,
    });
    this.#bufferedBytes += body.length + BUFFERED_BYTES;
    this.#wakeUp();
  }

  /**
   * Messages that an operator or a limit per subject removed leave gaps, which is well; but a stream that drops its
   * oldest messages faster than they are read leaves one too, and the server says nothing of it. With a filter nobody can
   * say whether any that fit were among them; a reader that retention has overtaken is behind it either way.
   */
  async #checkGap(): Promise<void> {
    const { link, stream } = this.#options;
    const gapAt = this.#gapAt;
    this.#gapAt = 0;
    const answer = await callApi<StreamInfo>(link, `STREAM.INFO.${stream}`);
    if (answer.kind === 'ok' && answer.value.created === this.#created) {
      const first = answer.value.state.first_seq;
      if (first <= gapAt) return;
      this.#fail(positionGone(stream, gapAt, first));
    }
    this.#gapAt = gapAt; // not answered: what becomes of the consumer will tell, or the next try
    await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
  }

  /**
   * With a filter, the stream may move on far beyond the last message that fits, and forget everything before. If the
   * stream ended at S, and nothing has come from there to the next heartbeat, then all that fits up to S was received.
   */
  async #lookAtEnd(): Promise<void> {
    const { link, stream, filter, past } = this.#options;
    if (filter === undefined || past !== 'retained') return;
    const quiet = this.#quiet;
    const session = this.#session;
    if (quiet?.received === this.#received) this.#received = Math.max(this.#received, quiet.end + 1);
    this.#quiet = undefined;
    const answer = await callApi<StreamInfo>(link, `STREAM.INFO.${stream}`);
    if (answer.kind !== 'ok' || answer.value.created !== this.#created || session !== this.#session) return;
    this.#quiet = { end: answer.value.state.last_seq, received: this.#received };
  }
}
