import type { InstantMs } from '../core/time/units.ts';
import type { LogMessage, LogReader, StreamFacts } from '../ports/log.ts';
import { PortError } from '../ports/port-error.ts';
import { MemoryReader } from './memory-reader.ts';

/**
 * One stream in memory, in the terms of JetStream: sequences ascend over all subjects and are never used twice, a
 * subject's messages can be removed up to one of them, a recreated stream has another `created`.
 *
 * Nothing here waits for a timer: an append reaches every reader at once, and promises alone carry it on. Bodies are
 * kept as given, not copied, so nobody may change them.
 *
 * Retention `consumed` is for runs that read a finite input through to its end: a message goes once every open reader
 * that it fits has been given it; where `keepsUnread` says so, it waits for the first such reader to be opened. Each
 * subject's last message always stays, since the fence needs it.
 */
export type Retention = 'all' | 'consumed';

export interface MemoryStreamOptions {
  readonly name: string;
  readonly created: string;
  readonly now: () => InstantMs;
  readonly retention: Retention;
  /** In retention `consumed`: whether a message that no reader was opened for is kept. Default: every one. */
  readonly keepsUnread?: (subject: string) => boolean;
}

interface SubjectMessages {
  /** Ascending; the first ones may be gone. */
  messages: LogMessage[];
  /** Readers open now that fit; undefined when it must be found again. */
  readers: MemoryReader[] | undefined;
  /** Whether one ever was. */
  read: boolean;
}

export class MemoryStream {
  readonly name: string;
  created: string;
  ended = false;
  readonly #options: MemoryStreamOptions;
  #subjects = new Map<string, SubjectMessages>();
  readonly #readers = new Set<MemoryReader>();
  #lastSequence = 0;
  /** What retention removed: every message before this one. 1 = nothing. */
  #expiredBefore = 1;
  #incarnation = 0;
  #roomWaiters: (() => void)[] = [];

  constructor(options: MemoryStreamOptions) {
    this.name = options.name;
    this.created = options.created;
    this.#options = options;
  }

  append(subject: string, body: Uint8Array, headers?: Readonly<Record<string, string>>, stamp?: InstantMs): LogMessage {
    const sequence = ++this.#lastSequence;
    const message: LogMessage = { sequence, subject, stamp: stamp ?? this.#options.now(), headers, body };
    const held = this.#held(subject);
    held.messages.push(message);
    const readers = this.#readersOf(subject, held);
    for (const reader of readers) reader.offer(message);
    if (this.#options.retention === 'consumed' && readers.length === 0) this.#forget(subject, held, sequence);
    return message;
  }

  last(subject: string): LogMessage | undefined {
    return this.#subjects.get(subject)?.messages.at(-1);
  }

  get(subject: string, sequence: number): LogMessage | undefined {
    const messages = this.#subjects.get(subject)?.messages ?? [];
    const found = messages[firstAtOrAfter(messages, sequence)];
    return found?.sequence === sequence ? found : undefined;
  }

  /** Removes a subject's messages before `sequence`, except its last. */
  trim(subject: string, sequence: number): void {
    const held = this.#subjects.get(subject);
    if (held === undefined) return;
    const count = Math.min(firstAtOrAfter(held.messages, sequence), held.messages.length - 1);
    if (count > 0) held.messages.splice(0, count);
  }

  /** What a stream's age or size limit does: removes everything before `sequence`. */
  expire(sequence: number): void {
    this.#expiredBefore = Math.max(this.#expiredBefore, Math.min(sequence, this.#lastSequence + 1));
    for (const held of this.#subjects.values()) held.messages.splice(0, firstAtOrAfter(held.messages, sequence));
  }

  /** The message with this sequence, whatever its subject; undefined when it is gone. */
  at(sequence: number): LogMessage | undefined {
    for (const subject of this.#subjects.keys()) {
      const found = this.get(subject, sequence);
      if (found !== undefined) return found;
    }
    return undefined;
  }

  /** What a server does that lost the messages after `sequence`: their numbers are used again. Readers must read anew. */
  loseTail(sequence: number): void {
    this.#lastSequence = Math.min(this.#lastSequence, sequence);
    for (const held of this.#subjects.values()) held.messages.splice(firstAtOrAfter(held.messages, sequence + 1));
    for (const reader of [...this.#readers]) {
      if (reader.position <= this.#lastSequence + 1) continue;
      this.#readers.delete(reader);
      reader.fail(new PortError('POSITION_GONE', `stream ${this.name} lost its messages after ${sequence}`));
    }
  }

  /** What an operator does who removes the stream and makes it anew. */
  recreate(): void {
    this.#incarnation += 1;
    this.created = `${this.#options.created}#${this.#incarnation}`;
    this.#subjects = new Map();
    this.#lastSequence = 0;
    this.#expiredBefore = 1;
    for (const reader of [...this.#readers]) {
      this.#readers.delete(reader);
      reader.fail(new PortError('STREAM_CHANGED', `stream ${this.name} was removed and made anew while it was read`));
    }
  }

  /** No message comes any more: readers that have everything give undefined. */
  end(): void {
    this.ended = true;
    for (const reader of this.#readers) reader.wakeUp();
  }

  facts(): StreamFacts {
    let first = this.#lastSequence + 1;
    for (const { messages } of this.#subjects.values()) first = Math.min(first, messages[0]?.sequence ?? first);
    return { created: this.created, firstSequence: first, lastSequence: this.#lastSequence };
  }

  sequenceAt(time: InstantMs): number {
    let found = this.#lastSequence + 1;
    for (const { messages } of this.#subjects.values()) {
      const at = messages.find(({ stamp }) => stamp >= time);
      if (at !== undefined) found = Math.min(found, at.sequence);
    }
    return found;
  }

  read(filter: string, from: number, created: string = this.created): LogReader {
    const reader = new MemoryReader(this, filter, from);
    if (created !== this.created) {
      reader.fail(new PortError('STREAM_CHANGED', `stream ${this.name} is not the one that was looked at before`));
    } else if (from > this.#lastSequence + 1) {
      reader.fail(new PortError('POSITION_GONE', `stream ${this.name} ends at ${this.#lastSequence}, before ${from}`));
    } else if (from < this.#expiredBefore) {
      const lost = `${from} to ${this.#expiredBefore - 1}`;
      reader.fail(new PortError('POSITION_GONE', `stream ${this.name} has dropped the messages from ${lost}`));
    } else {
      this.#attach(reader, from);
    }
    return reader;
  }

  detach(reader: MemoryReader): void {
    if (!this.#readers.delete(reader)) return;
    for (const [subject, held] of this.#subjects) {
      if (held.readers?.includes(reader) !== true) continue;
      held.readers = undefined;
      if (this.#options.retention === 'consumed') this.#forgetGiven(subject, held);
    }
    this.#roomMade();
  }

  /** A reader has given these out: `consumed` retention may let them go. */
  given(batch: readonly LogMessage[]): void {
    if (this.#options.retention === 'consumed') {
      for (const subject of new Set(batch.map((message) => message.subject))) {
        const held = this.#subjects.get(subject);
        if (held !== undefined) this.#forgetGiven(subject, held);
      }
    }
    this.#roomMade();
  }

  /** Resolves when no open reader of the subject has more than this waiting for it. At once when there is none. */
  async room(subject: string, bytesMax: number): Promise<void> {
    const held = this.#held(subject);
    while (this.#readersOf(subject, held).some((reader) => reader.queuedBytes > bytesMax)) {
      await new Promise<void>((resolve) => {
        this.#roomWaiters.push(resolve);
      });
    }
  }

  #roomMade(): void {
    if (this.#roomWaiters.length === 0) return;
    const waiters = this.#roomWaiters;
    this.#roomWaiters = [];
    for (const resolve of waiters) resolve();
  }

  #attach(reader: MemoryReader, from: number): void {
    this.#readers.add(reader);
    const backlog: LogMessage[] = [];
    for (const [subject, held] of this.#subjects) {
      if (!reader.fits(subject)) continue;
      held.readers = undefined;
      held.read = true;
      for (let at = firstAtOrAfter(held.messages, from); at < held.messages.length; at++)
        backlog.push(held.messages[at]!);
    }
    backlog.sort((left, right) => left.sequence - right.sequence);
    for (const message of backlog) reader.offer(message);
  }

  #held(subject: string): SubjectMessages {
    let held = this.#subjects.get(subject);
    if (held === undefined) {
      held = { messages: [], readers: undefined, read: false };
      this.#subjects.set(subject, held);
    }
    return held;
  }

  #readersOf(subject: string, held: SubjectMessages): readonly MemoryReader[] {
    held.readers ??= [...this.#readers].filter((reader) => reader.fits(subject));
    if (held.readers.length > 0) held.read = true;
    return held.readers;
  }

  /** Drops what every open reader of the subject has been given. */
  #forgetGiven(subject: string, held: SubjectMessages): void {
    let given = Number.POSITIVE_INFINITY;
    for (const reader of this.#readersOf(subject, held)) given = Math.min(given, reader.position - 1);
    this.#forget(subject, held, given);
  }

  #forget(subject: string, held: SubjectMessages, upto: number): void {
    const kept = !held.read && (this.#options.keepsUnread?.(subject) ?? true);
    if (!kept) this.trim(subject, upto + 1);
  }
}

/** Index of the first message with at least this sequence; the length when there is none. */
function firstAtOrAfter(messages: readonly LogMessage[], sequence: number): number {
  let low = 0;
  let high = messages.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (messages[middle]!.sequence < sequence) low = middle + 1;
    else high = middle;
  }
  return low;
}
