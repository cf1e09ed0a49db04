import { Ajv } from 'ajv';
import t from 'tap';
import { parse } from 'yaml';
import type { Emission, Incident } from '../src/core/behaviours/behaviour.ts';
import type { Event } from '../src/core/events/event.ts';
import { type CompiledRules, compileRules } from '../src/core/rules/compile-rules.ts';
import { Problems } from '../src/core/rules/document.ts';
import { readModule } from '../src/core/rules/module-document.ts';
import { ruleSchema } from '../src/core/rules/rule-schema.ts';
import type { KeyValue, RuleSet } from '../src/core/rules/rule-set.ts';
import { readYaml } from '../src/core/rules/yaml-document.ts';
import { instant } from '../src/core/time/units.ts';
import { Router } from '../src/pipeline/router.ts';

/** Joins as rule files have them, and what all kinds of rules say of their sources and keys. */

const SOURCES = ['bookings', 'payments', 'shop'];

function compile(yaml: string): CompiledRules {
  const problems = new Problems();
  return compileRules(readYaml('r.yaml', yaml, problems), { sources: SOURCES }, problems);
}

function settled(compiled: CompiledRules): RuleSet {
  if (compiled.ok) return compiled.ruleSet;
  throw new Error(
    compiled.problems.map(({ at, code, message }) => `${at.line}:${at.column} ${code} ${message}`).join('\n'),
  );
}

const ruleSet = (yaml: string): RuleSet => settled(compile(yaml));

/** Problems as "line:column CODE". */
function problemsOf(yaml: string): readonly string[] {
  const compiled = compile(yaml);
  return compiled.ok ? [] : compiled.problems.map(({ at, code }) => `${at.line}:${at.column} ${code}`);
}

/** What the only problem there is says to do. */
function fixOf(yaml: string): string {
  const compiled = compile(yaml);
  if (compiled.ok || compiled.problems.length !== 1) throw new Error(`not one problem: ${JSON.stringify(compiled)}`);
  return compiled.problems[0]!.fix;
}

let seq = 0;
const at = (seconds: number, type: string, data: unknown = {}, source = 'bookings'): Event => {
  seq++;
  return {
    id: `${type}${seq}`,
    type,
    subject: 's',
    time: instant(seconds * 1_000),
    source,
    seq,
    index: 0,
    headers: undefined,
    data,
  };
};

interface Seen {
  readonly emissions: Emission[];
  readonly incidents: Incident[];
}

/** Feeds events to the only rule there is, in the actor of one key, as a turn of the actor does. */
function run(set: RuleSet, events: readonly Event[], key: KeyValue = 'k', until?: number): Seen {
  const { behaviour } = set.rules[0]!;
  const seen: Seen = { emissions: [], incidents: [] };
  const output = {
    emit: (emission: Emission) => void seen.emissions.push(emission),
    incident: (incident: Incident) => void seen.incidents.push(incident),
  };
  const state = behaviour.create(key);
  for (const event of events) {
    behaviour.onTime(state, event.time, output);
    behaviour.onEvent(state, event, output);
  }
  if (until !== undefined) behaviour.onTime(state, instant(until * 1_000), output);
  return seen;
}

/** The keys that an event goes to, as texts, and what else the routing says of it. */
function routed(set: RuleSet, event: Event): unknown {
  const router = new Router(set, event.source, 1);
  router.route(event);
  const keys = router.targetRoutes.flat().map(({ key }) => key);
  return router.failures.length > 0 || router.keyless > 0
    ? { keys, keyless: router.keyless, failures: [...router.failures] }
    : keys;
}

const BOOKING = `
rule: booking-unconfirmed
from:
  created: {source: bookings, type: BookingCreated, key: event.bookingId}
  confirmed: {source: payments, type: BookingConfirmed, key: event.ref.booking}
join:
  interval: {confirmed: {after: created, from: -5m, to: 15m}}
  pairs: oneToOne
  where: created.customer == confirmed.customer
  unmatched: [created]
emit:
  pair: {booking: "\${key}", tookMs: "\${timeOf(confirmed) - timeOf(created)}", seqs: ["\${seqOf(created)}", "\${seqOf(confirmed)}"]}
  unmatched: {title: "Booking \${key} of \${created.customer} was not confirmed within 15 minutes"}
`;

/** A join with fields exchanged: `join`, `emit` and others as text, '' takes one out. */
function joinOf(join: string, more: Record<string, string> = {}): string {
  const fields = {
    rule: 'r',
    from: '{a: {source: shop, type: A}, b: {source: shop, type: B}}',
    key: 'event.k',
    join,
    ...more,
  };
  return Object.entries(fields)
    .filter(([, value]) => value !== '')
    .map(([name, value]) => `${name}: ${value}`)
    .join('\n');
}

const INTERVAL = '{interval: {b: {after: a, from: -5s, to: 10s}}}';
const shop = (seconds: number, type: string, data: unknown = {}): Event => at(seconds, type, data, 'shop');

t.test('created and confirmed, in either order, within bounds that are inclusive, else an unmatched output', (t) => {
  const set = ruleSet(BOOKING);
  const created = (seconds: number, customer = 'ann') => at(seconds, 'BookingCreated', { bookingId: 'k', customer });
  const confirmed = (seconds: number, customer = 'ann') =>
    at(seconds, 'BookingConfirmed', { ref: { booking: 'k' }, customer }, 'payments');
  const said = (events: readonly Event[], until?: number) =>
    run(set, events, 'k', until).emissions.map(({ kind, side, time, emit }) => ({ kind, side, time, emit }));
  const pair = (one: Event, other: Event) => [
    {
      kind: 'match',
      side: undefined,
      time: Math.max(one.time, other.time),
      emit: { booking: 'k', tookMs: other.time - one.time, seqs: [one.seq, other.seq] },
    },
  ];
  for (const [from, to] of [
    [0, 60],
    [0, 900],
    [300, 0],
    [7, 7],
  ] as const) {
    const [one, other] = [created(from), confirmed(to)];
    t.strictSame(said(from <= to ? [one, other] : [other, one]), pair(one, other), `${from} s, ${to} s`);
  }
  const unmatched = {
    kind: 'unmatched',
    side: undefined,
    time: 900_000,
    emit: { title: 'Booking k of ann was not confirmed within 15 minutes' },
  };
  t.strictSame(said([created(0)], 900), [], 'at the bound itself a partner may still come');
  t.strictSame(said([created(0)], 901), [unmatched]);
  t.strictSame(said([created(0), confirmed(900.001)]), [unmatched]);
  t.strictSame(said([created(0), confirmed(5, 'bob')], 1_000), [unmatched], 'another customer is no partner');
  t.strictSame(said([confirmed(0)], 1_000), [], 'a side that is not listed is not told');
  t.end();
});

t.test('all pairs, or one to one and then the oldest first', (t) => {
  const events = () => [shop(0, 'A'), shop(1, 'A'), shop(2, 'B'), shop(3, 'B'), shop(4, 'B')];
  const pairs = (join: string) =>
    run(ruleSet(joinOf(join)), events()).emissions.map(({ events: [a, b] }) => [a?.refs[0]?.time, b?.refs[0]?.time]);
  t.strictSame(pairs(INTERVAL).length, 6);
  t.strictSame(pairs('{interval: {b: {after: a, from: -5s, to: 10s}}, pairs: oneToOne}'), [
    [0, 2_000],
    [1_000, 3_000],
  ]);
  t.end();
});

t.test('windows: events of one window are a pair, and emit knows the window', (t) => {
  const emit = '{from: "$' + '{window.start}", to: "$' + '{window.end}"}';
  const of = (join: string, events: readonly Event[]) => run(ruleSet(joinOf(join, { emit })), events).emissions;
  const windows = (join: string, events: readonly Event[]) => of(join, events).map((one) => one.emit);
  t.strictSame(windows('{window: {tumbling: 10s}}', [shop(1, 'A'), shop(9.999, 'B'), shop(10, 'B')]), [
    { from: 0, to: 10_000 },
  ]);
  t.strictSame(windows('{window: {tumbling: 10s, offset: -2s}}', [shop(1, 'A'), shop(7.5, 'B'), shop(8, 'B')]), [
    { from: -2_000, to: 8_000 },
  ]);
  t.equal(of('{window: {sliding: 10s, every: 5s}}', [shop(4, 'A'), shop(9, 'B'), shop(10, 'B')]).length, 1);
  const session = ruleSet(joinOf('{window: {session: 5s}}'));
  t.equal(run(session, [shop(0, 'A'), shop(5, 'A'), shop(10, 'B')]).emissions.length, 2, 'a gap of 5 s stays inside');
  t.equal(run(session, [shop(0, 'A'), shop(5.001, 'B')]).emissions.length, 0);
  t.strictSame(problemsOf(joinOf('{window: {session: 5s}}', { emit })), [
    '5:17 EXPRESSION_NAME_UNKNOWN',
    '5:40 EXPRESSION_NAME_UNKNOWN',
  ]);
  t.end();
});

t.test('unmatched of both sides, where the one that did not come is null', (t) => {
  const join = '{interval: {b: {after: a, from: 0, to: 10s}}, unmatched: [a, b]}';
  const emit = '{unmatched: ["$' + '{a.n}", "$' + '{b.n}"]}';
  const seen = run(ruleSet(joinOf(join, { emit })), [shop(0, 'A', { n: 1 }), shop(20, 'B', { n: 2 })], 'k', 30);
  t.strictSame(
    seen.emissions.map((one) => [one.kind, one.time, one.emit]),
    [
      ['unmatched', 10_000, [1, null]],
      ['unmatched', 20_000, [null, 2]],
    ],
  );
  t.strictSame(seen.incidents, []);
  t.end();
});

t.test('an event of a join is buffered with what the rule reads of it and nothing else', (t) => {
  const set = ruleSet(
    joinOf('{interval: {b: {after: a, from: 0, to: 10s}}, where: a.of.x == b.y}', { emit: '"$' + '{a.z}"' }),
  );
  const { behaviour } = set.rules[0]!;
  const state = behaviour.create('k');
  const data = { of: { x: 1, more: 'no' }, z: 'seen', more: 'n'.repeat(1_000) };
  behaviour.onEvent(state, shop(0, 'A', data), { emit: () => {}, incident: () => {} });
  let bytes = 0;
  behaviour.save(state, { put: (_, cell) => void (bytes += cell.length), remove: () => {} });
  t.ok(bytes > 20 && bytes < 120, `${bytes} bytes`);
  t.end();
});

t.test('a failing condition is false and counted, whichever part of a join it stands in', (t) => {
  const fails = (join: string, more: Record<string, string> = {}) =>
    run(ruleSet(joinOf(join, more)), [shop(0, 'A', { n: 'x' }), shop(1, 'B', { n: 1 })]);
  const where = fails('{interval: {b: {after: a, from: 0, to: 10s}}, where: a.n + 1 == b.n}');
  t.strictSame(
    [where.emissions.length, where.incidents.map((one) => 'where' in one && one.where)],
    [0, ['where of the join']],
  );
  const alias = fails(INTERVAL, { from: '{a: {source: shop, where: event.n + 1 > 0}, b: {source: shop, type: B}}' });
  t.strictSame(
    [alias.emissions.length, alias.incidents.map((one) => 'where' in one && one.where)],
    [0, ['where of a']],
  );
  const emit = fails(INTERVAL, { emit: '{pair: "$' + '{a.n - 1}"}' });
  t.strictSame([emit.emissions[0]?.emit, emit.incidents.length], [null, 1]);
  t.end();
});

t.test('everything wrong with a join has its place and the way out', (t) => {
  const join = (text: string, more: Record<string, string> = {}) => problemsOf(joinOf(text, more));
  t.strictSame(join(INTERVAL), []);
  t.strictSame(join('5'), ['4:7 RULE_TYPE']);
  t.strictSame(join('{pairs: all}'), ['4:7 JOIN_TIMES']);
  t.strictSame(join('{interval: {b: {after: a, from: 0, to: 1s}}, window: {tumbling: 1s}}'), ['4:7 JOIN_TIMES']);
  t.strictSame(join('{interval: [b]}'), ['4:18 RULE_TYPE']);
  t.strictSame(join('{interval: {b: {after: a, to: 1s}}}'), ['4:19 JOIN_TIMES']);
  t.strictSame(join('{interval: {b: {after: a, from: 5s, to: 1s}}}'), ['4:33 JOIN_TIMES']);
  t.strictSame(join('{interval: {b: {after: a, from: -5, to: 1s}}}'), ['4:39 RULE_DURATION']);
  t.strictSame(join('{interval: {b: {after: b, from: 0, to: 1s}}}'), ['4:30 JOIN_SIDES']);
  t.strictSame(join('{interval: {bb: {after: a, from: 0, to: 1s}}}'), ['4:19 RULE_ALIAS_UNKNOWN']);
  t.match(fixOf(joinOf('{interval: {bb: {after: a, from: 0, to: 1s}}}')), /did you mean `b`\?/);
  t.strictSame(join('{window: {tumbling: 0s}}'), ['4:27 RULE_DURATION']);
  t.strictSame(join('{window: {sliding: 10s}}'), ['4:16 JOIN_TIMES']);
  t.strictSame(join('{window: {tumbling: 1s, session: 1s}}'), ['4:16 JOIN_TIMES']);
  t.strictSame(join('{window: {}}'), ['4:16 JOIN_TIMES']);
  t.strictSame(join('{window: {session: 1s}, pairs: some}'), ['4:38 RULE_TYPE']);
  t.strictSame(join('{window: {session: 1s}, unmached: [a]}'), ['4:31 RULE_FIELD_UNKNOWN']);
  t.strictSame(join('{window: {session: 1s}, unmatched: [c]}'), ['4:43 RULE_ALIAS_UNKNOWN']);
  t.strictSame(join('{window: {session: 1s}, unmatched: [5, {}]}'), ['4:42 RULE_TYPE']);
  t.strictSame(join('{interval: {b: {after: a, from: 0, to: unlimited}}}'), []);
  t.strictSame(join('{interval: {b: {after: a, from: 0, to: unlimited}}, unmatched: [b]}'), []);
  t.strictSame(join('{interval: {b: {after: a, from: 0, to: unlimited}}, unmatched: [a]}'), ['4:71 JOIN_TIMES']);
  t.strictSame(join('{window: {session: 1s}, where: a.x == c.x}'), ['4:45 EXPRESSION_NAME_UNKNOWN']);
  t.strictSame(join('{window: {session: 1s}, where: event.x == 1}'), ['4:38 EXPRESSION_NAME_UNKNOWN']);
  t.strictSame(join(INTERVAL, { from: 'shop' }), ['4:1 JOIN_SIDES']);
  t.strictSame(join(INTERVAL, { from: '{a: shop, b: shop, c: shop}' }), ['4:1 JOIN_SIDES']);
  t.strictSame(join('{window: {tumbling: 1s}}', { from: '{window: shop, b: shop}' }), ['2:16 RULE_FROM_ALIAS']);
  t.strictSame(join(INTERVAL, { within: '5s' }), ['5:1 RULE_FIELD_KIND']);
  t.strictSame(join(INTERVAL, { limits: '{partialMatches: 5}' }), ['5:10 RULE_FIELD_UNKNOWN']);
  t.strictSame(join(INTERVAL, { limits: '{events: 5, stateBytes: 2000, onLimit: dropOldest}' }), []);
  const unmatched = '{interval: {b: {after: a, from: 0, to: 1s}}, unmatched: a}';
  t.strictSame(join(INTERVAL, { emit: '{pair: 1, unmatched: 2}' }), ['5:28 JOIN_EMIT']);
  t.strictSame(join(INTERVAL, { emit: '{pair: 1, more: 2}' }), [], 'without `unmatched`, a field of the value');
  t.strictSame(join(unmatched, { emit: '{pair: 1, unmached: 2}' }), ['5:17 JOIN_EMIT']);
  t.strictSame(join(unmatched, { emit: '5' }), ['5:7 JOIN_EMIT']);
  t.strictSame(join(unmatched, { emit: '{unmatched: "$' + '{b.x}"}' }), ['5:22 STEP_UNBOUND']);
  t.end();
});

t.test('check says how long events wait, and what a key may keep', (t) => {
  const bound = (join: string, more: Record<string, string> = {}) =>
    ruleSet(joinOf(join, more)).rules[0]?.bound?.sentence;
  t.equal(
    bound(INTERVAL, { limits: '{events: 50, stateBytes: 5000, onLimit: dropOldest}' }),
    'Each `a` waits for 10s, each `b` waits for 5s. A key keeps at most 50 events and 5000 bytes; beyond that the oldest event is dropped.',
  );
  t.match(bound('{interval: {b: {after: a, from: 1s, to: unlimited}}}'), /`a` waits without end, no `b` waits\./);
  t.match(bound('{window: {sliding: 1h, every: 1m}}'), /at most 1h\./);
  t.match(bound('{window: {session: 30m}}'), /30m after the session's last event/);
  const { rules } = ruleSet(joinOf(INTERVAL));
  t.strictSame([rules[0]?.kind, rules[0]?.types, rules[0]?.afterMatch], ['join', ['A', 'B'], undefined]);
  t.end();
});

t.test('a join that means something else has another version', (t) => {
  const version = (join: string, more: Record<string, string> = {}) => ruleSet(joinOf(join, more)).rules[0]?.version;
  const same = version(INTERVAL);
  t.equal(version('{pairs: all, interval: {b: {to: 10s, from: -5000ms, after: a}}}'), same, 'the default, written');
  t.equal(version(INTERVAL, { description: 'x' }), same);
  const others = [
    version('{interval: {b: {after: a, from: -5s, to: 11s}}}'),
    version('{interval: {a: {after: b, from: -5s, to: 10s}}}'),
    version('{interval: {b: {after: a, from: -5s, to: 10s}}, pairs: oneToOne}'),
    version('{interval: {b: {after: a, from: -5s, to: 10s}}, where: a.x == b.x}'),
    version('{interval: {b: {after: a, from: -5s, to: 10s}}, unmatched: a}'),
    version('{window: {tumbling: 10s}}'),
    version('{window: {tumbling: 10s, offset: 1s}}'),
    version('{window: {session: 10s}}'),
    version(INTERVAL, { emit: '{pair: 1}' }),
    version(INTERVAL, { limits: '{events: 5}' }),
    version(INTERVAL, { from: '{a: {source: shop, type: A}, b: {source: shop, type: C}}' }),
    version(INTERVAL, { from: '{a: {source: shop, type: A}, b: {source: shop, type: B, where: event.x}}' }),
    version(INTERVAL, { from: '{a: {source: shop, type: A}, b: {source: payments, type: B}}' }),
    version(INTERVAL, { from: '{a: {source: shop, type: A}, b: {source: shop, type: B, key: event.j}}' }),
  ];
  t.equal(new Set([same, ...others]).size, others.length + 1);
  t.end();
});

t.test('each alias has its own key, which is computed only for what the alias takes', (t) => {
  const set = ruleSet(BOOKING);
  t.strictSame(routed(set, at(0, 'BookingCreated', { bookingId: 'x', ref: { booking: 'y' } })), ['sx']);
  t.strictSame(routed(set, at(0, 'BookingConfirmed', { ref: { booking: 'y' } }, 'payments')), ['sy']);
  t.strictSame(routed(set, at(0, 'BookingConfirmed', { ref: { booking: 'y' } })), [], 'not from this source');
  t.strictSame(routed(set, at(0, 'BookingCreated', {})), { keys: [], keyless: 1, failures: [] });
  const mixed = ruleSet(
    joinOf(INTERVAL, {
      from: '{a: {source: shop, type: A, key: event.x}, b: {source: shop, where: event.b == true, key: event.y + 1}}',
      key: '',
    }),
  );
  t.strictSame(routed(mixed, shop(0, 'A', { x: 'k', y: null })), ['sk'], 'the key of b fails, and b does not take it');
  t.strictSame(routed(mixed, shop(0, 'C', { x: 'k' })), []);
  t.strictSame(routed(mixed, shop(0, 'C', { b: true, y: 1 })), ['n2']);
  t.strictSame(routed(mixed, shop(0, 'A', { b: true, x: 'k', y: 1 })), ['sk', 'n2'], 'both aliases take it');
  t.strictSame(routed(mixed, shop(0, 'A', { b: true, x: 2, y: 1 })), ['n2'], 'one actor gets it once');
  t.match(routed(mixed, shop(0, 'A', { b: true, x: 'k' })), { keys: ['sk'], keyless: 0, failures: [/number/] });
  t.end();
});

t.test('the actor of a key knows as which alias an event came to it', (t) => {
  // Every transfer goes out of one account and into another, and both are keys.
  const set = ruleSet(
    joinOf('{interval: {out: {after: into, from: 0, to: 60s}}}', {
      from: '{into: {source: shop, key: event.to}, out: {source: shop, key: event.from}}',
      key: '',
      emit: '["$' + '{into.n}", "$' + '{out.n}"]',
    }),
  );
  const [first, second, own] = [
    shop(0, 'T', { n: 1, from: 'a', to: 'b' }),
    shop(10, 'T', { n: 2, from: 'b', to: 'c' }),
    shop(20, 'T', { n: 3, from: 'b', to: 'b' }),
  ];
  t.strictSame(
    [first, second, own].map((event) => routed(set, event)),
    [['sb', 'sa'], ['sc', 'sb'], ['sb']],
  );
  t.strictSame(
    run(set, [first, second, own], 'b').emissions.map(({ emit }) => emit),
    [
      [1, 2],
      [1, 3],
    ],
    'nothing is its own partner',
  );
  t.strictSame(run(set, [second], 'c').emissions, []);
  t.end();
});

t.test('rules share a keyspace when an event has the same keys for them', (t) => {
  const keyspaces = (...froms: readonly string[]) =>
    ruleSet(
      froms
        .map((from, index) => {
          const rule = { rule: `r${index}`, from, ...(from.includes('key') ? { key: '' } : {}) };
          return joinOf('{window: {session: 5s}}', rule);
        })
        .join('\n---\n'),
    ).keyspaces.length;
  t.equal(keyspaces('{a: {source: shop, type: A}, b: {source: shop, type: B}}', '{c: shop, d: shop}'), 1);
  t.equal(keyspaces('{a: shop, b: payments}', '{c: shop, d: shop}'), 2, 'other sources');
  const own = (a: string, b: string) => `{a: {source: shop, ${a}}, b: {source: payments, ${b}}}`;
  t.equal(keyspaces(own('type: A, key: event.x', 'key: event.y'), own('type: B, key: event.x', 'key: event.y')), 1);
  t.equal(keyspaces(own('key: event.x', 'key: event.y'), own('key: event.y', 'key: event.x')), 2);
  const both = (a: string, b: string) => `{a: {source: shop, ${a}}, b: {source: shop, ${b}}}`;
  t.equal(keyspaces(both('type: A, key: event.x', 'key: event.y'), both('key: event.y', 'type: A, key: event.x')), 1);
  t.equal(keyspaces(both('type: A, key: event.x', 'key: event.y'), both('type: B, key: event.x', 'key: event.y')), 2);
  const plain = ruleSet('rule: p\nfrom: [shop, payments]\nkey: event.k\npattern: [{begin: a}]').keyspaces[0]?.id;
  t.equal(ruleSet(joinOf('{window: {session: 5s}}', { from: '{a: shop, b: payments}' })).keyspaces[0]?.id, plain);
  t.end();
});

t.test('keyEach sends an event to each key of a list, once', (t) => {
  const set = ruleSet(
    'rule: r\nfrom: shop\nkeyEach: event.tags\npattern: [{begin: a, type: A}, {followedBy: b, type: B}]',
  );
  const keys = (tags: unknown) => routed(set, shop(0, 'A', { tags }));
  t.strictSame(keys(['x', 'y', 'x', 1]), ['sx', 'sy', 'n1']);
  t.strictSame(keys(['x', null]), ['sx'], 'what is null is no key');
  for (const none of [[], [null], null, undefined]) t.strictSame(keys(none), { keys: [], keyless: 1, failures: [] });
  t.match(keys('x'), { keys: [], keyless: 0, failures: [/not a list of keys/] });
  t.match(keys(['x', {}]), { keys: [], failures: [/the key is a map/] });
  t.match(keys(['x'.repeat(9_000)]), { keys: [], failures: [/bytes/] });
  const many = (count: number) => Array.from({ length: count }, (_, index) => index);
  t.equal((keys(many(1_000)) as unknown[]).length, 1_000);
  t.equal((keys([...many(1_000), ...many(1_000)]) as unknown[]).length, 1_000);
  t.match(keys(many(1_001)), { keys: [], failures: [/more than 1000 keys/] });
  const { emissions } = run(set, [shop(0, 'A', { tags: ['x', 'y'] }), shop(1, 'B', { tags: ['x'] })], 'x');
  t.equal(emissions.length, 1);
  const refused = (fields: string) => problemsOf(`rule: r\nfrom: shop\n${fields}\npattern: [{begin: a}]`);
  t.strictSame(refused('keyEach: [event.a, event.b]'), ['3:10 KEY_EACH']);
  t.strictSame(refused('keyEach: event.a\nkey: event.b'), ['3:1 KEY_EACH']);
  t.strictSame(refused('keyEach: event.a == 1'), ['3:10 EXPRESSION_TYPE']);
  t.strictSame(refused('keyEach: "[1, 2]"'), ['3:10 KEY_CONSTANT']);
  t.strictSame(refused('keyEach: "[event.from, event.to]"'), [], 'a list of CEL');
  t.end();
});

t.test('steps of a pattern can say of which alias they take events', (t) => {
  const of = (pattern: string, from = '{a: {source: shop, type: A, key: event.x}, b: {source: shop, key: event.y}}') =>
    `rule: r\nfrom: ${from}\npattern: ${pattern}`;
  const set = ruleSet(of('[{begin: one, from: a}, {followedBy: two, from: b}]'));
  const [one, two] = [shop(0, 'A', { x: 'k', y: 'j' }), shop(1, 'A', { x: 'j', y: 'k' })];
  t.strictSame(routed(set, one), ['sk', 'sj']);
  const steps = (key: string) =>
    run(set, [one, two], key).emissions.map(({ events }) => events.map(({ refs }) => refs[0]?.id));
  t.strictSame(steps('k'), [[one.id, two.id]]);
  t.strictSame(steps('j'), [], 'to this key the first came as b, and the second as a');
  t.strictSame(problemsOf(of('[{begin: one, from: c}]')), ['3:30 RULE_ALIAS_UNKNOWN']);
  t.strictSame(problemsOf(of('[{begin: one, from: a}]', 'shop\nkey: event.k')), ['4:30 RULE_ALIAS_UNKNOWN']);
  t.strictSame(problemsOf(of('[{begin: {steps: [{begin: x}]}, from: a}]')), ['3:42 STEP_GROUP']);
  const next = ruleSet(
    of('[{begin: one}, {next: two}]', '{a: {source: shop, type: A}, b: {source: shop, type: B}}\nkey: event.k'),
  );
  t.equal(
    run(next, [shop(0, 'A'), shop(1, 'C'), shop(2, 'B')]).emissions.length,
    1,
    'what no alias takes is not there',
  );
  t.notOk(next.keyspaces[0]?.relevant(shop(0, 'C')));
  t.notOk(next.rules[0]?.accepts(shop(0, 'C')));
  t.ok(next.rules[0]?.accepts(shop(0, 'B')));
  t.end();
});

t.test('what is wrong with `from` is told where it stands', (t) => {
  const from = (text: string, key = 'event.k') =>
    problemsOf(`rule: r\nfrom: ${text}\n${key === '' ? '' : `key: ${key}\n`}pattern: [{begin: a}]`);
  t.strictSame(from('{a: shop}'), []);
  t.strictSame(from('{a: {source: shpo}}'), ['2:20 RULE_SOURCE_UNKNOWN']);
  t.strictSame(from('{a: {}}'), ['2:8 RULE_FROM_ALIAS']);
  t.strictSame(from('{event: shop}'), ['2:8 RULE_FROM_ALIAS']);
  t.strictSame(from('{a-b: shop}'), ['2:8 RULE_FROM_ALIAS']);
  t.strictSame(from('{a: [shop]}'), ['2:11 RULE_TYPE']);
  t.strictSame(from('{a: {source: shop, types: A}}'), ['2:26 RULE_FIELD_UNKNOWN']);
  t.strictSame(from('{a: {source: shop, where: event.a + "x"}}'), ['2:33 EXPRESSION_TYPE']);
  t.strictSame(from('{a: {source: shop, key: 5}}'), ['2:31 KEY_CONSTANT']);
  t.strictSame(from('{}'), ['2:7 RULE_TYPE']);
  t.strictSame(from('{a: {source: shop}, b: {source: shop, key: event.k}}', ''), ['1:1 RULE_KEY_MISSING']);
  t.strictSame(from('{a: {source: shop, key: event.j}, b: {source: shop, key: event.k}}', ''), []);
  t.strictSame(from(`[${Array.from({ length: 33 }, () => 'shop').join(', ')}]`), ['2:7 RULE_TOO_LARGE']);
  t.end();
});

t.test('a rule may read the matches of another, but never its own', (t) => {
  const rule = (name: string, from: string) => `rule: ${name}\nfrom: ${from}\nkey: event.k\npattern: [{begin: a}]`;
  t.strictSame(problemsOf(rule('r', '{rule: other}')), ['2:14 RULE_UNKNOWN']);
  t.match(fixOf([rule('first', 'shop'), rule('r', '{rule: frist}')].join('\n---\n')), /did you mean `first`\?/);
  t.strictSame(problemsOf(rule('r', '{rule: r}')), ['2:14 RULE_CYCLE']);
  const circle = [rule('x', '{rule: y}'), rule('y', '[shop, {rule: z}]'), rule('z', '{m: {rule: x, type: T}}')].join(
    '\n---\n',
  );
  const compiled = compile(circle);
  t.ok(!compiled.ok && compiled.problems.length === 1, 'once for the circle');
  t.match(!compiled.ok && compiled.problems[0]?.message, '`x`, which reads `y`, which reads `z`, which reads `x`');
  t.strictSame(problemsOf([rule('p', 'shop'), rule('q', '{rule: p}')].join('\n---\n')), []);
  t.strictSame(problemsOf(rule('r', '{rule: r, type: A}')), ['2:17 RULE_FROM_ALIAS', '2:14 RULE_CYCLE'].sort());
  t.end();
});

t.test('a rule is of one kind', (t) => {
  t.strictSame(problemsOf('rule: r\nfrom: shop\nkey: event.k'), ['1:1 RULE_KIND_MISSING']);
  t.strictSame(problemsOf(`${joinOf(INTERVAL)}\npattern: [{begin: a}]`), ['4:1 RULE_KIND_TWICE']);
  t.end();
});

t.test('in a module, functions stand where YAML has expressions', (t) => {
  const module = {
    rule: 'r',
    from: {
      a: { source: 'shop', type: 'A', key: (event: { x: string }) => event.x },
      b: { source: 'shop', where: (event: { kind: string }) => event.kind === 'b', key: 'event.y' },
    },
    join: {
      interval: { b: { after: 'a', from: '-5s', to: '5s' } },
      where: ({ a, b }: { a: { n: number }; b: { n: number } }, key: string) => a.n === b.n && key === 'k',
      unmatched: ['a'],
    },
    emit: (
      sides: { a: { n: number } | null; b: { n: number } | null },
      key: string,
      metas: { b: { id: string } | null },
    ) => [sides.a?.n, sides.b?.n ?? null, metas.b?.id ?? null, key],
  };
  const set = (digest: string) => {
    const problems = new Problems();
    return settled(compileRules(readModule('r.js', module, digest, problems), { sources: SOURCES }, problems));
  };
  const events = [
    shop(0, 'A', { x: 'k', n: 1 }),
    shop(1, 'T', { kind: 'b', y: 'k', n: 2 }),
    shop(2, 'T', { kind: 'b', y: 'k', n: 1 }),
  ];
  const rules = set('d');
  t.strictSame(
    run(rules, events, 'k', 60).emissions.map(({ kind, emit }) => [kind, emit]),
    [['match', [1, 1, events[2]!.id, 'k']]],
  );
  t.strictSame(
    run(rules, events.slice(0, 2), 'k', 60).emissions.map(({ kind, emit }) => [kind, emit]),
    [['unmatched', [1, null, null, 'k']]],
  );
  t.strictSame(routed(rules, events[1]!), ['sk']);
  t.equal(set('d').rules[0]?.version, rules.rules[0]?.version);
  t.not(set('other').rules[0]?.version, rules.rules[0]?.version);
  t.end();
});

t.test('the JSON Schema takes what the reader takes', (t) => {
  const validate = new Ajv({ strict: false }).compile(ruleSchema);
  const fits = (yaml: string) => validate(parse(yaml));
  for (const yaml of [
    BOOKING,
    joinOf(INTERVAL),
    joinOf('{window: {sliding: 1h, every: 10m, offset: -5m}, pairs: all}'),
    joinOf('{interval: {b: {after: a, from: 0, to: unlimited}}, unmatched: b}'),
    joinOf('{window: {session: 10m}}', { from: '{a: shop, b: {rule: other, key: event.k}}' }),
    'rule: r\nfrom: {rule: other}\nkeyEach: event.k\npattern: [{begin: a, from: x}]',
  ]) {
    t.ok(fits(yaml), `${yaml} ${JSON.stringify(validate.errors)}`);
  }
  for (const yaml of [
    joinOf('{interval: {b: {after: a, from: 0}}}'),
    joinOf('{interval: {b: {after: a, from: 5, to: 1s}}}'),
    joinOf('{window: {sliding: 1h}}'),
    joinOf('{window: {tumbling: 1h, session: 1h}}'),
    joinOf('{window: {session: 1h}, unmached: a}'),
    joinOf(INTERVAL, { within: '5s' }),
    joinOf(INTERVAL, { pattern: '[{begin: a}]' }),
    joinOf(INTERVAL, { from: '{a: {sauce: shop}, b: shop}' }),
    'rule: r\nfrom: shop\npattern: [{begin: a}]',
  ]) {
    t.notOk(fits(yaml), yaml);
  }
  t.end();
});
