import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Ajv } from 'ajv';
import t from 'tap';
import { parse } from 'yaml';
import { loadRules } from '../src/cli/load-rules.ts';
import type { Emission, Incident } from '../src/core/behaviours/behaviour.ts';
import type { Event } from '../src/core/events/event.ts';
import { type CompiledRules, compileRules } from '../src/core/rules/compile-rules.ts';
import { readExtraction } from '../src/core/rules/compile-source.ts';
import { Problems } from '../src/core/rules/document.ts';
import { FieldReader } from '../src/core/rules/field-reader.ts';
import { KEY_BYTES_MAX, keyText, keyValue } from '../src/core/rules/key-text.ts';
import { readModule } from '../src/core/rules/module-document.ts';
import { ruleSchema } from '../src/core/rules/rule-schema.ts';
import type { KeyValue, RuleSet } from '../src/core/rules/rule-set.ts';
import { readYaml } from '../src/core/rules/yaml-document.ts';
import { instant } from '../src/core/time/units.ts';

const SOURCES = ['auth', 'payments'];

function compile(yaml: string): CompiledRules {
  const problems = new Problems();
  return compileRules(readYaml('r.yaml', yaml, problems), { sources: SOURCES }, problems);
}

function ruleSet(yaml: string): RuleSet {
  const compiled = compile(yaml);
  if (compiled.ok) return compiled.ruleSet;
  throw new Error(
    compiled.problems.map(({ at, code, message }) => `${at.line}:${at.column} ${code} ${message}`).join('\n'),
  );
}

/** Problems as "line:column CODE". */
function problemsOf(yaml: string): readonly string[] {
  const compiled = compile(yaml);
  return compiled.ok ? [] : compiled.problems.map(({ at, code }) => `${at.line}:${at.column} ${code}`);
}

let seq = 0;
const event = (type: string, data: unknown = {}, fields: Partial<Event> = {}): Event => {
  seq++;
  return {
    id: `${seq}`,
    type,
    subject: 's',
    time: instant(seq * 1_000),
    source: 'auth',
    seq,
    index: 0,
    headers: undefined,
    data,
    ...fields,
  };
};

/** Feeds events of one key to the only rule there is. */
function run(
  set: RuleSet,
  events: readonly Event[],
  key: KeyValue = 'k',
): { emissions: Emission[]; incidents: Incident[] } {
  const emissions: Emission[] = [];
  const incidents: Incident[] = [];
  const output = { emit: (one: Emission) => emissions.push(one), incident: (one: Incident) => incidents.push(one) };
  const { behaviour } = set.rules[0]!;
  const state = behaviour.create(key);
  for (const one of events) {
    behaviour.onTime(state, one.time, output);
    behaviour.onEvent(state, one, output);
  }
  return { emissions, incidents };
}

const BREAK_IN = `
rule: break-in                            # name, unique in the deployment
description: Guessed passwords from one address, then a login from it.
severity: high
from: auth                                # a source of the configuration
key: event.ip
pattern:
  - begin: guess
    type: FailedPassword                  # short for: where meta.type == "FailedPassword"
    times: {min: 5}
    greedy: true
  - followedBy: login
    type: AcceptedPassword
within: 10m
afterMatch: skipPastLastEvent
emit:
  title: "\${size(guess)} guesses from \${key}, then a login as \${login.user}"
  tookMs: \${timeOf(login) - timeOf(first(guess))}
`;

const CARD_TESTING = `
rule: card-testing
from: payments
key: event.card
pattern:
  - begin: added
    type: CardAdded
  - followedBy:
      steps:
        - begin: tried
          type: PaymentTried
          where: event.amount < 5
        - next: declined
          type: PaymentDeclined
          where: event.attempt == last(tried).attempt
    times: {min: 3}
    until: meta.type == "CardRemoved"
  - notFollowedBy: verified
    type: CardVerified
  - followedBy: bought
    type: PaymentAccepted
    where: event.amount > 10 * avg(tried, t, t.amount)
within: 1h
afterMatch: skipPastLastEvent
onTimeout: emit
limits: {partialMatches: 200, onLimit: dropOldest}
`;

const LOCKED = `
define: failed-then-locked
description: Failures that lock an account.
steps:
  - begin: failed
    type: LoginFailed
    times: 2
  - followedBy: locked
    type: AccountLocked
    where: event.user == last(failed).user
`;

const TWO_USES = `
rule: unlocked
from: auth
key: event.k
pattern:
  - begin: {use: failed-then-locked, as: first}
  - followedBy: {use: failed-then-locked, as: again}
    optional: true
  - followedBy: reset
    type: Reset
    where: event.user == first_locked.user
afterMatch: skipPastLastEvent
emit: {by: "\${reset.by}", failures: "\${size(first_failed) + size(again_failed)}"}
`;

/** A rule with one step; \`more\` replaces or adds fields. */
const small = (more: Record<string, string> = {}): string => {
  const fields = { rule: 'r', from: 'auth', key: 'event.k', pattern: '[{begin: a, type: A}]', ...more };
  return Object.entries(fields)
    .filter(([, value]) => value !== '')
    .map(([name, value]) => `${name}: ${value}`)
    .join('\n');
};

t.test('the break-in rule finds guesses and a login, and says so in its own words', (t) => {
  const set = ruleSet(BREAK_IN);
  const guesses = Array.from({ length: 6 }, () => event('FailedPassword', { ip: '1.2.3.4' }));
  const { emissions, incidents } = run(
    set,
    [...guesses, event('Other'), event('AcceptedPassword', { user: 'root' })],
    '1.2.3.4',
  );
  t.same(incidents, []);
  t.equal(emissions.length, 1);
  t.same(emissions[0]?.emit, { title: '6 guesses from 1.2.3.4, then a login as root', tookMs: 7_000 });
  t.same(
    emissions[0]?.events.map(({ step, count }) => [step, count]),
    [
      ['guess', 6],
      ['login', 1],
    ],
  );
  t.same(set.rules[0]?.types, ['AcceptedPassword', 'FailedPassword']);
  t.equal(set.rules[0]?.severity, 'high');
  t.end();
});

t.test('a group in a loop compares with earlier events of its own round', (t) => {
  const set = ruleSet(CARD_TESTING);
  const round = (attempt: number): Event[] => [
    event('PaymentTried', { amount: 1, attempt }),
    event('PaymentDeclined', { attempt }),
  ];
  const before = [event('CardAdded'), ...round(1), ...round(2), ...round(3)];
  t.equal(run(set, [...before, event('PaymentAccepted', { amount: 11 })]).emissions.length, 1);
  t.equal(
    run(set, [...before, event('PaymentAccepted', { amount: 10 })]).emissions.length,
    0,
    'not above ten times the average',
  );
  const other = [event('PaymentTried', { amount: 1, attempt: 3 }), event('PaymentDeclined', { attempt: 4 })];
  t.equal(
    run(set, [event('CardAdded'), ...round(1), ...round(2), ...other, event('PaymentAccepted', { amount: 99 })])
      .emissions.length,
    0,
  );
  t.end();
});

t.test('six mistakes in one file are six problems, each with line, column and fix', (t) => {
  const compiled = compile(`rule: first
from: auth
key: event.ip
wihtin: 10m
pattern:
  - begin: guess
    type: FailedPassword
    where: event.count > > 3
  - followedBy: login
    where: event.user == gess.user
afterMatch: {skipToFirst: nowhere}
---
rule: second
from: auth
key: event.ip
pattern:
  - begin: a
    where: !event.ok
  - followedBy: b
    times: {min: 2}
`);
  t.notOk(compiled.ok);
  if (compiled.ok) return t.end();
  t.same(
    compiled.problems.map(({ code, at, fix }) => [`${at.line}:${at.column}`, code, fix.split(/[:;,]/)[0]]),
    [
      ['4:1', 'RULE_FIELD_UNKNOWN', 'did you mean `within`?'],
      ['8:26', 'EXPRESSION_SYNTAX', 'correct the expression here'],
      ['10:26', 'EXPRESSION_NAME_UNKNOWN', 'did you mean `guess`?'],
      ['11:27', 'AFTER_MATCH_STEP', 'name one of the steps'],
      ['18:12', 'EXPRESSION_TAG', 'quote it'],
      ['19:5', 'AFTER_MATCH_MISSING', 'write `afterMatch'],
    ],
  );
  for (const { at, message, fix } of compiled.problems) {
    t.equal(at.file, 'r.yaml');
    t.ok(message.length > 10 && fix.length > 5);
  }
  t.match(compiled.problems[4]?.fix, '"!event.ok"', 'the fix shows what to write');
  t.end();
});

t.test('a mistake inside an expression is shown where it stands, however YAML holds the text', (t) => {
  const where = (text: string): string =>
    problemsOf(`rule: r\nfrom: auth\nkey: event.k\npattern:\n  - begin: a\n    where: ${text}\n`)[0] ?? '';
  t.equal(where('event.a == nope'), '6:23 EXPRESSION_NAME_UNKNOWN');
  t.equal(where('"event.a == nope"'), '6:24 EXPRESSION_NAME_UNKNOWN');
  t.equal(where(`"\\"\\u0041\\" == nope"`), '6:27 EXPRESSION_NAME_UNKNOWN');
  t.equal(where(`'event.a == ''x'' || nope'`), '6:33 EXPRESSION_NAME_UNKNOWN');
  t.equal(where('|\n      event.a == 1 &&\n        nope'), '8:9 EXPRESSION_NAME_UNKNOWN');
  t.equal(where('>-\n      event.a == 1 &&\n      nope'), '8:7 EXPRESSION_NAME_UNKNOWN');
  t.equal(where('event.a == 1 &&\n      nope'), '7:7 EXPRESSION_NAME_UNKNOWN');
  t.same(problemsOf(small({ emit: `{title: "ä \${a.x} and \${nope}"}` })), ['5:31 EXPRESSION_NAME_UNKNOWN']);
  t.same(problemsOf(small({ emit: `{title: "\${a.x"}` })), ['5:16 TEMPLATE_SYNTAX']);
  t.end();
});

t.test('what YAML would silently take away is an error that says to quote it', (t) => {
  const whole = (text: string) =>
    compile(`rule: r\nfrom: auth\nkey: event.k\npattern:\n  - begin: a\n    where: ${text}\n`);
  for (const text of [
    '!event.ok',
    '!event.ok && event.x',
    '!has(event.x)',
    'event.a == "x #y"',
    'event.a ? event.b : event.c',
    '"a" == event.b',
    '[1, 2].exists(x, x == event.a)',
    '*event',
  ]) {
    const compiled = whole(text);
    t.notOk(compiled.ok, text);
    if (!compiled.ok) {
      t.equal(compiled.problems.length, 1, text);
      t.match(compiled.problems[0]?.fix, /quote it/, text);
      t.equal(compiled.problems[0]?.at.line, 6, text);
    }
  }
  t.ok(whole('event.a > 1  # few').ok, 'a comment after a whole expression is a comment');
  t.ok(whole('"!event.ok"').ok);
  t.ok(whole('|\n      !event.ok').ok);
  t.end();
});

t.test('every field says what it takes', (t) => {
  t.same(problemsOf(small()), []);
  t.same(problemsOf(small({ rule: '' })), ['1:1 RULE_NAME']);
  t.same(problemsOf(small({ rule: 'a b' })), ['1:7 RULE_NAME']);
  t.same(problemsOf(small({ rule: 'dead' })), ['1:7 RULE_NAME']);
  t.same(problemsOf(small({ from: '' })), ['1:1 RULE_FROM_MISSING']);
  t.same(problemsOf(small({ from: 'auht' })), ['2:7 RULE_SOURCE_UNKNOWN']);
  t.same(problemsOf(small({ from: '{rule: r2}' })), ['2:14 RULE_UNKNOWN']);
  t.same(problemsOf(small({ key: '' })), ['1:1 RULE_KEY_MISSING']);
  t.same(problemsOf(small({ key: '5' })), ['3:6 KEY_CONSTANT']);
  t.same(problemsOf(small({ key: 'a.x' })), ['3:6 EXPRESSION_NAME_UNKNOWN']);
  t.same(problemsOf(small({ pattern: '' })), ['1:1 RULE_KIND_MISSING']);
  t.same(problemsOf(small({ pattern: '[]' })), ['4:10 RULE_TYPE']);
  t.same(problemsOf(small({ within: '10' })), ['5:9 RULE_DURATION']);
  t.same(problemsOf(small({ within: '0s' })), ['5:9 RULE_DURATION']);
  t.same(problemsOf(small({ within: 'soon' })), ['5:9 RULE_DURATION']);
  t.same(problemsOf(small({ afterMatch: 'skip' })), ['5:13 RULE_TYPE']);
  t.same(problemsOf(small({ onTimeout: 'maybe' })), ['5:12 RULE_TYPE']);
  t.same(problemsOf(small({ limits: '{partialMatches: 0}' })), ['5:26 RULE_TYPE']);
  t.same(problemsOf(small({ labels: '[a]' })), ['5:9 RULE_TYPE']);
  t.same(problemsOf(small({ window: '{tumbling: 1h}' })), ['5:1 RULE_KIND_TWICE']);
  t.same(problemsOf(small({ join: '{}' })), ['5:1 RULE_KIND_TWICE']);
  t.same(problemsOf(small({ having: 'a > 1' })), ['5:1 RULE_FIELD_KIND']);
  t.same(problemsOf(small({ start: 'now' })), ['5:1 RULE_FIELD_NOT_BUILT']);
  t.same(problemsOf('rule: r\nfrom: auth\nkey: event.k\nkey: event.j\npattern: [{begin: a}]'), [
    '4:1 RULE_FIELD_TWICE',
  ]);
  t.same(problemsOf('- a'), ['1:1 RULE_TYPE']);
  t.same(problemsOf(`${small()}\n---\n${small()}`), ['6:7 RULE_NAME_TWICE']);
  t.same(problemsOf('# nothing here\n---\n'), []);
  t.end();
});

t.test('steps that cannot be are refused', (t) => {
  const pattern = (text: string, more: Record<string, string> = {}) =>
    problemsOf(small({ afterMatch: 'noSkip', pattern: text, ...more })).map((one) => one.split(' ')[1]);
  t.same(pattern('[{begin: a}, {next: a}]'), ['STEP_NAME_TWICE']);
  t.same(pattern('[{next: a}]'), ['STEP_VERB']);
  t.same(pattern('[{begin: a}, {begin: b}]'), ['STEP_VERB']);
  t.same(pattern('[{begin: a, next: b}]'), ['STEP_VERB']);
  t.same(pattern('[{type: A}]'), ['STEP_VERB']);
  t.same(pattern('[{begin: event}]'), ['STEP_NAME']);
  t.same(pattern('[{begin: loop}]'), ['STEP_NAME']);
  t.same(pattern('[{begin: "a b"}]'), ['STEP_NAME']);
  t.same(pattern('[{begin: a, within: 5s}]'), ['RULE_FIELD_UNKNOWN']);
  t.same(pattern('[{begin: a, times: 0}]'), ['RULE_TYPE']);
  t.same(pattern('[{begin: a, times: {min: 3, max: 2}}]'), ['STEP_QUANTIFIER']);
  t.same(pattern('[{begin: a, times: 2, consecutive: true, allowCombinations: true}]'), ['STEP_QUANTIFIER']);
  t.same(pattern('[{begin: a}, {notNext: b, times: 2}, {next: c}]'), ['STEP_QUANTIFIER']);
  t.same(pattern('[{begin: a, greedy: true}]'), ['GREEDY_WITHOUT_LOOP']);
  t.same(pattern('[{begin: a, until: event.x}]'), ['UNTIL_WITHOUT_LOOP']);
  t.same(pattern('[{begin: a}, {notFollowedBy: b}]'), ['BAN_WITHOUT_LIMIT']);
  t.same(pattern('[{begin: a}, {next: {steps: [{begin: b}]}, type: A}]'), ['STEP_GROUP']);
  t.same(pattern('[{begin: a}, {next: {steps: []}}]'), ['RULE_TYPE']);
  t.same(pattern('[{begin: a, where: b.x == 1}, {next: b}]'), ['STEP_UNBOUND'], 'a later step');
  t.same(pattern('[{begin: a, where: a.x == 1}]'), ['STEP_UNBOUND'], 'the step itself');
  t.same(pattern('[{begin: a}, {notFollowedBy: n}, {followedBy: b, where: n.x == 1}]'), ['STEP_UNBOUND'], 'a ban');
  t.same(
    pattern('[{begin: a, times: {min: 2}, where: size(a) == 0 || event.x > last(a).x}]'),
    [],
    'a loop knows its earlier events',
  );
  t.same(
    pattern('[{begin: {steps: [{begin: a, where: b == null}, {next: b}]}, times: 2}]'),
    [],
    'a looping group knows its earlier rounds',
  );
  t.same(
    pattern('[{begin: a}]', { emit: `"\${event.x}"` }),
    ['EXPRESSION_NAME_UNKNOWN'],
    'a match has no single event',
  );
  t.end();
});

t.test('afterMatch must be written where events can belong to several matches, and name a step it can go to', (t) => {
  const after = (pattern: string, afterMatch = '') =>
    problemsOf(small({ pattern, afterMatch })).map((one) => one.split(' ')[1]);
  t.same(after('[{begin: a, times: 2}]'), ['AFTER_MATCH_MISSING']);
  t.same(after('[{begin: a}, {next: b, optional: true}]'), ['AFTER_MATCH_MISSING']);
  t.same(after('[{begin: a}, {followedByAny: b}]'), ['AFTER_MATCH_MISSING']);
  t.same(after('[{begin: {steps: [{begin: a, times: 2}]}}]'), ['AFTER_MATCH_MISSING']);
  t.same(after('[{begin: a}, {followedBy: b}]'), []);
  t.same(after('[{begin: a}, {followedBy: b}]', '{skipToLast: b}'), []);
  t.same(after('[{begin: a}, {followedBy: b}]', '{skipToLast: c}'), ['AFTER_MATCH_STEP']);
  t.same(after('[{begin: a}, {notFollowedBy: n}, {followedBy: b}]', '{skipToFirst: n}'), ['AFTER_MATCH_STEP']);
  t.same(after('[{begin: a}, {followedBy: {steps: [{begin: g}]}}]', '{skipToFirst: g}'), ['AFTER_MATCH_STEP']);
  t.same(after('[{begin: a}, {followedBy: b}]', '{skipToFirst: a, throwOnMiss: true}'), ['AFTER_MATCH_STEP']);
  t.end();
});

t.test('a failing condition is false and reported once per event; a failing part of emit is null', (t) => {
  const set = ruleSet(
    small({
      pattern: '[{begin: a, where: event.n + 1 > 2}, {followedBy: b, where: event.n * 2 > a.n}]',
      emit: `{sum: "\${a.s + 1}", text: "s=\${a.s}"}`,
    }),
  );
  const { emissions, incidents } = run(set, [event('A', {}), event('A', { n: 5 }), event('B', { n: 9 })]);
  t.same(incidents, [
    { kind: 'expressionFailed', where: 'where of a', message: '`+` cannot be used on null and a number' },
    { kind: 'expressionFailed', where: 'emit.sum', message: '`+` cannot be used on null and a number' },
  ]);
  t.same(
    emissions.map(({ emit }) => emit),
    [{ sum: null, text: 's=null' }],
  );
  t.end();
});

t.test('emit is JSON with expressions in it; a lone expression keeps its type', (t) => {
  const set = ruleSet(
    `${small()}\nemit:\n  list: [1, "\${a.n}", {x: "\${a.l}"}]\n  text: "n=\${a.n} l=\${a.l} b=\${{'x': '}'}} $\${key}"\n  whole: \${a}\n  flag: true\n  none: null\n`,
  );
  const { emissions } = run(set, [event('A', { n: 1.5, l: [1, 'x'] })]);
  t.same(emissions[0]?.emit, {
    list: [1, 1.5, { x: [1, 'x'] }],
    text: `n=1.5 l=[1,"x"] b={"x":"}"} \${key}`,
    whole: { n: 1.5, l: [1, 'x'] },
    flag: true,
    none: null,
  });
  t.end();
});

t.test('a key is a value; lists are composite, null is no key, anything else is a dead letter', (t) => {
  const keyOf = (key: string) => ruleSet(small({ key })).keyspaces[0]!.keyOf;
  const one = keyOf('event.k');
  t.same(one(event('A', { k: 'x' })), { kind: 'key', value: 'x' });
  t.same(one(event('A', { k: '' })), { kind: 'key', value: '' });
  t.same(one(event('A', { k: 0 })), { kind: 'key', value: 0 });
  t.same(one(event('A', {})), { kind: 'none' });
  for (const k of [{}, [1], Number.NaN]) t.equal(one(event('A', { k })).kind, 'failed');
  t.equal(keyOf('event.k + 1')(event('A', {})).kind, 'failed');
  t.same(keyOf('[event.k, event.j]')(event('A', { k: 1, j: true })), { kind: 'key', value: [1, true] });
  t.same(keyOf('[event.k, event.j]')(event('A', { k: 1 })), { kind: 'none' });
  t.same(keyOf('global')(event('A', {})), { kind: 'key', value: 'global' });
  t.equal(one(event('A', { k: 'x'.repeat(KEY_BYTES_MAX - 1) })).kind, 'key');
  t.equal(one(event('A', { k: 'x'.repeat(KEY_BYTES_MAX) })).kind, 'failed');
  t.match(one(event('A', { k: 'ü'.repeat(5_000) })), { kind: 'failed', message: '10001 bytes, at most 8192' });
  t.end();
});

t.test('key texts tell values and types apart, survive UTF-8, and read back', (t) => {
  const keys: KeyValue[] = [
    '1',
    1,
    true,
    'true',
    '',
    'a|b',
    ['a', 'b'],
    ['a|b'],
    ['ab'],
    ['a', 1],
    ['a', '1'],
    [''],
    [],
    '😀',
    'ä',
    '\ud800',
    '\udc00',
    'n1',
    's',
    -1.5,
    1e300,
    ['l', ['x'].join()],
    '\u0000',
    '{"a":1}',
  ];
  const texts = keys.map(keyText);
  t.equal(new Set(texts).size, keys.length);
  for (const [index, text] of texts.entries()) {
    t.same(keyValue(text), keys[index]);
    t.equal(Buffer.from(text).toString(), text);
  }
  t.equal(keyText(-0), keyText(0));
  t.end();
});

t.test('rules with the same key and sources share a keyspace, whatever their formatting', (t) => {
  const set = ruleSet(
    [
      small({ rule: 'a', key: 'event.ip' }),
      small({ rule: 'b', key: '"event[\\"ip\\"]"' }),
      small({ rule: 'c', key: 'event.user' }),
      small({ rule: 'd', key: 'event.ip', from: 'payments' }),
    ].join('\n---\n'),
  );
  t.same(
    set.keyspaces.map(({ rules }) => rules.map(({ name }) => name)),
    [['a', 'b'], ['c'], ['d']],
  );
  t.equal(ruleSet(small({ key: 'event.ip' })).keyspaces[0]?.id, set.keyspaces[0]?.id);
  t.end();
});

t.test('a rule version changes with its meaning and with nothing else', (t) => {
  const version = (yaml: string): string => ruleSet(yaml).rules[0]!.version;
  const base = version(BREAK_IN);
  t.equal(version(BREAK_IN.replace(/#.*/g, '').replace(/description:.*/, 'description: Other words.')), base);
  t.equal(version(BREAK_IN.replace('within: 10m', 'within: 600s')), base);
  t.equal(version(BREAK_IN.replace('timeOf(login) - timeOf', 'timeOf( login )-timeOf')), base);
  for (const [from, to] of [
    ['10m', '11m'],
    ['min: 5', 'min: 6'],
    ['greedy: true', 'greedy: false'],
    ['followedBy', 'next'],
    ['AcceptedPassword', 'Accepted'],
    ['skipPastLastEvent', 'noSkip'],
    ['event.ip', 'event.host'],
    ['tookMs', 'took'],
    ['severity: high', 'severity: low'],
  ] as const) {
    t.not(version(BREAK_IN.replace(from, to)), base, `${from} to ${to}`);
  }
  t.end();
});

t.test('an event that can change no rule need not be routed', (t) => {
  const relevant = (more: Record<string, string>) =>
    ruleSet(small({ afterMatch: 'noSkip', ...more })).keyspaces[0]!.relevant;
  const relaxed = relevant({
    pattern:
      '[{begin: a, type: A, where: event.n > 1}, {followedBy: b, where: \'meta.type in ["B", "C"] && event.n > a.n\'}]',
  });
  t.equal(relaxed(event('A', { n: 2 })), true);
  t.equal(relaxed(event('A', { n: 1 })), false);
  t.equal(relaxed(event('A', {})), false);
  t.equal(relaxed(event('C', {})), true, 'what depends on earlier events may come true');
  t.equal(relaxed(event('D', {})), false);
  t.equal(relaxed(event('A', { n: 2 }, { source: 'payments' })), false);
  for (const pattern of [
    '[{begin: a, type: A}, {next: b, type: B}]',
    '[{begin: a, type: A}, {notNext: n, type: N}, {followedBy: b, type: B}]',
    '[{begin: a, type: A, times: 2, consecutive: true}]',
  ]) {
    t.equal(relevant({ pattern })(event('Z')), true, pattern);
    t.equal(ruleSet(small({ pattern, afterMatch: 'noSkip' })).rules[0]?.types, undefined);
  }
  const banned = relevant({ pattern: '[{begin: a, type: A}, {notFollowedBy: n, type: N}, {followedBy: b, type: B}]' });
  t.same(
    ['A', 'N', 'B', 'Z'].map((type) => banned(event(type))),
    [true, true, true, false],
  );
  const until = relevant({ pattern: '[{begin: a, type: A, times: {min: 1}, until: event.stop}]' });
  t.same([until(event('Z', { stop: true })), until(event('Z', {}))], [true, false]);
  const failing = relevant({ pattern: '[{begin: a, where: event.n + 1 > 1}]' });
  t.equal(failing(event('Z', {})), true, 'a failure is reported where the rule runs');
  const filtered = relevant({ where: 'event.ok == true', pattern: '[{begin: a, type: A}, {next: b, type: B}]' });
  t.same([filtered(event('Z', { ok: true })), filtered(event('A', {}))], [true, false]);
  t.end();
});

t.test("a rule's own where keeps events from its pattern, so that they break no sequence", (t) => {
  const pattern = '[{begin: a, type: A}, {next: b, type: B}]';
  const events = [event('A', { ok: true }), event('Z', {}), event('B', { ok: true })];
  t.equal(run(ruleSet(small({ pattern })), events).emissions.length, 0);
  t.equal(run(ruleSet(small({ pattern, where: 'event.ok == true' })), events).emissions.length, 1);
  t.end();
});

t.test('rules of one keyspace that ask the same evaluate it once per event and answer the same', (t) => {
  const many = Array.from({ length: 5 }, (_, index) =>
    small({ rule: `r${index}`, pattern: `[{begin: a, where: event.n + 1 > ${index % 2}}]` }),
  ).join('\n---\n');
  const set = ruleSet(many);
  const output = { count: 0, emit: () => output.count++, incident: () => output.count-- };
  for (const data of [{ n: 1 }, { n: -1 }, { n: 0 }]) {
    const one = event('A', data);
    for (const { behaviour } of set.rules) behaviour.onEvent(behaviour.create('k'), one, output);
  }
  t.equal(output.count, 5 + 0 + 3);
  t.end();
});

t.test('sources have expressions of their own, which never throw', (t) => {
  const problems = new Problems();
  const [document] = readYaml(
    'c.yaml',
    'each: event.items\nlet: {total: event.a * 2, kind: "event.k.lowerAscii()"}\nwhere: event.total > 1\nid: event.id\ntime: event.ts',
    problems,
  );
  if (document?.root.kind !== 'map') throw new Error('no map');
  const reader = new FieldReader(document.root, 'a source', problems);
  const extraction = readExtraction(reader, problems);
  reader.rest([]);
  t.same(problems.list, []);
  t.same(extraction.each?.(event('A', { items: [1] })), { ok: true, value: [1] });
  t.same(
    extraction.derived.map(({ name, value }) => [name, value(event('A', { a: 4, k: 'X' }))]),
    [
      ['total', { ok: true, value: 8 }],
      ['kind', { ok: true, value: 'x' }],
    ],
  );
  t.equal(extraction.derived[1]?.value(event('A', {})).ok, false);
  t.same(extraction.time?.(event('A', {})), { ok: true, value: null });
  t.equal(extraction.type, undefined);
  t.end();
});

t.test('the JSON Schema takes the sample rules and no unknown field', (t) => {
  const validate = new Ajv({ strict: false }).compile(ruleSchema);
  for (const yaml of [BREAK_IN, CARD_TESTING, LOCKED, TWO_USES])
    t.ok(validate(parse(yaml)), JSON.stringify(validate.errors));
  t.notOk(validate(parse(BREAK_IN.replace('within', 'wihtin'))));
  t.notOk(validate(parse(BREAK_IN.replace('times: {min: 5}', 'times: {least: 5}'))));
  t.notOk(validate(parse(LOCKED.replace('steps:', 'pattern:'))));
  t.notOk(validate(parse(TWO_USES.replace('as: first', 'is: first'))));
  t.notOk(validate(parse(small({ steps: '[{begin: a}]' }))), 'a rule has no steps of its own');
  t.end();
});

t.test('a definition is used by name, in any file, as the group of its steps with names of their own', (t) => {
  const user = { user: 'ann' };
  const locked = [event('LoginFailed', user), event('LoginFailed', user), event('AccountLocked', user)];
  const other = event('AccountLocked', { user: 'bob' });
  const events = [...locked, locked[0]!, locked[1]!, other, locked[2]!, event('Reset', { ...user, by: 'eve' })];
  for (const yaml of [`${LOCKED}---${TWO_USES}`, `${TWO_USES}---${LOCKED}`]) {
    const { emissions, incidents } = run(ruleSet(yaml), events);
    t.same(incidents, []);
    t.same(
      emissions.map((one) => one.events.map(({ step, count }) => `${step} ${count}`)),
      [['first_failed 2', 'first_locked 1', 'again_failed 2', 'again_locked 1', 'reset 1']],
      'the condition on locked looks at the failures of its own use',
    );
    t.same(emissions[0]?.emit, { by: 'eve', failures: 4 });
  }
  const nested = `define: outer\nsteps: [{begin: {use: failed-then-locked, as: inner}}, {next: end, where: event.n == inner_locked.n}]`;
  const rule = small({
    pattern: '[{begin: {use: outer, as: o}}]',
    afterMatch: 'noSkip',
    emit: '$' + '{o_inner_locked.n}',
  });
  const chosen = small({
    rule: 'chosen',
    pattern: '[{begin: {anyOf: [{use: failed-then-locked}, {begin: other, type: Reset}]}}]',
    afterMatch: 'noSkip',
  });
  const set = ruleSet([LOCKED, nested, rule, chosen].join('\n---\n'));
  const found = run(set, [...locked, event('Any')]).emissions;
  t.same(
    found.map((one) => one.events.map(({ step }) => step)),
    [['o_inner_failed', 'o_inner_locked', 'o_end']],
  );
  t.end();
});

t.test('a rule that uses definitions is the rule with their steps written out', (t) => {
  const whole = `
rule: unlocked
from: auth
key: event.k
pattern:
  - begin:
      steps:
        - begin: failed
          type: LoginFailed
          times: 2
        - followedBy: locked
          type: AccountLocked
          where: event.user == last(failed).user
  - followedBy: reset
    type: Reset
    where: event.user == locked.user
afterMatch: skipPastLastEvent
`;
  const using = `
rule: unlocked
from: auth
key: event.k
pattern:
  - begin: {use: failed-then-locked}
  - followedBy: reset
    type: Reset
    where: event.user == locked.user
afterMatch: skipPastLastEvent
`;
  const version = (yaml: string): string => ruleSet(yaml).rules[0]!.version;
  const base = version(whole);
  t.equal(version(`${using}---${LOCKED}`), base);
  t.equal(
    version(
      `${using}---${LOCKED.replace('Failures', 'Other words')}---\n${LOCKED.replace('failed-then-locked', 'unused')}`,
    ),
    base,
  );
  t.not(version(`${using}---${LOCKED.replace('times: 2', 'times: 3')}`), base);
  const named = using
    .replace('{use: failed-then-locked}', '{use: failed-then-locked, as: a}')
    .replace('== locked', '== a_locked');
  t.equal(
    version(`${named}---${LOCKED}`),
    version(
      whole
        .replace('begin: failed', 'begin: a_failed')
        .replace('By: locked', 'By: a_locked')
        .replace('last(failed)', 'last(a_failed)')
        .replace('== locked', '== a_locked'),
    ),
  );
  const prefixed = (condition: string): string =>
    version(
      `define: d\nsteps: [{begin: b, times: {min: 1}, where: '${condition}'}]\n---\n${small({ pattern: '[{begin: {use: d, as: a}}]', afterMatch: 'noSkip' })}`,
    );
  t.not(
    prefixed('b.exists(a_b, a_b.x > b[0].x)'),
    prefixed('b.exists(a_b, a_b.x > a_b.x)'),
    'variables are not taken for steps',
  );
  t.end();
});

t.test('what is wrong with a definition is told once, with the uses it matters to', (t) => {
  const problems = (yaml: string): string[] => {
    const compiled = compile(yaml);
    const found = compiled.ok ? compiled.warnings : compiled.problems;
    return found.map(({ at, code, usedAt }) =>
      [`${at.line}:${at.column}`, code, ...(usedAt ?? []).map(({ line, column }) => `${line}:${column}`)].join(' '),
    );
  };
  const uses = (...names: string[]): string =>
    names
      .map((name, index) => small({ rule: `r${index}`, pattern: `[{begin: {use: ${name}}}]`, afterMatch: 'noSkip' }))
      .join('\n---\n');
  const d = (steps: string, name = 'd'): string => `define: ${name}\nsteps: ${steps}\n---\n`;
  t.same(problems(`${d('[{begin: a, where: nope.x == 1, tpye: A}]')}${uses('d', 'd')}`), [
    '2:27 EXPRESSION_NAME_UNKNOWN 7:25 13:25',
    '2:40 RULE_FIELD_UNKNOWN 7:25 13:25',
  ]);
  t.same(problems(`${d('[{begin: a, where: nope.x == 1}]')}${uses('d', 'd')}`), [
    '2:27 EXPRESSION_NAME_UNKNOWN 7:25 13:25',
  ]);
  t.same(
    problems(`${d('[{begin: a}, {next: {use: e}}]')}${d('[{begin: b, where: a.x == 1}]', 'e')}${uses('d')}`),
    ['5:27 EXPRESSION_NAME_UNKNOWN 2:34 10:25'],
    'a definition sees its own steps only',
  );
  t.same(
    problems(`${d('[{begin: a, where: nope.x == 1}]')}${small()}`),
    ['2:27 EXPRESSION_NAME_UNKNOWN'],
    'used by no rule',
  );
  t.same(problems(`${d('[{begin: a}]')}${small()}`), ['1:9 DEFINITION_UNUSED']);
  t.same(problems(`${d('[{begin: a}]')}${uses('dd')}`), ['7:25 DEFINITION_UNKNOWN']);
  const unknown = compile(`${d('[{begin: a}]', 'failed')}${uses('faild')}`);
  t.match(unknown.ok ? '' : unknown.problems[0]?.fix, 'did you mean `failed`?');
  t.same(problems(`${d('[{begin: {use: e}}]')}${d('[{begin: {use: d}}]', 'e')}${uses('d')}`), [
    '5:23 DEFINITION_CIRCLE',
  ]);
  t.same(problems(`${d('[{begin: {use: d}}]')}${small()}`), ['2:23 DEFINITION_CIRCLE']);
  t.same(problems(`${d('[{begin: a}]')}${d('[{begin: a}]')}${uses('d')}`), ['4:9 DEFINITION_NAME']);
  t.same(problems(`define: d\n---\n${uses('d')}`), ['1:1 DEFINITION_STEPS']);
  t.same(problems(`define: d\nrule: r\nsteps: [{begin: a}]\n---\n${uses('d')}`), ['2:1 DEFINITION_NAME']);
  const twice = small({ pattern: '[{begin: {use: d}}, {next: {use: d}}]' });
  t.same(problems(`${d('[{begin: a}]')}${twice}`), ['7:43 STEP_NAME_TWICE']);
  t.same(problems(`${d('[{begin: a}]')}${twice.replace('d}}]', 'd, as: x}}]')}`), []);
  t.same(problems(`${d('[{begin: a}]')}${small({ pattern: '[{begin: {use: d, type: A}}]' })}`), ['7:28 STEP_GROUP']);
  t.same(problems(`${d('[{begin: a}]')}${small({ pattern: '[{use: d}]' })}`), ['7:11 STEP_VERB', '7:12 STEP_GROUP']);
  const eight = Array.from({ length: 9 }, (_, at) =>
    d(`[{begin: {use: d${at + 1}, as: a}}, {next: {use: d${at + 1}, as: b}}]`, `d${at}`),
  );
  t.match(
    problems(`${eight.join('')}${d('[{begin: a}]', 'd9')}${uses('d0')}`).at(0),
    'RULE_TOO_LARGE',
    'many uses of uses are refused, not followed',
  );
  t.end();
});

t.test(
  'functions of a definition see its own steps by their own names, and enter the versions of the rules that use it',
  (t) => {
    const condition = (event: unknown, taken: unknown): boolean =>
      (event as { n: number }).n > (taken as { a: { n: number } }).a.n && Object.keys(taken as object).join() === 'a,b';
    const compiledWith = (digest: string): RuleSet => {
      const problems = new Problems();
      const documents = [
        ...readModule(
          'd.ts',
          { define: 'd', steps: [{ begin: 'a' }, { next: 'b', where: condition }] },
          digest,
          problems,
        ),
        ...readYaml(
          'r.yaml',
          `${small({ pattern: '[{begin: x}, {next: {use: d, as: u}}]' })}\n---\n${small({ rule: 'other' })}`,
          problems,
        ),
      ];
      const compiled = compileRules(documents, { sources: SOURCES }, problems);
      if (!compiled.ok) throw new Error(JSON.stringify(compiled.problems));
      return compiled.ruleSet;
    };
    const set = compiledWith('1');
    t.equal(run(set, [event('A'), event('A', { n: 1 }), event('A', { n: 2 })]).emissions.length, 1);
    const versions = (rules: RuleSet): readonly string[] => rules.rules.map(({ version }) => version);
    const [using, other] = versions(compiledWith('2'));
    t.not(using, versions(set)[0]);
    t.equal(other, versions(set)[1]);
    t.end();
  },
);

t.test('late events are dropped unless the rule wants them, and only those that it would have seen', (t) => {
  const [rule] = ruleSet(small()).rules;
  t.equal(rule?.onLate, 'drop');
  t.equal(ruleSet(small({ onLate: 'drop' })).rules[0]?.version, rule?.version);
  const [side] = ruleSet(small({ onLate: 'sideOutput', where: 'event.n + 1 > 2' })).rules;
  t.equal(side?.onLate, 'sideOutput');
  t.not(ruleSet(small({ onLate: 'sideOutput' })).rules[0]?.version, rule?.version);
  t.same(problemsOf(small({ onLate: 'keep' })), ['5:9 RULE_TYPE']);
  t.equal(rule?.accepts(event('A')), true);
  t.equal(rule?.accepts(event('A', {}, { source: 'payments' })), false);
  t.same(
    [2, 1, 'x'].map((n) => side?.accepts(event('Z', { n }))),
    [true, false, false],
  );
  t.same(run(ruleSet(small({ onLate: 'sideOutput', where: 'event.n + 1 > 2' })), [event('A', { n: 5 })]).incidents, []);
  t.end();
});

t.test('modules in TypeScript and JavaScript hold rules with functions', async (t) => {
  const folder = t.testdir({
    'limit.ts': 'export const LIMIT: number = 3;\n',
    'rule.ts': `import { patternRule } from 'corral/rules';
import { LIMIT } from './limit.ts';
interface Data { k: string; n: number }
export default patternRule<Data>({
  rule: 'typed', from: 'auth', key: (event) => event.k, afterMatch: 'skipPastLastEvent',
  pattern: [
    { begin: 'a', type: 'A', where: (event: Data): boolean => event.n >= LIMIT, times: 2 },
    { followedBy: 'b', where: (event, { a }, meta) => meta.type === 'B' && event.n > a[0].n },
  ],
  emit: ({ a, b }, key, metas) => ({ key, first: a[0].n, b: b.n, took: metas.b.time - metas.a[0].time }),
});
`,
    'plain.mjs': `export default [{ rule: 'plain', from: 'auth', key: 'event.k', pattern: [{ begin: 'a', where: (event) => event.a.b.c > 1 }], emit: { n: '\${a.n}' } }];\n`,
    'broken.ts': 'export default {\n  rule: 5 5,\n};\n',
    'empty.js': 'export const rule = 1;\n',
    'throws.js': 'throw new Error("no luck");\n',
    'rule.yaml': small({ rule: 'yaml' }),
    'notes.txt': 'no rule',
  });
  const load = (...files: string[]) =>
    loadRules(
      files.map((file) => join(folder, file)),
      { sources: SOURCES },
    );
  const loaded = await load('rule.ts', 'plain.mjs', 'rule.yaml');
  if (!loaded.ok) throw new Error(JSON.stringify(loaded.problems));
  t.same(
    loaded.ruleSet.rules.map(({ name }) => name),
    ['typed', 'plain', 'yaml'],
  );
  t.same(loaded.ruleSet.keyspaces[0]?.keyOf(event('A', { k: 'x' })), { kind: 'key', value: 'x' });
  const events = [
    event('A', { n: 2 }),
    event('A', { n: 3 }),
    event('A', { n: 4 }),
    event('B', { n: 3 }),
    event('B', { n: 5 }),
  ];
  t.same(
    run(loaded.ruleSet, events, 'x').emissions.map(({ emit }) => emit),
    [{ key: 'x', first: 3, b: 5, took: 3_000 }],
  );
  const throwing = run({ ...loaded.ruleSet, rules: [loaded.ruleSet.rules[1]!] }, [event('A', {})]);
  t.match(throwing.incidents, [
    { kind: 'expressionFailed', where: 'where of a', message: /the function threw TypeError/ },
  ]);

  const refused = await load('broken.ts', 'empty.js', 'throws.js', 'notes.txt', 'missing.yaml');
  t.same(refused.ok ? [] : refused.problems.map(({ code }) => code), [
    'RULE_MODULE_FAILED',
    'RULE_MODULE_EMPTY',
    'RULE_MODULE_FAILED',
    'RULE_FILE_KIND',
    'RULE_FILE_UNREADABLE',
  ]);

  mkdirSync(join(folder, 'again'));
  const text = (n: number): string =>
    `export default { rule: 'm', from: 'auth', key: 'event.k', pattern: [{ begin: 'a', where: (event) => event.n > ${n} }] };`;
  const versions: (string | undefined)[] = [];
  for (const n of [1, 2, 1]) {
    writeFileSync(join(folder, 'again', 'm.mjs'), text(n));
    const again = await load('again/m.mjs');
    versions.push(again.ok ? again.ruleSet.rules[0]?.version : undefined);
  }
  t.equal(versions[0], versions[2]);
  t.not(versions[0], versions[1]);
});
