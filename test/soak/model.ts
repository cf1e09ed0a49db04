import { outcomesOf, type PlainPattern } from '../simulation/plain-pattern.ts';
import type { Value } from '../simulation/plain-rule.ts';
import type { SourceEvent, SourceRead } from './events-read.ts';
import type { SourceName } from './rules.ts';

/** One output that must come out. */
export interface Expected {
  readonly text: string;
  /** Outputs with the same number happen at the same moment, and may come in any order. */
  readonly moment: number;
}

/** By rule, output and key, in order. */
export type ExpectedOutputs = ReadonlyMap<string, readonly Expected[]>;

/**
 * What the rules of a run must say, computed the plainest way there is from what the sources' streams hold. Nothing of
 * the real matcher, lanes or shards is used or known here.
 */
export function expectedOutputs(sources: Readonly<Record<SourceName, SourceRead>>): ExpectedOutputs {
  const outputs = new Map<string, Expected[]>();
  const { orders, payments } = sources;
  const upto = Math.min(orders.upto, payments.upto);
  for (const key of new Set([...orders.byKey.keys(), ...payments.byKey.keys()])) {
    const ordered = orders.byKey.get(key) ?? [];
    const paid = payments.byKey.get(key) ?? [];
    const say = (output: string, text: string, moment: number) => {
      const group = outputGroup(output, key);
      const before = outputs.get(group);
      if (before === undefined) outputs.set(group, [{ text, moment }]);
      else before.push({ text, moment });
    };
    for (const rule of PATTERNS) sayPattern(rule, ordered.filter(isOnTime), orders.upto, say);
    sayVolume(paid, payments.upto, say);
    const both = inTimeOrder([...ordered, ...paid].filter(({ type }) => type === 'Open' || type === 'Paid'));
    const decided = both.filter((event) => isOnTime(event) && event.ts < upto);
    saySettled(decided, upto, say);
    sayTally(decided, upto, say);
  }
  return outputs;
}

export const outputGroup = (output: string, key: unknown): string => `${output} ${JSON.stringify(key)}`;

/** How an output reads, made from what is expected and from what is stored alike. */
export const outputText = (kind: string, time: number, refs: readonly string[], emit: unknown): string =>
  `${kind} at ${time} [${refs.join(' ')}] ${JSON.stringify(emit)}`;

export const refText = ({ source, seq, index }: { source: string; seq: number; index: number }): string =>
  `${source}:${seq}.${index}`;

type Say = (output: string, text: string, moment: number) => void;

const isOnTime = ({ ts, before }: SourceEvent): boolean => ts >= before;

const numbered = (value: Value | undefined): number | null => (value as unknown as SourceEvent | undefined)?.i ?? null;

const step = (type: string, name: string) => ({ names: { [type]: name }, min: 1, max: 1 });

interface Pattern extends PlainPattern {
  readonly name: string;
}

const PATTERNS: readonly Pattern[] = [
  {
    name: 'closed',
    steps: [
      step('Open', 'opened'),
      { ...step('Try', 'tried'), where: (value, taken) => value.n > taken('opened')[0]!.n },
      step('Close', 'closed'),
    ],
    withinMs: 4000,
    afterMatch: 'pastLast',
    saysTimeouts: true,
    emit: (taken) => ({
      opened: numbered(taken('opened')[0]),
      tried: numbered(taken('tried')[0]),
      closed: numbered(taken('closed')[0]),
    }),
  },
  {
    name: 'unclosed',
    steps: [step('Open', 'opened')],
    absent: 'Close',
    withinMs: 1500,
    afterMatch: 'noSkip',
    emit: (taken) => ({ opened: numbered(taken('opened')[0]) }),
  },
];

function sayPattern(rule: Pattern, events: readonly SourceEvent[], upto: number, say: Say): void {
  const placed = events.map((event) => {
    const { source, seq, index, ts: time } = event;
    return { source, seq, index, time, value: event as unknown as Value };
  });
  for (const { kind, time, steps, emit, moment } of outcomesOf(rule, placed, upto).outcomes) {
    const refs = steps.flatMap(({ refs: of }) => of.map((ref) => ref.replace(' ', ':')));
    say(kind === 'match' ? rule.name : `${rule.name}.${kind}`, outputText(kind, time, refs, emit), moment);
  }
}

const WINDOW_MS = 2000;

/** Counts and sums over full windows; an event older than others still counts while its window is open. */
function sayVolume(events: readonly SourceEvent[], upto: number, say: Say): void {
  const windows = new Map<number, { paid: number; total: number }>();
  for (const { ts, n, before } of events) {
    const end = (Math.floor(ts / WINDOW_MS) + 1) * WINDOW_MS;
    if (before >= end) continue;
    const { paid, total } = windows.get(end) ?? { paid: 0, total: 0 };
    windows.set(end, { paid: paid + 1, total: total + n });
  }
  for (const [end, sums] of [...windows].sort(([a], [b]) => a - b)) {
    if (end <= upto) say('volume', outputText('match', end, [], sums), end);
  }
}

const EARLIEST_MS = -200;
const LATEST_MS = 400;

/** Every pair within the bounds, when its later event comes; every opening without any, when the last could have come. */
function saySettled(events: readonly SourceEvent[], upto: number, say: Say): void {
  const said: { time: number; phase: number; text: string }[] = [];
  for (const [at, opened] of events.entries()) {
    if (opened.type !== 'Open') continue;
    let pairs = 0;
    // Near enough in the list: it is in order of time.
    for (const step of [-1, 1]) {
      for (let other = at + step; other >= 0 && other < events.length; other += step) {
        const paid = events[other]!;
        if (Math.abs(paid.ts - opened.ts) > LATEST_MS) break;
        const distance = paid.ts - opened.ts;
        if (paid.type !== 'Paid' || distance < EARLIEST_MS || distance > LATEST_MS) continue;
        pairs += 1;
        const later = Math.max(at, other);
        const refs = (later === at ? [paid, opened] : [opened, paid]).map(refText).sort();
        const text = outputText('match', events[later]!.ts, refs, { opened: opened.i, paid: paid.i });
        said.push({ time: events[later]!.ts, phase: later + 1, text });
      }
    }
    const deadline = opened.ts + LATEST_MS;
    if (pairs === 0 && deadline < upto) {
      const text = outputText('unmatched', deadline, [refText(opened)], { opened: opened.i });
      said.push({ time: deadline, phase: Number.POSITIVE_INFINITY, text });
    }
  }
  inMoments(said, (text, moment) => say('settled', text, moment));
}

const QUIET_MS = 700;

/** Every third event of a key is said; after silence the count is said, and begins anew. */
function sayTally(events: readonly SourceEvent[], upto: number, say: Say): void {
  let seen = 0;
  let deadline = Number.POSITIVE_INFINITY;
  let moment = 0;
  /** An event at the very moment of the timer comes before it. */
  const passTime = (now: number) => {
    if (deadline >= now) return;
    say('tally.quiet', outputText('match', deadline, [], { seen }), (moment += 1));
    seen = 0;
    deadline = Number.POSITIVE_INFINITY;
  };
  for (const event of events) {
    passTime(event.ts);
    seen += 1;
    deadline = event.ts + QUIET_MS;
    if (seen % 3 !== 0) continue;
    say('tally.third', outputText('match', event.ts, [refText(event)], { seen, i: event.i }), (moment += 1));
  }
  passTime(upto);
}

function inMoments(
  said: readonly { time: number; phase: number; text: string }[],
  say: (text: string, moment: number) => void,
): void {
  const sorted = [...said].sort((a, b) => a.time - b.time || (a.phase === b.phase ? 0 : a.phase - b.phase));
  let moment = 0;
  for (const [at, { time, phase, text }] of sorted.entries()) {
    const before = sorted[at - 1];
    if (before?.time !== time || before.phase !== phase) moment += 1;
    say(text, moment);
  }
}

/** By time, then source, then arrival, as rules over several sources see them. */
const inTimeOrder = (events: readonly SourceEvent[]): SourceEvent[] =>
  [...events].sort(
    (a, b) => a.ts - b.ts || (a.source < b.source ? -1 : a.source > b.source ? 1 : a.seq - b.seq || a.index - b.index),
  );
