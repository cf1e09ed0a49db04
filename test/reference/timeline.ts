import { parse } from 'yaml';
import { parseDuration } from '../../src/core/time/parse-duration.ts';

/**
 * The written form of the reference's examples: a rule in a `yaml` block, and after it one or several `timeline` blocks
 * that say which events come and what the rule makes of them.
 *
 *     # a second login does not match
 *     source: {disorder: 5s}
 *     reference: customers/ann{tier: gold}
 *     events: Failed1@0s  Login1{ip: "::1"}@5s  …@1m
 *     match:  Failed1 Login1 @5s
 *     emit:   {user: ann}
 *
 * A blank line separates cases. An event is its id, whose letters are its type, with its data in braces; `…@1m` lets
 * time pass. What a case does not say must not happen.
 */
export interface Timeline {
  readonly page: string;
  /** Line of the page on which the case begins. */
  readonly line: number;
  readonly title: string;
  /** The rule, as the page has it: a whole one, or a part that leaves out `rule`, `from` or `key`. */
  readonly rule: string;
  /** Fields of the source as YAML; empty when the line is absent. */
  readonly source: string;
  /** Entries that rules look up, there before the first event. */
  readonly entries: readonly TimelineEntry[];
  readonly events: readonly TimelineEvent[];
  readonly outcomes: readonly Outcome[];
}

export interface TimelineEntry {
  readonly reference: string;
  readonly key: string;
  readonly value: unknown;
}

export interface TimelineEvent {
  /** Undefined when it stands for time that passes. */
  readonly id: string | undefined;
  readonly type: string;
  /** Name of the source it comes from, as in `billing/Paid1@3s`; undefined = the rule's only one. */
  readonly source: string | undefined;
  readonly data: Readonly<Record<string, unknown>>;
  /** Milliseconds since the timeline's beginning. */
  readonly at: number;
}

export interface Outcome {
  /** `match`, `dead`, `counted`, or the name of a side output. */
  readonly label: string;
  /** The line without its label, spaces and durations in one form. */
  readonly text: string;
  /** What further lines say of it: `key`, `emit`, or one field of it such as `emit.title`. */
  readonly details: Readonly<Record<string, unknown>>;
}

/** A rule of a page, with the cases that run it. */
export interface Example {
  readonly page: string;
  readonly line: number;
  readonly rule: string;
  readonly timelines: readonly Timeline[];
}

/** What a document has that is a rule, and not a configuration. */
export const IS_RULE = /^(pattern|join|window):/m;

/** The rules of a page in their order. Blocks of other languages and `yaml` without a rule are passed over. */
export function examplesOf(page: string, markdown: string): readonly Example[] {
  const examples: { page: string; line: number; rule: string; timelines: Timeline[] }[] = [];
  for (const found of markdown.matchAll(/^```(yaml|timeline)\n([\s\S]*?)^```$/gm)) {
    const [, language, text = ''] = found;
    const line = markdown.slice(0, found.index).split('\n').length + 1;
    if (language === 'yaml') {
      if (IS_RULE.test(text)) examples.push({ page, line, rule: text, timelines: [] });
      continue;
    }
    const example = examples.at(-1);
    if (example === undefined) throw new Error(`${page}:${line}: a timeline without a rule before it`);
    example.timelines.push(...timelinesOf(page, line, text, example.rule));
  }
  return examples;
}

function timelinesOf(page: string, line: number, text: string, rule: string): readonly Timeline[] {
  const timelines: Timeline[] = [];
  let at = line;
  for (const block of text.split(/\n\s*\n/)) {
    timelines.push(timelineOf(page, at, block, rule));
    at += block.split('\n').length + 1;
  }
  return timelines;
}

function timelineOf(page: string, line: number, block: string, rule: string): Timeline {
  const wrong = (what: string): Error => new Error(`${page}:${line}: ${what}`);
  const title: string[] = [];
  let source = '';
  let entries: readonly TimelineEntry[] = [];
  let events: readonly TimelineEvent[] = [];
  const outcomes: { label: string; text: string; details: Record<string, unknown> }[] = [];
  for (const written of block.trimEnd().replaceAll(/\n\s+/g, ' ').split('\n')) {
    const [, comment] = /^# (.*)$/.exec(written) ?? [];
    if (comment !== undefined) {
      title.push(comment);
      continue;
    }
    const [, label, value] = /^([\w.]+): +(.*)$/.exec(written) ?? [];
    if (label === undefined || value === undefined) throw wrong(`no line of a timeline: ${written}`);
    if (label === 'source') source = value;
    else if (label === 'reference') entries = entriesOf(value, wrong);
    else if (label === 'events') events = eventsOf(value, wrong);
    else if (/^(emit|key|suppressed)\b/.test(label)) {
      const outcome = outcomes.at(-1);
      if (outcome === undefined) throw wrong(`\`${label}\` describes no outcome`);
      outcome.details[label] = parse(value);
    } else if (value !== 'none') outcomes.push({ label, text: oneForm(value), details: {} });
    else if (outcomes.some((other) => other.label === label)) throw wrong(`${label} both is and is none`);
  }
  if (events.length === 0) throw wrong('a timeline without events');
  if (!/^\w+: /m.test(block.replaceAll(/^(events|source|reference|emit|key|suppressed)\b.*$/gm, '')))
    throw wrong('a timeline without an outcome: write `match: none` when nothing comes of it');
  return {
    page,
    line,
    title: title.join(' ') || block.trim().split('\n')[0]!,
    rule,
    source,
    entries,
    events,
    outcomes,
  };
}

const EVENT = /\s*(?:(\w+)\/)?(…|[A-Za-z]+\d*)/y;
const TIME = /@(\w+)(?=\s|$)/y;

const ENTRY = /\s*(\w+)\/([\w.-]+)/y;

function entriesOf(text: string, wrong: (what: string) => Error): readonly TimelineEntry[] {
  const entries: TimelineEntry[] = [];
  for (let at = 0; at < text.trimEnd().length; ) {
    ENTRY.lastIndex = at;
    const [, reference, key] = ENTRY.exec(text) ?? [];
    if (reference === undefined || key === undefined)
      throw wrong(`no entry such as customers/ann{…}: ${text.slice(at)}`);
    const braces = bracesAt(text, ENTRY.lastIndex);
    at = ENTRY.lastIndex + braces.length;
    entries.push({ reference, key, value: parse(braces) });
  }
  return entries;
}

function eventsOf(text: string, wrong: (what: string) => Error): readonly TimelineEvent[] {
  const events: TimelineEvent[] = [];
  for (let at = 0; at < text.trimEnd().length; ) {
    EVENT.lastIndex = at;
    const name = EVENT.exec(text);
    if (name === null) throw wrong(`no event: ${text.slice(at)}`);
    const braces = bracesAt(text, EVENT.lastIndex);
    TIME.lastIndex = EVENT.lastIndex + braces.length;
    const time = TIME.exec(text);
    const length = parseDuration(time?.[1] ?? '');
    if (length === undefined) throw wrong(`an event without a time such as @5s: ${text.slice(at)}`);
    at = TIME.lastIndex;
    const [, source, id = ''] = name;
    const data = braces === '' ? {} : (parse(braces, lengthened) as Record<string, unknown>);
    if (id === '…') events.push({ id: undefined, type: 'TimePassed', source, data: {}, at: length });
    else events.push({ id, type: id.replace(/\d+$/, ''), source, data, at: length });
  }
  return events;
}

/** A long text is written `<600 letters>`. */
const lengthened = (_name: unknown, value: unknown): unknown => {
  const letters = typeof value === 'string' ? /^<(\d+) letters>$/.exec(value) : null;
  return letters === null ? value : 'x'.repeat(Number(letters[1]));
};

/** The braces that open here, with what is in them; empty when none do. */
function bracesAt(text: string, from: number): string {
  if (text[from] !== '{') return '';
  let depth = 0;
  for (let at = from; at < text.length; at++) {
    if (text[at] === '{') depth++;
    else if (text[at] === '}' && --depth === 0) return text.slice(from, at + 1);
  }
  return '';
}

/** `@60s` and `@1m` are the same. */
const oneForm = (text: string): string =>
  text
    .trim()
    .replaceAll(/\s+/g, ' ')
    .replaceAll(/@(\w+)/g, (whole, time: string) => {
      const length = parseDuration(time);
      return length === undefined ? whole : `@${durationText(length)}`;
    });

const UNITS: readonly (readonly [string, number])[] = [
  ['d', 86_400_000],
  ['h', 3_600_000],
  ['m', 60_000],
  ['s', 1_000],
  ['ms', 1],
];

/** As a page would write it: `90000` is `1m30s`. */
export function durationText(ms: number): string {
  let rest = ms;
  let text = '';
  for (const [unit, length] of UNITS) {
    const count = Math.floor(rest / length);
    if (count > 0) text += `${count}${unit}`;
    rest -= count * length;
  }
  return text === '' ? '0s' : text;
}
