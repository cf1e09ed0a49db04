import type { Attempt } from '../core/shards/attempt.ts';
import { type Commit, type CommitOutput, decodeCommit } from '../core/shards/commit.ts';
import {
  decodeManifest,
  type JournalPlace,
  type Manifest,
  type PageRef,
  type StreamsCreated,
} from '../core/shards/manifest.ts';
import { ShardState } from '../core/shards/shard-state.ts';
import type { LogMessage } from '../ports/log.ts';
import { checksumOf } from './checksum.ts';
import { type Frame, FrameJoiner, readFrame } from './frames.ts';
import { JournalError } from './journal-error.ts';
import type { JournalNames, JournalPorts } from './journal-ports.ts';

/** A shard as its journal has it. */
export interface Recovered {
  readonly state: ShardState;
  /** The pages of the newest snapshot; none when there is no snapshot. */
  readonly pages: readonly PageRef[];
  /** Everything up to here is relayed: where the newest snapshot starts, or before the first commit. */
  readonly start: JournalPlace;
  /** The commits after that, oldest first, the opening last. Taken by whoever relays them. */
  readonly tail: TailCommit[];
  /** Openings and attempts since the last commit that brought the shard on, oldest first, the own opening last. */
  readonly trials: readonly Trial[];
  readonly streams: StreamsCreated;
}

/** An owner's opening, or what it was about to run. */
export interface Trial {
  readonly incarnation: string;
  /** Undefined for the opening. */
  readonly attempt: Attempt | undefined;
}

export interface TailCommit extends JournalPlace {
  /** Of the journal. */
  readonly bytes: number;
  readonly outputs: readonly CommitOutput[];
}

/** What a shard's new owner knows after its opening commit is stored. */
export interface Opening {
  /** Journal sequence of the opening. */
  readonly sequence: number;
  /** Sequence of the last part of the commit with the newest manifest; 0 when there is none. */
  readonly manifestAt: number;
}

/**
 * Rebuilds a shard (protocol.md, S4): the newest manifest, its pages, then the commits after its start up to the own
 * opening. Whatever is missing or damaged is an error and never a state that is nearly right; but when another owner has
 * opened the journal meanwhile, and trimmed what was still to be read, that is no damage.
 * @param givenUp asked before every page: true once nobody wants the shard any more
 * @throws {JournalError} SUPERSEDED, STOPPED, STREAM_CHANGED, JOURNAL_CORRUPT, PAGE_MISSING, PAGE_CORRUPT
 */
export async function recover(
  ports: JournalPorts,
  names: JournalNames,
  opening: Opening,
  givenUp: () => boolean,
): Promise<Recovered> {
  const { log } = ports;
  const { shard, journal: subject } = names;
  const state = new ShardState();
  const streams = await streamsNow();
  const found = opening.manifestAt === 0 ? undefined : await readManifest(opening.manifestAt);
  if (found !== undefined) await restore(found.manifest, found.number);
  const start = found?.manifest.start ?? { number: 0, sequence: 0, cursor: 0 };
  const trials: Trial[] = [];
  const tail = await readTail(start);
  return { state, pages: found?.manifest.pages ?? [], start, tail, trials, streams };

  async function streamsNow(): Promise<StreamsCreated> {
    const [journal, shardLog] = await Promise.all([log.facts(subject), log.facts(names.shardLog('*'))]);
    return { journal: journal.created, shardLog: shardLog.created };
  }

  /** From its last part back, since each part names the one before it. */
  async function readManifest(at: number): Promise<{ manifest: Manifest; number: number }> {
    const frames: Frame[] = [];
    for (let sequence = at; frames[0]?.part !== 0; ) {
      const message = await log.get(subject, sequence);
      if (message === undefined)
        throw await damaged(`message ${sequence}, which belongs to the newest snapshot, is gone`);
      const frame = await read(message, () => readFrame(message.body));
      frames.unshift(frame);
      sequence = frame.previous ?? 0;
    }
    return read({ sequence: at }, () => {
      const joiner = new FrameJoiner();
      let whole: Uint8Array | undefined;
      for (const frame of frames) whole = joiner.push(frame);
      const commit = whole && decodeCommit(whole);
      if (commit?.manifest === undefined) throw new RangeError('it holds no manifest, though later messages say so');
      return { manifest: decodeManifest(commit.manifest), number: commit.number };
    });
  }

  async function restore({ start, head, pages, streams: before }: Manifest, number: number): Promise<void> {
    for (const stream of ['journal', 'shardLog'] as const) {
      if (before[stream] === streams[stream]) continue;
      const what = stream === 'journal' ? 'the journal' : 'the shard log';
      throw new JournalError(
        'STREAM_CHANGED',
        shard,
        `shard ${shard}: the stream of ${what} was made at ${streams[stream]}, the one that the snapshot goes on from at ` +
          `${before[stream]}: the old one was removed. See docs/errors.md#stream_changed.`,
      );
    }
    state.restore(head, number, start.number, pages);
    let next = 0;
    const loadSome = async (): Promise<void> => {
      while (next < pages.length) {
        const page = next;
        next += 1;
        await loadPage(page, pages[page]!);
      }
    };
    await Promise.all(Array.from({ length: PAGES_AT_ONCE }, loadSome));
  }

  async function loadPage(page: number, { sequences, bytes, checksum }: PageRef): Promise<void> {
    const pieces: Uint8Array[] = [];
    for (const sequence of sequences) {
      if (givenUp()) throw new JournalError('STOPPED', shard, `shard ${shard}: stopped while it was rebuilt`);
      const message = await log.get(names.page(page), sequence);
      if (message === undefined)
        throw await damaged(`message ${sequence} on ${names.page(page)} is gone`, 'PAGE_MISSING');
      pieces.push(message.body);
    }
    const whole = pieces.length === 1 ? pieces[0]! : Buffer.concat(pieces);
    if (whole.length !== bytes || checksumOf(whole) !== checksum)
      throw await damaged(`page ${page} at ${sequences.join(', ')} is not what was written`, 'PAGE_CORRUPT');
    try {
      state.table.loadPage(page, whole);
    } catch (cause) {
      if (!(cause instanceof RangeError)) throw cause;
      throw await damaged(`page ${page} at ${sequences.join(', ')}: ${cause.message}`, 'PAGE_CORRUPT', cause);
    }
  }

  async function readTail(start: JournalPlace): Promise<TailCommit[]> {
    const tail: TailCommit[] = [];
    const joiner = new FrameJoiner();
    const reader = log.read(subject, start.sequence + 1);
    let { sequence: before, cursor } = start;
    let bytes = 0;
    try {
      for (;;) {
        const messages = await reader.next();
        if (messages === undefined) throw await damaged(`it ends before its opening at ${opening.sequence}`);
        for (const message of messages) {
          const { sequence } = message;
          if (sequence > opening.sequence) throw superseded();
          const commit = await read(message, () => nextCommit(joiner, message, before));
          before = sequence;
          bytes += message.body.length;
          if (commit === undefined) continue;
          state.apply(commit);
          const { incarnation, attempt } = commit;
          if (commit.opening || attempt !== undefined) trials.push({ incarnation, attempt });
          else {
            trials.length = 0;
            cursor = commit.cursor;
          }
          tail.push({ number: commit.number, sequence, cursor, bytes, outputs: commit.outputs });
          bytes = 0;
          if (sequence === opening.sequence) return tail;
        }
      }
    } finally {
      await reader.close();
    }
  }

  function nextCommit(joiner: FrameJoiner, { body }: LogMessage, before: number): Commit | undefined {
    const frame = readFrame(body);
    if (frame.previous !== undefined && frame.previous !== before)
      throw new RangeError(`it follows message ${frame.previous}, but that before it is ${before}`);
    const whole = joiner.push(frame);
    if (whole === undefined) return undefined;
    const commit = decodeCommit(whole);
    if (commit.number !== state.commitNumber + 1)
      throw new RangeError(`commit ${commit.number} follows commit ${state.commitNumber}`);
    return commit;
  }

  /** What cannot be read is damage. */
  async function read<T>({ sequence }: { readonly sequence: number }, decode: () => T): Promise<T> {
    try {
      return decode();
    } catch (cause) {
      if (!(cause instanceof RangeError)) throw cause;
      throw await damaged(`message ${sequence}: ${cause.message}`, 'JOURNAL_CORRUPT', cause);
    }
  }

  /** Damage, unless the journal has passed to another owner, who may have trimmed what this one reads (C1). */
  async function damaged(
    what: string,
    code: 'JOURNAL_CORRUPT' | 'PAGE_MISSING' | 'PAGE_CORRUPT' = 'JOURNAL_CORRUPT',
    cause?: unknown,
  ): Promise<JournalError> {
    const end = await log.last(subject);
    if (end !== undefined && end.sequence > opening.sequence) return superseded();
    return new JournalError(
      code,
      shard,
      `shard ${shard}: what is stored on ${subject} is damaged: ${what}. See docs/errors.md#${code.toLowerCase()}.`,
      { cause },
    );
  }

  function superseded(): JournalError {
    return new JournalError('SUPERSEDED', shard, `shard ${shard}: another owner opened the journal`);
  }
}

/** Pages asked for at once. */
const PAGES_AT_ONCE = 8;
