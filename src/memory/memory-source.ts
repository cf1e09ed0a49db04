import { subjectFilter } from '../core/events/subject-filter.ts';
import type { InstantMs } from '../core/time/units.ts';
import type { EventSource, LogMessage, LogReader, StreamFacts } from '../ports/log.ts';
import { PortError } from '../ports/port-error.ts';
import { MemoryStream } from './memory-stream.ts';

/** A message as a publisher sends it. */
export interface NewMessage {
  readonly subject: string;
  readonly body: Uint8Array;
  /** Lower-case names. */
  readonly headers?: Readonly<Record<string, string>>;
  /** Default: the source's clock. */
  readonly stamp?: InstantMs;
}

/**
 * A stream that is kept whole, as a source of events: any number of readers, from any position, again and again. For
 * the simulation and tests; a file is better read by `iterableSource`, which keeps nothing.
 */
export class MemorySource implements EventSource {
  readonly #stream: MemoryStream;
  readonly #subject: string;
  #created: string | undefined;
  #gone = false;

  /** @param options.subject filter; default: every message */
  constructor(options: { readonly name: string; readonly now: () => InstantMs; readonly subject?: string }) {
    this.#subject = options.subject ?? '>';
    this.#stream = new MemoryStream({
      name: options.name,
      created: `memory-${options.name}`,
      now: options.now,
      retention: 'all',
    });
  }

  /** What a publisher does. */
  publish({ subject, body, headers, stamp }: NewMessage): LogMessage {
    return this.#stream.append(subject, body, headers, stamp);
  }

  /** No message comes any more: a reader that has everything gives undefined. */
  end(): void {
    this.#stream.end();
  }

  /** What the stream's retention does: every message before `sequence` goes. */
  expire(sequence: number): void {
    this.#stream.expire(sequence);
  }

  /** What an operator does who removes the stream and makes it anew. */
  recreate(): void {
    this.#stream.recreate();
  }

  /** What a server does that lost the messages after `sequence`: their numbers are used again. */
  loseTail(sequence: number): void {
    this.#stream.loseTail(sequence);
  }

  /** What an operator does who removes the stream. */
  remove(): void {
    this.#gone = true;
  }

  async facts(): Promise<StreamFacts> {
    if (this.#gone) throw new PortError('STREAM_GONE', `there is no stream ${this.#stream.name}`);
    this.#created = this.#stream.created;
    return this.#stream.facts();
  }

  async sequenceAt(time: InstantMs): Promise<number> {
    return this.#stream.sequenceAt(time);
  }

  async storedAt(sequence: number): Promise<InstantMs | undefined> {
    const message = this.#stream.at(sequence);
    return message !== undefined && subjectFilter(this.#subject)(message.subject) ? message.stamp : undefined;
  }

  read(from: number): LogReader {
    return this.#stream.read(this.#subject, from, this.#created);
  }
}
