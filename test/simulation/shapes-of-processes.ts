import {
  eventTimer,
  list,
  map,
  output,
  processingTimer,
  processRule,
  reducing,
  source,
  value,
} from '../../src/rules-module.ts';
import { type PlainProcess, processMeaning } from './plain-process.ts';
import type { PlainKey, PlainRule, Value } from './plain-rule.ts';
import type { Shape } from './shape.ts';

/** Rules written as code. */
export const SHAPES_OF_PROCESSES: readonly Shape[] = [
  { name: 'ledger', kind: 'process', module: ledger, meaning: processMeaning(plainLedger()) },
  { name: 'watch', kind: 'process', module: watch, meaning: processMeaning(plainWatch()) },
];

const TYPES = ['Open', 'Try', 'Close'];

/** What the rule reads, each source under its own name. */
function fromOf({ sources, key }: PlainRule) {
  return Object.fromEntries(
    sources.map((name) => [name.replace(/\W/g, '_'), source<Value>(name, { type: TYPES, ...keyOf(key, name) })]),
  );
}

// biome-ignore lint/suspicious/noExplicitAny: names are computed, so that types cannot say what a context has
type Any = any;

function keyOf(key: PlainKey, source: string) {
  if (key.kind === 'each') return { keyEach: 'event.tags' };
  if (key.kind === 'chain') throw new Error('rules that are code read sources');
  const fields = key.kind === 'fields' ? key.fields : [key.fields[source]!];
  const parts = fields.map((field) => `event.${field}`);
  return { key: parts.length === 1 ? parts[0]! : parts };
}

function failOn(event: Value, at: 'before' | 'after', rule: PlainRule): void {
  if (rule.faulty && event.poison === at) throw new Error('this event is poison');
}

const onAll = (rule: PlainRule, take: (event: Value, ctx: Any) => void) =>
  Object.fromEntries(
    rule.sources.map((name) => [
      name.replace(/\W/g, '_'),
      (event: Value, ctx: Any) => {
        failOn(event, 'before', rule);
        take(event, ctx);
        failOn(event, 'after', rule);
      },
    ]),
  );

/** Values, sums and lists that are forgotten, and a timer, by event time. */
function ledger(rule: PlainRule): unknown {
  return processRule({
    rule: rule.name,
    ...(rule.saysLate && { onLate: 'sideOutput' as const }),
    from: fromOf(rule),
    state: {
      last: value<number>(),
      sum: reducing({ initial: 0, add: (sum: number, n: number) => sum + n, ttl: 2500 }),
      recent: list<number>({ ttl: 1500 }),
    },
    timers: { deadline: eventTimer() },
    outputs: { closed: output<unknown>(), expired: output<unknown>() },
    on: onAll(rule, ({ type, n }, { state, timers, emit, clear }) => {
      if (type === 'Open') {
        state.last.set(n);
        timers.deadline.after(1200);
      } else if (type === 'Try') {
        state.sum.add(n);
        state.recent.add(n);
      } else {
        emit('closed', { sum: state.sum.get(), recent: state.recent.get(), last: state.last.get() ?? null });
        if (n > 5) clear();
        else timers.deadline.cancel();
      }
    }),
    onTimer: {
      deadline({ state, emit }) {
        emit('expired', { sum: state.sum.get(), recent: state.recent.get(), last: state.last.get() ?? null });
        state.last.clear();
      },
    },
  });
}

interface Ledger {
  last: number | null;
  sum: { n: number; until: number };
  recent: { n: number; until: number }[];
}

function plainLedger(): PlainProcess<Ledger> {
  const shown = ({ last, sum, recent }: Ledger) => ({ sum: sum.n, recent: recent.map(({ n }) => n), last });
  const nothing = () => ({ n: 0, until: Number.POSITIVE_INFINITY });
  return {
    fresh: () => ({ last: null, sum: nothing(), recent: [] }),
    timers: { deadline: 'event' },
    concerns: (type) => TYPES.includes(type),
    on(call, { value: { type, n } }) {
      const { memory, time } = call;
      if (type === 'Open') {
        memory.last = n;
        call.arm('deadline', time + 1200);
      } else if (type === 'Try') {
        memory.sum = { n: memory.sum.n + n, until: time + 2500 };
        memory.recent.push({ n, until: time + 1500 });
      } else {
        call.say('closed', shown(memory));
        if (n > 5) call.clear();
        else call.cancel('deadline');
      }
    },
    onTimer(call) {
      call.say('expired', shown(call.memory));
      call.memory.last = null;
    },
    forget(memory, { event }) {
      if (memory.sum.until < event) memory.sum = nothing();
      memory.recent = memory.recent.filter(({ until }) => until >= event);
    },
    settlesMs: 1201,
  };
}

/** Timers of both times, one of which arms the other, and what is forgotten by processing time. */
function watch(rule: PlainRule): unknown {
  return processRule({
    rule: rule.name,
    ...(rule.saysLate && { onLate: 'sideOutput' as const }),
    from: fromOf(rule),
    state: { seen: map<number, number>({ ttl: 900, ttlClock: 'processing' }) },
    timers: { check: eventTimer(), poll: processingTimer() },
    outputs: { checked: output<unknown>(), polled: output<unknown>() },
    on: onAll(rule, ({ type, n, shop }, { state, timers }) => {
      if (type === 'Open') {
        state.seen.set(shop, n);
        timers.poll.after(300, `s${shop}`);
      } else if (type === 'Try') timers.check.after(500);
      else timers.poll.cancel(`s${shop}`);
    }),
    onTimer: {
      check({ state, timers, emit, processingTime }) {
        timers.poll.after(200, 'c');
        emit('checked', { at: processingTime, seen: [...state.seen.entries()] });
      },
      poll({ state, emit, processingTime }, id) {
        emit('polled', { id, at: processingTime, seen: [...state.seen.entries()] });
      },
    },
  });
}

type Watch = { seen: { shop: number; n: number; until: number }[] };

function plainWatch(): PlainProcess<Watch> {
  const entries = ({ seen }: Watch) => seen.map(({ shop, n }) => [shop, n]);
  return {
    fresh: () => ({ seen: [] }),
    timers: { check: 'event', poll: 'processing' },
    concerns: (type) => TYPES.includes(type),
    on(call, { value: { type, n, shop } }) {
      const { memory, time, processing } = call;
      if (type === 'Open') {
        const known = memory.seen.find((one) => one.shop === shop);
        if (known === undefined) memory.seen.push({ shop, n, until: processing + 900 });
        else Object.assign(known, { n, until: processing + 900 });
        call.arm('poll', processing + 300, `s${shop}`);
      } else if (type === 'Try') call.arm('check', time + 500);
      else call.cancel('poll', `s${shop}`);
    },
    onTimer(call, timer, id) {
      const { memory, processing } = call;
      if (timer === 'check') {
        call.arm('poll', processing + 200, 'c');
        call.say('checked', { at: processing, seen: entries(memory) });
      } else call.say('polled', { id, at: processing, seen: entries(memory) });
    },
    forget(memory, { processing }) {
      memory.seen = memory.seen.filter(({ until }) => until >= processing);
    },
    settlesMs: 501,
    settlesProcessingMs: 301,
  };
}
