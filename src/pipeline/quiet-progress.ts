import { pack, unpack } from 'msgpackr';
import { comparePositions, type Position } from '../core/shards/position.ts';
import { type InstantMs, instant } from '../core/time/units.ts';
import type { Appended, FencedLog } from '../ports/log.ts';

/** How far an output has come that had nothing to store. */
export interface Quiet {
  readonly upto: Position;
  readonly watermark: InstantMs;
}

/**
 * Says how far a lane's dead letters are while there are none, on a subject of one message: so the letters' own subject
 * holds letters alone, and whoever reads it need not pass over what says nothing.
 *
 * What it says belongs to the end that the letters' subject had then. If that has since lost its tail, it says nothing.
 */
export class QuietProgress {
  private readonly log: FencedLog;
  private readonly subject: string;
  private expected = 0;

  constructor(log: FencedLog, subject: string) {
    this.log = log;
    this.subject = subject;
  }

  /** What was noted last, and the end of the letters' subject then. To be read before that end is. */
  async recall(): Promise<(Quiet & { readonly end: number }) | undefined> {
    const last = await this.log.last(this.subject);
    this.expected = last?.sequence ?? 0;
    if (last === undefined) return undefined;
    const [format, seq, part, watermark, end] = unpack(last.body);
    if (format !== FORMAT) throw new RangeError(`${this.subject}: not a lane's progress of format ${FORMAT}`);
    return { upto: { seq, part }, watermark: instant(watermark), end };
  }

  /** @param end sequence of the last message of the letters' subject */
  async note({ upto, watermark }: Quiet, end: number): Promise<Appended> {
    const answer = await this.log.append(
      this.subject,
      this.expected,
      pack([FORMAT, upto.seq, upto.part, watermark, end]),
    );
    if (answer.kind !== 'stored') return answer;
    this.expected = answer.sequence;
    await this.log.trim(this.subject, answer.sequence);
    return answer;
  }
}

/** The later of two positions. */
export const laterOf = (a: Position, b: Position): Position => (comparePositions(a, b) < 0 ? b : a);

const FORMAT = 1;
