import type { InstantMs } from '../core/time/units.ts';
import type { EventSource, LogMessage, LogReader, StreamFacts } from '../ports/log.ts';
import { PortError } from '../ports/port-error.ts';
import type { NewMessage } from './memory-source.ts';

/**
 * A source that is read once, from its beginning to its end: files, standard input, a generator. It keeps nothing and
 * reads nothing ahead; the iterable is asked for its next chunk when the reader is.
 * @param chunks messages as they come, for example the lines of one block of a file; an empty chunk is skipped
 */
export function iterableSource(chunks: AsyncIterable<readonly NewMessage[]>, now: () => InstantMs): EventSource {
  const created = 'memory-iterable';
  let lastSequence = 0;
  let reader: LogReader | undefined;

  async function* messages(): AsyncGenerator<readonly LogMessage[]> {
    for await (const chunk of chunks) {
      if (chunk.length === 0) continue;
      yield chunk.map(
        ({ subject, body, headers, stamp }): LogMessage => ({
          sequence: ++lastSequence,
          subject,
          stamp: stamp ?? now(),
          headers,
          body,
        }),
      );
    }
  }

  return {
    async facts(): Promise<StreamFacts> {
      return { created, firstSequence: 1, lastSequence };
    },
    /** What has not been read is stored when it is, so an instant now or later is the next message. */
    async sequenceAt(): Promise<number> {
      return lastSequence + 1;
    },
    read(from: number): LogReader {
      if (from !== 1 || reader !== undefined) {
        throw new PortError(
          'POSITION_GONE',
          'an input that is not kept is read once, from its beginning: start the run again',
        );
      }
      reader = new IterableReader(messages());
      return reader;
    },
  };
}

class IterableReader implements LogReader {
  readonly #messages: AsyncGenerator<readonly LogMessage[]>;
  #position = 1;
  #closed = false;
  #endWaiting: (() => void) | undefined;

  constructor(messages: AsyncGenerator<readonly LogMessage[]>) {
    this.#messages = messages;
  }

  get position(): number {
    return this.#position;
  }

  next(): Promise<readonly LogMessage[] | undefined> {
    if (this.#closed) return Promise.resolve(undefined);
    return new Promise((resolve, reject) => {
      this.#endWaiting = () => resolve(undefined);
      this.#messages.next().then((step) => resolve(this.#took(step)), reject);
    });
  }

  /** An input that waits (a terminal, a pipe) is not waited for: it ends when it next gives something. */
  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    this.#endWaiting?.();
    void this.#messages.return(undefined);
  }

  #took(step: IteratorResult<readonly LogMessage[], unknown>): readonly LogMessage[] | undefined {
    if (this.#closed || step.done === true) return undefined;
    this.#position = (step.value.at(-1)?.sequence ?? 0) + 1;
    return step.value;
  }
}
