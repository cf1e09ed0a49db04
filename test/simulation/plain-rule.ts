import type { PlainWrapper } from './plain-wrapper.ts';

/**
 * What the rules of the simulation mean, computed the plainest way there is from what happens to a key. Nothing of the
 * real engine is used or known here: two people who read the same documentation wrote the same thing twice.
 */

/** The data of a source's event. */
export interface Value {
  readonly type: string;
  /** Milliseconds since the epoch; a text when the publisher made a mess of it. */
  readonly ts: number | string;
  readonly n: number;
  readonly k: unknown;
  readonly u: unknown;
  readonly shop: number;
  /** Where others have `k`, for rules with a key for each source. */
  readonly peer: unknown;
  /** Keys of an event that belongs to several. */
  readonly tags: unknown;
  /** The publisher, where each has a clock of its own. */
  readonly pod?: string;
  /** A rule that is at fault throws on it, before it has looked at the event or after. */
  readonly poison?: 'before' | 'after';
}

/** An event and where it lies. */
export interface Placed {
  readonly source: string;
  readonly seq: number;
  readonly index: number;
  readonly time: number;
  readonly value: Value;
}

export const refOf = ({ source, seq, index }: Pick<Placed, 'source' | 'seq' | 'index'>): string =>
  `${source} ${seq}.${index}`;

/** What happens to a rule's key, one after the other. */
export type Moment =
  /** An event is seen. `now` is its own time; if it is late, the time that it is behind. */
  | { readonly kind: 'event'; readonly event: Placed; readonly now: number }
  /** Nothing older than this comes any more. */
  | { readonly kind: 'time'; readonly now: number }
  /** The server's clock, as the shard has heard it. */
  | { readonly kind: 'processing'; readonly now: number };

/** What a rule of any kind means. */
export interface Meaning {
  /** Whether events of this type are anything to the rule; others are as if they were not there. */
  concerns(type: string, source: string, sources: readonly string[]): boolean;
  /** It decides itself what to make of late events. */
  readonly takesLate: boolean;
  /** Processing time means something to it. */
  readonly byProcessingTime: boolean;
  /** How long after the last event nothing is left for time to decide, in ms; Infinity = time decides nothing. */
  readonly settlesMs: number;
  /** The same of processing time. */
  readonly settlesProcessingMs?: number;
  /** All that it says of a key. */
  said(moments: readonly Moment[], rule: PlainRule): Said;
}

type Field = 'k' | 'u' | 'shop' | 'peer';

/** Which keys an event belongs to. */
export type PlainKey =
  /** One, made of these fields. */
  | { readonly kind: 'fields'; readonly fields: readonly Field[] }
  /** Each in the list `tags`. */
  | { readonly kind: 'each' }
  /** One, by a field of its own for each source. */
  | { readonly kind: 'bySource'; readonly fields: Readonly<Record<string, Field>> }
  /** Of what other rules say: that rule's key, or its name. */
  | { readonly kind: 'chain'; readonly of: 'key' | 'rule' };

export interface PlainRule {
  readonly name: string;
  /** Name of the shape it is made from. */
  readonly shape: string;
  readonly sources: readonly string[];
  readonly key: PlainKey;
  /** Whether late events are said, on the side output `late`. */
  readonly saysLate: boolean;
  /** Whether it throws on poison, and so loses what it holds for the key. */
  readonly faulty: boolean;
  readonly wrapper: PlainWrapper;
  /** With its wrapper. */
  readonly meaning: Meaning;
}

/** The rule whose matches this source is; undefined when it is none. */
export const chainedRule = (source: string): string | undefined =>
  source.startsWith('rule:') ? source.slice('rule:'.length) : undefined;

/** The keys of an event; `bad` when it has something there that is no key. */
export function keysOf({ key }: PlainRule, { source, value }: Pick<Placed, 'source' | 'value'>): Keys {
  if (key.kind === 'each') return eachOf(value.tags);
  // What stands for a match has them there.
  if (key.kind === 'chain') return { keys: [key.of === 'key' ? value.k : value.u], bad: false };
  const fields = key.kind === 'fields' ? key.fields : [key.fields[source]!];
  const parts = fields.map((field) => value[field]);
  if (parts.some(isNoKey)) return { keys: [], bad: true };
  if (parts.includes(null)) return { keys: [], bad: false };
  return { keys: [parts.length === 1 ? parts[0] : parts], bad: false };
}

interface Keys {
  readonly keys: readonly unknown[];
  readonly bad: boolean;
}

function eachOf(tags: unknown): Keys {
  if (tags === null) return { keys: [], bad: false };
  if (!Array.isArray(tags)) return { keys: [], bad: true };
  return { keys: [...new Set(tags.filter((tag) => tag !== null))], bad: false };
}

const isNoKey = (part: unknown): boolean => typeof part === 'object' && part !== null;

export interface Outcome {
  readonly kind: 'match' | 'update' | 'unmatched' | 'timeout' | 'late';
  /** The side output it goes to; undefined = where its kind goes. */
  readonly side?: string;
  /** When it happened: the time of an event, or a deadline. */
  readonly time: number;
  /** What each step took, by name, in the order of first use. */
  readonly steps: readonly StepRefs[];
  readonly emit: unknown;
  /** Of an update. */
  readonly revision?: number | undefined;
  /** How many before it were held back. */
  readonly suppressed?: number | undefined;
  /** Outcomes with the same number happened at the same moment. */
  readonly moment: number;
}

export interface StepRefs {
  readonly step: string;
  readonly refs: readonly string[];
}

/** All that a rule says for one key. */
export interface Said {
  readonly outcomes: readonly Outcome[];
  /** What went wrong, and with which events. */
  readonly dead: readonly { readonly cause: 'limit' | 'failed'; readonly steps: readonly StepRefs[] }[];
}

/** The step that stands for an event by itself. */
export const aloneIn = (step: string, event: Placed): StepRefs[] => [{ step, refs: [refOf(event)] }];

/** What is said of a late event, for which nothing else is done. */
export const lateOutcome = (event: Placed, byMs: number, moment: number): Outcome => ({
  kind: 'late',
  time: event.time,
  steps: aloneIn('event', event),
  emit: { lateByMs: byMs, event: event.value },
  moment,
});
