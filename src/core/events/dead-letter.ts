import type { StepEvents } from '../behaviours/behaviour.ts';
import type { KeyValue } from '../rules/rule-set.ts';
import { formatInstant } from '../time/format-instant.ts';
import { parseInstant } from '../time/parse-instant.ts';
import type { InstantMs } from '../time/units.ts';

/**
 * The stored form of a dead letter: JSON that says what could not be processed, why, and where the original lies, with
 * the original itself so that it can be replayed after the source's stream has let go of it. What would not fit the
 * server's limit is left out, largest part first, and `omitted` names it: the reference (stream, sequence) remains.
 */

/**
 * Why an event was not processed. The lane: `undecodable`, `extraction` (the source's `each` or `let`), `time`, `key`,
 * `tooLarge`. The shard: `failed` (a rule threw), `killed` (the process ended twice while a rule was shown it), `limit` (a partial match over a limit), `emit` (a
 * match whose `emit` cannot be encoded).
 */
export const DEAD_CAUSES = [
  'undecodable',
  'extraction',
  'time',
  'key',
  'tooLarge',
  'failed',
  'killed',
  'limit',
  'emit',
] as const;
export type DeadCause = (typeof DEAD_CAUSES)[number];

export interface DeadLetter {
  readonly cause: DeadCause;
  /** What happened, as a sentence. At most 2,000 characters are stored. */
  readonly message: string;
  /** When it was given up: the time of the record or message that was being processed, not of any clock. */
  readonly time: InstantMs;
  /** The source's name in the configuration, and its JetStream stream. */
  readonly source: string;
  readonly stream: string;
  /** Stream sequence of the message that held it. */
  readonly sequence: number;
  /** Which event of that message; undefined when it is the message as a whole. */
  readonly index: number | undefined;
  readonly subject: string;
  /** How many values of the message it stands for, from `index` on, when it is not one (see `Decoded.rejected`). */
  readonly further?: number | undefined;
  /** Rules that did not see the event although others did; undefined: no rule did, or `rule` is the one. */
  readonly rules?: readonly string[] | undefined;
  /** Set when the event came from a replay: the letter that was replayed, and the place among the source's replays. */
  readonly replayed?: { readonly id: string; readonly sequence: number } | undefined;
  /** The rule that could not process it, and the key it was processed for; undefined in the lane. */
  readonly rule: string | undefined;
  readonly key: KeyValue | undefined;
  /** The events of a partial match or match that is the dead letter; undefined when it is one event or message. */
  readonly events: readonly StepEvents[] | undefined;
  /** The message's headers and bytes; undefined when only the reference is kept. */
  readonly headers: Readonly<Record<string, string>> | undefined;
  readonly body: Uint8Array | undefined;
  /** What was left out when it was stored; for encoding of no effect. */
  readonly omitted?: readonly Omitted[];
}

/** Parts of a dead letter that were left out because the whole would not have fitted. */
export type Omitted = 'body' | 'headers' | 'events' | 'key';

const MESSAGE_MAX = 2000;
const OMIT_ORDER: readonly Omitted[] = ['body', 'headers', 'events', 'key'];

/**
 * Encodes a dead letter as JSON of at most `bytesMax` bytes (a limit of 16 KiB or more always suffices for what cannot
 * be left out, given subject and names of at most 2 KiB in all).
 */
export function encodeDeadLetter(letter: DeadLetter, bytesMax: number): Uint8Array {
  const omitted: Omitted[] = [];
  // Base64 grows by a third: an over-large body need not be encoded to know that it will not fit.
  if (letter.body !== undefined && letter.body.length * (4 / 3) > bytesMax) omitted.push('body');
  let bytes = Buffer.from(textOf(letter, omitted));
  for (const part of OMIT_ORDER) {
    if (bytes.length <= bytesMax) break;
    if (omitted.includes(part) || letter[part] === undefined) continue;
    omitted.push(part);
    bytes = Buffer.from(textOf(letter, omitted));
  }
  return bytes;
}

function textOf(letter: DeadLetter, omitted: readonly Omitted[]): string {
  const kept = <Part extends Omitted>(part: Part) => (omitted.includes(part) ? undefined : letter[part]);
  const body = kept('body');
  return JSON.stringify({
    cause: letter.cause,
    message: letter.message.slice(0, MESSAGE_MAX),
    time: formatInstant(letter.time),
    source: letter.source,
    stream: letter.stream,
    sequence: letter.sequence,
    index: letter.index,
    further: letter.further,
    subject: letter.subject,
    rules: letter.rules,
    replayed: letter.replayed,
    rule: letter.rule,
    key: kept('key'),
    events: kept('events'),
    headers: kept('headers'),
    body: body && Buffer.from(body.buffer, body.byteOffset, body.length).toString('base64'),
    omitted: omitted.length > 0 ? omitted : undefined,
  });
}

/**
 * Reads a stored dead letter.
 * @throws {RangeError} when the bytes are no dead letter.
 */
export function decodeDeadLetter(bytes: Uint8Array): DeadLetter & { readonly omitted: readonly Omitted[] } {
  const stored = storedFields(bytes);
  const time = parseInstant(stored.time);
  if (typeof stored.cause !== 'string' || typeof stored.sequence !== 'number' || time === undefined) {
    throw new RangeError('not a dead letter: cause, time or sequence is missing');
  }
  return {
    cause: stored.cause as DeadCause,
    message: stored.message as string,
    time,
    source: stored.source as string,
    stream: stored.stream as string,
    sequence: stored.sequence,
    index: stored.index as number | undefined,
    ...(stored.further === undefined ? {} : { further: stored.further as number }),
    subject: stored.subject as string,
    ...(stored.rules === undefined ? {} : { rules: stored.rules as readonly string[] }),
    ...(stored.replayed === undefined ? {} : { replayed: stored.replayed as DeadLetter['replayed'] }),
    rule: stored.rule as string | undefined,
    key: stored.key as KeyValue | undefined,
    events: stored.events as readonly StepEvents[] | undefined,
    headers: stored.headers as Readonly<Record<string, string>> | undefined,
    body: typeof stored.body === 'string' ? Buffer.from(stored.body, 'base64') : undefined,
    omitted: (stored.omitted as readonly Omitted[] | undefined) ?? [],
  };
}

function storedFields(bytes: Uint8Array): Readonly<Record<string, unknown>> {
  let value: unknown;
  try {
    value = JSON.parse(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('utf8'));
  } catch (cause) {
    throw new RangeError('not a dead letter: not JSON', { cause });
  }
  if (typeof value !== 'object' || value === null) throw new RangeError('not a dead letter: not a map');
  return value as Readonly<Record<string, unknown>>;
}
