import { instant } from '../../src/core/time/units.ts';
import { MemoryLeases } from '../../src/memory/memory-leases.ts';
import { MemoryLog } from '../../src/memory/memory-log.ts';
import { MemorySource } from '../../src/memory/memory-source.ts';
import type { Appended, LogMessage } from '../../src/ports/log.ts';

/** The first token of every subject of the simulated deployment. */
export const PREFIX = 'sim';
/** What the server's clock shows when a run begins. */
export const EPOCH = Date.UTC(2026, 0, 1);

/** A message and when it was stored, counted over all streams. */
export interface StoredMessage extends LogMessage {
  readonly arrival: number;
  /** Virtual milliseconds since the run began, whatever the server's clock showed. */
  readonly at: number;
}

/** What is before `sequence` on a subject was removed. */
export interface Trim {
  readonly subject: string;
  readonly sequence: number;
  /** How many messages had been stored over all streams. */
  readonly arrival: number;
}

/** By subject, in order. */
export type Stored = ReadonlyMap<string, readonly StoredMessage[]>;

/**
 * The one store that all nodes of a run share, without any network: the in-memory ports as they are, and a record of
 * everything that was ever stored, for the checker.
 */
export class Store {
  readonly log: MemoryLog;
  readonly leases = new MemoryLeases();
  readonly sources: ReadonlyMap<string, MemorySource>;
  private readonly kept = new Map<string, StoredMessage[]>();
  /** What was removed from the log, though not from here. */
  readonly trims: Trim[] = [];
  private arrivals = 0;
  private readonly now: () => number;
  /** How far the server's clock has been set ahead. */
  private ahead = 0;

  /** @param now virtual milliseconds since the run began */
  constructor(now: () => number, sources: readonly string[], bodyMax: number) {
    this.now = now;
    const clock = () => instant(EPOCH + now() + this.ahead);
    this.log = new MemoryLog({ prefix: PREFIX, now: clock, bodyMax });
    this.sources = new Map(sources.map((name) => [name, new MemorySource({ name, now: clock, subject: 'in' })]));
  }

  async append(
    subject: string,
    expected: number,
    body: Uint8Array,
    headers: Readonly<Record<string, string>> | undefined,
  ): Promise<Appended> {
    const answer = await this.log.append(subject, expected, body, headers);
    if (answer.kind === 'stored') {
      const message = { ...(await this.log.last(subject))!, arrival: this.arrivals, at: this.now() };
      this.arrivals += 1;
      const before = this.kept.get(subject);
      if (before === undefined) this.kept.set(subject, [message]);
      else before.push(message);
    }
    return answer;
  }

  async trim(subject: string, sequence: number): Promise<void> {
    this.trims.push({ subject, sequence, arrival: this.arrivals });
    await this.log.trim(subject, sequence);
  }

  /** Sets the server's clock. */
  jump(ms: number): void {
    this.ahead += ms;
  }

  /** Everything ever stored, removed or not. */
  get stored(): Stored {
    return this.kept;
  }
}
