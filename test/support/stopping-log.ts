import type { Appended, FencedLog, LogMessage, LogReader, StreamFacts } from '../../src/ports/log.ts';

/** A message as it was stored, of which a log may have trimmed some meanwhile. */
export interface Kept {
  readonly subject: string;
  readonly sequence: number;
  readonly body: Buffer;
}

/**
 * A log as a node sees it that ends at a certain write: an append or trim that is done or not, and never answered, like
 * whatever comes after it. Appends to shard logs, which are others' work, do not count.
 */
export class StoppingLog implements FencedLog {
  readonly bodyMax: number;
  /** Every write so far that counts. */
  readonly writes: string[] = [];
  /** Whether the write it was to stop at has come. */
  hasStopped = false;
  private readonly inner: FencedLog;
  private readonly kept: Kept[];
  private readonly stopAt: number;
  private readonly done: boolean;
  private tellStopped: () => void = () => undefined;
  readonly stopped: Promise<void>;

  /**
   * @param kept every message stored through this log is added to it
   * @param stopAt number of the write, from 1, that is not answered any more
   * @param done whether that one is done
   */
  constructor(inner: FencedLog, kept: Kept[], stopAt = Number.POSITIVE_INFINITY, done = false) {
    this.inner = inner;
    this.kept = kept;
    this.bodyMax = inner.bodyMax;
    this.stopAt = stopAt;
    this.done = done;
    this.stopped = new Promise((resolve) => {
      this.tellStopped = resolve;
    });
  }

  async append(
    subject: string,
    expected: number,
    body: Uint8Array,
    headers?: Readonly<Record<string, string>>,
  ): Promise<Appended> {
    const sent = Buffer.from(body);
    return this.write(`append ${subject}`, async () => {
      const answer = await this.inner.append(subject, expected, sent, headers);
      if (answer.kind === 'stored') this.kept.push({ subject, sequence: answer.sequence, body: sent });
      return answer;
    });
  }

  trim(subject: string, sequence: number): Promise<void> {
    return this.write(`trim ${subject} ${sequence}`, () => this.inner.trim(subject, sequence));
  }

  last(subject: string): Promise<LogMessage | undefined> {
    return this.unlessStopped(() => this.inner.last(subject));
  }

  get(subject: string, sequence: number): Promise<LogMessage | undefined> {
    return this.unlessStopped(() => this.inner.get(subject, sequence));
  }

  facts(subject: string): Promise<StreamFacts> {
    return this.unlessStopped(() => this.inner.facts(subject));
  }

  read(subject: string, from: number): LogReader {
    const reader = this.inner.read(subject, from);
    return {
      next: () => this.unlessStopped(() => reader.next()),
      close: () => reader.close(),
      caughtUp: () => this.unlessStopped(async () => (await reader.caughtUp?.()) ?? false),
    };
  }

  private async write<T>(what: string, act: () => Promise<T>): Promise<T> {
    if (this.hasStopped) return never();
    if (what.startsWith('append corral.shard.')) return act();
    this.writes.push(what);
    if (this.writes.length < this.stopAt) return act();
    this.hasStopped = true;
    if (this.done) await act();
    this.tellStopped();
    return never();
  }

  private async unlessStopped<T>(act: () => Promise<T>): Promise<T> {
    if (this.hasStopped) return never();
    const answer = await act();
    return this.hasStopped ? never() : answer;
  }
}

const never = <T>(): Promise<T> => new Promise(() => undefined);
