import { unpack } from 'msgpackr';
import { decodeDeadRecord } from '../../src/core/shards/dead-record.ts';
import { comparePositions, covers, type Position, showPosition } from '../../src/core/shards/position.ts';
import { decodeRecord } from '../../src/core/shards/record.ts';
import type { LogMessage } from '../../src/ports/log.ts';
import { checkJournals } from './check-journals.ts';
import { deadName, type Expectation, outcomeGroup } from './expectation.ts';
import type { Outcome } from './plain-rule.ts';
import type { Stored } from './store.ts';

/**
 * Holds what the store has at the end against what must have come out. It knows the form of what is stored and nothing
 * of how it came to be: of shards and lanes it knows that they have names.
 *
 *   K1. Every expected match, and timed-out partial match, is there exactly once, in order per rule and key; no other is.
 *   K2. The messages of an output subject are numbered 1, 2, 3 … without gap or repeat.
 *   K3. A key's matches of one rule are all on one subject.
 *   K4. Everything that cannot be processed is a dead letter exactly once.
 *   K5. Per shard and lane the ranges of the records are adjacent, and events lie within their record's range.
 *   K6. A record's watermark is the latest time of the events up to its end: it promises no more and no less.
 *   K7. A match is stored after the commit that holds it, and as the commit has it.
 *   K8. A shard's commits are numbered 1, 2, 3 … without gap or repeat.
 */
export function check(stored: Stored, expected: Expectation): string[] {
  try {
    return violationsOf(stored, expected);
  } catch (error) {
    return [`what is stored cannot be read: ${String(error)}`];
  }
}

function violationsOf(stored: Stored, expected: Expectation): string[] {
  const violations: string[] = [];
  const outputs = new Map<string, Output[]>();
  const dead: string[] = [];
  for (const [subject, messages] of stored) {
    const [, kind, second, third] = subject.split('.');
    if (kind === 'match') violations.push(...readOutputs(subject, second!, 'match', messages, outputs));
    else if (kind === 'side') violations.push(...readOutputs(subject, `${second}.${third}`, third!, messages, outputs));
    else if (kind === 'shard') violations.push(...checkRanges(subject, messages, expected, readShardRecord));
    else if (kind === 'dead' && second === 'lane') {
      violations.push(...checkRanges(subject, messages, expected, (body) => readDeadRecord(body, dead)));
    } else if (kind !== 'journal' && kind !== 'lane') violations.push(`${subject}: nobody should write there`);
  }
  violations.push(
    ...checkJournals(stored),
    ...compareOutcomes(expected.outcomes, outputs),
    ...compareDead(expected.dead, dead),
  );
  return violations;
}

/** After which sequence each source is read, as the store has it. */
export function storedStarts(stored: Stored): ReadonlyMap<string, number> {
  const starts = new Map<string, number>();
  for (const [subject, [first]] of stored) {
    const [, kind, source] = subject.split('.');
    if (kind === 'lane') starts.set(source!, (unpack(first!.body) as { seq: number }).seq);
  }
  return starts;
}

/** How many matches, timeouts and dead letters are there: enough to see whether a run is complete. */
export function countOutputs(stored: Stored): { outcomes: number; dead: number } {
  let outcomes = 0;
  const dead: string[] = [];
  for (const [subject, messages] of stored) {
    const [, kind, second] = subject.split('.');
    if (kind === 'match' || kind === 'side') outcomes += messages.length;
    if (kind === 'dead' && second === 'lane') for (const { body } of messages) readDeadRecord(body, dead);
  }
  return { outcomes, dead: dead.length };
}

/** A match or timeout as stored. */
interface Output {
  readonly subject: string;
  readonly text: string;
}

function readOutputs(
  subject: string,
  name: string,
  kind: string,
  messages: readonly LogMessage[],
  outputs: Map<string, Output[]>,
): string[] {
  const violations: string[] = [];
  const shard = subject.slice(subject.lastIndexOf('.') + 1);
  messages.forEach((message, at) => {
    const { id, data } = JSON.parse(Buffer.from(message.body).toString());
    const ordinal = at + 1;
    const numbered = message.headers?.['corral-ordinal'];
    if (id !== `${name}/${shard}/${ordinal}` || numbered !== String(ordinal)) {
      violations.push(`${subject}: its message number ${ordinal} has the id ${id} and the ordinal ${numbered}`);
    }
    const group = outcomeGroup(data.rule, kind, data.key);
    const steps = data.events.map((one: { step: string; refs: { seq: number; index: number }[] }) => ({
      step: one.step,
      refs: one.refs.map(({ seq, index }) => `${seq}.${index}`),
    }));
    const output = { subject, text: outputText(data.kind, steps, data.emit) };
    const before = outputs.get(group);
    if (before === undefined) outputs.set(group, [output]);
    else before.push(output);
  });
  return violations;
}

const outputText = (kind: string, steps: Outcome['steps'], emit: unknown): string =>
  `${kind} ${steps.map(({ step, refs }) => `${step}[${refs.join(' ')}]`).join(' ')} ${JSON.stringify(emit)}`;

function compareOutcomes(
  expected: ReadonlyMap<string, readonly Outcome[]>,
  actual: ReadonlyMap<string, readonly Output[]>,
): string[] {
  const violations: string[] = [];
  for (const group of new Set([...expected.keys(), ...actual.keys()])) {
    const there = actual.get(group) ?? [];
    const subjects = new Set(there.map(({ subject }) => subject));
    if (subjects.size > 1) violations.push(`${group}: spread over ${[...subjects].join(', ')}`);
    const wanted = inOrder(expected.get(group) ?? [], there);
    const texts = there.map(({ text }) => text);
    const at = wanted.findIndex((text, n) => text !== texts[n]);
    const wrong = at < 0 ? (texts.length > wanted.length ? wanted.length : -1) : at;
    if (wrong < 0) continue;
    violations.push(
      `${group}: output ${wrong + 1} of ${wanted.length} should be ${wanted[wrong] ?? 'nothing'}, is ${texts[wrong] ?? 'missing'}; ${difference(wanted, texts)}`,
    );
  }
  return violations;
}

/** What is expected as texts. Those of one moment may come in any order: they are put in the order found. */
function inOrder(expected: readonly Outcome[], actual: readonly Output[]): string[] {
  const place = new Map(actual.map(({ text }, at) => [text, at]));
  return expected
    .map(({ kind, steps, emit, moment }) => ({ moment, text: outputText(kind, steps, emit) }))
    .sort((a, b) => a.moment - b.moment || (place.get(a.text) ?? 0) - (place.get(b.text) ?? 0))
    .map(({ text }) => text);
}

function compareDead(expected: readonly string[], actual: readonly string[]): string[] {
  const wanted = [...expected].sort();
  const there = [...actual].sort();
  if (wanted.join() === there.join()) return [];
  return [`dead letters: ${difference(wanted, there)}`];
}

function difference(wanted: readonly string[], there: readonly string[]): string {
  const counts = new Map<string, number>();
  for (const one of wanted) counts.set(one, (counts.get(one) ?? 0) + 1);
  for (const one of there) counts.set(one, (counts.get(one) ?? 0) - 1);
  const missing = [...counts].filter(([, count]) => count > 0).map(([one]) => one);
  const extra = [...counts].filter(([, count]) => count < 0).map(([one, count]) => `${-count} × ${one}`);
  if (missing.length + extra.length === 0) return 'all there, in another order';
  return `missing: ${missing.slice(0, 3).join('; ') || 'none'}; too many: ${extra.slice(0, 3).join('; ') || 'none'}`;
}

interface Range {
  readonly from: Position;
  readonly upto: Position;
  readonly watermark: number;
  readonly places: readonly { readonly seq: number; readonly index: number }[];
}

function checkRanges(
  subject: string,
  messages: readonly LogMessage[],
  { latest }: Expectation,
  read: (body: Uint8Array) => Range,
): string[] {
  const violations: string[] = [];
  const reached = latest.get(subject.slice(subject.lastIndexOf('.') + 1)) ?? [];
  let before: Position | undefined;
  for (const { sequence, body } of messages) {
    const { from, upto, watermark, places } = read(body);
    if (before !== undefined && comparePositions(before, from) !== 0) {
      violations.push(
        `${subject}: record ${sequence} begins after ${showPosition(from)}, the one before it ends at ${showPosition(before)}`,
      );
    }
    if (comparePositions(from, upto) > 0) violations.push(`${subject}: record ${sequence} goes backwards`);
    const strays = places.filter(({ seq, index }) => covers(from, seq, index) || !covers(upto, seq, index));
    if (strays.length > 0) violations.push(`${subject}: record ${sequence} holds events outside its range`);
    const due = reached.findLast(({ seq, index }) => covers(upto, seq, index))?.time ?? Number.NEGATIVE_INFINITY;
    if (watermark !== due)
      violations.push(
        `${subject}: record ${sequence} ends at ${showPosition(upto)}, its watermark is off by ${watermark - due} ms`,
      );
    before = upto;
  }
  return violations;
}

function readShardRecord(body: Uint8Array): Range {
  const { from, upto, watermark, events } = decodeRecord(body);
  return { from, upto, watermark, places: events.map(({ event }) => event) };
}

function readDeadRecord(body: Uint8Array, dead: string[]): Range {
  const { from, upto, watermark, letters } = decodeDeadRecord(body);
  const places = letters.map((letter) => {
    const { cause, source, sequence, index } = JSON.parse(Buffer.from(letter).toString());
    dead.push(deadName(source, sequence, index, cause));
    return { seq: sequence as number, index: (index as number | undefined) ?? 0 };
  });
  return { from, upto, watermark, places };
}
