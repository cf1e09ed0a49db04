// biome-ignore-all lint/suspicious/noTemplateCurlyInString: rules hold such templates
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Ajv } from 'ajv';
import t from 'tap';
import { parse } from 'yaml';
import { packageRoot } from '../src/cli/package-root.ts';
import type { Behaviour, Incident, Output } from '../src/core/behaviours/behaviour.ts';
import { compileRules } from '../src/core/rules/compile-rules.ts';
import { Problems } from '../src/core/rules/document.ts';
import { readModule } from '../src/core/rules/module-document.ts';
import { ruleSchema } from '../src/core/rules/rule-schema.ts';
import type { CompiledRule } from '../src/core/rules/rule-set.ts';
import { readYaml } from '../src/core/rules/yaml-document.ts';
import { windowRule } from '../src/rules-module.ts';
import { completed } from './reference/run-timeline.ts';
import { examplesOf } from './reference/timeline.ts';
import { rulesOf } from './support/rules-of.ts';
import { drive, event, type Input } from './windows/support/drive.ts';

/** Window rules as people write them; what windows then do is tested with the windows themselves. */

const HEAD = 'rule: r\nfrom: s\nkey: event.k\n';
const WINDOW = 'window: {tumbling: 1s}\n';

const ruleOf = (fields: string): CompiledRule => rulesOf(HEAD + fields, ['s']).rules[0]!;

function problemsOf(fields: string): readonly string[] {
  const problems = new Problems();
  const compiled = compileRules(readYaml('rules.yaml', HEAD + fields, problems), { sources: ['s'] }, problems);
  if (compiled.ok) return [];
  return compiled.problems.map(({ code, at, message, fix }) => `${at.line}:${at.column} ${code} ${message}; ${fix}`);
}

const at = (time: number, data: unknown = {}, type = 'Reading'): Input => ({
  event: { ...event(time, time + 1, data), source: 's', type },
});

interface Outcome {
  readonly emits: readonly unknown[];
  readonly incidents: readonly Incident[];
}

/** Runs events through a rule; its windows close at the end. The state is saved and loaded after each. */
function outcome({ behaviour }: CompiledRule, inputs: readonly Input[]): Outcome {
  const incidents: Incident[] = [];
  const noting = (output: Output): Output => ({
    emit: (emission) => output.emit(emission),
    incident(incident) {
      incidents.push(incident);
      output.incident(incident);
    },
  });
  const noted: Behaviour = {
    ...behaviour,
    onEvent: (state, one, output) => behaviour.onEvent(state, one, noting(output)),
    onTime: (state, now, output) => behaviour.onTime(state, now, noting(output)),
    close: (state, output) => behaviour.close?.(state, noting(output)),
  };
  const { said } = drive(noted, inputs, { saveAfter: () => true, end: true });
  return { emits: said.flatMap(({ kind, emit }) => (kind === 'late' ? [] : [emit])), incidents };
}

const emitsOf = (fields: string, ...data: readonly unknown[]): readonly unknown[] =>
  outcome(
    ruleOf(fields),
    data.map((one, number) => at(number, one)),
  ).emits;

t.test('each aggregate computes what its name says', async (t) => {
  const data = [{ n: 4, u: 'a' }, { n: 1, u: 'b' }, { u: 'a' }, { n: 3, u: 'c' }];
  for (const [call, result] of [
    ['count()', 4],
    ['countIf(event.n > 2)', 2],
    ['countIf(meta.type == "Reading" && event.u == "a")', 2],
    ['sum(event.n)', 8],
    ['sum(event.n * 2)', 16],
    ['avg(event.n)', 8 / 3],
    ['min(event.n)', 1],
    ['max(event.u)', 'c'],
    ['stddev(event.n)', Math.sqrt(14 / 9)],
    ['stddev(event.n, "sample")', Math.sqrt(14 / 6)],
    ['distinct(event.u)', 3],
    ['percentile(event.n, 50)', 3],
    ['percentile(event.n, 99.9)', 4],
    ['first(event.n)', 4],
    ['last(event.u)', 'c'],
    ['last(timeOf(event))', 3],
    ['collect(event.u)', ['a', 'b', 'a', 'c']],
    ['collect(event.u, 2)', ['a', 'b']],
    ['collect(event.u, 2, "last")', ['a', 'c']],
    ['topK(event.u, 1)', [{ value: 'a', count: 2 }]],
    ['argMin(event.u, event.n)', 'b'],
    ['argMax(event.u, event.n)', 'a'],
    ['avg(event.missing)', null],
    ['sum(event.missing)', 0],
  ] as const) {
    const [emit] = emitsOf(`${WINDOW}aggregate: {x: '${call}'}\nemit: "\${x}"\n`, ...data);
    if (typeof result === 'number') t.ok(Math.abs((emit as number) - result) < 1e-12, call);
    else t.strictSame(emit, result, call);
  }
});

t.test('without `emit` a window says its aggregates', async (t) => {
  t.strictSame(emitsOf(`${WINDOW}aggregate: {events: count(), most: max(event.n)}`, { n: 1 }, { n: 2 }), [
    { events: 2, most: 2 },
  ]);
});

t.test(
  '`having` and `emit` read aggregates, the window and the key; aggregates may be called like functions',
  async (t) => {
    const fields =
      `${WINDOW}aggregate: {count: count(), sum: sum(event.n)}\n` +
      'having: count > 1 && window.end - window.start == 1000 && key == "key"\n' +
      'emit: {text: "${count} of ${key}", sum: "${sum}", window: "${window}", doubled: "${sum * 2}"}';
    t.strictSame(emitsOf(fields, { n: 1 }), []);
    t.strictSame(emitsOf(fields, { n: 1 }, { n: 2 }), [
      {
        text: '2 of key',
        sum: 3,
        window: { start: 0, end: 1000, first: 0, last: 1, count: 2 },
        doubled: 6,
      },
    ]);
  },
);

t.test('`emit` can name the event where it is always an event that makes the window speak', async (t) => {
  const aggregate = 'aggregate: {events: count()}\nemit: "${event.n} ${timeOf(event)} ${idOf(event)}"\n';
  t.strictSame(emitsOf(`window: {perEvent: 1s}\n${aggregate}`, { n: 7 }), ['7 0 1']);
  t.strictSame(emitsOf(`window: global\nemitWhen: {everyEvents: 2}\n${aggregate}`, {}, { n: 8 }), ['8 1 2']);
  t.match(problemsOf(WINDOW + aggregate).join('\n'), /EXPRESSION_NAME_UNKNOWN `event` means nothing here/);
});

t.test('an expression that fails leaves the aggregate as it is, and is told', async (t) => {
  const rule = ruleOf(
    `${WINDOW}aggregate: {total: 'sum(event.n + 1)', odd: countIf(event.n / 0 > event.t), kinds: distinct(event.n + 1), all: count()}`,
  );
  const { emits, incidents } = outcome(rule, [at(0, { n: 1 }), at(1, { n: 'x' }), at(2, { n: 2 })]);
  t.strictSame(emits, [{ total: 5, odd: 0, kinds: 2, all: 3 }]);
  const places = new Set(incidents.map((incident) => (incident.kind === 'expressionFailed' ? incident.where : '')));
  t.ok(places.has('aggregate `total`') && places.has('aggregate `kinds`'), [...places].join());
});

t.test('what an aggregate over numbers cannot add up is told, too; a field that is missing is not', async (t) => {
  const { emits, incidents } = outcome(ruleOf(`${WINDOW}aggregate: {total: sum(event.n)}`), [
    at(0, { n: 1 }),
    at(1, { n: '2' }),
    at(2, {}),
  ]);
  t.strictSame(emits, [{ total: 1 }]);
  t.strictSame(incidents, [
    { kind: 'expressionFailed', where: 'aggregate `total`', message: '`sum` takes numbers, and got a string' },
  ]);
});

t.test('a `having` that fails or gives no truth value holds for no window, and is told', async (t) => {
  const rule = ruleOf(`${WINDOW}aggregate: {most: max(event.n)}\nhaving: most + 1 > 0\n`);
  const { emits, incidents } = outcome(rule, [at(0, { n: 'text' })]);
  t.strictSame(emits, []);
  t.match(incidents, [{ kind: 'expressionFailed', where: 'having' }]);
});

t.test('the events of a window are those that the rule and its inputs let through', async (t) => {
  t.strictSame(emitsOf(`where: event.n > 1\n${WINDOW}aggregate: {events: count()}`, { n: 1 }, { n: 2 }, { n: 3 }), [
    { events: 2 },
  ]);
  const aliased = rulesOf(
    `rule: r\nfrom: {some: {source: s, type: A}}\nkey: event.k\n${WINDOW}aggregate: {events: count()}`,
    ['s'],
  ).rules[0]!;
  t.strictSame(outcome(aliased, [at(0, {}, 'A'), at(1, {}, 'B')]).emits, [{ events: 1 }]);
  t.strictSame(aliased.types, ['A']);
});

t.test('risingEdge means from event to event, and for windows that slide from window to window', async (t) => {
  const rest = 'aggregate: {events: count()}\nhaving: events >= 2\nemit: "${window.end}"\n';
  const times = (window: string, when: string): readonly unknown[] =>
    outcome(ruleOf(`window: ${window}\nemitWhen: ${when}\n${rest}`), [at(0), at(1), at(2), at(9)]).emits;
  t.strictSame(times('{tumbling: 4ms}', 'risingEdge'), [4]);
  t.strictSame(times('{tumbling: 4ms}', '{risingEdge: windows}'), [4]);
  t.strictSame(times('{sliding: 4ms, every: 1ms}', 'risingEdge'), [2]);
  t.strictSame(times('{sliding: 4ms, every: 1ms}', '{risingEdge: events}'), [2, 3, 4, 5]);
});

t.test('onLate of the window is that of the rule', async (t) => {
  t.equal(ruleOf(`window: {tumbling: 1s, onLate: sideOutput}\naggregate: {events: count()}`).onLate, 'sideOutput');
  t.equal(ruleOf(`${WINDOW}aggregate: {events: count()}\nonLate: sideOutput`).onLate, 'sideOutput');
  t.equal(ruleOf(`${WINDOW}aggregate: {events: count()}`).onLate, 'drop');
});

t.test('everything that is wrong has a code, a place and a way out', async (t) => {
  const counted = 'aggregate: {events: count()}';
  for (const [fields, ...wanted] of [
    [`window: {tumbling: 1s, session: 1s}\n${counted}`, /^4:9 WINDOW_SHAPE .*`tumbling` and `session` at once/],
    [`window: {offset: 1s}\n${counted}`, /^4:9 WINDOW_SHAPE the window does not say of which kind/],
    [`window: hourly\n${counted}`, /^4:9 RULE_TYPE .*tumbling: 1h/],
    [`window: {tumbling: 10}\n${counted}`, /^4:20 RULE_DURATION .*10s/],
    [`window: {tumblin: 10s}\n${counted}`, /WINDOW_SHAPE/, /RULE_FIELD_UNKNOWN .*did you mean `tumbling`/],
    [`window: {sliding: 1h}\n${counted}`, /^4:9 WINDOW_SHAPE .*how often one begins; .*perEvent/],
    [`window: {session: 1h, every: 1m}\n${counted}`, /^4:23 WINDOW_SHAPE `every` belongs to `sliding` and `count`/],
    [`window: {sliding: 1h, every: 7ms}\n${counted}`, /^4:1 WINDOW_TOO_MANY_PANES/],
    [`window: {count: 0}\n${counted}`, /^4:17 RULE_TYPE/],
    [`window: {global: no}\n${counted}`, /RULE_TYPE .*window: global/],
    [`window: {perEvent: 1h, allowedLateness: 1m}\n${counted}`, /^4:1 WINDOW_LATENESS .*disorder/],
    [`window: {tumbling: 1h, allowedLateness: -1m}\n${counted}`, /^4:1 WINDOW_LATENESS/],
    [`window: {tumbling: 1h, onLate: drop}\nonLate: drop\n${counted}`, /^4:24 RULE_FIELD_TWICE/],
    [`${WINDOW}`, /^4:1 AGGREGATE_MISSING .*count\(\)/],
    [`${WINDOW}aggregate: count()`, /^5:12 RULE_TYPE .*a map/],
    [`${WINDOW}aggregate: {a-b: count()}`, /^5:13 AGGREGATE_NAME/],
    [`${WINDOW}aggregate: {event: count()}`, /^5:13 AGGREGATE_NAME .*means something else/],
    [`${WINDOW}aggregate: {window: count()}`, /^5:13 AGGREGATE_NAME/],
    [`${WINDOW}aggregate: {a: cuont()}`, /^5:16 AGGREGATE_UNKNOWN .*did you mean `count`/],
    [`${WINDOW}aggregate: {a: sum()}`, /^5:16 AGGREGATE_CALL .*sum\(event\.amount\)/],
    [`${WINDOW}aggregate: {a: 'sum(event.x) / 2'}`, /^5:\d+ AGGREGATE_CALL .*`emit` compute/],
    [`${WINDOW}aggregate: {a: 5}`, /^5:16 AGGREGATE_CALL .*the number 5/],
    [`${WINDOW}aggregate: {a: 'percentile(event.x, 0)'}`, /^5:37 AGGREGATE_CALL the percentage is 0, not/],
    [`${WINDOW}aggregate: {a: 'percentile(event.x, event.p)'}`, /^5:\d+ AGGREGATE_CALL the percentage is computed/],
    [`${WINDOW}aggregate: {a: 'topK(event.x, 2.5)'}`, /^5:31 AGGREGATE_CALL the k is 2.5/],
    [`${WINDOW}aggregate: {a: 'stddev(event.x, "smaple")'}`, /^5:33 AGGREGATE_CALL .*"sample"/],
    [`${WINDOW}aggregate: {a: countIf(event.x + 1)}`, /^5:\d+ EXPRESSION_TYPE .*a boolean is needed/],
    [`${WINDOW}aggregate: {a: 'sum(event.x > 1)'}`, /^5:\d+ EXPRESSION_TYPE .*a number is needed/],
    [`${WINDOW}aggregate: {a: sum(evnt.x)}`, /^5:20 EXPRESSION_NAME_UNKNOWN .*did you mean `event`/],
    [`${WINDOW}aggregate: {a: sum(event.x}`, /^5:\d+ EXPRESSION_SYNTAX/],
    [`${WINDOW}${counted}\nhaving: evnts > 1`, /^6:9 EXPRESSION_NAME_UNKNOWN .*did you mean `events`/],
    [`${WINDOW}${counted}\nhaving: window.strat > 1`, /^6:\d+ EXPRESSION_NAME_UNKNOWN .*did you mean `start`/],
    [`${WINDOW}${counted}\nhaving: events + 1`, /^6:\d+ EXPRESSION_TYPE/],
    [`${WINDOW}${counted}\nemit: "\${evnts}"`, /^6:\d+ EXPRESSION_NAME_UNKNOWN/],
    [`${WINDOW}${counted}\nemitWhen: sometimes`, /^6:11 RULE_TYPE .*everyEvents: 100/],
    [`${WINDOW}${counted}\nemitWhen: {every: 0s}`, /^6:19 RULE_DURATION/],
    [`${WINDOW}${counted}\nemitWhen: risingEdge`, /^6:11 WINDOW_EDGE_WITHOUT_HAVING/],
    [`window: {perEvent: 1h}\n${counted}\nemitWhen: once`, /^6:11 WINDOW_EMIT_WHEN/],
    [`window: {sliding: 1h, every: 1s}\n${counted}\nlimits: {entries: 100}`, /^4:1 WINDOW_LIMIT .*3601 panes/],
    [`${WINDOW}${counted}\nafterMatch: noSkip`, /^6:1 RULE_FIELD_KIND/],
    [`${WINDOW}${counted}\nthrottle: 10m`, /^6:11 RULE_TYPE .*per: 10m/],
    [`${WINDOW}${counted}\nthrottle: {count: 2}`, /^6:11 RULE_TYPE .*in which time/],
    [`${WINDOW}${counted}\nthrottle: {per: 1m, count: 2000}`, /^6:\d+ RULE_TOO_LARGE/],
    [`${WINDOW}${counted}\ndedupe: {within: 1h}`, /^6:9 RULE_TYPE .*apart/],
    [`${WINDOW}${counted}\ndedupe: {events: event.id}`, /^6:9 RULE_TYPE .*how long/],
    [`${WINDOW}${counted}\ndedupe: {events: evnt.id, within: 1h}`, /^6:18 EXPRESSION_NAME_UNKNOWN/],
    [`${WINDOW}${counted}\ndedupe: {matches: event.id, within: 1h}`, /^6:\d+ EXPRESSION_NAME_UNKNOWN/],
    ['pattern: [{begin: a}]\ndedupe: {matches: emit.id, within: 1h}', /^5:19 DEDUPE_EMIT/],
  ] as const) {
    const found = problemsOf(fields);
    t.equal(found.length, wanted.length, `${fields}\n${found.join('\n')}`);
    wanted.forEach((one, index) => {
      t.match(found[index], one);
    });
  }
});

t.test('the JSON Schema takes every window of the reference, and nothing that is wrong', async (t) => {
  const validate = new Ajv({ strict: false }).compile(ruleSchema);
  const page = 'docs/rules/windows.md';
  const rules = examplesOf(page, readFileSync(join(packageRoot, page), 'utf8')).map(({ rule }) => completed(rule));
  t.ok(rules.length > 20);
  for (const rule of rules) t.ok(validate(parse(rule)), `${rule}${JSON.stringify(validate.errors)}`);
  for (const fields of [
    'window: {tumbling: 10}\naggregate: {n: count()}',
    'window: {tumbling: 1h, every: 1m}\naggregate: {n: count()}',
    'window: {tumbling: 1h}\naggregate: {n-1: count()}',
    'window: {tumbling: 1h}\naggregate: {n: count()}\nemitWhen: often',
    'window: {tumbling: 1h}\naggregate: {n: count()}\nthrottle: {count: 1}',
    'window: {tumbling: 1h}\naggregate: {n: count()}\ndedupe: {events: event.id}',
  ])
    t.notOk(validate(parse(HEAD + fields)), fields);
});

t.test('a window that can only speak at the end of its input is a warning', async (t) => {
  const problems = new Problems();
  const documents = readYaml('rules.yaml', `${HEAD}window: global\naggregate: {events: count()}`, problems);
  const { ok, warnings } = compileRules(documents, { sources: ['s'] }, problems);
  t.ok(ok);
  t.match(warnings, [{ code: 'WINDOW_NEVER_EMITS', at: { line: 4 } }]);
});

t.test('the version is a hash of what the rule means', async (t) => {
  const base = 'window: {tumbling: 1h}\naggregate: {n: sum(event.x)}\nhaving: n > 1\nemit: "${n}"\n';
  const { version } = ruleOf(base);
  const same = 'window:\n  tumbling: 60m\naggregate: {n: "sum( event[\'x\'] )"}\nhaving: (n > 1.0)\nemit: ${n}\n';
  t.equal(ruleOf(same).version, version);
  for (const [from, to] of [
    ['1h', '2h'],
    ['1h}', '1h, offset: 1m}'],
    ['1h}', '1h, allowedLateness: 1m}'],
    ['1h}', '1h, onLate: sideOutput}'],
    ['sum(', 'avg('],
    ['event.x', 'event.y'],
    ['n > 1', 'n > 2'],
    ['"${n}"', '"${n} of them"'],
    ['\nemit', '\nemitWhen: once\nemit'],
    ['\nemit', '\nlimits: {entries: 5}\nemit'],
    ['\nemit', '\nthrottle: {per: 1h}\nemit'],
    ['\nemit', '\ndedupe: {events: event.id, within: 1h}\nemit'],
  ] as const)
    t.not(ruleOf(base.replace(from, to)).version, version, to);
});

t.test('the bound is said in a sentence', async (t) => {
  const bound = (window: string, more = ''): string =>
    ruleOf(`window: ${window}\naggregate: {n: count()}\nemitWhen: {${more}}`.replace('\nemitWhen: {}', '')).bound!
      .sentence;
  t.match(
    bound('{tumbling: 1h}'),
    /^A window's figures, not its events, are kept for 1h\. A key keeps at most 100,000 panes/,
  );
  t.match(
    bound('{sliding: 1h, every: 1m, allowedLateness: 10m}'),
    /panes of 1m, at most 71 panes: for 1h and 10m more/,
  );
  t.match(bound('{session: 30m, maxSize: 8h}'), /until 30m have passed without an event, cut at 8h\./);
  t.match(bound('{perEvent: 10m}'), /100,000 events and 16 MiB; beyond that the newest event becomes a dead letter\.$/);
  t.match(bound('{count: 100}'), /up to 100 events/);
  t.match(bound('{count: 100, every: 10}'), /10 panes of 10 events/);
  t.match(bound('global', 'everyEvents: 5'), /for ever\. A key keeps at most 16 MiB/);
  const dedupe = 'dedupe: {events: event.id, matches: emit.n, within: 1h, ids: 500}';
  t.match(
    ruleOf(`window: {count: 1}\naggregate: {n: count()}\n${dedupe}`).bound!.sentence,
    /Of events, at most 500 ids are remembered for 1h\. Of matches, at most 500 ids are remembered for 1h\.$/,
  );
});

interface Sale {
  readonly amount: number;
  readonly user: string;
}

const moduleRule = (exported: unknown, digest = 'd'): CompiledRule => {
  const problems = new Problems();
  const compiled = compileRules(readModule('r.ts', exported, digest, problems), { sources: ['s'] }, problems);
  if (!compiled.ok) throw new Error(compiled.problems.map(({ code, message }) => `${code} ${message}`).join('\n'));
  return compiled.ruleSet.rules[0]!;
};

t.test('a module writes functions where a file has expressions', async (t) => {
  const rule = moduleRule(
    windowRule<Sale>({
      rule: 'sales',
      from: 's',
      key: (sale) => sale.user,
      window: { tumbling: '1s' },
      aggregate: {
        sales: 'count()',
        large: { countIf: (sale) => sale.amount > 10 },
        p50: { percentile: [(sale) => sale.amount, 50] },
        best: { argMax: [(sale) => sale.user, (_sale, meta) => meta.time] },
      },
      having: ({ sales }) => sales > 1,
      emit: ({ sales, large, p50, best }, key, window) => ({ sales, large, p50, best, key, end: window.end }),
    }),
  );
  const sales = [5, 20, 30].map((amount, number) => at(number, { amount, user: `u${number}` }));
  t.strictSame(outcome(rule, sales).emits, [{ sales: 3, large: 2, p50: 20, best: 'u2', key: 'key', end: 1000 }]);
  t.strictSame(outcome(rule, sales.slice(1, 2)).emits, []);
});

const longest = {
  create: () => ({ longest: '', users: [] as string[] }),
  add(found: { longest: string; users: string[] }, sale: Sale) {
    found.users.push(sale.user);
    if (sale.user === 'thrown') throw new Error('no such user');
    if (sale.user.length > found.longest.length) found.longest = sale.user;
    return found;
  },
  merge: (
    into: { longest: string; users: string[] },
    from: { longest: string; users: string[] },
  ): { longest: string; users: string[] } => ({
    longest: from.longest.length > into.longest.length ? from.longest : into.longest,
    users: [...into.users, ...from.users],
  }),
  result: ({ longest: one, users }: { longest: string; users: string[] }) => `${one} of ${users.length}`,
};

t.test("an aggregate of one's own is added to, merged and stored; an event it throws on changes nothing", async (t) => {
  const base = { rule: 'sales', from: 's', key: 'event.k', aggregate: { name: longest }, emit: '${name}' };
  const data = ['ab', 'abc', 'thrown', 'a'].map((user, number) => at(number, { user }));
  const once = outcome(moduleRule(windowRule<Sale>({ ...base, window: { tumbling: '1s' } })), data);
  t.strictSame(once.emits, ['abc of 3']);
  t.match(once.incidents, [{ kind: 'expressionFailed', where: 'aggregate `name`', message: /no such user/ }]);
  const sliding = moduleRule(windowRule<Sale>({ ...base, window: { sliding: '2ms', every: '1ms' } }));
  t.strictSame(outcome(sliding, data).emits, ['ab of 1', 'abc of 2', 'abc of 1', 'a of 1', 'a of 1']);
});

t.test('a module tells events and matches apart with functions', async (t) => {
  const base = { rule: 'r', from: 's', key: 'event.k', window: { count: 1 }, aggregate: { user: 'last(event.user)' } };
  const sales = ['a', 'a', 'b'].map((user, number) => at(number, { user, id: number % 2 }));
  const byEvent = moduleRule(
    windowRule<Sale & { id: number }>({ ...base, dedupe: { events: ({ id }) => id, within: '1h' } }),
  );
  t.strictSame(outcome(byEvent, sales).emits, [{ user: 'a' }, { user: 'a' }]);
  const byMatch = moduleRule(windowRule<Sale>({ ...base, dedupe: { matches: ({ user }) => user, within: '1h' } }));
  t.strictSame(outcome(byMatch, sales).emits, [{ user: 'a' }, { user: 'b' }]);
});

t.test("what is wrong with an aggregate of one's own is said", async (t) => {
  const rule = (own: unknown) => ({ rule: 'r', from: 's', key: 'event.k', window: { count: 1 }, aggregate: { own } });
  t.throws(() => moduleRule(rule({ create: () => 0, add: () => 0 })), /AGGREGATE_OWN .*lacks/);
  t.throws(() => moduleRule(rule({ ...longest, create: () => new Map() })), /AGGREGATE_OWN .*a Map cannot be stored/);
  const given = moduleRule(rule({ ...longest, add: () => undefined, result: () => 'done' }));
  t.match(outcome(given, [at(0, { user: 'a' })]), {
    emits: [{ own: 'done' }],
    incidents: [{ where: 'aggregate `own`', message: /gave nothing/ }],
  });
});
