import { decodeDecision } from '../core/events/dead-letter-decision.ts';
import type { SourceMessage } from '../core/events/decoded.ts';
import type { SourceSettings } from '../core/events/source-settings.ts';
import { decodeRecord } from '../core/shards/record.ts';
import type { Subjects } from '../core/shards/subjects.ts';
import type { Tick } from '../core/shards/tick.ts';
import { duration } from '../core/time/units.ts';
import type { Clock } from '../ports/clock.ts';
import type { EventSource, FencedLog, LogMessage } from '../ports/log.ts';
import { pause } from '../ports/pause.ts';

/**
 * Dead letters that somebody wants processed again come back by a lane of their own (protocol.md, M8): one for each
 * source, since its settings apply. What it reads are decisions; each is once there, so each event comes back once.
 *
 *   R1. No rule's clock waits for such a lane: it has no part in the rules' sources.
 *   R2. Its events are not late for being old, and never older than what their key has seen: see `KeyStep`.
 *   R3. They are shown only to the rules that have not seen them.
 */
export interface ReplayedFrom {
  /** Id of the dead letter. */
  readonly id: string;
  /** Which event of the message; undefined = all. */
  readonly index: number | undefined;
  /** Rules that are to see it; undefined = all. */
  readonly rules: readonly string[] | undefined;
}

/** What a message of a lane's source is to be taken for. */
export type Intended =
  | { readonly kind: 'message'; readonly message: SourceMessage; readonly replay: ReplayedFrom | undefined }
  /** A letter that was dropped: there is nothing to do. */
  | { readonly kind: 'nothing' }
  | { readonly kind: 'foreign'; readonly why: string }
  /** No event: the source says how far its time has come. */
  | { readonly kind: 'tick'; readonly shard: number; readonly tick: Tick };

export const ordinary = (message: LogMessage): Intended => ({ kind: 'message', message, replay: undefined });

/** The original message in a decision. */
export function replayed({ body }: LogMessage): Intended {
  try {
    const decision = decodeDecision(body);
    if (decision.kind === 'drop') return { kind: 'nothing' };
    const { id, index, rules, message } = decision;
    return { kind: 'message', message, replay: { id, index, rules } };
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    return { kind: 'foreign', why: `Somebody else has written to a subject of replays: ${error.message}.` };
  }
}

interface RulesTold {
  readonly ports: { readonly log: FencedLog; readonly clock: Clock };
  readonly settings: SourceSettings;
  readonly shards: number;
  readonly subjects: Subjects;
  readonly ruleVersion: () => number;
}

/**
 * Waits until the lane of the source has told all shards by which rules it keys now: what is replayed is meant for them,
 * and they run only from there on.
 */
export async function sourceHasTold(
  { ports, settings, shards, subjects, ruleVersion }: RulesTold,
  givenUp: () => boolean,
): Promise<void> {
  if (ruleVersion() === 1) return;
  for (let shard = 0; shard < shards && !givenUp(); ) {
    const end = await ports.log.last(subjects.shardLog(shard, settings.name));
    if (end === undefined || decodeRecord(end.body).ruleVersion >= ruleVersion()) shard += 1;
    else await pause(ports.clock, TOLD_MS);
  }
}

const TOLD_MS = 100;

/** The source's settings for what is replayed: how it is read stays, how it is timed has no meaning. */
export const replaySettings = (source: SourceSettings): SourceSettings => ({
  ...source,
  start: { kind: 'beginning' },
  disorder: duration(0),
  idleAfter: duration(Number.POSITIVE_INFINITY),
  publisher: undefined,
});

/** What was decided about a source's dead letters, as a source of events. */
export const replaySource = (log: FencedLog, decisions: string): EventSource => ({
  facts: () => log.facts(decisions),
  // It is read from the beginning, so nobody asks.
  sequenceAt: async () => (await log.facts(decisions)).firstSequence,
  read: (from) => log.read(decisions, from),
});
