import { Events, type NatsConnection } from 'nats';
import { PortError } from '../ports/port-error.ts';
import { Replies } from './replies.ts';

/** What a node can say about its connection. */
export interface NatsStatus {
  readonly connected: boolean;
  /** A sentence on what does not work; undefined when all does. */
  readonly trouble: string | undefined;
}

export interface LinkOptions {
  readonly domain?: string;
  readonly inboxPrefix?: string;
  readonly onStatus?: (status: NatsStatus) => void;
}

/** How long an answer of the server is waited for. */
const ANSWER_MS = 5000;

/**
 * One connection to NATS, as the ports use it: it comes back by itself, says what is wrong meanwhile, and answers
 * requests through one inbox. Nothing is sent while it is down, since the client would lose it and only time would tell.
 */
export class NatsLink {
  readonly client: NatsConnection;
  /** First tokens of JetStream's API. */
  readonly api: string;
  readonly inboxPrefix: string | undefined;
  readonly #replies: Replies;
  readonly #onStatus: ((status: NatsStatus) => void) | undefined;
  readonly #listeners = new Set<(connected: boolean) => void>();
  #status: NatsStatus = { connected: true, trouble: undefined };
  #lastError = '';
  /** What does not work although the connection stands: of requests, and of appends. */
  #reported: string | undefined;
  #appending: string | undefined;

  constructor(client: NatsConnection, options: LinkOptions = {}) {
    this.client = client;
    this.api = options.domain === undefined ? '$JS.API' : `$JS.${options.domain}.API`;
    this.inboxPrefix = options.inboxPrefix;
    this.#onStatus = options.onStatus;
    this.#replies = new Replies(client, ANSWER_MS, options.inboxPrefix);
    this.#onStatus?.(this.#status);
    void this.#watch();
  }

  get status(): NatsStatus {
    return this.#status;
  }

  get closed(): boolean {
    return this.client.isClosed();
  }

  /** The replies inbox for those that count what they have in flight themselves. */
  get replies(): Replies {
    return this.#replies;
  }

  get serverVersion(): string {
    return this.client.info?.version ?? '';
  }

  /** Largest message with headers that this server takes, in bytes. */
  get maxPayload(): number {
    return this.client.info?.max_payload ?? 1024 * 1024;
  }

  /** Sends a request; while disconnected it waits, at most as long as for an answer. */
  async request(...request: Parameters<Replies['request']>): ReturnType<Replies['request']> {
    if (!this.#status.connected && !(await this.whenConnected(ANSWER_MS))) {
      return { data: undefined, cause: this.#status.trouble ?? 'not connected to NATS' };
    }
    return this.#replies.request(...request);
  }

  /** Whether it is connected, waiting for it at most `waitMs`. */
  whenConnected(waitMs: number): Promise<boolean> {
    if (this.#status.connected || this.closed) return Promise.resolve(this.#status.connected);
    return new Promise((resolve) => {
      const end = (connected: boolean): void => {
        clearTimeout(timer);
        this.#listeners.delete(end);
        resolve(connected);
      };
      const timer = setTimeout(end, waitMs, false);
      this.#listeners.add(end);
    });
  }

  /** Calls back on every loss and return of the connection, and with false when it is closed. Gives what ends that. */
  onChange(listener: (connected: boolean) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Says what does not work although the connection stands; undefined when it works again. */
  report(trouble: string | undefined): void {
    this.#reported = trouble;
    this.#refresh();
  }

  /** The same of appends, which fail for reasons of their own: a full disk lets everything be read. */
  reportAppends(trouble: string | undefined): void {
    this.#appending = trouble;
    this.#refresh();
  }

  /** Resolves after `ms`, or as soon as the connection is lost or back. */
  async pause(ms: number): Promise<void> {
    await new Promise<void>((resolve) => {
      const end = (): void => {
        clearTimeout(timer);
        this.#listeners.delete(end);
        resolve();
      };
      const timer = setTimeout(end, ms);
      this.#listeners.add(end);
    });
  }

  /** @throws {PortError} CLOSED */
  assertOpen(): void {
    if (this.closed) throw new PortError('CLOSED', 'the connection to NATS is closed; open a new one to go on');
  }

  /** Sends what waits to be sent, then closes. Requests that wait end without an answer. Idempotent. */
  async close(): Promise<void> {
    if (this.closed) return;
    if (this.#status.connected) await this.client.flush().catch(() => undefined); // lost just now: nothing left to send
    await this.client.close();
    this.#down('the connection to NATS is closed');
    this.#replies.close('the connection to NATS is closed');
  }

  async #watch(): Promise<void> {
    for await (const { type, data, permissionContext } of this.client.status()) {
      if (type === Events.Disconnect) {
        this.#down(`disconnected from NATS at ${String(data)}${this.#lastError}; trying to reconnect`);
      } else if (type === Events.Reconnect) {
        this.#lastError = '';
        this.#reported = undefined;
        this.#set({ connected: true, trouble: this.#appending });
      } else if (permissionContext !== undefined) {
        const { operation, subject } = permissionContext;
        this.report(`NATS does not permit this account to ${operation} to "${subject}"`);
      } else if (type === Events.Error) {
        this.#lastError = ` (${String(data)})`;
        if (!this.#status.connected) this.#down(`NATS refuses the connection: ${String(data)}; trying to reconnect`);
      }
    }
    this.#down('the connection to NATS is closed');
  }

  #down(trouble: string): void {
    const was = this.#status.connected;
    if (was || this.#status.trouble !== trouble) this.#set({ connected: false, trouble });
    if (was) this.#replies.abandon(trouble);
  }

  #refresh(): void {
    const trouble = this.#reported ?? this.#appending;
    if (this.#status.connected && this.#status.trouble !== trouble) this.#set({ connected: true, trouble });
  }

  #set(status: NatsStatus): void {
    const changed = status.connected !== this.#status.connected;
    this.#status = status;
    this.#onStatus?.(status);
    if (changed) for (const listener of [...this.#listeners]) listener(status.connected);
  }
}
