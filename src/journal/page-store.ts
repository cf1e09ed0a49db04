import type { PageRef } from '../core/shards/manifest.ts';
import { noteAppend } from '../ports/note-append.ts';
import { backoff, pause } from '../ports/pause.ts';
import { checksumOf } from './checksum.ts';
import type { JournalPorts } from './journal-ports.ts';

/**
 * Stores pages of snapshots: messages that never change, named by sequence and checksum (protocol.md, S2). Each page
 * number has a subject of its own, so that the superseded ones can be trimmed there. Predecessors that do not know yet
 * that they are may write to it as well; that costs a second try and leaves messages that no manifest lists.
 */
export class PageStore {
  private readonly ports: JournalPorts;
  private readonly subjectOf: (page: number) => string;
  /** Sequence of the last message on each page's subject, as far as known. */
  private readonly ends = new Map<number, number>();
  private stopped = false;

  /** @param known pages as the newest manifest lists them */
  constructor(ports: JournalPorts, subjectOf: (page: number) => string, known: readonly PageRef[]) {
    this.ports = ports;
    this.subjectOf = subjectOf;
    known.forEach(({ sequences }, page) => {
      this.ends.set(page, sequences.at(-1)!);
    });
  }

  /**
   * Stores a page, in as many messages as it needs.
   * @param bytes must not change until this has resolved
   * @param facts what the page's entry in the manifest says beside how it is stored
   * @returns how the page is to be listed; undefined when `stop` was called meanwhile
   */
  async store(page: number, bytes: Uint8Array, facts: Pick<PageRef, 'label' | 'keys'>): Promise<PageRef | undefined> {
    const { bodyMax } = this.ports.log;
    const sequences: number[] = [];
    for (let at = 0; at < bytes.length; at += bodyMax) {
      const sequence = await this.append(page, bytes.subarray(at, at + bodyMax));
      if (sequence === undefined) return undefined;
      sequences.push(sequence);
    }
    return { ...facts, bytes: bytes.length, checksum: checksumOf(bytes), sequences };
  }

  stop(): void {
    this.stopped = true;
  }

  private async append(page: number, piece: Uint8Array): Promise<number | undefined> {
    const { log, measures, clock } = this.ports;
    const subject = this.subjectOf(page);
    for (let attempt = 0; !this.stopped; attempt += 1) {
      const expected = this.ends.get(page) ?? 0;
      const answer = await log.append(subject, expected, piece);
      noteAppend(measures, answer);
      if (answer.kind === 'stored') {
        this.ends.set(page, answer.sequence);
        return answer.sequence;
      }
      if (answer.kind === 'unknown') {
        await pause(clock, backoff(attempt));
        continue;
      }
      const end = await log.last(subject);
      this.ends.set(page, end?.sequence ?? 0);
      // After an unknown answer it may be there all the same. Whose it is does not matter: it says the same.
      if (end !== undefined && Buffer.compare(end.body, piece) === 0) return end.sequence;
    }
    return undefined;
  }
}
