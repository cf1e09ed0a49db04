import { createInbox, type Msg, type Subscription } from 'nats';
import { type Delivery, type DeliveryLayout, deliveryLayout, parseDelivery } from './delivery.ts';
import type { NatsLink } from './link.ts';
import { removeConsumer } from './reader-consumer.ts';

/**
 * One consumer in use: asks it for messages, checks that none is missing, and notices when it is gone.
 *
 *   S1. One request is open at a time. Requests overlap no better: the server answers a waiting one at once, and of two
 *       waiting ones in turn, so nobody could say what is left of which.
 *   S2. Everything of a session comes to an inbox of its own, and nothing is told after `end`.
 *   S3. It ends itself at the first doubt: a missing number, silence, a status that is not a mere end of a request.
 */
export interface SessionEvents {
  /** A message, in order. */
  received(message: Msg, delivery: Delivery): void;
  /** The open request is used up; the next one is for the reader to ask. */
  exhausted(): void;
  /** The server says that there has been nothing to deliver for a while. */
  idle(): void;
  /** This session is over. Called once. */
  lost(): void;
}

const BATCH = 8192;
const EXPIRES_MS = 30_000;
/** Silence after which a consumer counts as lost, in heartbeats. */
const SILENT_HEARTBEATS = 3;
/** What a message may cost in a request beside its body: subject, reply, headers. */
const OVERHEAD_BYTES = 8 * 1024;
const NS_PER_MS = 1_000_000;

export class ConsumerSession {
  readonly #link: NatsLink;
  readonly #stream: string;
  readonly consumer: string;
  readonly #heartbeatMs: number;
  readonly #events: SessionEvents;
  readonly #inbox: string;
  readonly #subscription: Subscription;
  readonly #watchdog: NodeJS.Timeout;
  #layout: DeliveryLayout | undefined;
  #nextNumber = 1;
  #request = 0;
  /** Messages that the open request may still bring; 0 = no request is open. */
  #outstanding = 0;
  #asked = 0;
  #heard = performance.now();
  /** The next message alone is larger than what was asked for: ask for it without a limit of bytes. */
  #oversized = false;
  #ended = false;

  constructor(link: NatsLink, stream: string, consumer: string, heartbeatMs: number, events: SessionEvents) {
    this.#link = link;
    this.#stream = stream;
    this.consumer = consumer;
    this.#heartbeatMs = heartbeatMs;
    this.#events = events;
    this.#inbox = createInbox(link.inboxPrefix);
    this.#subscription = link.client.subscribe(`${this.#inbox}.*`, {
      callback: (error, message) => {
        if (this.#ended) return;
        if (error === null) this.#received(message);
        else this.#lose(); // no permission: the reader reports why the next one fails
      },
    });
    this.#watchdog = setInterval(() => this.#watch(), heartbeatMs);
    this.#watchdog.unref();
  }

  /** How many messages of the consumer have arrived. */
  get received(): number {
    return this.#nextNumber - 1;
  }

  /** Asks for messages of at most so many bytes together, and at least for one; nothing while a request is open. */
  ask(bytes: number): void {
    if (this.#ended || this.#outstanding > 0) return;
    this.#asked = this.#oversized ? 1 : BATCH;
    const request = {
      batch: this.#asked,
      ...(this.#oversized ? {} : { max_bytes: Math.max(bytes, this.#link.maxPayload + OVERHEAD_BYTES) }),
      expires: EXPIRES_MS * NS_PER_MS,
      idle_heartbeat: this.#heartbeatMs * NS_PER_MS,
    };
    this.#oversized = false;
    this.#outstanding = this.#asked;
    this.#request += 1;
    this.#heard = performance.now();
    this.#link.client.publish(
      `${this.#link.api}.CONSUMER.MSG.NEXT.${this.#stream}.${this.consumer}`,
      JSON.stringify(request),
      { reply: `${this.#inbox}.${this.#request}` },
    );
  }

  /** Ends the session and removes its consumer. Idempotent. */
  end(): void {
    if (this.#ended) return;
    this.#ended = true;
    clearInterval(this.#watchdog);
    if (this.#link.closed) return;
    this.#subscription.unsubscribe();
    removeConsumer(this.#link, this.#stream, this.consumer);
  }

  #lose(): void {
    this.end();
    this.#events.lost();
  }

  #received(message: Msg): void {
    this.#heard = performance.now();
    const reply = message.reply ?? '';
    if (reply === '') {
      this.#status(message);
      return;
    }
    this.#layout ??= deliveryLayout(reply);
    const delivery = this.#layout === undefined ? undefined : parseDelivery(reply, this.#layout);
    if (delivery === undefined || delivery.consumerSequence !== this.#nextNumber) {
      this.#lose(); // something was lost on the way
      return;
    }
    this.#nextNumber += 1;
    this.#outstanding -= 1;
    this.#events.received(message, delivery);
    if (this.#outstanding === 0) this.#events.exhausted();
  }

  /** Heartbeats, and why a request ended. */
  #status(message: Msg): void {
    const code = message.headers?.code ?? 0;
    if (code === 100) {
      this.#events.idle();
      return;
    }
    // The end of a request that was used up already, and the next is open.
    if (message.subject !== `${this.#inbox}.${this.#request}`) return;
    const tooLarge = code === 409 && /exceeds maxbytes/i.test(message.headers?.description ?? '');
    if (tooLarge || code === 408 || code === 404) {
      this.#oversized = tooLarge && this.#outstanding === this.#asked;
      this.#outstanding = 0;
      this.#events.exhausted();
      return;
    }
    this.#lose(); // the consumer is gone or moved, or nobody answers for it
  }

  #watch(): void {
    const silent = this.#outstanding > 0 && performance.now() - this.#heard > SILENT_HEARTBEATS * this.#heartbeatMs;
    if (silent && this.#link.status.connected) this.#lose();
  }
}
