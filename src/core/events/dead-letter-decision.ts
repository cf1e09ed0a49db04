import { pack, unpack } from 'msgpackr';
import { isReferenceLane } from '../shards/subjects.ts';
import type { InstantMs } from '../time/units.ts';
import type { DeadLetter } from './dead-letter.ts';
import type { SourceMessage } from './decoded.ts';

/**
 * What somebody decided about a dead letter: to replay it, or to drop it. It is stored as the one message of a subject
 * of its own that expects none before it (protocol.md, M8), so that every letter is decided once, whoever decides, and
 * nothing of the dead letters themselves is ever removed.
 *
 * A replay holds the original message, so that the lane that reads it needs nothing else.
 */
export type DeadLetterDecision = Replay | { readonly kind: 'drop'; readonly id: string };

export interface Replay {
  readonly kind: 'replay';
  /** Of the dead letter. */
  readonly id: string;
  /** The source as the configuration names it: its settings apply again. */
  readonly source: string;
  /** The message as the source's stream has or had it. */
  readonly message: SourceMessage;
  /** Which event of the message; undefined = all of them. */
  readonly index: number | undefined;
  /** Names of the rules that are to see it; undefined = all that read the source. */
  readonly rules: readonly string[] | undefined;
}

const FORMAT = 1;

export function encodeDecision(decision: DeadLetterDecision): Buffer {
  if (decision.kind === 'drop') return Buffer.from(pack([FORMAT, decision.id]));
  const { id, source, message, index, rules } = decision;
  const { sequence, stamp, subject, headers, body } = message;
  return Buffer.from(
    pack([FORMAT, id, source, index ?? null, rules ?? null, sequence, stamp, subject, headers ?? null, body]),
  );
}

/** @throws {RangeError} when the bytes are no decision of a known format. */
export function decodeDecision(bytes: Uint8Array): DeadLetterDecision {
  const fields = fieldsOf(bytes);
  if (!Array.isArray(fields) || fields[0] !== FORMAT)
    throw new RangeError(`not a decision about a dead letter of format ${FORMAT}`);
  const [, id, source, index, rules, sequence, stamp, subject, headers, body] = fields;
  if (source === undefined) return { kind: 'drop', id };
  return {
    kind: 'replay',
    id,
    source,
    index: index ?? undefined,
    rules: rules ?? undefined,
    message: { sequence, stamp: stamp as InstantMs, subject, headers: headers ?? undefined, body },
  };
}

// biome-ignore lint/suspicious/noExplicitAny: the fields are checked by format number, not one by one
function fieldsOf(bytes: Uint8Array): any {
  try {
    return unpack(bytes);
  } catch (cause) {
    throw new RangeError('not a decision about a dead letter: the bytes are no msgpack', { cause });
  }
}

/** What replaying a letter would do again. */
export type Replayable =
  | {
      readonly kind: 'event';
      readonly sequence: number;
      readonly index: number | undefined;
      readonly rules: readonly string[] | undefined;
    }
  /** Nothing can be done again; `why` is a sentence with the way out. */
  | { readonly kind: 'not'; readonly why: string };

/** Step name under which the one event of a letter of a rule stands; no step of a pattern can be named so. */
const EVENT_STEP = 'event';

/**
 * What a letter stands for, as far as it can be done again: a message or event that nobody has processed, or that one
 * rule has not. A partial match or a match is no input: its events were processed, and showing them again would count
 * them twice.
 */
export function replayableOf(letter: DeadLetter): Replayable {
  const { cause, source, rule, rules, events, sequence, index, further } = letter;
  if (isReferenceLane(source)) {
    return { kind: 'not', why: 'It is an entry of reference data, of which only the newest counts. Put it again.' };
  }
  if (further !== undefined) {
    const why = `It stands for ${further} values of its message, whose places are not kept. Publish them again.`;
    return { kind: 'not', why };
  }
  if (rule === undefined && rules?.length === 0) {
    const why =
      'For some of its keys the event was processed, and seeing it again would count it twice. Publish it again.';
    return { kind: 'not', why };
  }
  if (rule === undefined) return { kind: 'event', sequence, index, rules };
  if (cause === 'emit') {
    const why = `The rule saw all events; its match could not be written. Correct \`emit\` and let \`corral replay\` run over the events.`;
    return { kind: 'not', why };
  }
  const [only, ...others] = events ?? [];
  if (only === undefined) {
    const what = letter.omitted?.includes('events') === true ? 'events that are not kept' : 'a timer, not an event';
    return { kind: 'not', why: `It stands for ${what}, so there is nothing to show the rule again.` };
  }
  const [ref] = only.refs;
  if (only.step !== EVENT_STEP || others.length > 0 || only.count !== 1 || ref === undefined) {
    const why = 'It is a partial match: the rule has seen its events, and seeing them again would count them twice.';
    return { kind: 'not', why };
  }
  return { kind: 'event', sequence: ref.seq, index: ref.index, rules: [rule] };
}
