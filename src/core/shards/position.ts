/**
 * How far a source has been read: everything in messages before `seq`, and the first `part` events of message `seq`.
 * `part` is `WHOLE` when the message is done, which is the normal case; only a message whose events do not fit into
 * one record is ever cut.
 */
export interface Position {
  readonly seq: number;
  readonly part: number;
}

export const WHOLE = 0x7fffffff;

/** Before the first message of a stream. */
export const ORIGIN: Position = { seq: 0, part: WHOLE };

export const whole = (seq: number): Position => ({ seq, part: WHOLE });

/** Negative when `a` is before `b`, 0 when they are the same position. */
export function comparePositions(a: Position, b: Position): number {
  return a.seq - b.seq || a.part - b.part;
}

/** True when event number `index` of message `seq` lies at or before the position. */
export function covers(position: Position, seq: number, index: number): boolean {
  return seq < position.seq || (seq === position.seq && index < position.part);
}

export function showPosition(position: Position): string {
  return position.part === WHOLE ? String(position.seq) : `${position.seq}[${position.part}]`;
}
