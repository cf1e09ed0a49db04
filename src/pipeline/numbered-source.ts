import type { Numbering } from '../core/shards/numbering.ts';
import type { EventSource, LogMessage, LogReader } from '../ports/log.ts';

/** Reads a source whose lane counts otherwise than the stream: what it gives out has the lane's numbers. */
export function readNumbered(source: EventSource, numbering: Numbering, from: number): LogReader {
  const reader = source.read(numbering.streamSequence(from - 1) + 1);
  return numbering.isPlain ? reader : new NumberedReader(reader, numbering);
}

class NumberedReader implements LogReader {
  private readonly reader: LogReader;
  private readonly numbering: Numbering;
  readonly caughtUp?: () => Promise<boolean>;

  constructor(reader: LogReader, numbering: Numbering) {
    this.reader = reader;
    this.numbering = numbering;
    if (reader.caughtUp !== undefined) this.caughtUp = () => reader.caughtUp!();
  }

  async next(): Promise<readonly LogMessage[] | undefined> {
    const messages = await this.reader.next();
    return messages?.map((message) => ({ ...message, sequence: this.numbering.laneNumber(message.sequence) }));
  }

  close(): Promise<void> {
    return this.reader.close();
  }

  /** What is before it may be counted otherwise than itself. */
  get position(): number {
    return this.numbering.laneNumber((this.reader.position ?? 1) - 1) + 1;
  }

  get pending(): number {
    return this.reader.pending ?? 0;
  }
}
