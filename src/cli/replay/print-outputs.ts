import { once } from 'node:events';
import type { Writable } from 'node:stream';
import type { LogReader } from '../../ports/log.ts';

const NEWLINE = Buffer.from('\n');

/**
 * Prints what is relayed, one envelope a line. It reads on only when the stream has taken what was written; the log
 * then holds back the relay, and that the input, so that a slow reader of our output costs time and no memory.
 */
export class OutputPrinter {
  readonly #reader: LogReader;
  readonly #stream: Writable;
  readonly #done: Promise<void>;
  #writing = false;
  #ending = false;

  constructor(reader: LogReader, stream: Writable) {
    this.#reader = reader;
    this.#stream = stream;
    this.#done = this.#run();
    this.#done.catch(() => undefined); // `end` gives it to whoever waits
  }

  /** Resolves when everything relayed so far is printed; nothing is printed after. */
  async end(): Promise<void> {
    this.#ending = true;
    if (!this.#writing && !this.#pending()) await this.#reader.close();
    await this.#done;
  }

  #pending(): boolean {
    return (this.#reader.pending ?? 0) > 0;
  }

  async #run(): Promise<void> {
    for (;;) {
      const messages = await this.#reader.next();
      if (messages === undefined) return;
      this.#writing = true;
      const taken = this.#stream.write(Buffer.concat(messages.flatMap(({ body }) => [body, NEWLINE])));
      if (!taken) await once(this.#stream, 'drain');
      this.#writing = false;
      if (this.#ending && !this.#pending()) {
        await this.#reader.close();
        return;
      }
    }
  }
}
