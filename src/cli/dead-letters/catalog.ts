import { type DeadLetter, decodeDeadLetter, type Omitted } from '../../core/events/dead-letter.ts';
import { type DeadLetterDecision, decodeDecision } from '../../core/events/dead-letter-decision.ts';
import { type DeadLetterId, showDeadLetterId } from '../../core/events/dead-letter-id.ts';
import { decodeDeadRecord } from '../../core/shards/dead-record.ts';
import { deadOutput, ORDINAL_HEADER, type Subjects } from '../../core/shards/subjects.ts';
import type { InstantMs } from '../../core/time/units.ts';
import type { FencedLog, LogMessage } from '../../ports/log.ts';

/** A dead letter as it lies in the deployment's stream. */
export interface FoundLetter {
  readonly id: string;
  readonly letter: DeadLetter & { readonly omitted: readonly Omitted[] };
  /** When it was stored. */
  readonly stored: InstantMs;
}

/** What was decided about a letter, and when. */
export interface Decided {
  readonly decision: DeadLetterDecision;
  readonly at: InstantMs;
}

/** Reads a deployment's dead letters: those of lanes, many in one record, and those of shards, one in each message. */
export class Catalog {
  readonly #log: FencedLog;
  readonly #subjects: Subjects;

  constructor(log: FencedLog, subjects: Subjects) {
    this.#log = log;
    this.#subjects = subjects;
  }

  /** All there are now, oldest first. @param from stream sequence at which to begin */
  async *letters(from = 1): AsyncGenerator<FoundLetter> {
    const { lastSequence } = await this.#log.facts(this.#subjects.allDead);
    yield* this.#read(this.#subjects.allDead, from, lastSequence);
  }

  /** The letter of this id; undefined when there is none. */
  async find(id: DeadLetterId): Promise<FoundLetter | undefined> {
    const wanted = showDeadLetterId(id);
    for await (const found of this.#under(id)) if (found.id === wanted) return found;
    return undefined;
  }

  /** A letter with the bytes of a message; a lane keeps them with the first letter of each message. */
  async withBytesOf(id: DeadLetterId & { kind: 'lane' }): Promise<FoundLetter | undefined> {
    const message = `${showDeadLetterId({ ...id, index: undefined })}.`;
    for await (const found of this.#under(id)) {
      if (`${found.id}.`.startsWith(message) && found.letter.body !== undefined) return found;
    }
    return undefined;
  }

  /** Where the decision about a letter is or would be. */
  decisionSubject({ id, letter }: FoundLetter): string {
    return this.#subjects.decision(letter.source, id);
  }

  /** What was decided about a letter; undefined while it is open. */
  async decided(found: FoundLetter): Promise<Decided | undefined> {
    const message = await this.#log.last(this.decisionSubject(found));
    return message && { decision: decodeDecision(message.body), at: message.stamp };
  }

  async *#under(id: DeadLetterId): AsyncGenerator<FoundLetter> {
    const subject = id.kind === 'lane' ? this.#subjects.laneDead(id.lane) : this.#subjects.output(deadOutput(id.shard));
    const last = await this.#log.last(subject);
    if (last !== undefined) yield* this.#read(subject, 1, last.sequence);
  }

  /** The last message of a subject is never removed, so reading comes to `upto`. */
  async *#read(filter: string, from: number, upto: number): AsyncGenerator<FoundLetter> {
    if (from > upto) return;
    const reader = this.#log.read(filter, from);
    try {
      for (;;) {
        for (const message of (await reader.next()) ?? []) {
          if (message.sequence > upto) return;
          yield* lettersOf(message);
          if (message.sequence === upto) return;
        }
      }
    } finally {
      await reader.close();
    }
  }
}

/** @throws {RangeError} naming the message, when somebody else has written it. */
function lettersOf({ subject, sequence, headers, body, stamp: stored }: LogMessage): FoundLetter[] {
  const tokens = subject.split('.');
  const [kind, name] = tokens.slice(-2) as [string, string];
  try {
    if (kind === 'lane') {
      return decodeDeadRecord(body).letters.map((bytes) => {
        const letter = decodeDeadLetter(bytes);
        const place = letter.replayed?.sequence ?? letter.sequence;
        return { id: showDeadLetterId({ kind, lane: name, sequence: place, index: letter.index }), letter, stored };
      });
    }
    const ordinal = Number(headers?.[ORDINAL_HEADER]);
    return [
      { id: showDeadLetterId({ kind: 'shard', shard: Number(name), ordinal }), letter: decodeDeadLetter(body), stored },
    ];
  } catch (cause) {
    throw new RangeError(`message ${sequence} on ${subject} holds no dead letters`, { cause });
  }
}
