import type { SourceRead } from './events-read.ts';
import type { ExpectedOutputs } from './model.ts';
import { SOURCES, type SourceName } from './rules.ts';
import type { StoredOutput } from './stored-outputs.ts';

/** What a run amounts to. All but `expected` and `stored` should be 0. */
export interface Verdict {
  readonly expected: number;
  readonly stored: number;
  readonly lost: number;
  readonly doubled: number;
  /** Outputs that nothing implies, not even once. */
  readonly invented: number;
  /** Keys and rules whose outputs are all there, in another order. */
  readonly misordered: number;
  /** Messages whose id or ordinal is not the next one of their subject. */
  readonly misnumbered: number;
  /** Keys whose outputs of one rule are on several subjects. */
  readonly spread: number;
  readonly deadLettersWrong: number;
  /** The first few of what is wrong, in words. */
  readonly examples: readonly string[];
}

export const isClean = (verdict: Verdict): boolean =>
  verdict.lost +
    verdict.doubled +
    verdict.invented +
    verdict.misordered +
    verdict.misnumbered +
    verdict.spread +
    verdict.deadLettersWrong ===
  0;

/**
 * Holds what is stored against what must have come out:
 * every output exactly once, a key's outputs of one rule in order and on one subject, each subject's numbered 1, 2, 3 …,
 * and every message that is no event a dead letter exactly once.
 */
export function judge(
  expected: ExpectedOutputs,
  stored: readonly StoredOutput[],
  sources: Readonly<Record<SourceName, SourceRead>>,
  deadLetters: readonly string[],
): Verdict {
  const examples: string[] = [];
  const complain = (what: string) => {
    if (examples.length < EXAMPLES_MAX) examples.push(what);
  };
  const groups = new Map<string, StoredOutput[]>();
  for (const output of stored) {
    const before = groups.get(output.group);
    if (before === undefined) groups.set(output.group, [output]);
    else before.push(output);
  }
  const sums = { expected: 0, lost: 0, doubled: 0, invented: 0, misordered: 0, spread: 0 };
  for (const group of new Set([...expected.keys(), ...groups.keys()])) {
    const wanted = expected.get(group) ?? [];
    const there = groups.get(group) ?? [];
    sums.expected += wanted.length;
    if (new Set(there.map(({ subject }) => subject)).size > 1) {
      sums.spread += 1;
      complain(`${group} is spread over several subjects`);
    }
    const counts = new Map<string, { due: number; found: number }>();
    for (const { text } of wanted) countOf(counts, text).due += 1;
    for (const { text } of there) countOf(counts, text).found += 1;
    let differs = false;
    for (const [text, { due, found }] of counts) {
      if (due === found) continue;
      differs = true;
      if (due > found) sums.lost += due - found;
      else if (due > 0) sums.doubled += found - due;
      else {
        sums.invented += 1;
        sums.doubled += found - 1;
      }
      complain(`${group}: due ${due} times, stored ${found} times: ${text}`);
    }
    const wrong = differs ? -1 : firstOutOfOrder(wanted, there);
    if (wrong < 0) continue;
    sums.misordered += 1;
    complain(`${group}: its output ${wrong + 1} is out of order: ${there[wrong]!.text}`);
  }
  const misnumbered = numbersWrong(stored, complain);
  const deadLettersWrong = deadWrong(sources, deadLetters, complain);
  return { ...sums, stored: stored.length, misnumbered, deadLettersWrong, examples };
}

function countOf(counts: Map<string, { due: number; found: number }>, text: string): { due: number; found: number } {
  let count = counts.get(text);
  if (count === undefined) counts.set(text, (count = { due: 0, found: 0 }));
  return count;
}

/** Of the same outputs in two orders: the first place where the moments are not in order; -1 when they are. */
function firstOutOfOrder(
  wanted: readonly { text: string; moment: number }[],
  there: readonly { text: string }[],
): number {
  const moments = new Map<string, number[]>();
  for (const { text, moment } of wanted) {
    const before = moments.get(text);
    if (before === undefined) moments.set(text, [moment]);
    else before.push(moment);
  }
  let latest = Number.NEGATIVE_INFINITY;
  return there.findIndex(({ text }) => {
    const moment = moments.get(text)!.shift()!;
    const isWrong = moment < latest;
    latest = Math.max(latest, moment);
    return isWrong;
  });
}

function numbersWrong(stored: readonly StoredOutput[], complain: (what: string) => void): number {
  const reached = new Map<string, number>();
  let wrong = 0;
  for (const { subject, id, ordinal } of stored) {
    const due = (reached.get(subject) ?? 0) + 1;
    reached.set(subject, due);
    const [, , ...names] = subject.split('.');
    const shard = names.pop();
    if (ordinal === String(due) && id === `${names.join('.')}/${shard}/${due}`) continue;
    wrong += 1;
    complain(`${subject}: its message number ${due} has the id ${id} and the ordinal ${ordinal}`);
  }
  return wrong;
}

function deadWrong(
  sources: Readonly<Record<SourceName, SourceRead>>,
  deadLetters: readonly string[],
  complain: (what: string) => void,
): number {
  const counts = new Map<string, { due: number; found: number }>();
  for (const source of SOURCES) {
    for (const seq of sources[source].unreadable) countOf(counts, `${source} ${seq} undecodable`).due += 1;
  }
  for (const letter of deadLetters) countOf(counts, letter).found += 1;
  let wrong = 0;
  for (const [letter, { due, found }] of counts) {
    if (due === found) continue;
    wrong += 1;
    complain(`dead letter ${letter}: due ${due} times, stored ${found} times`);
  }
  return wrong;
}

const EXAMPLES_MAX = 12;
