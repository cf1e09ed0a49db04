import { pack, unpack } from 'msgpackr';
import { comparePositions, type Position } from '../core/shards/position.ts';
import type { ClockState } from '../core/time/source-clock.ts';
import { instant } from '../core/time/units.ts';
import type { FencedLog } from '../ports/log.ts';

/**
 * Keeps the state of a lane's clock where a successor finds it (protocol.md, T3), for sources whose publishers have
 * clocks of their own, or that are told their time: the watermark in the records does not say which publisher it was waiting for, and who does not
 * know promises too much.
 *
 * What is stored belongs to a position that every output has passed, so a lane that starts over from it derives again
 * all that was still under way.
 */
export class LaneClock {
  private readonly log: FencedLog;
  private readonly subject: string;
  private expected = 0;
  private next: LaneClockState | undefined;
  private storing = false;

  constructor(log: FencedLog, subject: string) {
    this.log = log;
    this.subject = subject;
  }

  /** What the last lane stored; undefined when none ever did. */
  async takeOver(): Promise<LaneClockState | undefined> {
    const last = await this.log.last(this.subject);
    this.expected = last?.sequence ?? 0;
    if (last === undefined) return undefined;
    const [format, seq, part, watermark, publishers, ticks] = unpack(last.body);
    if (format !== FORMAT) throw new RangeError(`${this.subject}: not a lane's clock of format ${FORMAT}`);
    const state = { watermark: instant(watermark), publishers: publishers ?? undefined, ticks: ticks ?? undefined };
    return { upto: { seq, part }, state };
  }

  /**
   * Once in a while, tells where the lane is and how its clock stands there.
   * @param passed the least position that all outputs have acknowledged
   */
  async beat(upto: Position, state: ClockState, passed: Position): Promise<void> {
    const ready = this.next;
    if (this.storing) return;
    if (ready !== undefined && comparePositions(ready.upto, passed) > 0) return;
    this.next = { upto, state };
    if (ready === undefined) return;
    this.storing = true;
    try {
      const { watermark, publishers, ticks } = ready.state;
      const body = pack([FORMAT, ready.upto.seq, ready.upto.part, watermark, publishers ?? null, ticks ?? null]);
      const answer = await this.log.append(this.subject, this.expected, body);
      if (answer.kind === 'stored') {
        this.expected = answer.sequence;
        await this.log.trim(this.subject, answer.sequence);
      }
      // Another lane's state, or perhaps this one's: either is good, and the next beat stores a newer one.
      else this.expected = (await this.log.last(this.subject))?.sequence ?? 0;
    } finally {
      this.storing = false;
    }
  }
}

export interface LaneClockState {
  readonly upto: Position;
  readonly state: ClockState;
}

const FORMAT = 1;
