import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import t from 'tap';
import { loadRules } from '../src/cli/load-rules.ts';
import { decodeDeadLetter } from '../src/core/events/dead-letter.ts';
import type { SourceSettings } from '../src/core/events/source-settings.ts';
import type { AnyProcessRule } from '../src/core/process/process-rule.ts';
import { type CompiledRules, compileRules } from '../src/core/rules/compile-rules.ts';
import { Problems } from '../src/core/rules/document.ts';
import { readModule } from '../src/core/rules/module-document.ts';
import type { RuleSet } from '../src/core/rules/rule-set.ts';
import { readYaml } from '../src/core/rules/yaml-document.ts';
import { duration, instant } from '../src/core/time/units.ts';
import type { Settings } from '../src/corral.ts';
import { iterableSource } from '../src/memory/iterable-source.ts';
import { MemoryLog } from '../src/memory/memory-log.ts';
import { MemorySource } from '../src/memory/memory-source.ts';
import type { FencedLog } from '../src/ports/log.ts';
import {
  aggregating,
  eventTimer,
  list,
  map,
  output,
  patternRule,
  processingTimer,
  processRule,
  reducing,
  source,
  value,
} from '../src/rules-module.ts';
import { systemClock } from '../src/system/system-clock.ts';
import { harness } from '../src/testing-module.ts';
import { memoryNode, messagesOf, sourceSettings } from './support/memory-node.ts';
import { pageModules } from './support/page-modules.ts';
import { corral, type MatchOutput } from './support/replay.ts';
import { until } from './support/until.ts';

/** Process rules as modules give them, in the assembly that serves a deployment. */

t.setTimeout(120_000);

function compiled(exported: unknown, digest = 'digest', sources?: readonly string[]): CompiledRules {
  const problems = new Problems();
  return compileRules(readModule('m.ts', exported, digest, problems), { sources }, problems);
}

function settled(rules: CompiledRules): RuleSet {
  if (rules.ok) return rules.ruleSet;
  throw new Error(rules.problems.map(({ code, message }) => `${code} ${message}`).join('\n'));
}

const ruleSet = (exported: unknown): RuleSet => settled(compiled(exported));

const shown = pageModules('docs/rules/process.md');

/** Writes modules into a folder of their own. */
const written = (t: { testdir(files: Record<string, string>): string }, modules: ReadonlyMap<string, string>): string =>
  t.testdir(Object.fromEntries(modules));

interface Told {
  readonly kind: string;
  readonly at: number;
  readonly [name: string]: unknown;
}

const SECOND = 1_000;
const MINUTE = 60 * SECOND;

/** A source that gives what it has in chunks, and ends. */
const told = (events: readonly Told[], chunk: number) =>
  iterableSource(
    (async function* () {
      for (let from = 0; from < events.length; from += chunk)
        yield events
          .slice(from, from + chunk)
          .map((event) => ({ subject: 'in', body: Buffer.from(JSON.stringify(event)), stamp: instant(0) }));
    })(),
    () => instant(0),
  );

const outputsOf = async (log: FencedLog, filter: string): Promise<readonly MatchOutput[]> =>
  (await messagesOf(log, filter)).map(({ body }) => JSON.parse(Buffer.from(body).toString()) as MatchOutput);

interface Cut {
  readonly chunk?: number;
  readonly source?: Partial<SourceSettings>;
  readonly settings?: Partial<Settings>;
}

/** Runs rules over events that end, and gives what they said. */
async function run(rules: RuleSet, inputs: Readonly<Record<string, readonly Told[]>>, cut: Cut = {}) {
  const names = Object.keys(inputs);
  const sources = new Map(names.map((name) => [name, told(inputs[name]!, cut.chunk ?? 1_000)]));
  const idleAfter = duration(Number.POSITIVE_INFINITY);
  const node = memoryNode(rules, sources, {
    settings: {
      sources: names.map((name) => sourceSettings(name, { idleAfter, ...cut.source })),
      finite: true,
      ...cut.settings,
    },
  });
  node.corral.start();
  await Promise.race([node.corral.finished, node.corral.failed]);
  const sides = await outputsOf(node.log, 'corral.side.>');
  const dead = (await messagesOf(node.log, 'corral.dead.shard.>')).map(({ body }) => decodeDeadLetter(body));
  await node.corral.drain();
  const { measures } = node.corral;
  return { sides, dead, measures, log: node.log };
}

/** What a rule said on an output: key and value, in order of key; of one key in the order in which it was said. */
const said = (sides: readonly MatchOutput[], name: string): readonly (readonly [unknown, unknown])[] =>
  sides
    .filter(({ type }) => type === `corral.side.${name}`)
    .map(({ data }) => [data.key, data.emit] as const)
    .sort(([a], [b]) => (String(a) < String(b) ? -1 : String(a) > String(b) ? 1 : 0));

t.test('rules of the documentation run as their tests there say', async (t) => {
  const folder = written(t, shown);
  const rules = [...shown.keys()].filter((name) => !name.endsWith('.test.ts'));
  const tests = [...shown.keys()].filter((name) => name.endsWith('.test.ts'));
  t.strictSame(
    tests,
    rules.map((name) => name.replace('.ts', '.test.ts')),
    'each has its test',
  );
  settled(
    await loadRules(
      rules.map((name) => join(folder, name)),
      { sources: undefined },
    ),
  );
  for (const name of tests) await t.resolves(import(pathToFileURL(join(folder, name)).href), name);
});

t.test(
  'the sample of the documentation correlates two sources, whatever the batches and who is in memory',
  async (t) => {
    const folder = written(t, new Map([['bookings.ts', shown.get('bookings.ts')!]]));
    const rules = settled(await loadRules([join(folder, 'bookings.ts')], { sources: ['bookings', 'seats'] }));
    const bookings: Told[] = [];
    const seats: Told[] = [];
    const booked: unknown[] = [];
    const unfinished: unknown[] = [];
    for (let n = 0; n < 60; n++) {
      const [id, at] = [`b${100 + n}`, n * 30 * SECOND];
      bookings.push({ kind: 'BookingCreated', at, bookingId: id, customer: `c${n}`, seats: 3 });
      // A third is complete in time, a third a minute late, a third never.
      const last = [14 * MINUTE, 16 * MINUTE, undefined][n % 3];
      const taken = (late: number, many: number): number =>
        seats.push({ kind: 'SeatTaken', at: at + late, ref: { booking: id }, seats: many });
      taken(5 * SECOND, 2);
      if (last !== undefined) taken(last, 1);
      if (n % 3 === 0) booked.push([id, { customer: `c${n}`, seats: 3 }]);
      else unfinished.push([id, { customer: `c${n}`, missing: 1 }]);
    }
    bookings.push({ kind: 'Other', at: 60 * MINUTE });
    seats.push({ kind: 'Other', at: 60 * MINUTE });
    seats.sort((a, b) => a.at - b.at);
    for (const cut of [{}, { chunk: 1, settings: { actorsMax: 1 } }, { chunk: 7, settings: { shards: 1 } }]) {
      const { sides, dead, measures } = await run(rules, { bookings, seats }, cut);
      t.strictSame(said(sides, 'booking-correlation.booked'), booked);
      t.strictSame(said(sides, 'booking-correlation.unfinished'), unfinished);
      t.strictSame(dead, []);
      t.equal(measures.rules.get('booking-correlation')!.late, 0);
      const [one] = sides.filter(({ data }) => data.key === 'b101');
      t.match(one, {
        time: new Date(30 * SECOND + 15 * MINUTE).toISOString(),
        data: { kind: 'match', events: [] },
      });
      const [other] = sides.filter(({ data }) => data.key === 'b100');
      t.match(other!.data.events, [{ step: 'seat', count: 1, refs: [{ source: 'seats' }] }]);
    }
  },
);

t.test('every kind of state survives passivation and the loss of its actor', async (t) => {
  const rules = ruleSet(
    processRule({
      rule: 'all-kinds',
      from: { n: source<{ k: string; n: number }>('in', { key: (event) => event.k }) },
      state: {
        last: value<{ n: number }>(),
        recent: list<number>({ ttl: '10s' }),
        counts: map<number, number>(),
        sum: reducing({ initial: 0, add: (sum, n: number) => sum + n }),
        mean: aggregating({
          create: () => ({ n: 0, sum: 0 }),
          add: ({ n, sum }, item: number) => ({ n: n + 1, sum: sum + item }),
          result: ({ n, sum }) => sum / n,
        }),
      },
      timers: { quiet: eventTimer() },
      outputs: { state: output<unknown>() },
      on: {
        n({ n }, { state, timers }) {
          state.last.set({ n });
          state.recent.add(n);
          state.counts.set(n % 3, (state.counts.get(n % 3) ?? 0) + 1);
          state.sum.add(n);
          state.mean.add(n);
          timers.quiet.after('15s');
        },
      },
      onTimer: {
        quiet({ state, emit, time }) {
          const [last, recent, counts] = [state.last.get(), state.recent.get(), state.counts.entries()];
          emit('state', { time, last, recent, counts, sum: state.sum.get(), mean: state.mean.get() });
        },
      },
    }),
  );
  const keys = Array.from({ length: 40 }, (_, n) => `k${10 + n}`);
  const events = Array.from({ length: 5 }, (_, n) => keys.map((k) => ({ kind: 'N', at: n * 4 * SECOND, k, n }))).flat();
  const counts = [
    [0, 2],
    [1, 2],
    [2, 1],
  ];
  const wanted = keys.map((k) => [
    k,
    // After the last of them, at 16 s, the timer fires at 31 s; all items of the list are over 10 s old by then.
    { time: 31 * SECOND, last: { n: 4 }, recent: [], counts, sum: 10, mean: 2 },
  ]);
  const source1 = new MemorySource({ name: 'in', now: () => instant(0) });
  const node = memoryNode(rules, new Map([['in', source1]]), {
    settings: {
      sources: [sourceSettings('in', { idleAfter: duration(Number.POSITIVE_INFINITY) })],
      actorsMax: 10,
      shards: 1,
    },
  });
  const publish = (event: Told) => source1.publish({ subject: 'in', body: Buffer.from(JSON.stringify(event)) });
  node.corral.start();
  for (let from = 0; from < 100; from += 10) {
    events.slice(from, from + 10).forEach(publish);
    await until(() => node.corral.measures.node.eventsCommitted === from + 10);
  }
  t.ok(node.corral.measures.node.actorsActive < 40, `${node.corral.measures.node.actorsActive} of 40 are in memory`);
  t.ok(
    keys.some((key) => node.corral.killActor(0, key)),
    'some were killed',
  );
  [...events.slice(100), { kind: 'N', at: 60 * SECOND, k: 'end', n: 0 }].forEach(publish);
  await until(async () => (await messagesOf(node.log, 'corral.side.>')).length >= keys.length);
  t.strictSame(said(await outputsOf(node.log, 'corral.side.>'), 'all-kinds.state'), wanted);
  await node.corral.drain();
});

t.test('timers fire on an idle source: by elapsed event time, and by processing time', async (t) => {
  const rules = ruleSet(
    processRule({
      rule: 'idle',
      from: { seen: source<{ k: string; by: string }>('in', { key: (event) => event.k }) },
      state: { by: value<string>({ ttl: '50ms', ttlClock: 'processing' }) },
      timers: { event: eventTimer(), processing: processingTimer() },
      outputs: { fired: output<unknown>() },
      on: {
        seen({ by }, ctx) {
          ctx.state.by.set(by);
          if (by === 'event') ctx.timers.event.after('100ms');
          else ctx.timers.processing.after('50ms', 'tick');
        },
      },
      onTimer: {
        event: (ctx) => ctx.emit('fired', { by: 'event', time: ctx.time }),
        processing: (ctx, id) =>
          ctx.emit('fired', {
            by: 'processing',
            id,
            time: ctx.time,
            state: ctx.state.by.get(),
            at: ctx.processingTime,
          }),
      },
    }),
  );
  const began = Date.now();
  const source1 = new MemorySource({ name: 'in', now: systemClock.now });
  const node = memoryNode(rules, new Map([['in', source1]]), {
    ports: { log: new MemoryLog({ prefix: 'corral', now: systemClock.now }) },
    settings: { sources: [sourceSettings('in', { idleAfter: duration(50) })] },
  });
  const publish = (event: Told) => source1.publish({ subject: 'in', body: Buffer.from(JSON.stringify(event)) });
  node.corral.start();
  // Long ago by its own time, which says nothing about the processing time.
  publish({ kind: 'A', at: SECOND, k: 'a', by: 'processing' });
  publish({ kind: 'A', at: SECOND, k: 'b', by: 'event' });
  await until(async () => (await messagesOf(node.log, 'corral.side.idle.fired.>')).length === 2);
  const [[, byProcessing], [, byEvent]] = said(await outputsOf(node.log, 'corral.side.>'), 'idle.fired') as [
    [unknown, { at: number }],
    [unknown, unknown],
  ];
  t.strictSame(byEvent, { by: 'event', time: SECOND + 100 });
  const { at, ...rest } = byProcessing;
  t.strictSame(rest, { by: 'processing', id: 'tick', time: SECOND, state: 'processing' }, 'it sees what ends with it');
  t.ok(at >= began + 50, 'its own moment, by the time at which the log stored it');
  await node.corral.drain();
});

t.test('a function that throws costs one event and nothing else', async (t) => {
  const faulty = processRule({
    rule: 'faulty',
    from: { n: source<{ k: string; n: number | string }>('in', { type: 'N', key: (event) => event.k }) },
    state: { seen: list<number>() },
    timers: { soon: eventTimer() },
    outputs: { total: output<unknown>() },
    on: {
      n({ n }, ctx) {
        ctx.state.seen.add(-1);
        ctx.emit('total', 'never said');
        ctx.timers.soon.after('1s');
        if (typeof n === 'string') throw new TypeError(`${n} is no number`);
        ctx.state.seen.set([...ctx.state.seen.get().slice(0, -1), n]);
        ctx.timers.soon.cancel();
        ctx.emit('total', ctx.state.seen.get());
      },
    },
    onTimer: {
      soon() {
        throw new Error('not reached');
      },
    },
  });
  const healthy = patternRule({
    rule: 'healthy',
    from: 'in',
    key: (event) => event.k,
    pattern: [
      { begin: 'a', type: 'N' },
      { next: 'b', type: 'N' },
    ],
    afterMatch: 'skipPastLastEvent',
  });
  const n = (k: string, at: number, value: unknown): Told => ({ kind: 'N', at: at * SECOND, k, n: value });
  const events = [n('x', 1, 1), n('y', 2, 1), n('x', 3, 'poison'), n('y', 4, 2), n('x', 5, 2), n('x', 6, 3)];
  const { sides, dead, measures, log } = await run(ruleSet([faulty, healthy]), { in: events }, { chunk: 2 });
  const totals = said(sides, 'faulty.total').filter(([, total]) => total !== 'never said');
  t.strictSame(
    totals.map(([key, total]) => `${key} ${JSON.stringify(total)}`),
    ['x [1]', 'x [1,2]', 'x [1,2,3]', 'y [1]', 'y [1,2]'],
    'the state is as before the event, and goes on',
  );
  t.equal(sides.length - totals.length, totals.length, 'of the failed call nothing is said');
  t.equal(dead.length, 1);
  t.match(dead[0], {
    cause: 'failed',
    rule: 'faulty',
    key: 'x',
    sequence: 3,
    message: /^Rule faulty failed on this event: RuleFailed: on\.n of rule faulty failed.*poison is no number/,
  });
  t.equal(measures.rules.get('faulty')!.failures, 1);
  t.equal((await outputsOf(log, 'corral.match.healthy.>')).length, 3, 'other rules have seen the event');
});

t.test('a timer that throws counts as fired, and later ones still fire', async (t) => {
  const rules = ruleSet(
    processRule({
      rule: 'timers',
      from: { n: source<{ k: string }>('in', { type: 'N', key: 'event.k' }) },
      timers: { one: eventTimer() },
      outputs: { fired: output<string>() },
      on: {
        n(_, { timers }) {
          for (const [id, after] of Object.entries({ a: '1s', b: '2s', c: '3s' })) timers.one.after(after, id);
        },
      },
      onTimer: {
        one(ctx, id) {
          if (id === 'b') throw new Error('b is broken');
          ctx.emit('fired', id);
        },
      },
    }),
  );
  const events = [
    { kind: 'N', at: SECOND, k: 'x' },
    { kind: 'Other', at: MINUTE, k: 'x' },
  ];
  const { sides, dead } = await run(rules, { in: events });
  t.strictSame(said(sides, 'timers.fired'), [
    ['x', 'a'],
    ['x', 'c'],
  ]);
  t.match(dead, [{ cause: 'failed', rule: 'timers', key: 'x', message: /failed on a timer: .*b is broken/ }]);
});

t.test('an event that two names take with different keys is to each key what it is there', async (t) => {
  const rule = (key: 'functions' | 'expressions') =>
    processRule({
      rule: 'transfers',
      from: {
        out: source<{ from: string; to: string }>('in', {
          type: 'Transfer',
          key: key === 'functions' ? (event) => event.from : 'event.from',
        }),
        into: source<{ from: string; to: string }>('in', {
          type: 'Transfer',
          where: (event, meta) => event.to !== 'nobody' && meta.type === 'Transfer',
          key: key === 'functions' ? (event) => event.to : 'event.to',
        }),
        shared: source<{ to: string[] }>('in', {
          type: 'Shared',
          keyEach: key === 'functions' ? (event) => event.to : 'event.to',
        }),
      },
      outputs: { seen: output<string>() },
      on: {
        out: (event, ctx) => ctx.emit('seen', `out to ${event.to}`),
        into: (event, ctx) => ctx.emit('seen', `in from ${event.from}`),
        shared: (event, ctx) => ctx.emit('seen', `shared with ${event.to.length}`),
      },
    });
  const events = [
    { kind: 'Transfer', at: 1, from: 'ann', to: 'bob' },
    { kind: 'Transfer', at: 2, from: 'ann', to: 'ann' },
    { kind: 'Transfer', at: 3, from: 'bob', to: 'nobody' },
    { kind: 'Shared', at: 4, to: ['ann', 'bob', 'ann'] },
    { kind: 'Unknown', at: 5, from: 'ann', to: 'bob' },
  ];
  for (const key of ['functions', 'expressions'] as const) {
    const { sides } = await run(ruleSet(rule(key)), { in: events });
    t.strictSame(
      said(sides, 'transfers.seen').map((one) => one.join(': ')),
      [
        'ann: out to bob',
        'ann: out to ann',
        'ann: in from ann',
        'ann: shared with 3',
        'bob: in from ann',
        'bob: out to nobody',
        'bob: shared with 3',
      ],
      key,
    );
  }
});

t.test('late events are told, and repeated ones are left out, where the rule asks for that', async (t) => {
  const rules = ruleSet(
    processRule({
      rule: 'tidy',
      severity: 'low',
      labels: { team: 'ops' },
      onLate: 'sideOutput',
      dedupe: { events: (_, meta) => meta.headers?.id ?? meta.type, within: '10s' },
      from: { any: source<{ k: string }>('in', { key: 'global' }) },
      outputs: { seen: output<number>() },
      on: { any: (_, ctx) => ctx.emit('seen', ctx.time) },
    }),
  );
  const events = [
    { kind: 'A', at: 1_000 },
    { kind: 'A', at: 2_000 },
    { kind: 'B', at: 13_000 },
    { kind: 'C', at: 5_000 },
    { kind: 'A', at: 14_000 },
  ];
  const { sides, measures } = await run(rules, { in: events });
  t.strictSame(
    said(sides, 'tidy.seen').map(([, time]) => time),
    [1_000, 13_000, 14_000],
  );
  t.match(said(sides, 'tidy.late'), [['global', { lateByMs: 8_000, meta: { type: 'C' } }]]);
  t.match(sides[0], { data: { severity: 'low', labels: { team: 'ops' } } });
  t.equal(measures.rules.get('tidy')!.heldBack.get('dedupeEvents'), 1);
});

const DECLARED = {
  rule: 'declared',
  from: { n: source<{ n: number }>('in', { key: 'event.n' }) },
  state: { a: value<number>({ ttl: '90s' }), b: list<number>() },
  timers: { tick: eventTimer() },
  outputs: { out: output<number>() },
  on: { n: () => undefined },
  onTimer: { tick: () => undefined },
};

t.test('the harness sends an event to the keys that a node would', async (t) => {
  const keys = harness(
    processRule({
      rule: 'keys',
      from: {
        each: source<{ to: (string | null)[] }>('in', { keyEach: (event) => event.to }),
        all: source<object>('in', { key: 'global' }),
        pair: source<{ a: string; b?: string }>('in', { key: [(event) => event.a, (event) => event.b] }),
      },
      outputs: { seen: output<string>() },
      on: {
        each: (_, ctx) => ctx.emit('seen', `each ${ctx.key}`),
        all: (_, ctx) => ctx.emit('seen', `all ${ctx.key}`),
        pair: (_, ctx) => ctx.emit('seen', `pair ${JSON.stringify(ctx.key)}`),
      },
    }),
  );
  keys.event('each', { to: ['x', null, 'y', 'x'] }, { time: 0 }).event('all', {}, { time: 0 });
  keys.event('pair', { a: 'p' }, { time: 0 }).event('pair', { a: 'p', b: 'q' }, { time: 0 });
  t.strictSame(keys.of('seen'), ['each x', 'each y', 'all global', 'pair ["p","q"]']);
});

t.test('what is wrong with a rule is a problem of its file, with the way out', async (t) => {
  const problemsOf = (exported: unknown): readonly string[] => {
    const result = compiled(exported, 'digest', ['in']);
    return result.ok
      ? []
      : result.problems.map(({ code, at, message, fix }) => `${at.file} ${code} ${message}: ${fix}`);
  };
  t.strictSame(problemsOf(DECLARED), []);
  t.match(
    problemsOf({
      ...DECLARED,
      from: { ...DECLARED.from, other: source('inn', { key: 'event.x +' }), third: { source: 'in', key: 'event.n' } },
      state: {
        ok: value(),
        initial: reducing({ initial: new Map(), add: () => 0 } as never),
        sum: { kind: 'reducing' },
      },
      outputs: { late: output(), 'a b': output() },
      limits: { timer: 5 },
      emit: { n: 1 },
      where: 'event.n > 1',
      dedupe: { matches: 'emit.n', within: '1h' },
      onTimer: {},
    }),
    [
      /^m\.ts RULE_FIELD_KIND process rules have no `where`: give each source its own/,
      /^m\.ts RULE_FIELD_KIND process rules have no `emit`: say it with `ctx\.emit`/,
      /^m\.ts RULE_FIELD_KIND `dedupe\.matches` has nothing to do/,
      /^m\.ts PROCESS_DECLARATION rule declared, `from\.third`: .*: make it with source/,
      /^m\.ts PROCESS_FUNCTION_MISSING rule declared, `on\.other`/,
      /^m\.ts PROCESS_FUNCTION_MISSING rule declared, `on\.third`/,
      /^m\.ts PROCESS_FIELD rule declared, `state\.initial\.initial`: a Map cannot be stored.*: give plain data/,
      /^m\.ts PROCESS_FUNCTION_MISSING rule declared, `state\.sum\.add`: reducing needs it/,
      /^m\.ts PROCESS_FUNCTION_MISSING rule declared, `onTimer\.tick`/,
      /^m\.ts PROCESS_NAME rule declared, `outputs\.late`: .*: name it otherwise/,
      /^m\.ts PROCESS_NAME rule declared, `outputs\.a b`/,
      /^m\.ts PROCESS_FIELD rule declared, `limits\.timer`: .*: did you mean `timers`/,
    ],
  );
  t.match(problemsOf({ ...DECLARED, from: { n: source('inn', { key: 'event.x +' }) } }), [
    /RULE_SOURCE_UNKNOWN .*did you mean `in`/,
    /EXPRESSION_SYNTAX/,
  ]);
  t.match(problemsOf({ ...DECLARED, from: 'in' }), [
    /RULE_KEY_MISSING/,
    /PROCESS_FIELD rule declared, `from`: .*source\(…\)/,
    /PROCESS_FUNCTION_UNKNOWN/,
  ]);
  t.match(problemsOf({ ...DECLARED, rulle: 1, window: {} }), [/RULE_KIND_TWICE/, /RULE_FIELD_UNKNOWN/]);
  const problems = new Problems();
  const yaml = readYaml('r.yaml', 'rule: r\nfrom: in\nkey: event.n\non: {n: 1}\n', problems);
  t.match(compileRules(yaml, { sources: undefined }, problems), {
    problems: [{ code: 'PROCESS_MODULE', at: { file: 'r.yaml', line: 4 }, fix: /module/ }],
  });
});

t.test('the version is the module and what the rule declares, and not how it is written', async (t) => {
  const versionOf = (rule: object, digest = 'digest'): string => settled(compiled(rule, digest)).rules[0]!.version;
  const version = versionOf(DECLARED);
  t.equal(versionOf({ ...DECLARED, description: 'new' }), version);
  const { a, b } = DECLARED.state;
  const changes: readonly object[] = [
    { state: { b, a } },
    { state: { a: value({ ttl: '91s' }), b } },
    { state: { a: value({ ttl: '90s', ttlClock: 'processing' }), b } },
    { timers: { tick: processingTimer() } },
    { outputs: { other: output() } },
    { on: { n: () => void 0 } },
    { onTimer: { tick: () => null } },
    { limits: { timers: 5 } },
    { onLate: 'sideOutput' },
    { from: { n: source('in', { key: 'event.m' }) } },
    { from: { n: source('in', { key: 'event.n', where: 'event.n > 1' }) } },
  ];
  const versions = changes.map((change) => versionOf({ ...DECLARED, ...change }));
  t.equal(new Set([...versions, version, versionOf(DECLARED, 'edited')]).size, changes.length + 2, 'all differ');
  t.equal(versionOf({ ...DECLARED, state: { a: value({ ttl: 90_000 }), b } }), version, 'lengths compare by value');
});

t.test('check says what may stay for ever, and what bounds the rest', async (t) => {
  const [rule] = settled(compiled({ ...DECLARED, limits: { timers: 5, stateBytes: 2_000 } })).rules;
  t.equal(
    rule!.bound!.sentence,
    'What is in `a` is forgotten 1m30s after it was written. Nothing but the rule itself lets go of `b`. ' +
      'A key keeps at most 2000 bytes and 5 timers; a call that would keep more fails and is undone, and its event becomes a dead letter.',
  );
  const many = processRule({
    rule: 'many',
    from: { n: source<{ n: number }>('in', { key: 'global' }) },
    timers: { tick: eventTimer() },
    limits: { timers: 2 },
    on: { n: (event, ctx) => ctx.timers.tick.after('1h', String(event.n)) },
    onTimer: { tick: () => undefined },
  });
  const { dead } = await run(ruleSet(many), { in: [1, 2, 3, 1].map((n) => ({ kind: 'N', at: n, n })) });
  t.match(dead, [{ cause: 'failed', message: /3 timers armed for the key; limits\.timers allows 2/ }]);
});

t.test('corral check --run finds rules that are no function of their events', async (t) => {
  const rule = (
    name: string,
    body: string,
  ): string => `import { list, output, processRule, source } from 'corral/rules';
let outside = 0;
export default processRule({
  rule: '${name}',
  from: { n: source<{ k: string; n: number }>('in', { key: (event) => event.k }) },
  state: { seen: list<number>() },
  outputs: { out: output<unknown>() },
  on: { n(event, ctx) { ${body} } },
});
`;
  const folder = t.testdir({
    'good.ts': rule(
      'good',
      "ctx.state.seen.add(event.n); ctx.emit('out', [ctx.state.seen.get(), ctx.random(), ctx.processingTime > 0]);",
    ),
    'clock.ts': rule(
      'clock',
      "ctx.emit('out', process.hrtime.bigint() % 1000000n === 0n ? 0 : Number(process.hrtime.bigint()));",
    ),
    'outside.ts': rule('outside', "outside += event.n; if (outside < 1000) ctx.emit('out', outside);"),
    'throws.ts': rule('throws', "if (event.n === 7) throw new Error('no sevens');"),
    'plain.yaml': 'rule: plain\nfrom: in\nkey: event.k\npattern: [{begin: a}, {next: b}]\n',
    'in.ndjson': Array.from({ length: 200 }, (_, n) => JSON.stringify({ k: `k${n % 9}`, n, t: n * 10 })).join('\n'),
  });
  const check = (files: readonly string[], ...more: readonly string[]) =>
    corral(
      'check',
      ...files.map((name) => join(folder, name)),
      '--run',
      join(folder, 'in.ndjson'),
      '--time',
      'event.t',
      ...more,
    );
  const good = await check(['good.ts', 'plain.yaml']);
  t.equal(good.code, 0, good.stdout);
  const bad = await check(['good.ts', 'clock.ts', 'outside.ts', 'throws.ts', 'plain.yaml'], '--json');
  t.equal(bad.code, 2);
  const { problems } = JSON.parse(bad.stdout) as { problems: { code: string; message: string; fix: string }[] };
  t.match(problems.map(({ code, message }) => `${code} ${message}`).sort(), [
    /^PROCESS_NOT_DETERMINISTIC rule clock did not say the same .* For key "k0", number 1 on corral\.side\.clock\.out was \{.*\} and then \{/,
    /^PROCESS_NOT_DETERMINISTIC rule outside /,
    /^RULE_FAILED rule throws failed once, first on key "k7": .*no sevens/,
  ]);
  t.match(problems.find(({ code }) => code.startsWith('PROCESS'))!.fix, /ctx\.time instead of a clock/);
  const missing = await corral('check', join(folder, 'good.ts'), '--run', '-');
  t.equal(missing.code, 2);
  t.match(missing.stdout, /--run: REPLAY_EVENTS: standard input cannot be read twice/);
});

t.test('a rule made in JavaScript, without the helpers, is the same rule', async (t) => {
  const bare: Partial<AnyProcessRule> = {
    rule: 'bare',
    from: { n: { kind: 'source', source: 'in', key: 'event.k' } },
    on: { n: (event: { n: number }, ctx) => ctx.emit('out', event.n) },
    outputs: { out: { kind: 'output' } },
  };
  const { sides } = await run(ruleSet(bare), { in: [{ kind: 'N', at: 1, k: 'x', n: 5 }] });
  t.strictSame(said(sides, 'bare.out'), [['x', 5]]);
});
