import { Packr } from 'msgpackr';
import { utf8 } from '../../core/events/json.ts';
import { duration } from '../../core/time/units.ts';
import type { Published, Publisher } from '../../nats/publisher.ts';
import type { Clock } from '../../ports/clock.ts';
import type { Template } from './template.ts';

/**
 * Publishes lines of JSON as events, in the order they come. A message holds up to `batch` events as a list, and only
 * such as follow each other on the same subject: a change of subject ends it, so that batching never reorders anything.
 * A line that cannot be published is reported and left out; the others go on.
 */
export interface PublishOptions {
  readonly subject: Template;
  /** Gives each message's `Nats-Msg-Id`; only with `batch` 1. */
  readonly messageId: Template | undefined;
  /** Most events in one message, at least 1. At 1 a message is the event itself, else a list. */
  readonly batch: number;
  /** Events per second; undefined = as fast as they are acknowledged. */
  readonly rate: number | undefined;
  /** Events to publish in all; undefined = every one. */
  readonly count: number | undefined;
  readonly msgpack: boolean;
  /** The only stream that may store them; undefined = whichever listens. */
  readonly stream: string | undefined;
  /** By which the rate is kept. */
  readonly clock: Clock;
  /** Told of every line left out. @param line its number over all input, from 1. */
  readonly onSkipped: (line: number, reason: string) => void;
  /** Told of the events taken so far, after every read of the input. */
  readonly onProgress: (events: number) => void;
}

export interface PublishSummary extends Published {
  /** Events sent, and the messages that held them. */
  readonly events: number;
  readonly messages: number;
  readonly bytes: number;
  /** Lines left out. */
  readonly skipped: number;
}

/** Left free of a message's limit for its headers. */
const HEADER_ROOM = 1024;

/** Sleeping shorter than this costs more than it orders: events due within it are sent together. */
const PACE_MS = 2;

const packr = new Packr({ useRecords: false, variableMapSize: true });

/** @param lines as read, without line ends; blank ones do not count as events. */
export async function publishLines(
  lines: AsyncIterable<readonly Buffer[]>,
  publisher: Publisher,
  options: PublishOptions,
): Promise<PublishSummary> {
  const sender = new Sender(publisher, options);
  let number = 0;
  reading: for await (const some of lines) {
    for (const line of some) {
      number += 1;
      if (options.count !== undefined && sender.taken >= options.count) break reading;
      await sender.take(line, number);
    }
    options.onProgress(sender.taken);
  }
  return sender.finish();
}

class Sender {
  /** Events taken, sent or waiting in the open message. */
  taken = 0;
  readonly #publisher: Publisher;
  readonly #options: PublishOptions;
  readonly #began: number;
  /** Those that every message has. */
  readonly #headers: Readonly<Record<string, string>>;
  /** The open message: encoded events of one subject. */
  #subject = '';
  #events: Uint8Array[] = [];
  #size = 0;
  #messages = 0;
  #bytes = 0;
  #skipped = 0;

  constructor(publisher: Publisher, options: PublishOptions) {
    this.#publisher = publisher;
    this.#options = options;
    this.#began = options.clock.monotonic();
    this.#headers = {
      ...(options.msgpack ? { 'Content-Type': 'application/msgpack' } : {}),
      ...(options.stream === undefined ? {} : { 'Nats-Expected-Stream': options.stream }),
    };
  }

  async take(line: Buffer, number: number): Promise<void> {
    const text = utf8(line)?.trim();
    if (text === '') return;
    if (text === undefined) {
      this.#skip(number, 'is not UTF-8');
      return;
    }
    const { subject, messageId, batch, msgpack } = this.#options;
    let data: unknown;
    try {
      data = JSON.parse(text);
    } catch (fault) {
      this.#skip(number, `is not JSON: ${(fault as Error).message}`);
      return;
    }
    const filled = subject.fill(data);
    if (!filled.ok) {
      this.#skip(number, `has no subject: ${filled.message}`);
      return;
    }
    const id = messageId?.fill(data);
    if (id !== undefined && !id.ok) {
      this.#skip(number, `has no message id: ${id.message}`);
      return;
    }
    const body = msgpack ? packr.pack(data) : Buffer.from(text);
    const sizeMax = this.#publisher.bodyMax - HEADER_ROOM;
    // A list adds up to five bytes of its own, and a comma for each event.
    if (body.length + (batch > 1 ? 6 : 0) > sizeMax) {
      this.#skip(number, `is larger than a message on this server may be (${body.length} of ${sizeMax} bytes)`);
      return;
    }
    const full = this.#events.length >= batch || this.#size + body.length + this.#events.length + 6 > sizeMax;
    if (this.#events.length > 0 && (full || filled.text !== this.#subject)) await this.#send(undefined);
    await this.#pace();
    this.#subject = filled.text;
    this.#events.push(body);
    this.#size += body.length;
    this.taken += 1;
    if (this.#events.length >= batch) await this.#send(id?.text);
  }

  async finish(): Promise<PublishSummary> {
    if (this.#events.length > 0) await this.#send(undefined);
    const published = await this.#publisher.flush();
    return {
      ...published,
      events: this.taken,
      messages: this.#messages,
      bytes: this.#bytes,
      skipped: this.#skipped,
    };
  }

  #skip(line: number, reason: string): void {
    this.#skipped += 1;
    this.#options.onSkipped(line, reason);
  }

  /** Waits until the next event is due. An open message waits along: a rate is an average, and a batch is as asked. */
  async #pace(): Promise<void> {
    const { rate, clock } = this.#options;
    if (rate === undefined) return;
    const due = (this.taken / rate) * 1000;
    const wait = due - (clock.monotonic() - this.#began);
    if (wait < PACE_MS) return;
    await new Promise<void>((resolve) => clock.after(duration(wait), resolve));
  }

  async #send(id: string | undefined): Promise<void> {
    const { batch, msgpack } = this.#options;
    const body = batch === 1 ? this.#events[0]! : msgpack ? packedList(this.#events) : jsonList(this.#events);
    const headers = id === undefined ? this.#headers : { ...this.#headers, 'Nats-Msg-Id': id };
    this.#events = [];
    this.#size = 0;
    this.#messages += 1;
    this.#bytes += body.length;
    await this.#publisher.publish(this.#subject, body, Object.keys(headers).length > 0 ? headers : undefined);
  }
}

const OPEN = Buffer.from('[');
const COMMA = Buffer.from(',');
const CLOSE = Buffer.from(']');

function jsonList(events: readonly Uint8Array[]): Buffer {
  return Buffer.concat([OPEN, ...events.flatMap((event, i) => (i === 0 ? [event] : [COMMA, event])), CLOSE]);
}

/** A msgpack list is its length and then its items, so events that are packed already need only be joined. */
function packedList(events: readonly Uint8Array[]): Buffer {
  const head = Buffer.alloc(5);
  head[0] = 0xdd;
  head.writeUInt32BE(events.length, 1);
  return Buffer.concat([head, ...events]);
}
