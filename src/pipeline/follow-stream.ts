import type { SourceSettings } from '../core/events/source-settings.ts';
import { encodeLaneStart } from '../core/shards/lane-start.ts';
import { Numbering, type Renumbering } from '../core/shards/numbering.ts';
import { type InstantMs, instant } from '../core/time/units.ts';
import type { Clock } from '../ports/clock.ts';
import type { EventSource, FencedLog, StreamFacts } from '../ports/log.ts';
import type { Logger } from '../ports/logger.ts';
import type { SourceMeasures } from '../ports/measures.ts';
import { backoff, pause } from '../ports/pause.ts';
import { laneStart, type StoredStart } from './lane-start.ts';
import { type StreamChange, StreamChanged, whatHappened } from './stream-changed.ts';

/** How far the records of a lane have come, over all its outputs. */
export interface LaneReached {
  /** Numbers of the source's messages up to which the furthest output and the one furthest behind have them. */
  readonly most: number;
  readonly least: number;
  /** Stored time of the last message that was read by then; 0 = not known. */
  readonly stamp: InstantMs;
}

/** A source's stream, compared with what was read of it. */
export interface FollowedStream {
  readonly facts: StreamFacts;
  readonly numbering: Numbering;
}

/**
 * Compares a source's stream with what a lane's records say of it (protocol.md, P8): whether it is the same, and still
 * has what was read last. A difference is an error, or noted and passed over, as the source is configured.
 *
 *   F1. A stream that uses sequences again (made anew, or without its tail) is renumbered: its messages count on from the
 *       furthest record. So ranges stay adjacent, positions never go back, and ids of events stay unique.
 *   F2. The renumbering is stored with the lane's start, fenced, before anything is read by it.
 *
 * @throws {StreamChanged} when the source is to stop
 */
export async function followStream(options: FollowOptions, stored: StoredStart, reached: LaneReached) {
  let known = stored;
  for (let attempt = 0; ; attempt += 1) {
    const { start, sequence } = known;
    const numbering = new Numbering(start.renumberings);
    const facts = await options.source.facts();
    const change = await changeOf(options.source, { facts, created: start.created, numbering, reached });
    if (change === undefined) return { facts, numbering };
    known = await laneStart(options);
    if (known.sequence !== sequence) continue; // somebody else has seen it too
    stopOrNote(options, change, missedBy(change, numbering, reached));
    const renumberings = renumbered(change, start.renumberings, reached);
    const { ports, subjects, name } = options;
    const body = encodeLaneStart({ ...start, created: facts.created, renumberings });
    const answer = await ports.log.append(subjects.laneStart(name), sequence, body);
    known = await laneStart(options);
    if (answer.kind === 'unknown') await pause(ports.clock, backoff(attempt));
  }
}

/**
 * The first message to be read after a number, in the lane's numbers: the next one, or what a purge or the stream's
 * retention has left.
 * @throws {StreamChanged} when something was removed before it was read and the source is to stop
 */
export function firstToRead(options: FollowOptions, { facts, numbering }: FollowedStream, next: number): number {
  const wanted = numbering.streamSequence(next - 1) + 1;
  if (facts.firstSequence <= wanted) return next;
  const first = numbering.laneNumber(facts.firstSequence);
  if (options.settings.onlyNewest === true) return first;
  stopOrNote(options, { kind: 'purged', from: wanted, first: facts.firstSequence }, first - next);
  return first;
}

interface Compared {
  readonly facts: StreamFacts;
  readonly created: string;
  readonly numbering: Numbering;
  readonly reached: LaneReached;
}

async function changeOf(source: EventSource, compared: Compared): Promise<StreamChange | undefined> {
  const { facts, created, numbering, reached } = compared;
  if (facts.created !== created) return { kind: 'recreated', before: created, now: facts.created };
  const read = numbering.streamSequence(reached.most);
  if (read > facts.lastSequence) return { kind: 'lostTail', read, ends: facts.lastSequence };
  if (read === 0 || reached.stamp === 0) return undefined;
  const storedAt = await source.storedAt?.(read);
  if (storedAt === undefined || storedAt <= reached.stamp + SAME_MS) return undefined;
  // What was read then is gone, and others have taken its numbers since.
  const others = await source.sequenceAt(instant(reached.stamp + SAME_MS));
  return { kind: 'lostTail', read, ends: Math.min(others, read) - 1 };
}

/** How many messages that were not read are gone with the change, at most. */
function missedBy(change: StreamChange, numbering: Numbering, { most, least }: LaneReached): number {
  if (change.kind !== 'lostTail') return most - least;
  return Math.max(0, most - Math.max(least, numbering.laneNumber(change.ends)));
}

function renumbered(change: StreamChange, before: readonly Renumbering[], { most }: LaneReached): Renumbering[] {
  if (change.kind !== 'lostTail') return [{ after: 0, shift: most }];
  return [...before.filter(({ after }) => after < change.ends), { after: change.ends, shift: most - change.ends }];
}

function stopOrNote({ settings, ports, measures }: FollowOptions, change: StreamChange, missed: number): void {
  const { name: source, stream, onStreamChanged = 'stop' } = settings;
  if (onStreamChanged === 'stop') throw new StreamChanged(source, stream, change);
  const { kind } = change;
  measures.streamChanges.set(kind, (measures.streamChanges.get(kind) ?? 0) + 1);
  measures.messagesMissed += missed;
  ports.logger.error(
    { source, change, missed },
    `source ${source} goes on all the same: ${whatHappened(stream, change)}`,
  );
}

/** Two readings of the stored time of one message may differ by less than this. */
const SAME_MS = 1;

export interface FollowOptions {
  readonly ports: { readonly log: FencedLog; readonly clock: Clock; readonly logger: Logger };
  readonly shards: number;
  readonly name: string;
  readonly source: EventSource;
  readonly settings: SourceSettings;
  readonly subjects: Parameters<typeof laneStart>[0]['subjects'];
  readonly measures: SourceMeasures;
}
