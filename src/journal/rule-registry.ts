import { decodeVersion, encodeVersion, type StoredVersion, type VersionContent } from '../core/rules/rule-version.ts';
import type { FencedLog } from '../ports/log.ts';
import { cutCommit, encodeFrame, type Frame, FrameJoiner, readFrame } from './frames.ts';

/** A version that should be stored is not there, or is not what was written. */
export class RuleVersionMissing extends Error {
  readonly code = 'RULE_VERSION_MISSING';
  readonly retry = 'never';

  constructor(subject: string, what: string, options?: ErrorOptions) {
    super(`${subject}: ${what}. See docs/errors.md#rule_version_missing.`, options);
  }
}

/** The newest version, and where the next one would go. */
export interface RegistryEnd {
  /** Sequence of the subject's last message; 0 when it never had one. */
  readonly end: number;
  /** Undefined when no version was ever stored. */
  readonly newest: StoredVersion | undefined;
  /** Sequence of the last message of the newest version. */
  readonly sequence: number;
}

/**
 * The versions of a deployment's rules, one after another on one fenced subject. Each is a message, or as many parts as
 * it needs, in the frames that journals have too: they name the message before them, so a version can be read from its
 * last part backwards. Each lists those before it with their places, so that the newest one leads to all.
 */
export class RuleRegistry {
  readonly subject: string;
  private readonly log: FencedLog;

  constructor(log: FencedLog, subject: string) {
    this.log = log;
    this.subject = subject;
  }

  /** Changes whenever a version is stored; cheap to ask. @throws {PortError} UNAVAILABLE */
  async reached(): Promise<number> {
    return (await this.log.facts(this.subject)).lastSequence;
  }

  /** @throws {RuleVersionMissing} */
  async read(): Promise<RegistryEnd> {
    const last = await this.log.last(this.subject);
    if (last === undefined) return { end: 0, newest: undefined, sequence: 0 };
    let { sequence } = last;
    // Parts at the end without their last one were never finished.
    for (let frame = this.frameOf(last); !frame.last; ) {
      sequence = frame.previous ?? 0;
      if (sequence === 0) return { end: last.sequence, newest: undefined, sequence: 0 };
      frame = await this.frameAt(sequence);
    }
    return { end: last.sequence, newest: await this.versionAt(sequence), sequence };
  }

  /**
   * A version by its number.
   * @throws {RuleVersionMissing} when it is not there
   */
  async version(number: number): Promise<StoredVersion> {
    const { newest } = await this.read();
    if (newest?.number === number) return newest;
    const earlier = newest?.earlier.find((one) => one.number === number);
    if (earlier !== undefined) return this.versionAt(earlier.sequence);
    throw new RuleVersionMissing(this.subject, `version ${number} of the rules, which records name, is not stored`);
  }

  /**
   * Stores what is to be the next version. Whether it was, or another one, is to be seen at the end then: after a lost
   * answer it may have been stored as well.
   * @param after as read before
   */
  async append(
    content: VersionContent,
    { end, newest, sequence }: RegistryEnd,
  ): Promise<'stored' | 'refused' | 'unknown'> {
    const number = (newest?.number ?? 0) + 1;
    const earlier =
      newest === undefined ? [] : [...newest.earlier, { number: newest.number, hash: newest.hash, sequence }];
    const pieces = cutCommit(encodeVersion({ ...content, number, earlier }), this.log.bodyMax);
    let previous = end;
    for (let part = 0; part < pieces.length; part += 1) {
      const bytes = pieces[part]!;
      const last = part === pieces.length - 1;
      const frame = encodeFrame({ number, part, last, holdsManifest: false, previous, manifestAt: 0, bytes });
      const answer = await this.log.append(this.subject, previous, frame);
      if (answer.kind !== 'stored') return answer.kind;
      previous = answer.sequence;
    }
    return 'stored';
  }

  private async versionAt(sequence: number): Promise<StoredVersion> {
    const frames: Frame[] = [];
    for (let at = sequence; frames[0]?.part !== 0; at = frames[0]!.previous ?? 0)
      frames.unshift(await this.frameAt(at));
    try {
      const joiner = new FrameJoiner();
      let whole: Uint8Array | undefined;
      for (const frame of frames) whole = joiner.push(frame);
      return decodeVersion(whole!);
    } catch (cause) {
      throw this.damaged(sequence, cause);
    }
  }

  private async frameAt(sequence: number): Promise<Frame> {
    const message = await this.log.get(this.subject, sequence);
    if (message === undefined) throw new RuleVersionMissing(this.subject, `message ${sequence} is gone`);
    return this.frameOf(message);
  }

  private frameOf({ sequence, body }: { readonly sequence: number; readonly body: Uint8Array }): Frame {
    try {
      return readFrame(body);
    } catch (cause) {
      throw this.damaged(sequence, cause);
    }
  }

  private damaged(sequence: number, cause: unknown): unknown {
    if (!(cause instanceof RangeError)) return cause;
    return new RuleVersionMissing(this.subject, `message ${sequence} cannot be read: ${cause.message}`, { cause });
  }
}
