import { createInbox, type Msg, type MsgHdrs, type NatsConnection } from 'nats';

/**
 * Requests whose answers all come to one subscription: the last token of the reply subject names the request. The
 * client's own request and `js.publish` cost several times as much for each.
 *
 * A request ends exactly once: answered, or without an answer (time is up, connection lost, nobody there). The latter
 * says nothing about whether the server has done what was asked.
 */
export interface Reply {
  /** Undefined when there was no answer; then `cause` says why. */
  readonly data: Uint8Array | undefined;
  readonly cause: string;
}

interface Pending {
  readonly until: number;
  readonly done: (reply: Reply) => void;
}

/** Requests are checked for expiry this often, so one may wait this much longer than it should. */
const SWEEP_MS = 250;

export class Replies {
  readonly #client: NatsConnection;
  readonly #inbox: string;
  /** In the order they were sent; as all wait equally long, also in the order they expire. */
  readonly #pending = new Map<string, Pending>();
  readonly #waitMs: number;
  readonly #sweep: NodeJS.Timeout;
  #sent = 0;
  /** Why no answer can ever be received; empty while they can. */
  #deaf = '';

  /** @param inboxPrefix first tokens of the reply subject; undefined = `_INBOX`. */
  constructor(client: NatsConnection, waitMs: number, inboxPrefix?: string) {
    this.#client = client;
    this.#waitMs = waitMs;
    this.#inbox = `${createInbox(inboxPrefix)}.`;
    client.subscribe(`${this.#inbox}*`, { callback: (error, message) => this.#answered(error, message) });
    this.#sweep = setInterval(() => this.#expire(), SWEEP_MS);
    this.#sweep.unref();
  }

  get waiting(): number {
    return this.#pending.size;
  }

  /** `done` is called once; at once when the request cannot even be sent. `body` must not change before that. */
  send(subject: string, body: Uint8Array, headers: MsgHdrs | undefined, done: (reply: Reply) => void): void {
    if (this.#deaf !== '') {
      done({ data: undefined, cause: this.#deaf });
      return;
    }
    const token = (this.#sent++).toString(36);
    const reply = this.#inbox + token;
    this.#pending.set(token, { until: performance.now() + this.#waitMs, done });
    try {
      this.#client.publish(subject, body, headers === undefined ? { reply } : { reply, headers });
    } catch (error) {
      this.#pending.delete(token);
      done({ data: undefined, cause: error instanceof Error ? error.message : String(error) });
    }
  }

  request(subject: string, body: Uint8Array, headers?: MsgHdrs): Promise<Reply> {
    return new Promise((resolve) => this.send(subject, body, headers, resolve));
  }

  /** Ends every request that waits, without an answer. */
  abandon(cause: string): void {
    const abandoned = [...this.#pending.values()];
    this.#pending.clear();
    for (const { done } of abandoned) done({ data: undefined, cause });
  }

  close(cause: string): void {
    clearInterval(this.#sweep);
    this.abandon(cause);
  }

  #answered(error: Error | null, message: Msg): void {
    if (error !== null) {
      this.#deaf = `answers cannot be received: ${error.message} (allow it, or set another inbox prefix)`;
      this.abandon(this.#deaf);
      return;
    }
    const token = message.subject.slice(this.#inbox.length);
    const pending = this.#pending.get(token);
    if (pending === undefined) return;
    this.#pending.delete(token);
    const nobody = message.data.length === 0 && message.headers?.code === 503;
    pending.done(
      nobody ? { data: undefined, cause: 'nobody answers (no responders)' } : { data: message.data, cause: '' },
    );
  }

  #expire(): void {
    const now = performance.now();
    for (const [token, { until, done }] of this.#pending) {
      if (until > now) return;
      this.#pending.delete(token);
      done({ data: undefined, cause: `no answer within ${this.#waitMs} ms` });
    }
  }
}
