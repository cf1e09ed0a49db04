import { decodeDeadRecord } from '../../src/core/shards/dead-record.ts';
import { comparePositions, covers, type Position, showPosition } from '../../src/core/shards/position.ts';
import { decodeRecord, type RoutedEvent } from '../../src/core/shards/record.ts';
import type { Heard } from './expectation.ts';
import { refOf } from './plain-rule.ts';
import { goesIdle, type SimulatedSource } from './scenario.ts';
import { EPOCH, type StoredMessage } from './store.ts';

/** What a record of a lane says, whichever kind it is. */
interface LaneRecord {
  readonly from: Position;
  readonly upto: Position;
  readonly watermark: number;
  readonly places: readonly { readonly seq: number; readonly index: number }[];
  readonly events: readonly RoutedEvent[];
}

/**
 * Holds one lane's records of one shard, or its dead letters, against what its source has (K5, K6 and K9 of the checker).
 * @param source undefined for a lane that is told its time by the rule whose matches it reads
 */
export function checkLane(
  subject: string,
  messages: readonly StoredMessage[],
  source: SimulatedSource | undefined,
  heard: readonly Heard[],
): string[] {
  const violations: string[] = [];
  let before: Position | undefined;
  let told = Number.NEGATIVE_INFINITY;
  for (const message of messages) {
    const record = readRecord(subject, message.body);
    const { from, upto, watermark, places } = record;
    const name = `${subject}: record ${message.sequence}`;
    if (before !== undefined && comparePositions(before, from) !== 0)
      violations.push(`${name} begins after ${showPosition(from)}, the one before it ends at ${showPosition(before)}`);
    if (comparePositions(from, upto) > 0) violations.push(`${name} goes backwards`);
    if (places.some(({ seq, index }) => covers(from, seq, index) || !covers(upto, seq, index)))
      violations.push(`${name} holds events outside its range`);
    const last = heard.findLast(({ seq, index }) => covers(upto, seq, index));
    const [least, most] =
      source === undefined ? ANY : bounds(source, last?.after ?? Number.NEGATIVE_INFINITY, EPOCH + message.at);
    if (watermark < least || watermark > most) {
      const off = watermark < least ? watermark - least : watermark - most;
      violations.push(`${name} ends at ${showPosition(upto)}, its watermark is off by ${off} ms`);
    }
    if (watermark < told) violations.push(`${name} takes back ${told - watermark} ms of its watermark`);
    violations.push(...checkEvents(name, record.events, source, told));
    told = Math.max(told, watermark);
    before = upto;
  }
  return violations;
}

/** What a watermark may be, at a position after which the events alone say `due`, in a record stored at `at`. */
function bounds(source: SimulatedSource, due: number, at: number): [number, number] {
  if (!goesIdle(source) || due === Number.NEGATIVE_INFINITY) return [due, due];
  // Silence is counted from the last event on: at most all the time that there was, less what is allowed.
  const { clocks, disorder, idleAfter } = source;
  return [due, Math.max(due, at + clocks[0]! - disorder - idleAfter)];
}

const ANY = [Number.NEGATIVE_INFINITY, Number.POSITIVE_INFINITY] as const;

function checkEvents(
  name: string,
  events: readonly RoutedEvent[],
  source: SimulatedSource | undefined,
  told: number,
): string[] {
  const keepsTime = source !== undefined && (goesIdle(source) || source.clocks.length > 1);
  return events.flatMap(({ event, lag }) => {
    if (lag > event.time - told) return [`${name}: ${refOf(event)} is older than it says, by what was told before`];
    return keepsTime && lag < 0 ? [`${name}: ${refOf(event)} is late by ${-lag} ms, though it came as allowed`] : [];
  });
}

function readRecord(subject: string, body: Uint8Array): LaneRecord {
  if (subject.split('.')[1] === 'shard') {
    const record = decodeRecord(body);
    return { ...record, places: record.events.map(({ event }) => event) };
  }
  const record = decodeDeadRecord(body);
  return { ...record, events: [], places: record.letters.map(placeOf) };
}

function placeOf(letter: Uint8Array): { seq: number; index: number } {
  const { sequence, index = 0 } = JSON.parse(Buffer.from(letter).toString());
  return { seq: sequence, index };
}
