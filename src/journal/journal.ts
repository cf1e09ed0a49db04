import { type Commit, decodeCommit, encodeCommit } from '../core/shards/commit.ts';
import { ShardState } from '../core/shards/shard-state.ts';
import { duration } from '../core/time/units.ts';
import type { Clock } from '../ports/clock.ts';
import type { FencedLog, LogMessage } from '../ports/log.ts';
import type { NodeMeasures } from '../ports/measures.ts';
import { type Frame, FrameJoiner, readFrame, toFrames } from './frames.ts';
import { JournalError } from './journal-error.ts';

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
  readonly state: ShardState;
  /** Outputs of the commits that were read, oldest first; some or all of them may have been relayed before. */
  readonly outputs: Commit['outputs'][];
  /**
   * Stores a commit. One at a time: the next only after this one has resolved.
   * @throws {JournalError} SUPERSEDED when another owner has the journal; STOPPED when `stop` was called meanwhile.
   */
  commit(commit: Commit): Promise<{ bytes: number }>;
  /** Gives up on a commit whose outcome is open. It may be stored or not: whoever opens next finds out. */
  stop(): void;
}

export interface JournalPorts {
  readonly log: FencedLog;
  readonly clock: Clock;
  readonly measures: NodeMeasures;
}

/**
 * Takes a shard over: fences out its last owner and reads its journal.
 * @param subject the shard's journal subject
 * @param incarnation a name no other owner of the shard ever had
 * @param givenUp asked before every append: true once nobody wants the shard any more
 * @throws {JournalError} STOPPED, JOURNAL_CORRUPT, or SUPERSEDED when yet another owner opens meanwhile
 */
export async function openJournal(
  ports: JournalPorts,
  shard: number,
  subject: string,
  incarnation: string,
  givenUp: () => boolean = () => false,
): Promise<Journal> {
  let stopped = false;
  let expected: number;
  const opening = await appendOpening();
  const { state, outputs } = await readUpto(opening);

  /** Appends until stored or refused; J2. Gives the sequence, or undefined when another's message is at the end. */
  async function append(frame: Uint8Array, at: number): Promise<number | undefined> {
    for (let attempt = 0; ; attempt += 1) {
      if (stopped || givenUp())
        throw new JournalError('STOPPED', shard, `shard ${shard}: stopped while a commit was under way`);
      const answer = await ports.log.append(subject, at, frame);
      ports.measures.appends[answer.kind] += 1;
      if (answer.kind === 'stored') return answer.sequence;
      if (answer.kind === 'unknown') {
        await pause(attempt);
        continue;
      }
      // Refused. After an unknown it may be our own message that is there now.
      const end = await ports.log.last(subject);
      if (attempt > 0 && end !== undefined && end.sequence > at && sameBytes(end.body, frame)) return end.sequence;
      return undefined;
    }
  }

  async function appendOpening(): Promise<LogMessage> {
    for (;;) {
      const end = await ports.log.last(subject);
      const number = end === undefined ? 1 : nextNumber(readFrame(end.body));
      const last = end?.sequence ?? 0;
      const [frame] = toFrames(number, encodeCommit(emptyCommit(incarnation, number)), ports.log.bodyMax);
      const sequence = await append(frame!, last);
      if (sequence === undefined) continue;
      expected = sequence;
      return { sequence, subject, stamp: 0 as never, headers: undefined, body: frame! };
    }
  }

  async function readUpto(own: LogMessage): Promise<{ state: ShardState; outputs: Commit['outputs'][] }> {
    const state = new ShardState();
    const outputs: Commit['outputs'][] = [];
    const joiner = new FrameJoiner();
    const reader = ports.log.read(subject, 1);
    try {
      for (;;) {
        const messages = await reader.next();
        if (messages === undefined) throw corrupt(`ends before its opening at ${own.sequence}`);
        for (const message of messages) {
          if (message.sequence > own.sequence) {
            throw new JournalError('SUPERSEDED', shard, `shard ${shard}: another owner opened the journal`);
          }
          const commit = readCommit(joiner, message);
          if (commit === undefined) continue;
          if (commit.number !== state.commitNumber + 1 && state.commitNumber !== 0) {
            throw corrupt(`commit ${commit.number} follows commit ${state.commitNumber}`);
          }
          applyCommit(state, commit);
          if (commit.outputs.length > 0) outputs.push(commit.outputs);
          if (message.sequence === own.sequence) return { state, outputs };
        }
      }
    } finally {
      await reader.close();
    }
  }

  function readCommit(joiner: FrameJoiner, message: LogMessage): Commit | undefined {
    try {
      const whole = joiner.push(readFrame(message.body));
      return whole && decodeCommit(whole);
    } catch (cause) {
      if (cause instanceof RangeError) throw corrupt(`message ${message.sequence}: ${cause.message}`, cause);
      throw cause;
    }
  }

  function corrupt(what: string, cause?: unknown): JournalError {
    return new JournalError(
      'JOURNAL_CORRUPT',
      shard,
      `shard ${shard}: the journal on ${subject} is damaged: ${what}. See docs/errors.md#journal_corrupt.`,
      { cause },
    );
  }

  function pause(attempt: number): Promise<void> {
    const delay = Math.min(2000, 50 * 2 ** Math.min(attempt, 6));
    return new Promise((resolve) => ports.clock.after(duration(delay), resolve));
  }

  return {
    state,
    outputs,
    async commit(commit) {
      let bytes = 0;
      for (const frame of toFrames(commit.number, encodeCommit(commit), ports.log.bodyMax)) {
        const sequence = await append(frame, expected);
        if (sequence === undefined) {
          throw new JournalError('SUPERSEDED', shard, `shard ${shard}: another owner has written to the journal`);
        }
        expected = sequence;
        bytes += frame.length;
      }
      return { bytes };
    },
    stop() {
      stopped = true;
    },
  };
}

/** Openings carry nothing but their name: they leave cursor and lanes as the commit before them had them. */
function emptyCommit(incarnation: string, number: number): Commit {
  return {
    incarnation,
    number,
    opening: true,
    cursor: 0,
    processingTime: Number.NEGATIVE_INFINITY as never,
    lanes: [],
    clocks: [],
    names: [],
    changes: [],
    outputs: [],
  };
}

/** An unfinished commit never took effect, so the opening that voids it takes its number. */
function nextNumber(end: Frame): number {
  return end.last ? end.number + 1 : end.number;
}

function applyCommit(state: ShardState, commit: Commit): void {
  if (commit.opening) state.commitNumber = commit.number;
  else state.apply(commit);
}

function sameBytes(a: Uint8Array, b: Uint8Array): boolean {
  return Buffer.compare(a, b) === 0;
}
