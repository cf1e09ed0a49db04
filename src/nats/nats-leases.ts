import { createInbox, headers, type Msg } from 'nats';
import type { Lease, LeaseStore, LeaseWritten } from '../ports/lease-store.ts';
import { PortError } from '../ports/port-error.ts';
import { deliveryLayout, parseDelivery } from './delivery.ts';
import { EXPECTED } from './fence-probe.ts';
import { callApi, JsErrorCode, persistApi } from './js-api.ts';
import { leaseName, leaseToken } from './lease-token.ts';
import type { NatsLink } from './link.ts';
import { parsePubAck } from './pub-ack.ts';
import { removeConsumer } from './reader-consumer.ts';
import { NatsSetupError } from './setup-error.ts';
import type { StreamInfo } from './stream-setup.ts';

/**
 * Leases in the key-value bucket `<prefix>_leases`, so that `nats kv ls` shows who holds what. A bucket is a stream with
 * one message per key; a write is an append fenced by the key's revision, and a release leaves the bucket's mark of a
 * removed key. No bucket TTL: the observers judge expiry.
 */
const OPERATION = 'KV-Operation';
const REMOVED = 'DEL';
const NO_BODY = new Uint8Array(0);
const encoder = new TextEncoder();
const decoder = new TextDecoder();
const NAME_IN_USE = 10058;
const LIST_MS = 5_000;
const NS_PER_MS = 1_000_000;

/**
 * Opens the bucket, creating it if it is not there; waits as long as NATS does not answer.
 * @throws {NatsSetupError} STREAM_REFUSED, STREAM_MISCONFIGURED (a bucket that forgets by itself)
 */
export async function openNatsLeases(
  link: NatsLink,
  options: { readonly prefix: string; readonly replicas?: number },
): Promise<LeaseStore> {
  const bucket = `${options.prefix}_leases`;
  const stream = `KV_${bucket}`;
  const answer = await persistApi<StreamInfo>(link, `STREAM.CREATE.${stream}`, {
    name: stream,
    subjects: [`$KV.${bucket}.>`],
    retention: 'limits',
    discard: 'new',
    storage: 'file',
    num_replicas: options.replicas ?? 1,
    max_msgs_per_subject: 1,
    max_age: 0,
    allow_rollup_hdrs: true,
    deny_delete: true,
  });
  if (answer.kind === 'error' && answer.code !== NAME_IN_USE) {
    throw new NatsSetupError(
      'STREAM_REFUSED',
      `NATS does not create the bucket ${bucket} for leases: ${answer.description} (${answer.code})`,
    );
  }
  const found = answer.kind === 'ok' ? answer : await persistApi<StreamInfo>(link, `STREAM.INFO.${stream}`);
  const age = found.kind === 'ok' ? (found.value.config.max_age ?? 0) : 0;
  if (age > 0) {
    throw new NatsSetupError(
      'STREAM_MISCONFIGURED',
      `the bucket ${bucket} forgets leases by itself (ttl ${age / NS_PER_MS} ms), but the nodes judge that by their own ` +
        `clocks: remove it ('nats kv del ${bucket}') while no node runs, and Corral creates it again.`,
    );
  }
  return new NatsLeases(link, stream, `$KV.${bucket}.`);
}

class NatsLeases implements LeaseStore {
  readonly #link: NatsLink;
  readonly #stream: string;
  readonly #subjects: string;

  constructor(link: NatsLink, stream: string, subjects: string) {
    this.#link = link;
    this.#stream = stream;
    this.#subjects = subjects;
  }

  /** One short-lived consumer over the bucket: three requests, however many leases there are. */
  async list(): Promise<readonly Lease[]> {
    this.#link.assertOpen();
    const inbox = createInbox(this.#link.inboxPrefix);
    const answer = await callApi<{ name: string; num_pending: number }>(this.#link, `CONSUMER.CREATE.${this.#stream}`, {
      stream_name: this.#stream,
      config: { deliver_policy: 'all', ack_policy: 'none', mem_storage: true, num_replicas: 1 },
    });
    if (answer.kind === 'unavailable') throw unavailable(answer.cause);
    if (answer.kind === 'error') throw unavailable(`JetStream: ${answer.description} (${answer.code})`);
    const { name, num_pending } = answer.value;
    try {
      return num_pending === 0 ? [] : await this.#fetch(name, inbox, num_pending);
    } finally {
      removeConsumer(this.#link, this.#stream, name);
    }
  }

  /** Everything the consumer has: up to the message that says that none is pending. */
  #fetch(consumer: string, inbox: string, count: number): Promise<Lease[]> {
    const leases = new Map<string, Lease>();
    return new Promise((resolve, reject) => {
      const end = (error?: PortError): void => {
        clearTimeout(timer);
        subscription.unsubscribe();
        if (error === undefined) resolve([...leases.values()]);
        else reject(error);
      };
      const timer = setTimeout(() => end(unavailable(`JetStream: no answer within ${LIST_MS} ms`)), LIST_MS);
      const received = (error: Error | null, message: Msg): void => {
        if (error !== null) {
          end(unavailable(error.message));
          return;
        }
        const reply = message.reply ?? '';
        const layout = deliveryLayout(reply);
        if (layout === undefined) {
          // Replaced meanwhile, the last message may never come; then the request ends by itself, which is the end too.
          const code = message.headers?.code ?? 0;
          end(code === 404 || code === 408 ? undefined : unavailable(`JetStream: status ${code}`));
          return;
        }
        const { streamSequence, pending } = parseDelivery(reply, layout);
        const name = leaseName(message.subject.slice(this.#subjects.length));
        if (message.headers?.has(OPERATION) === true) leases.delete(name);
        else leases.set(name, { name, revision: streamSequence, holder: decoder.decode(message.data) });
        if (pending === 0) end();
      };
      const subscription = this.#link.client.subscribe(inbox, { callback: received });
      const request = JSON.stringify({ batch: count + LISTED_MORE, no_wait: true });
      this.#link.client.publish(`${this.#link.api}.CONSUMER.MSG.NEXT.${this.#stream}.${consumer}`, request, {
        reply: inbox,
      });
    });
  }

  async write(name: string, holder: string, revision: number): Promise<LeaseWritten> {
    const written = await this.#append(name, encoder.encode(holder), revision);
    if (written.kind !== 'conflict' || revision !== 0) return written;
    // There may be the mark of a released lease, whose revision nobody is told.
    const last = await callApi<{ message: { seq: number; hdrs?: string } }>(
      this.#link,
      `STREAM.MSG.GET.${this.#stream}`,
      {
        last_by_subj: this.#subjects + leaseToken(name),
      },
    );
    if (last.kind === 'unavailable') return { kind: 'unknown', cause: last.cause };
    if (last.kind === 'error' && last.code !== JsErrorCode.messageNotFound) {
      return { kind: 'unknown', cause: `JetStream: ${last.description} (${last.code})` };
    }
    if (last.kind === 'error') return written;
    const marks = Buffer.from(last.value.message.hdrs ?? '', 'base64').toString();
    if (!marks.includes(`${OPERATION}:`)) return written;
    return this.#append(name, encoder.encode(holder), last.value.message.seq);
  }

  async release(name: string, revision: number): Promise<void> {
    // A conflict or a lost answer leaves the lease to expire, which is what releasing was to spare.
    await this.#append(name, NO_BODY, revision, REMOVED);
  }

  /** What is published to the bucket's subjects reaches everybody who listens, whether or not it is then stored. */
  watch(changed: (name: string | undefined, released: boolean) => void): () => void {
    const subscription = this.#link.client.subscribe(`${this.#subjects}>`, {
      callback: (error, message) => {
        if (error !== null) return; // not permitted: the link says so, and looking from time to time does as well
        const released = message.headers?.has(OPERATION) === true;
        changed(leaseName(message.subject.slice(this.#subjects.length)), released);
      },
    });
    const unwatch = this.#link.onChange((connected) => {
      if (connected) changed(undefined, true);
    });
    return () => {
      unwatch();
      if (!this.#link.closed) subscription.unsubscribe();
    };
  }

  async #append(name: string, body: Uint8Array, revision: number, operation?: string): Promise<LeaseWritten> {
    const fence = headers();
    fence.set(EXPECTED, String(revision));
    if (operation !== undefined) fence.set(OPERATION, operation);
    const { data, cause } = await this.#link.request(this.#subjects + leaseToken(name), body, fence);
    if (data === undefined) return { kind: 'unknown', cause };
    const ack = parsePubAck(data);
    if (ack.kind === 'stored') return { kind: 'written', revision: ack.sequence };
    if (ack.code === JsErrorCode.wrongLastSequence) return { kind: 'conflict' };
    return { kind: 'unknown', cause: `JetStream: ${ack.description} (${ack.code})` };
  }
}

/** Leases that may be written between the count and the request. */
const LISTED_MORE = 1000;

function unavailable(cause: string): PortError {
  return new PortError('UNAVAILABLE', `listing the leases: ${cause}`);
}
