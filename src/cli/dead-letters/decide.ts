import {
  type DeadLetterDecision,
  decodeDecision,
  encodeDecision,
  replayableOf,
} from '../../core/events/dead-letter-decision.ts';
import { formatInstant } from '../../core/time/format-instant.ts';
import type { Clock } from '../../ports/clock.ts';
import type { FencedLog } from '../../ports/log.ts';
import { backoff, pause } from '../../ports/pause.ts';
import { PortError } from '../../ports/port-error.ts';
import type { Catalog, Decided, FoundLetter } from './catalog.ts';
import type { Original } from './original.ts';

/** What became of one letter that somebody wanted replayed or dropped. */
export type Outcome =
  | { readonly kind: 'replayed' | 'dropped' }
  | { readonly kind: 'refused'; readonly code: RefusalCode; readonly why: string };

export type RefusalCode =
  | 'DEAD_LETTER_UNKNOWN'
  | 'DEAD_LETTER_DECIDED'
  | 'DEAD_LETTER_NOT_REPLAYABLE'
  | 'DEAD_LETTER_ORIGINAL_GONE'
  | 'TOO_LARGE';

export const refused = (code: RefusalCode, why: string): Outcome => ({ kind: 'refused', code, why });

interface Deciding {
  readonly log: FencedLog;
  readonly clock: Clock;
  readonly catalog: Catalog;
  readonly originalOf: (found: FoundLetter) => Promise<Original>;
}

/** Stores the original of a letter where the lane of replays finds it, unless something was decided before. */
export async function replayLetter(found: FoundLetter, deciding: Deciding): Promise<Outcome> {
  const before = await deciding.catalog.decided(found);
  if (before !== undefined) return alreadyDecided(before);
  const replayable = replayableOf(found.letter);
  if (replayable.kind === 'not') return refused('DEAD_LETTER_NOT_REPLAYABLE', replayable.why);
  const original = await deciding.originalOf(found);
  if (original.kind === 'gone') return refused('DEAD_LETTER_ORIGINAL_GONE', original.why);
  const { index, rules } = replayable;
  return decide(found, deciding, {
    kind: 'replay',
    id: found.id,
    source: found.letter.source,
    message: original.message,
    index,
    rules,
  });
}

/** Marks a letter as done, so that lists no longer show it. The letter itself stays where it is. */
export function dropLetter(found: FoundLetter, deciding: Deciding): Promise<Outcome> {
  return decide(found, deciding, { kind: 'drop', id: found.id });
}

/**
 * One fenced append that expects no message before it. Without an answer it is sent again, the same bytes: then either
 * the first or a later one is stored, or the end shows another's decision.
 */
async function decide(
  found: FoundLetter,
  { log, clock, catalog }: Deciding,
  decision: DeadLetterDecision,
): Promise<Outcome> {
  const body = encodeDecision(decision);
  const done: Outcome = { kind: decision.kind === 'replay' ? 'replayed' : 'dropped' };
  for (let attempt = 0; ; attempt += 1) {
    let answer: Awaited<ReturnType<FencedLog['append']>>;
    try {
      answer = await log.append(catalog.decisionSubject(found), 0, body);
    } catch (error) {
      if (!(error instanceof PortError) || error.code !== 'TOO_LARGE') throw error;
      return refused(
        'TOO_LARGE',
        `The message is as large as the server takes, and a replay is larger: ${error.message}. Raise max_payload.`,
      );
    }
    if (answer.kind === 'stored') return done;
    if (answer.kind === 'unknown') {
      await pause(clock, backoff(attempt));
      continue;
    }
    const end = await log.last(catalog.decisionSubject(found));
    if (end === undefined) continue;
    if (attempt > 0 && body.equals(end.body)) return done;
    return alreadyDecided({ decision: decodeDecision(end.body), at: end.stamp });
  }
}

function alreadyDecided({ decision, at }: Decided): Outcome {
  const what = decision.kind === 'replay' ? 'replayed' : 'dropped';
  return refused('DEAD_LETTER_DECIDED', `It was ${what} at ${formatInstant(at)}; a letter is decided once.`);
}
