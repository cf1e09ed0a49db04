import { type Attempt, compareTurnNames, type KeyRange, type TurnName } from '../core/shards/attempt.ts';

/**
 * What to make of owners that ended without having brought their shard on: a decision from what the journal's end says,
 * and from nothing else (docs/decisions/0020).
 *
 *   - Two openings with no commit between them: be careful. A careful owner says in an attempt what it is about to run.
 *   - A life whose last word is an attempt died of what the attempt names, for all that is known: it is blamed.
 *   - What is blamed is run again in pieces, each with an attempt of its own, so each death names a smaller piece.
 *   - A single call that two lives died of is parked: it is not made any more, and becomes a dead letter.
 *
 * Without an attempt nobody is blamed, however often a process is killed.
 */
export interface Caution {
  /** Whether every batch is to be announced by an attempt. */
  readonly careful: boolean;
  /** What the last life that had announced anything died of; undefined when that is not known. */
  readonly blamed: Attempt | undefined;
  /** Calls that ended the process twice. */
  readonly parked: readonly ParkedCall[];
}

/** One call of a rule in one key's turn in one record (see attempt). */
export interface ParkedCall extends TurnName {
  /** Shard-log sequence of the record. */
  readonly record: number;
  readonly call: number;
}

/** What the journal has after the last commit that brought the shard on. */
export interface Said {
  readonly incarnation: string;
  /** Undefined for the opening. */
  readonly attempt: Attempt | undefined;
}

/** A call that this many lives died of is parked. */
const DEATHS_MAX = 2;

/**
 * @param said oldest first; the last is the own opening
 * @param survived whether an incarnation ended without its process: then it died of nothing that it ran
 */
export function decideCaution(said: readonly Said[], survived: (incarnation: string) => boolean): Caution {
  const lives: { incarnation: string; last: Attempt | undefined }[] = [];
  for (const { incarnation, attempt } of said) {
    const life = lives.at(-1);
    // The first life may have brought the shard on before it tried more: its opening is not among these then.
    if (attempt === undefined || life === undefined) lives.push({ incarnation, last: attempt });
    else life.last = attempt;
  }
  lives.pop();
  const deaths = lives.filter(({ incarnation }) => !survived(incarnation));
  let blamed: Attempt | undefined;
  const parked: ParkedCall[] = [];
  const times = new Map<string, number>();
  for (const { last } of deaths) {
    if (last === undefined) continue;
    blamed = last;
    const { calls, keys } = last;
    if (calls === undefined || keys === undefined || calls.upto - calls.from !== 1) continue;
    const { keyspace, key } = keys.first;
    const call = { keyspace, key, record: last.from, call: calls.from };
    const name = JSON.stringify(call);
    const died = (times.get(name) ?? 0) + 1;
    times.set(name, died);
    if (died < DEATHS_MAX) continue;
    parked.push(call);
    // What comes after it in the same turn is not known yet.
    blamed = { ...last, calls: { from: calls.upto, upto: calls.upto } };
  }
  return { careful: deaths.length > 0, blamed, parked };
}

/** Pieces into which what is blamed is cut: one more append each, against one more death for each time it is not enough. */
const PIECES = 64;
/** Calls that are tried one by one when nothing is known of a turn; after them their number is doubled. */
const SINGLE_CALLS = 16;

/**
 * How many of the records at hand make the next batch.
 * @param sequences of the records at hand, ascending, at least one
 * @param fit how many of them fit into a batch
 */
export function recordsToRun(blamed: Attempt | undefined, sequences: readonly number[], fit: number): number {
  if (blamed === undefined || sequences[0]! > blamed.upto) return fit;
  const upto = (sequence: number): number => {
    const beyond = sequences.findIndex((other) => other > sequence);
    return beyond < 0 ? sequences.length : beyond;
  };
  if (sequences[0]! < blamed.from) return Math.min(fit, upto(blamed.from - 1));
  return Math.min(fit, upto(blamed.upto), pieceOf(blamed.records));
}

/**
 * The turns of one record in pieces: how many each takes, in the order given.
 * @param turns in the order of `compareTurnNames`
 * @param blamed range within them that is blamed; undefined = all
 */
export function turnsToRun(blamed: KeyRange | undefined, turns: readonly TurnName[]): number[] {
  const before = blamed === undefined ? 0 : turns.filter((turn) => compareTurnNames(turn, blamed.first) < 0).length;
  const within =
    blamed === undefined
      ? turns.length
      : turns.filter((turn) => compareTurnNames(turn, blamed.last) <= 0).length - before;
  const piece = pieceOf(within);
  const pieces: number[] = [];
  if (before > 0) pieces.push(before);
  for (let left = within; left > 0; left -= piece) pieces.push(Math.min(piece, left));
  const after = turns.length - before - within;
  if (after > 0) pieces.push(after);
  return pieces;
}

/**
 * How far a turn that is blamed is run next, when its first `ended` calls have been seen to end.
 * @param blamed calls that a life died of; undefined = it is not known which
 */
export function callsToRun(
  blamed: { readonly from: number; readonly upto: number } | undefined,
  ended: number,
): number {
  if (blamed !== undefined && ended < blamed.from) return blamed.from;
  if (blamed !== undefined && ended < blamed.upto)
    return Math.min(blamed.upto, ended + pieceOf(blamed.upto - blamed.from));
  return ended < SINGLE_CALLS ? ended + 1 : ended * 2;
}

const pieceOf = (size: number): number => Math.max(1, Math.ceil(size / PIECES));
