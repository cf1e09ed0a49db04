import { unpack } from 'msgpackr';
import { decodeDeadRecord } from '../../src/core/shards/dead-record.ts';
import type { LogMessage } from '../../src/ports/log.ts';
import { checkChains } from './check-chains.ts';
import { checkJournals } from './check-journals.ts';
import { checkLane } from './check-lanes.ts';
import { checkTrims } from './check-trims.ts';
import { type Expectation, laneDeadName, lateKind, outcomeGroup, shardDeadName } from './expectation.ts';
import { type Outcome, refOf, type StepRefs } from './plain-rule.ts';
import type { SimulatedSource } from './scenario.ts';
import type { Stored, Trim } from './store.ts';

/**
 * Holds what the store has at the end against what must have come out. It knows the form of what is stored and nothing
 * of how it came to be: of shards and lanes it knows that they have names.
 *
 *   K1. Every expected match, update, unmatched event, side output and late event is there exactly once, in order per rule and key,
 *       with its time; no other is.
 *   K2. The messages of an output subject are numbered 1, 2, 3 … without gap or repeat.
 *   K3. A key's matches of one rule are all on one subject.
 *   K4. Everything that cannot be processed is a dead letter exactly once.
 *   K5. Per shard and lane the ranges of the records are adjacent, and events lie within their record's range.
 *   K6. A record's watermark is what the events up to its end say: it promises no more and no less. Where silence counts
 *       it may promise more, by at most the time that has passed.
 *   K7. A match is stored after the commit that holds it, and as the commit has it.
 *   K8. A shard's commits are numbered 1, 2, 3 … without gap or repeat.
 *   K9. Per shard and lane a watermark never goes back, an event that is older than what was told before says so, and
 *       none is where publishers keep to what the source allows.
 *   K10. What was removed from journals, shard logs and pages was superfluous by a stored manifest, and all that the
 *       commits up to its start say had been relayed when it was stored.
 *   K12. What a rule says for other rules is what it says in its match stream (see check-chains).
 *   K11. A shard as a new owner finds it is the sum of all commits ever stored (see check-states).
 */
export function check(
  stored: Stored,
  sources: readonly SimulatedSource[],
  expected: Expectation,
  trims: readonly Trim[] = [],
): string[] {
  try {
    return [...violationsOf(stored, sources, expected), ...checkTrims(stored, trims)];
  } catch (error) {
    return [`what is stored cannot be read: ${String(error)}`];
  }
}

function violationsOf(stored: Stored, sources: readonly SimulatedSource[], expected: Expectation): string[] {
  const violations: string[] = [...expected.violations];
  const outputs = new Map<string, Output[]>();
  const lane = (subject: string, messages: Parameters<typeof checkLane>[1]): string[] => {
    const name = subject.slice(subject.lastIndexOf('.') + 1);
    const source = sources.find((source) => source.name === name);
    return checkLane(subject, messages, source, expected.heard.get(name) ?? []);
  };
  for (const [subject, messages] of stored) {
    switch (kindOf(subject)) {
      case 'match':
      case 'side':
        violations.push(...checkNumbers(subject, messages), ...readOutputs(subject, messages, outputs));
        break;
      case 'shardDead':
        violations.push(...checkNumbers(subject, messages));
        break;
      case 'shard':
      case 'laneDead':
        violations.push(...lane(subject, messages));
        break;
      case undefined:
        violations.push(`${subject}: nobody should write there`);
    }
  }
  violations.push(
    ...checkJournals(stored),
    ...checkChains(stored),
    ...compareOutcomes(expected.outcomes, outputs),
    ...compareDead(expected.dead, deadOf(stored)),
  );
  return violations;
}

type Kind =
  | 'match'
  | 'side'
  | 'shardDead'
  | 'shard'
  | 'laneDead'
  | 'laneStart'
  | 'laneClock'
  | 'laneLetters'
  | 'journal'
  | 'page'
  | 'chain';

function kindOf(subject: string): Kind | undefined {
  const [, kind, second, third] = subject.split('.');
  switch (kind) {
    case 'match':
    case 'side':
    case 'shard':
    case 'journal':
    case 'page':
    case 'chain':
      return kind;
    case 'lane':
      return third === undefined
        ? 'laneStart'
        : third === 'clock'
          ? 'laneClock'
          : third === 'letters'
            ? 'laneLetters'
            : undefined;
    case 'dead':
      return second === 'lane' ? 'laneDead' : second === 'shard' ? 'shardDead' : undefined;
    default:
      return undefined;
  }
}

/** After which sequence each source is read, as the store has it. */
export function storedStarts(stored: Stored): ReadonlyMap<string, number> {
  const starts = new Map<string, number>();
  for (const [subject, [first]] of stored) {
    if (kindOf(subject) !== 'laneStart') continue;
    starts.set(subject.slice(subject.lastIndexOf('.') + 1), (unpack(first!.body) as { seq: number }).seq);
  }
  return starts;
}

/** How many outputs and dead letters are there: enough to see whether a run is complete. */
export function countOutputs(stored: Stored, of: (rule: string) => boolean = () => true) {
  let outcomes = 0;
  for (const [subject, messages] of stored)
    if (['match', 'side'].includes(kindOf(subject)!) && of(subject.split('.')[2]!)) outcomes += messages.length;
  return { outcomes, dead: deadOf(stored).length };
}

/** A match, timeout or late event as stored. */
interface Output {
  readonly subject: string;
  readonly text: string;
}

function checkNumbers(subject: string, messages: readonly LogMessage[]): string[] {
  const updated = new Map<string, { readonly key: string; readonly revision: number }>();
  return messages.flatMap(({ headers, body }, at) => {
    const [, ...names] = subject.split('.');
    const shard = names.pop();
    const { id = '', data } = JSON.parse(Buffer.from(body).toString());
    const numbered = headers?.['corral-ordinal'];
    const named = `${names.slice(1).join('.')}/${shard}/`;
    if (data?.revision !== undefined) {
      // It has the id of what it updates, and counts on from there.
      const first = updated.get(id);
      const isNext = first?.key === JSON.stringify(data.key) && first.revision + 1 === data.revision;
      updated.set(id, { key: JSON.stringify(data.key), revision: data.revision });
      return isNext && numbered === String(at + 1) ? [] : [`${subject}: its message number ${at + 1} updates ${id}`];
    }
    updated.set(id, { key: JSON.stringify(data?.key), revision: 0 });
    const due = names[0] === 'dead' ? '' : `${named}${at + 1}`;
    if (id === due && numbered === String(at + 1)) return [];
    return [`${subject}: its message number ${at + 1} has the id ${id} and the ordinal ${numbered}`];
  });
}

function readOutputs(subject: string, messages: readonly LogMessage[], outputs: Map<string, Output[]>): string[] {
  const violations: string[] = [];
  const [, kind, rule, side] = subject.split('.');
  for (const { body } of messages) {
    const { data, time } = JSON.parse(Buffer.from(body).toString());
    const output = kind === 'match' ? 'match' : side === 'late' ? lateKind(data.events[0].refs[0].source) : side!;
    if (data.rule !== rule) violations.push(`${subject}: holds something of rule ${data.rule}`);
    const emit = data.kind === 'late' ? { lateByMs: data.emit.lateByMs, event: data.emit.event } : data.emit;
    const group = outcomeGroup(data.rule, output, data.key);
    const { kind: what, revision, suppressed } = data;
    const text = outputText({
      kind: what,
      revision,
      suppressed,
      time: Date.parse(time),
      steps: stepsOf(data.events),
      emit,
    });
    const before = outputs.get(group);
    if (before === undefined) outputs.set(group, [{ subject, text }]);
    else before.push({ subject, text });
  }
  return violations;
}

const stepsOf = (events: readonly { step: string; refs: readonly Parameters<typeof refOf>[0][] }[]): StepRefs[] =>
  events.map(({ step, refs }) => ({ step, refs: refs.map(refOf) }));

const outputText = ({ kind, time, steps, emit, revision, suppressed }: Omit<Outcome, 'moment'>): string =>
  `${kind}${revision === undefined ? '' : ` ${revision}`} at ${time}${suppressed === undefined ? '' : ` after ${suppressed}`} ` +
  `${steps.map(({ step, refs }) => `${step}[${refs.join(', ')}]`).join(' ')} ${JSON.stringify(emit)}`;

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
    .map((outcome) => ({ moment: outcome.moment, text: outputText(outcome) }))
    .sort((a, b) => a.moment - b.moment || (place.get(a.text) ?? 0) - (place.get(b.text) ?? 0))
    .map(({ text }) => text);
}

/** The names of all dead letters, of lanes and of shards. */
function deadOf(stored: Stored): string[] {
  const dead: string[] = [];
  for (const [subject, messages] of stored) {
    const kind = kindOf(subject);
    if (kind !== 'laneDead' && kind !== 'shardDead') continue;
    const letters = messages.flatMap(({ body }) => (kind === 'laneDead' ? decodeDeadRecord(body).letters : [body]));
    for (const letter of letters) {
      const { cause, source, sequence, index, rule, key, events = [] } = JSON.parse(Buffer.from(letter).toString());
      const ofLane = kind === 'laneDead';
      dead.push(
        ofLane ? laneDeadName(source, sequence, index, cause) : shardDeadName(rule, key, cause, stepsOf(events)),
      );
    }
  }
  return dead;
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
