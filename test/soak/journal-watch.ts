import { ByteReader } from '../../src/core/shards/byte-reader.ts';
import { readFrame } from '../../src/journal/frames.ts';
import type { NatsLink } from '../../src/nats/link.ts';
import { PullReader } from '../../src/nats/pull-reader.ts';
import type { LogReader } from '../../src/ports/log.ts';

/** A shard's work going from one process to another, as its journal shows it. Times are the server's. */
export interface HandOver {
  readonly shard: number;
  readonly from: string;
  readonly to: string;
  /** Of the last commit before it. */
  readonly lastBefore: number;
  /** Of the first commit after it that is no opening. */
  readonly firstAfter: number;
}

interface Shard {
  owner: string;
  lastCommit: number;
  /** An owner whose opening is there, and none of its commits yet. */
  opening: string | undefined;
}

/** Reads the journals while a run goes on, since what is superfluous is trimmed: who committed what when. */
export class JournalWatch {
  readonly handOvers: HandOver[] = [];
  commits = 0;
  /** When the latest commit was stored. */
  latest = 0;
  /** Stamps of commits after the last call of `sinceNow`. */
  private firsts: Map<number, number> | undefined;
  private readonly shards = new Map<number, Shard>();
  private readonly reader: LogReader;
  private readonly done: Promise<void>;

  constructor(link: NatsLink) {
    const stream = 'CORRAL_JOURNAL';
    const filter = 'corral.journal.>';
    this.reader = new PullReader({ link, stream, filter, from: 1, created: undefined, past: 'trimmed' });
    this.done = this.read();
    this.done.catch(() => undefined); // told by `close`
  }

  async close(): Promise<void> {
    await this.reader.close();
    await this.done;
  }

  /** From now on, when each shard had its first commit; the map is filled as they come. */
  sinceNow(): ReadonlyMap<number, number> {
    this.firsts = new Map();
    return this.firsts;
  }

  private async read(): Promise<void> {
    for (;;) {
      const messages = await this.reader.next();
      if (messages === undefined) return;
      for (const { subject, body, stamp } of messages) this.take(Number(subject.split('.')[2]), body, stamp);
    }
  }

  private take(number: number, body: Uint8Array, stamp: number): void {
    const frame = readFrame(body);
    if (frame.part !== 0) return;
    const reader = new ByteReader(frame.bytes);
    reader.byte();
    const owner = reader.text();
    reader.varint();
    const isOpening = reader.byte() === 1;
    const shard = this.shards.get(number) ?? { owner: '', lastCommit: 0, opening: undefined };
    this.shards.set(number, shard);
    if (isOpening) {
      shard.opening = owner;
      return;
    }
    this.commits += 1;
    this.latest = stamp;
    if (this.firsts !== undefined && !this.firsts.has(number)) this.firsts.set(number, stamp);
    if (shard.owner !== owner && shard.owner !== '') {
      const { owner: from, lastCommit: lastBefore } = shard;
      this.handOvers.push({ shard: number, from: nodeOf(from), to: nodeOf(owner), lastBefore, firstAfter: stamp });
    }
    shard.owner = owner;
    shard.lastCommit = stamp;
  }
}

/** The node within the name of an incarnation. */
const nodeOf = (incarnation: string): string => incarnation.split('.')[0]!;
