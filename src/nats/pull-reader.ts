import { type Msg, type Subscription, createInbox } from 'nats';
import type { LogMessage, LogReader } from '../ports/log.ts';
import { PortError } from '../ports/port-error.ts';
import { callApi } from './js-api.ts';
import { headersOf, parseDelivery } from './delivery.ts';
import type { NatsLink } from './link.ts';
import { openConsumer, positionGone, removeConsumer } from './reader-consumer.ts';
import type { StreamInfo } from './stream-setup.ts';

/**
 * Reads a stream in order through an ephemeral pull consumer of its own. The consumer is a mere cursor of the server:
 * nothing is acknowledged, and whatever happens to it (gap in its numbers, silence, loss, reconnect), the reader makes
 * another one at its own position. docs/decisions/0003 says why it is pulled.
 *
 *   R1. `#position` is the first sequence not yet received; it alone decides where a consumer starts.
 *   R2. Messages count only from the consumer that is current; each consumer has its own inbox, so that nothing of an
 *       earlier one can arrive.
 *   R3. One request is open at a time, for as much as may still be read ahead; so memory is bounded by `readAheadBytes`
 *       plus one message, and the server holds nothing for us.
 *   R4. Every consumer is checked against the stream as it was when reading began (protocol P8): a start beyond the end
 *       would wait silently, one before the first message would skip silently.
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
  /** Whether messages carry the headers they were published with; else `headers` is undefined. */
  readonly headers: boolean;
  /** Bytes that may wait to be taken. Default 4 MiB. */
  readonly readAheadBytes?: number;
}

const READ_AHEAD_BYTES = 4 * 1024 * 1024;
const BATCH = 8192;
const EXPIRES_MS = 30_000;
const HEARTBEAT_MS = 5_000;
/** Silence after which a consumer counts as lost: three heartbeats. */
const SILENT_MS = 3 * HEARTBEAT_MS;
const RETRY_MS = 100;
const RETRY_MAX_MS = 2_000;
/** What a message costs in a request beside its body: subject, reply, headers. */
const OVERHEAD_BYTES = 8 * 1024;
const NS_PER_MS = 1_000_000;
/** What the objects of a buffered message cost beside its body, roughly. */
const BUFFERED_BYTES = 200;

/** The consumer in use and the state of its one request. */
interface Current {
  readonly name: string;
  readonly subscription: Subscription;
  readonly inbox: string;
  nextConsumerSequence: number;
  request: number;
  /** Messages that the open request may still bring; 0 = no request is open. */
  outstanding: number;
  heard: number;
  /** The next message alone is larger than what may be read ahead: ask for it without a limit of bytes. */
  oversized: boolean;
}

export class PullReader implements LogReader {
  pending = 0;
  readonly #options: PullReaderOptions;
  readonly #readAheadBytes: number;
  readonly #watchdog: NodeJS.Timeout;
  readonly #offChange: () => void;
  #position: number;
  #created: string | undefined;
  #current: Current | undefined;
  #opening = false;
  #failed: unknown;
  #closed = false;
  #buffer: LogMessage[] = [];
  #bufferedBytes = 0;
  /** Position before the first gap in the buffer; 0 = no gap. */
  #gapAt = 0;
  /** What the stream's end was when nothing had come since; see `#idle`. */
  #quiet: { readonly end: number; readonly position: number } | undefined;
  #wake: (() => void) | undefined;

  constructor(options: PullReaderOptions) {
    this.#options = options;
    this.#readAheadBytes = options.readAheadBytes ?? READ_AHEAD_BYTES;
    this.#position = options.from;
    this.#created = options.created;
    this.#watchdog = setInterval(() => this.#watch(), HEARTBEAT_MS);
    this.#watchdog.unref();
    this.#offChange = options.link.onChange((connected) => this.#connectionChanged(connected));
    this.#reopen();
  }

  get position(): number {
    return this.#buffer[0]?.sequence ?? this.#position;
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
      if (this.#wake !== undefined) throw new Error('a reader gives one answer at a time: await next() before the next');
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    this.#buffer = [];
    this.#end();
    this.#wakeUp();
  }

  #take(): readonly LogMessage[] | undefined {
    if (this.#closed) return undefined;
    const taken = this.#buffer;
    this.#buffer = [];
    this.#bufferedBytes = 0;
    this.#demand();
    return taken;
  }

  #wakeUp(): void {
    const wake = this.#wake;
    this.#wake = undefined;
    wake?.();
  }

  /** Ends the reader with an error, after what is already there was taken. */
  #fail(error: unknown): void {
    this.#failed = error;
    this.#end();
    this.#wakeUp();
  }

  #end(): void {
    clearInterval(this.#watchdog);
    this.#offChange();
    this.#drop();
  }

  /** Forgets the consumer in use. */
  #drop(): void {
    this.#quiet = undefined;
    const current = this.#current;
    this.#current = undefined;
    if (current === undefined || this.#options.link.closed) return;
    current.subscription.unsubscribe();
    removeConsumer(this.#options.link, this.#options.stream, current.name);
  }

  #connectionChanged(connected: boolean): void {
    if (this.#options.link.closed) {
      return this.#fail(new PortError('CLOSED', `reading ${this.#options.stream}: the connection to NATS is closed`));
    }
    if (connected) this.#reopen();
  }

  /** Makes a new consumer at the position, until there is one or the reader has ended. */
  #reopen(): void {
    this.#drop();
    if (this.#opening) return;
    this.#opening = true;
    this.#open().then(
      () => {
        this.#opening = false;
      },
      (error) => {
        this.#opening = false;
        this.#fail(error);
      },
    );
  }

  async #open(): Promise<void> {
    const { link, stream, filter, past } = this.#options;
    for (let wait = RETRY_MS; !this.#ended(); wait = Math.min(2 * wait, RETRY_MAX_MS)) {
      const opened = await openConsumer(link, {
        stream,
        filter,
        position: this.#position,
        created: this.#created,
        past,
      });
      if (opened.kind === 'open') {
        link.report(undefined);
        this.#created = opened.created;
        if (this.#ended()) return removeConsumer(link, stream, opened.name);
        return this.#use(opened.name);
      }
      link.report(`reading ${stream}: ${opened.cause}`);
      await new Promise((resolve) => setTimeout(resolve, wait * (0.5 + Math.random())));
    }
  }

  #ended(): boolean {
    return this.#closed || this.#failed !== undefined;
  }

  #use(name: string): void {
    const { link } = this.#options;
    const inbox = createInbox(link.inboxPrefix);
    const current: Current = {
      name,
      inbox,
      subscription: link.client.subscribe(`${inbox}.*`, {
        callback: (error, message) => {
          if (current !== this.#current) return;
          if (error !== null) this.#fail(error);
          else this.#received(current, message);
        },
      }),
      nextConsumerSequence: 1,
      request: 0,
      outstanding: 0,
      heard: performance.now(),
      oversized: false,
    };
    this.#current = current;
    this.#demand();
  }

  /** Asks for more when none is asked for and half of what may be read ahead is free. */
  #demand(): void {
    const current = this.#current;
    if (current === undefined || current.outstanding > 0 || this.#bufferedBytes > this.#readAheadBytes / 2) return;
    const { link, stream } = this.#options;
    const free = this.#readAheadBytes - this.#bufferedBytes;
    const batch = current.oversized ? 1 : BATCH;
    const request = JSON.stringify({
      batch,
      ...(current.oversized ? {} : { max_bytes: Math.max(free, link.maxPayload + OVERHEAD_BYTES) }),
      expires: EXPIRES_MS * NS_PER_MS,
      idle_heartbeat: HEARTBEAT_MS * NS_PER_MS,
    });
    current.oversized = false;
    current.outstanding = batch;
    current.request += 1;
    link.client.publish(`${link.api}.CONSUMER.MSG.NEXT.${stream}.${current.name}`, request, {
      reply: `${current.inbox}.${current.request}`,
    });
  }

  #received(current: Current, message: Msg): void {
    current.heard = performance.now();
    const delivery = parseDelivery(message.reply ?? '');
    if (delivery === undefined) return this.#status(current, message);
    const { streamSequence, consumerSequence, stamp, pending } = delivery;
    if (consumerSequence !== current.nextConsumerSequence) return this.#reopen(); // R1: one was lost on the way
    current.nextConsumerSequence += 1;
    current.outstanding -= 1;
    this.pending = pending;
    if (streamSequence > this.#position && this.#gapAt === 0) this.#gapAt = this.#gapOf();
    this.#position = streamSequence + 1;
    const body = message.data;
    const headers = this.#options.headers ? headersOf(message) : undefined;
    this.#buffer.push({ sequence: streamSequence, subject: message.subject, stamp, headers, body });
    this.#bufferedBytes += body.length + BUFFERED_BYTES;
    if (current.outstanding === 0) this.#demand();
    this.#wakeUp();
  }

  /** Heartbeats, and why a request ended. */
  #status(current: Current, message: Msg): void {
    const code = message.headers?.code ?? 0;
    const description = message.headers?.description ?? '';
    if (code === 100) {
      void this.#idle();
      return;
    }
    // A request that is no longer the open one: the next has been sent already.
    if (message.subject !== `${current.inbox}.${current.request}`) return;
    if (code === 409 && /exceeds maxbytes/i.test(description)) {
      // Nothing came, so the next message alone exceeds the limit.
      current.oversized = current.outstanding === BATCH;
      current.outstanding = 0;
      return this.#demand();
    }
    if (code === 408 || code === 404) {
      current.outstanding = 0;
      return this.#demand();
    }
    this.#reopen(); // the consumer is gone or moved, or nobody answers for it
  }

  #watch(): void {
    const current = this.#current;
    if (current === undefined || current.outstanding === 0) return;
    if (performance.now() - current.heard > SILENT_MS && this.#options.link.status.connected) this.#reopen();
  }

  #gapOf(): number {
    return this.#options.past === 'retained' && this.#options.filter === undefined ? this.#position : 0;
  }

  /**
   * Messages that an operator or a limit per subject removed leave gaps, which is well; but a stream that drops its
   * oldest messages faster than they are read leaves one too, and the server says nothing of it.
   */
  async #checkGap(): Promise<void> {
    const { link, stream } = this.#options;
    const gapAt = this.#gapAt;
    this.#gapAt = 0;
    const answer = await callApi<StreamInfo>(link, `STREAM.INFO.${stream}`);
    if (answer.kind === 'ok' && answer.value.created === this.#created) {
      const first = answer.value.state.first_seq;
      if (first > gapAt) this.#fail(positionGone(stream, gapAt, first));
      if (first <= gapAt) return;
    }
    this.#gapAt = gapAt; // not answered: what becomes of the consumer will tell, or the next try
    await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
  }

  /**
   * With a filter, the stream may move on far beyond the last message that fits, and forget everything before. If the
   * stream ended at S, and nothing has come from there to the next heartbeat, then all that fits up to S was received.
   */
  async #idle(): Promise<void> {
    const { link, stream, filter, past } = this.#options;
    if (filter === undefined || past !== 'retained') return;
    const quiet = this.#quiet;
    if (quiet !== undefined && quiet.position === this.#position) {
      this.#position = Math.max(this.#position, quiet.end + 1);
    }
    const current = this.#current;
    this.#quiet = undefined;
    const answer = await callApi<StreamInfo>(link, `STREAM.INFO.${stream}`);
    if (answer.kind !== 'ok' || answer.value.created !== this.#created || current !== this.#current) return;
    this.#quiet = { end: answer.value.state.last_seq, position: this.#position };
  }
}
