import { type Commit, emptyCommit, encodeCommit } from '../core/shards/commit.ts';
import { noteAppend } from '../ports/note-append.ts';
import { backoff, pause } from '../ports/pause.ts';
import { cutCommit, encodeFrame, type Frame, newestManifest, readFrame } from './frames.ts';
import { JournalError } from './journal-error.ts';
import type { JournalNames, JournalPorts } from './journal-ports.ts';
import { type Recovered, recover } from './recovery.ts';

/**
 * The commits of one shard, on one fenced subject (protocol.md §3).
 *
 *   J1. An owner first appends its opening commit; only when that is stored does it read (C1). From then on no
 *       predecessor can get a commit in between.
 *   J2. A commit whose acknowledgement is lost is sent again, the same bytes with the same expected sequence, until the
 *       end of the journal shows it or another's (C4). Never with another expected sequence.
 *   J3. After a refusal this journal is of no more use: everything computed on top of it must be forgotten.
 */
export interface Journal {
  /** The shard as its journal has it, own opening included. */
  readonly recovered: Recovered;
  /**
   * Stores a commit. One at a time: the next only after this one has resolved.
   * @returns its bytes in the journal, and the sequence of its last part
   * @throws {JournalError} SUPERSEDED when another owner has the journal; STOPPED when `stop` was called meanwhile.
   */
  commit(commit: Commit): Promise<{ bytes: number; sequence: number }>;
  /** Gives up on a commit whose outcome is open. It may be stored or not: whoever opens next finds out. */
  stop(): void;
}

/**
 * Takes a shard over: fences out its last owner and rebuilds the shard from what is stored.
 * @param incarnation a name no other owner of the shard ever had
 * @param givenUp asked before every append: true once nobody wants the shard any more
 * @throws {JournalError} STOPPED, SUPERSEDED when yet another owner opens meanwhile; and what `recover` throws
 */
export async function openJournal(
  ports: JournalPorts,
  names: JournalNames,
  incarnation: string,
  givenUp: () => boolean = () => false,
): Promise<Journal> {
  const { log, clock, measures } = ports;
  const { shard, journal: subject } = names;
  let stopped = false;
  let expected = 0;
  let manifestAt = 0;
  await appendOpening();
  const recovered = await recover(ports, names, { sequence: expected, manifestAt }, () => stopped || givenUp());

  /** Appends until stored or refused; J2. Gives the sequence, or undefined when another's message is at the end. */
  async function append(frame: Uint8Array, at: number): Promise<number | undefined> {
    for (let attempt = 0; ; attempt += 1) {
      if (stopped || givenUp())
        throw new JournalError('STOPPED', shard, `shard ${shard}: stopped while a commit was under way`);
      const answer = await log.append(subject, at, frame);
      noteAppend(measures, answer);
      if (answer.kind === 'stored') return answer.sequence;
      if (answer.kind === 'unknown') {
        await pause(clock, backoff(attempt));
        continue;
      }
      // Refused. After an unknown it may be our own message that is there now.
      const end = await log.last(subject);
      if (attempt > 0 && end !== undefined && end.sequence > at && Buffer.compare(end.body, frame) === 0)
        return end.sequence;
      return undefined;
    }
  }

  async function appendOpening(): Promise<void> {
    for (;;) {
      const end = await log.last(subject);
      const previous = end?.sequence ?? 0;
      const frame = end && frameAtEnd(end.body, previous);
      const number = frame === undefined ? 1 : nextNumber(frame);
      manifestAt = frame === undefined ? 0 : newestManifest(frame, previous);
      const bytes = encodeCommit({ ...emptyCommit(incarnation, number), opening: true });
      const opening = encodeFrame({ number, part: 0, last: true, holdsManifest: false, previous, manifestAt, bytes });
      const sequence = await append(opening, previous);
      if (sequence === undefined) continue;
      expected = sequence;
      return;
    }
  }

  function frameAtEnd(body: Uint8Array, sequence: number): Frame {
    try {
      return readFrame(body);
    } catch (cause) {
      if (!(cause instanceof RangeError)) throw cause;
      throw new JournalError(
        'JOURNAL_CORRUPT',
        shard,
        `shard ${shard}: message ${sequence} at the end of ${subject} cannot be read: ${cause.message}. ` +
          'See docs/errors.md#journal_corrupt.',
        { cause },
      );
    }
  }

  return {
    recovered,
    async commit(commit) {
      const pieces = cutCommit(encodeCommit(commit), log.bodyMax);
      const { number } = commit;
      const holdsManifest = commit.manifest !== undefined;
      let size = 0;
      for (let part = 0; part < pieces.length; part += 1) {
        const last = part === pieces.length - 1;
        const bytes = pieces[part]!;
        const frame = encodeFrame({ number, part, last, holdsManifest, previous: expected, manifestAt, bytes });
        const sequence = await append(frame, expected);
        if (sequence === undefined) {
          throw new JournalError('SUPERSEDED', shard, `shard ${shard}: another owner has written to the journal`);
        }
        expected = sequence;
        size += frame.length;
      }
      if (holdsManifest) manifestAt = expected;
      return { bytes: size, sequence: expected };
    },
    stop() {
      stopped = true;
    },
  };
}

/** An unfinished commit never took effect, so the opening that voids it takes its number. */
function nextNumber(end: Frame): number {
  return end.last ? end.number + 1 : end.number;
}
