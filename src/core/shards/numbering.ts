/** From a message of the source's stream on, the lane counts its numbers otherwise than the stream does. */
export interface Renumbering {
  /** The last sequence of the stream to which it does not apply. */
  readonly after: number;
  /** What the lane adds to the stream's sequences after it. */
  readonly shift: number;
}

/**
 * Numbers of a source's messages as its lane counts them. They are the stream's own, until the stream uses numbers again
 * that were read before (it was made anew, or lost its last messages) and the source goes on all the same: then what
 * comes is counted on from what was read, so that positions never go back and no event has the id of another.
 */
export class Numbering {
  private readonly renumberings: readonly Renumbering[];

  /** @param renumberings ascending; each goes on where those before it ended */
  constructor(renumberings: readonly Renumbering[]) {
    this.renumberings = renumberings;
  }

  /** Whether the lane counts as the stream does. */
  get isPlain(): boolean {
    return this.renumberings.length === 0;
  }

  /** The lane's number of a message of the stream. */
  laneNumber(sequence: number): number {
    const last = this.renumberings.findLast(({ after }) => after < sequence);
    return sequence + (last?.shift ?? 0);
  }

  /** The last sequence of the stream whose number is at most this one: the message itself, if the stream still has it. */
  streamSequence(number: number): number {
    let most = Number.POSITIVE_INFINITY;
    for (const { after, shift } of this.renumberings.toReversed()) {
      if (number > after + shift) return Math.min(number - shift, most);
      most = after;
    }
    return Math.min(number, most);
  }
}
