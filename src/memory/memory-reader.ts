import { subjectFilter } from '../core/events/subject-filter.ts';
import type { LogMessage, LogReader } from '../ports/log.ts';
import type { MemoryStream } from './memory-stream.ts';

/** Bytes of bodies that one `next` gives out at most, beside its last message: what a reader of NATS reads ahead. */
const BATCH_BYTES = 4 * 1024 * 1024;

/** Reads a `MemoryStream`. The stream hands every new message that fits to each of its readers. */
export class MemoryReader implements LogReader {
  readonly fits: (subject: string) => boolean;
  readonly #stream: MemoryStream;
  #queue: LogMessage[] = [];
  #taken = 0;
  #queuedBytes = 0;
  #position: number;
  #failed: Error | undefined;
  #closed = false;
  #wake: (() => void) | undefined;

  constructor(stream: MemoryStream, filter: string, from: number) {
    this.#stream = stream;
    this.#position = from;
    this.fits = subjectFilter(filter);
  }

  /** Bytes handed over and not yet given out. */
  get queuedBytes(): number {
    return this.#queuedBytes;
  }

  get pending(): number {
    return this.#queue.length - this.#taken;
  }

  get position(): number {
    return this.#queue[this.#taken]?.sequence ?? this.#position;
  }

  async next(): Promise<readonly LogMessage[] | undefined> {
    for (;;) {
      if (this.#closed) return undefined;
      if (this.#taken < this.#queue.length) return this.#take();
      if (this.#failed !== undefined) throw this.#failed;
      if (this.#stream.ended) return undefined;
      if (this.#wake !== undefined)
        throw new Error('a reader gives one answer at a time: await next() before the next');
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }

  async caughtUp(): Promise<boolean> {
    return this.#taken === this.#queue.length && this.#failed === undefined && !this.#closed;
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    this.#queue = [];
    this.#taken = 0;
    this.#queuedBytes = 0;
    this.#stream.detach(this);
    this.wakeUp();
  }

  /** Called by the stream, in order. */
  offer(message: LogMessage): void {
    if (message.sequence < this.#position) return;
    this.#position = message.sequence + 1;
    this.#queue.push(message);
    this.#queuedBytes += message.body.length;
    this.wakeUp();
  }

  /** Called by the stream when it cannot serve this reader any more. What was handed over is still given out. */
  fail(error: Error): void {
    this.#failed = error;
    this.wakeUp();
  }

  wakeUp(): void {
    const wake = this.#wake;
    this.#wake = undefined;
    wake?.();
  }

  #take(): readonly LogMessage[] {
    let end = this.#taken;
    let bytes = 0;
    while (end < this.#queue.length && bytes < BATCH_BYTES) bytes += this.#queue[end++]!.body.length;
    const all = this.#taken === 0 && end === this.#queue.length;
    const batch = all ? this.#queue : this.#queue.slice(this.#taken, end);
    this.#taken = end;
    if (end === this.#queue.length) {
      this.#queue = [];
      this.#taken = 0;
    }
    this.#queuedBytes -= bytes;
    this.#stream.given(batch);
    return batch;
  }
}
