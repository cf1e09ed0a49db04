import { resolveConfig } from '../../src/config.ts';
import { decodeDeadLetter } from '../../src/core/events/dead-letter.ts';
import type { SourceSettings } from '../../src/core/events/source-settings.ts';
import { decodeDeadRecord } from '../../src/core/shards/dead-record.ts';
import { instant } from '../../src/core/time/units.ts';
import type { Corral } from '../../src/corral.ts';
import { iterableSource } from '../../src/memory/iterable-source.ts';
import type { LogMessage } from '../../src/ports/log.ts';
import type { Outbox } from '../../src/ports/outbox.ts';
import { memoryNode, messagesOf } from '../support/memory-node.ts';
import { bucketOf } from '../support/reference-world.ts';
import { rulesOf } from '../support/rules-of.ts';
import { durationText, IS_RULE, type Outcome, type Timeline, type TimelineEvent } from './timeline.ts';

/**
 * Runs a timeline's events through a whole node in memory: lane, shard log, actor, commit and relay. Events are
 * CloudEvents whose data is what the timeline says, with `user: ann` where it says nothing of a user.
 */
export async function runTimeline(timeline: Timeline): Promise<readonly Outcome[]> {
  const rules = rulesOf(completed(timeline.rule), SOURCES);
  const names = [...new Set(rules.rules.flatMap(({ sources }) => sources))];
  const messages = messagesBySource(timeline, names);
  const sources = new Map(
    [...messages].map(([name, events]) => [name, iterableSource(once(events), () => instant(0))]),
  );
  const sent: Outcome[] = [];
  const outbox: Outbox = {
    async publish(subject, _id, _body, acknowledged) {
      sent.push({ label: 'sent', text: subject, details: {} });
      return acknowledged ? { kind: 'stored', duplicate: false } : { kind: 'sent' };
    },
  };
  const looked = [...new Set(rules.rules.flatMap(({ references }) => references))];
  const references = new Map(looked.map((name) => [name, iterableSource(entriesOf(name, timeline), () => instant(0))]));
  const node = memoryNode(rules, sources, {
    ports: { outbox, references },
    settings: {
      sources: names.map((name) => settingsOf(name, timeline)),
      references: looked.map((name) => bucketOf(name)),
      // Entries are there before the events, as in any run over inputs that end.
      finite: looked.length > 0,
      shards: 1,
    },
  });
  node.corral.start();
  await Promise.race([node.corral.finished, node.corral.failed]);
  const written = (kind: string) => messagesOf(node.log, `corral.${kind}.>`);
  const [matches, sides, letters] = await Promise.all([written('match'), written('side'), written('dead')]);
  await node.corral.drain();
  return [
    // A rule's own stream has its matches, their updates and what is unmatched.
    ...matches.map((message) => said(undefined, message)),
    ...sides.map((message) => said(message.subject.split('.')[3]!, message)),
    ...letters.flatMap((message) => dead(message, messages)),
    ...sent,
    ...counted(node.corral, timeline),
  ];
}

async function* entriesOf(name: string, { entries }: Timeline) {
  yield entries
    .filter(({ reference }) => reference === name)
    .map(({ key, value }) => ({ subject: `$KV.${name}.${key}`, body: Buffer.from(JSON.stringify(value)) }));
}

/** Where a rule reads several sources, each event says whose it is. */
function messagesBySource({ page, line, rule, events }: Timeline, names: readonly string[]) {
  const only = names.length === 1 ? names[0] : undefined;
  const messages = new Map<string, TimelineEvent[]>(names.map((name) => [name, []]));
  for (const event of events) {
    const of = messages.get(event.source ?? only ?? '');
    if (of === undefined)
      throw new Error(`${page}:${line}: ${event.id} is of no source of the rule: ${names.join(', ')}`);
    if (event.id === undefined && /^key: global/m.test(rule))
      throw new Error(`${page}:${line}: every event has the key global, so no time passes without one`);
    of.push(event);
  }
  return messages;
}

/** Sources that rules of the reference may name. */
const SOURCES = ['shop', 'auth', 'payments', 'orders', 'billing', 'bookings'];

/** A part of a rule, with what the page leaves out because it is always the same. Definitions are whole. */
export const completed = (text: string): string =>
  text
    .split(/^---\n/m)
    .map((document) => {
      if (!IS_RULE.test(document)) return document;
      const missing = ALWAYS.filter(([, , written]) => !written.test(document));
      return missing.map(([field, value]) => `${field}: ${value}\n`).join('') + document;
    })
    .join('---\n');

const ALWAYS = [
  ['rule', 'example', /^rule:/m],
  ['from', 'shop', /^from:/m],
  // Aliases may have keys of their own.
  ['key', 'event.user', /\bkey(Each)?:/],
] as const;

/** The first instant of a timeline. */
const BEGIN = Date.UTC(2026, 0, 1);

async function* once(events: readonly TimelineEvent[]) {
  yield events.map(({ id, type, data, at }, index) => ({
    subject: 'events',
    stamp: instant(BEGIN + at),
    body: Buffer.from(
      JSON.stringify({
        specversion: '1.0',
        id: id ?? `pass${index}`,
        type,
        source: '/timeline',
        time: new Date(BEGIN + at).toISOString(),
        // Time passes by an event without a key, which no rule with a key expression sees.
        data: id === undefined ? {} : { user: 'ann', ...data },
      }),
    ),
  }));
}

function settingsOf(name: string, { page, line, source }: Timeline): SourceSettings {
  const fields = source === '' ? '' : `, ${source.replace(/^\{|\}$/g, '')}`;
  const text = `sources:\n  ${name}: {stream: EVENTS, format: cloudevents, start: beginning${fields}}\nrules: [a.yaml]\n`;
  const resolved = resolveConfig({ file: { path: `${page}:${line}`, text }, flags: {}, environment: {} });
  if (!resolved.ok) throw new Error(`${page}:${line}: ${resolved.problems.map(({ message }) => message).join('; ')}`);
  return resolved.config.sources[0]!;
}

interface Envelope {
  readonly time: string;
  readonly data: {
    readonly kind: string;
    readonly key: unknown;
    readonly events: readonly Step[];
    readonly suppressed?: number;
    readonly emit?: unknown;
  };
}

interface Step {
  readonly step: string;
  readonly refs: readonly { readonly id: string; readonly seq: number; readonly time: string }[];
}

/** @param label undefined: what the envelope says it is */
function said(label: string | undefined, { body }: LogMessage): Outcome {
  const { time, data } = JSON.parse(Buffer.from(body).toString()) as Envelope;
  const at = durationText(Date.parse(time) - BEGIN);
  return {
    label: label ?? data.kind,
    // A window that time has closed names no event.
    text: `${inOrder(data.events)} @${at}`.trim(),
    details: { key: data.key, emit: data.emit, suppressed: data.suppressed, steps: `${byStep(data.events)} @${at}` },
  };
}

/** Events of a match by time, as they came. */
const inOrder = (steps: readonly Step[]): string =>
  steps
    .flatMap(({ refs }) => refs)
    .sort((a, b) => Date.parse(a.time) - Date.parse(b.time) || a.seq - b.seq)
    .map(({ id }) => id)
    .join(' ');

const byStep = (steps: readonly Step[]): string =>
  steps.map(({ step, refs }) => `${step}=${refs.map(({ id }) => id).join(',')}`).join(' ');

function dead({ subject, body }: LogMessage, messages: ReadonlyMap<string, readonly TimelineEvent[]>): Outcome[] {
  const letters = subject.includes('.lane.') ? decodeDeadRecord(body).letters : [body];
  return letters.map((bytes) => {
    const { cause, source, sequence, events } = decodeDeadLetter(bytes);
    const what = events === undefined ? messages.get(source)?.[sequence - 1]?.id : inOrder(events as never);
    return { label: 'dead', text: `${what} (${cause})`, details: {} };
  });
}

/** What was counted besides outputs, in one line; none when nothing was. */
function counted(corral: Corral, { events }: Timeline): Outcome[] {
  const { sources, rules } = corral.measures;
  const passes = events.filter(({ id }) => id === undefined).length;
  const counts: [string, number][] = [
    ['withoutKey', [...sources.values()].reduce((sum, one) => sum + one.eventsWithoutKey, -passes)],
  ];
  for (const rule of rules.values()) {
    counts.push(['late', rule.late], ['failures', rule.failures], ['expressionsFailed', rule.expressionsFailed]);
    counts.push(...rule.heldBack, ...rule.limitsReached);
  }
  const text = counts
    .filter(([, count]) => count > 0)
    .map(([name, count]) => `${name} ${count}`)
    .join(', ');
  return text === '' ? [] : [{ label: 'counted', text, details: {} }];
}

/** What came of it, in the words of what was expected: by step, and with `emit` and `key`, only where that is so. */
export function inWordsOf(expected: readonly Outcome[], actual: readonly Outcome[]): readonly string[] {
  const byLabel = new Map<string, Outcome[]>();
  for (const outcome of expected) byLabel.set(outcome.label, [...(byLabel.get(outcome.label) ?? []), outcome]);
  return actual
    .map((outcome) => {
      const asked = byLabel.get(outcome.label)?.shift();
      const text = asked?.text.includes('=') ? String(outcome.details.steps) : outcome.text;
      return line({ ...outcome, text }, Object.keys(asked?.details ?? {}));
    })
    .sort(byKind);
}

export const expectedWords = (expected: readonly Outcome[]): readonly string[] =>
  expected.map((outcome) => line(outcome, Object.keys(outcome.details))).sort(byKind);

const line = ({ label, text, details }: Outcome, asked: readonly string[]): string =>
  [`${label}: ${text}`, ...asked.map((name) => `${name}: ${JSON.stringify(detail(details, name))}`)].join(' | ');

/** `emit.lateByMs` is one field of `emit`; what is expected has it by that name already. */
const detail = (details: Outcome['details'], path: string): unknown =>
  path in details
    ? details[path]
    : path.split('.').reduce<unknown>((value, name) => (value as Record<string, unknown> | undefined)?.[name], details);

/** Outputs are streams of their own: the order counts within each. */
const byKind = (a: string, b: string): number => {
  const [one, other] = [a, b].map((text) => text.slice(0, text.indexOf(':')));
  return one === other ? 0 : one! < other! ? -1 : 1;
};
