// biome-ignore-all lint/suspicious/noTemplateCurlyInString: rules have templates of Corral's own
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { packageRoot } from '../src/cli/package-root.ts';
import { type ConfigResult, resolveConfig } from '../src/config.ts';
import type { Event } from '../src/core/events/event.ts';
import { readEntry } from '../src/core/references/read-entry.ts';
import type { ReferenceSettings } from '../src/core/references/reference-settings.ts';
import { type CompiledRules, compileRules } from '../src/core/rules/compile-rules.ts';
import { Problems } from '../src/core/rules/document.ts';
import { readModule } from '../src/core/rules/module-document.ts';
import { readYaml } from '../src/core/rules/yaml-document.ts';
import { instant } from '../src/core/time/units.ts';
import { output, processRule, reference, source, value } from '../src/rules-module.ts';
import { harness, RuleFailed } from '../src/testing-module.ts';
import { bucketOf, ReferenceWorld } from './support/reference-world.ts';
import { corral, corralProcess, type MatchOutput } from './support/replay.ts';
import { until } from './support/until.ts';

const REFERENCES = ['customers', 'limits'];

/** @param known names of the references that there are; undefined = not known */
function compiled(
  yaml: string,
  known: { readonly references?: readonly string[] } = { references: REFERENCES },
): CompiledRules {
  const problems = new Problems();
  return compileRules(readYaml('r.yaml', yaml, problems), { sources: ['shop'], ...known }, problems);
}

const rule = (where: string, more = '') => `
rule: r
from: shop
key: event.user
pattern:
  - begin: one
    where: '${where}'
${more}`;

/** Each problem as line:column code message | fix. */
const problemsOf = (result: CompiledRules | ConfigResult): string[] =>
  result.ok
    ? []
    : result.problems.map(({ code, at, message, fix }) => `${at.line}:${at.column} ${code} ${message} | ${fix}`);

t.test('what is looked up is checked where it is written', (t) => {
  t.same(problemsOf(compiled(rule('lookup("custmers", event.user).tier == "x"'))), [
    '7:20 REFERENCE_UNKNOWN the configuration has no reference `custmers` | did you mean `customers`?',
  ]);
  t.match(problemsOf(compiled(rule('lookup("x", 1) == 1'), { references: [] })), [
    /add it to `references` of the configuration/,
  ]);
  t.match(problemsOf(compiled(rule('lookup(event.which, event.user) == 1'))), [
    /^7:26 LOOKUP_NAME .*must be known before any event \| write its name as a text/,
  ]);
  t.match(problemsOf(compiled(rule('lookup("customers") == 1'))), [
    /EXPRESSION_ARGUMENTS `lookup` takes 2 arguments, not 1/,
  ]);
  t.match(problemsOf(compiled(rule('lokup("customers", 1) == 1'))), [/did you mean `lookup`/]);
  t.same(problemsOf(compiled(rule('lookup("any", 1) == 1'), {})), [], 'without a configuration nothing is known');
  t.end();
});

t.test('keys, times and settings of sources cannot look up, and say where one can', (t) => {
  const way = /LOOKUP_PLACE nothing can be looked up here.* \| look it up in the rule's `where`/;
  t.match(problemsOf(compiled(rule('true').replace('event.user', 'lookup("customers", event.user).team'))), [way]);
  t.match(
    problemsOf(compiled(rule('true').replace('key: event.user', 'keyEach: lookup("customers", event.user).teams'))),
    [way],
  );
  for (const field of ['time', 'where', 'each', 'id', 'watermarkPer']) {
    const text = `sources:\n  shop: {stream: S, ${field}: 'lookup("customers", 1)'}\nrules: [a.yaml]\n`;
    const found = problemsOf(resolveConfig({ file: { path: 'c.yaml', text }, flags: {}, environment: {} }));
    t.match(found, [way], field);
  }
  t.end();
});

t.test('a condition that looks up is never decided by the lane, and what stands beside it is', (t) => {
  const result = compiled(rule('event.amount > 10 && lookup("customers", event.user).tier == "gold"'));
  if (!result.ok) throw new Error('it should compile');
  const [keyspace] = result.ruleSet.keyspaces;
  const event = (data: unknown): Event => ({
    id: '1',
    type: '',
    subject: '',
    time: instant(0),
    source: 'shop',
    seq: 1,
    index: 0,
    headers: undefined,
    data,
  });
  t.equal(keyspace!.relevant(event({ user: 'ann', amount: 11 })), true);
  t.equal(keyspace!.relevant(event({ user: 'ann', amount: 10 })), false);
  const [first] = result.ruleSet.rules;
  t.same(first!.references, ['customers']);
  t.throws(() => first!.accepts(event({})) && first!.lookups!.valueOf('customers', 'ann'), /outside of a turn/);
  t.end();
});

t.test('the version of a rule covers what it looks up', (t) => {
  const version = (result: CompiledRules): string =>
    result.ok ? result.ruleSet.rules[0]!.version : `none: ${problemsOf(result)}`;
  const of = (name: string) => version(compiled(rule(`lookup("${name}", event.user).tier == "gold"`)));
  t.not(of('customers'), of('limits'));
  t.equal(of('customers'), version(compiled(rule('lookup("customers",event.user)["tier"]   == "gold"'))));
  const process = (references: object | undefined) => {
    const problems = new Problems();
    const exported = processRule({
      rule: 'p',
      from: { bought: source<{ user: string }>('shop', { key: (e) => e.user }) },
      ...(references === undefined ? {} : { references: references as { customers: ReturnType<typeof reference> } }),
      on: { bought: () => undefined },
    });
    return compileRules(
      readModule('p.ts', exported, 'digest', problems),
      { sources: ['shop'], references: REFERENCES },
      problems,
    );
  };
  t.not(version(process({ customers: reference() })), version(process(undefined)));
  t.not(version(process({ customers: reference() })), version(process({ limits: reference() })));
  t.match(problemsOf(process({ limit: reference() })), [
    /REFERENCE_UNKNOWN rule p: .*`limit` \| did you mean `limits`/,
  ]);
  t.match(problemsOf(process({ limits: {} })), [/PROCESS_DECLARATION .*make it with reference\(\)/]);
  t.end();
});

interface Bought {
  readonly user: string;
  readonly amount: number;
}
interface Customer {
  readonly tier: string;
  tags: string[];
}

const greeting = processRule({
  rule: 'greeting',
  from: { bought: source<Bought>('shop', { key: (e) => e.user }) },
  state: { last: value<string>() },
  references: { customers: reference<Customer>() },
  outputs: { changed: output<{ from: string | undefined; to: string }>() },
  on: {
    bought(event, ctx) {
      const customer = ctx.lookup('customers', event.user);
      const tier = customer?.tier ?? 'none';
      // What is changed here is a copy.
      customer?.tags.push('seen');
      const from = ctx.state.last.get();
      if (tier !== from)
        ctx.emit('changed', { from, to: `${tier} ${ctx.lookup('customers', event.user)?.tags.length ?? 0}` });
      ctx.state.last.set(tier);
    },
  },
});

t.test('process rules look up what they declare, typed', (t) => {
  const customers: Record<string, Customer> = { ann: { tier: 'gold', tags: ['a'] } };
  const rule = harness(greeting, { references: { customers } });
  rule.event('bought', { user: 'ann', amount: 1 }, { time: '0s' });
  rule.event('bought', { user: 'bob', amount: 1 }, { time: '1s' });
  customers.ann = { tier: 'silver', tags: [] };
  rule.event('bought', { user: 'ann', amount: 1 }, { time: '2s' });
  t.same(rule.of('changed'), [
    { from: undefined, to: 'gold 1' },
    { from: undefined, to: 'none 0' },
    { from: 'gold', to: 'silver 0' },
  ]);
  const wrong = processRule({
    rule: 'wrong',
    from: { bought: source<Bought>('shop', { key: (e) => e.user }) },
    references: { customers: reference<Customer>() },
    on: {
      bought(_, ctx) {
        // @ts-expect-error: nothing of this name is declared
        ctx.lookup('limits', 'x');
      },
    },
  });
  const failing = harness(wrong);
  t.throws(() => failing.event('bought', { user: 'ann', amount: 1 }, { time: '0s' }), RuleFailed);
  t.equal(harness(greeting).event('bought', { user: 'ann', amount: 1 }, { time: '0s' }).of('changed').length, 1);
  t.end();
});

t.test('in a node, process rules see the newest entry before the event', async (t) => {
  const problems = new Problems();
  const result = compileRules(readModule('g.ts', greeting, 'digest', problems), { sources: ['shop'] }, problems);
  if (!result.ok) throw new Error(problemsOf(result).join('\n'));
  const world = new ReferenceWorld(result.ruleSet);
  world.put('ann', { tier: 'gold', tags: ['a', 'b'] });
  const node = world.node();
  node.start();
  world.buy('ann');
  const said = async () => (await world.written('side')).map(({ emit }) => emit);
  await until(async () => (await said()).length >= 1);
  world.put('ann', { tier: 'silver', tags: [] });
  await world.loaded();
  world.buy('ann');
  await until(async () => (await said()).length >= 2);
  t.same(await said(), [{ to: 'gold 2' }, { from: 'gold', to: 'silver 0' }]);
  await node.drain();
});

t.test('a message of a stream says key, value and removal by expressions', (t) => {
  const file = (fields: string) => `
sources: {shop: {stream: S}}
rules: [a.yaml]
references:
  customers: {stream: CUSTOMERS, ${fields}}
`;
  const settings = (fields: string): ReferenceSettings => {
    const found = resolveConfig({ file: { path: 'c.yaml', text: file(fields) }, flags: {}, environment: {} });
    if (!found.ok) throw new Error(problemsOf(found).join('\n'));
    return found.config.references[0]!;
  };
  const read = (fields: string, body: unknown, more: { subject?: string; headers?: Record<string, string> } = {}) => {
    const bytes = typeof body === 'string' ? Buffer.from(body) : Buffer.from(JSON.stringify(body));
    const { subject = 'customers.c1', headers } = more;
    return readEntry({ sequence: 7, subject, stamp: instant(0), headers, body: bytes }, settings(fields));
  };
  const plain = 'key: event.id';
  t.same(read(plain, { id: 42, tier: 'gold' }), { kind: 'put', key: '42', value: { id: 42, tier: 'gold' } });
  t.same(read(plain, { tier: 'gold' }), { kind: 'none' });
  t.same(read(plain, [{ id: 1 }]), { kind: 'none' }, 'a list is one value');
  t.match(read('key: event', { id: 1 }), { kind: 'rejected', cause: 'key', message: /gave a map/ });
  t.match(read('key: event.id + 1', {}), { kind: 'rejected', cause: 'key', key: undefined });
  t.match(read(plain, 'no json'), { kind: 'rejected', cause: 'undecodable', key: undefined });
  const change = 'key: event.after.id, value: event.after, remove: "event.op == \\"d\\""';
  t.same(read(change, { op: 'u', after: { id: 'a', n: 1 } }), { kind: 'put', key: 'a', value: { id: 'a', n: 1 } });
  t.same(read(change, { op: 'd', after: { id: 'a' } }), { kind: 'remove', key: 'a' });
  t.match(read('key: event.id, value: event.n + 1', { id: 'a' }), { kind: 'rejected', cause: 'extraction', key: 'a' });
  const bySubject = 'key: meta.subject';
  t.same(read(bySubject, ''), { kind: 'remove', key: 'customers.c1' });
  t.same(read(bySubject, null), { kind: 'remove', key: 'customers.c1' });
  t.same(read('key: meta.subject, format: text', 'gold'), { kind: 'put', key: 'customers.c1', value: 'gold' });
  t.match(read(`${plain}, entryBytesMax: 10`, { id: 'x'.repeat(2000) }), {
    kind: 'rejected',
    cause: 'key',
    message: /more than 1024 bytes/,
  });
  const cloudEvent = { specversion: '1.0', id: 'e', type: 't', source: 's', data: { id: 'c', n: 1 } };
  t.same(read(`${plain}, format: cloudevents`, cloudEvent), { kind: 'put', key: 'c', value: { id: 'c', n: 1 } });
  const headers = { 'content-type': 'application/cloudevents+json' };
  t.same(read(plain, cloudEvent, { headers }), { kind: 'put', key: 'c', value: { id: 'c', n: 1 } });
  t.match(read(`${plain}, format: cloudevents`, { id: 'c' }), { kind: 'rejected', cause: 'undecodable' });
  const bucket = (body: Buffer, headers?: Record<string, string>) =>
    readEntry({ sequence: 1, subject: '$KV.customers.a.b', stamp: instant(0), headers, body }, bucketOf('customers'));
  t.same(bucket(Buffer.from([0x81, 0xa1, 0x6e, 0x01])), { kind: 'put', key: 'a.b', value: { n: 1 } }, 'msgpack');
  t.same(bucket(Buffer.from('[1,2]')), { kind: 'put', key: 'a.b', value: [1, 2] });
  t.same(bucket(Buffer.alloc(0), { 'kv-operation': 'PURGE' }), { kind: 'remove', key: 'a.b' });
  t.end();
});

t.test('references in the configuration are checked, with the way out', (t) => {
  const text = `
sources: {shop: {stream: S}}
rules: [a.yaml]
references:
  a: {}
  b: {bucket: B, stream: S}
  c: {bucket: "no bucket", key: event.id}
  d: {stream: S}
  e e: {bucket: E, format: xml, bytesMax: 0, tll: 1}
  f: text
  g: {stream: S, key: event.id, remove: event.a + 1}
`;
  t.same(
    problemsOf(resolveConfig({ file: { path: 'c.yaml', text }, flags: {}, environment: {} })).map(
      (line) => line.split(' | ')[0],
    ),
    [
      '5:6 CONFIG_REFERENCE the reference `a` says neither a bucket nor a stream',
      '6:7 CONFIG_REFERENCE the reference `b` says both a bucket and a stream',
      '7:7 CONFIG_REFERENCE `no bucket` is no name of a bucket',
      '7:28 CONFIG_REFERENCE a bucket has its own `key`',
      '8:7 CONFIG_REFERENCE the reference `d` does not say which key a message has',
      "9:3 CONFIG_NAME `e e` cannot be a reference's name: it becomes part of names in NATS",
      '9:28 CONFIG_TYPE `format` is `xml`, not one of `auto`, `json`, `cloudevents`, `msgpack` or `text`',
      '9:43 CONFIG_TYPE `bytesMax` is the number 0, not a whole number of at least 1',
      '9:46 CONFIG_FIELD_UNKNOWN the reference `e e` has no field `tll`',
      '10:6 CONFIG_TYPE the reference `f` is `text`, not a map',
      '11:41 EXPRESSION_TYPE this gives a number, and a boolean is needed here',
    ],
  );
  t.end();
});

t.test('corral replay and check --run take entries from files', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'corral-lookup-'));
  t.teardown(() => rm(folder, { recursive: true }));
  const at = (name: string) => join(folder, name);
  await writeFile(
    at('r.yaml'),
    `${rule('lookup("customers", event.user).tier == "gold"')}emit: {user: "\${key}", name: '\${lookup("customers", key).name}'}\n`,
  );
  await writeFile(at('events.ndjson'), ['{"user":"ann"}', '{"user":"bob"}', '{"user":7}'].join('\n'));
  const entries = [
    { key: 'ann', value: { tier: 'silver' } },
    { key: 'bob', value: { tier: 'gold', name: 'Bob' } },
    { key: 7, value: { tier: 'gold', name: 'Seven' } },
    { key: 'ann', value: { tier: 'gold', name: 'Ann' } },
    { key: 'bob' },
  ];
  await writeFile(at('customers.ndjson'), entries.map((entry) => JSON.stringify(entry)).join('\n'));
  const given = [at('r.yaml'), '--events', at('events.ndjson'), '--shards', '3'];
  const withFile = ['--reference', `customers=${at('customers.ndjson')}`];
  const told = await corral('replay', ...given, ...withFile);
  t.equal(told.code, 0, told.stderr);
  const matches = told.stdout
    .trim()
    .split('\n')
    .map((line) => (JSON.parse(line) as MatchOutput).data.emit);
  const sorted = matches.sort((a, b) => (String(a.user) < String(b.user) ? -1 : 1));
  t.same(sorted, [
    { user: 7, name: 'Seven' },
    { user: 'ann', name: 'Ann' },
  ]);
  for (const [flags, said] of [
    [[], /REPLAY_REFERENCE: the rules look up the reference customers, of which\s+there are no entries/],
    [['--reference', 'customers'], /REPLAY_REFERENCE: customers does not say whose data it has/],
    [['--reference', 'customers=/none'], /there is no file \/none/],
    [[...withFile, '--reference', `others=${at('events.ndjson')}`], /do not look up the reference others/],
    [[...withFile, ...withFile], /two files for the reference customers/],
  ] as const) {
    const { code, stderr } = await corral('replay', ...given, ...flags);
    t.equal(code, 2);
    t.match(stderr, said);
  }
  // A run that fails leaves its node to the end of the process, so it has one of its own.
  const broken = await corralProcess('replay', ...given, '--reference', `customers=${at('events.ndjson')}`);
  t.equal(broken.code, 1);
  t.match(broken.stderr, /events\.ndjson:1 is no entry of a reference/);
  const checked = await corral('check', at('r.yaml'), '--run', at('events.ndjson'), ...withFile);
  t.equal(checked.code, 0, checked.stdout);
  // With a configuration: a stream's lines are its messages, and names are known.
  await writeFile(
    at('corral.yaml'),
    'sources: {shop: {stream: S}}\nrules: [r.yaml]\nreferences: {customers: {stream: C, key: event.id}}\n',
  );
  await writeFile(at('stream.ndjson'), '{"id":"bob","tier":"gold","name":"B"}\n');
  const configured = ['--config', at('corral.yaml'), '--events', at('events.ndjson')];
  const streamed = await corral('replay', ...configured, '--reference', `customers=${at('stream.ndjson')}`);
  t.match(streamed.stdout, /"emit":\{"user":"bob","name":"B"\}/, streamed.stderr);
  await writeFile(at('corral.yaml'), 'sources: {shop: {stream: S}}\nrules: [r.yaml]\n');
  const unknown = await corral('check', '--config', at('corral.yaml'));
  t.equal(unknown.code, 2);
  t.match(unknown.stdout, /REFERENCE_UNKNOWN/);
});

t.test('the example gives what its README says', async (t) => {
  const folder = join(packageRoot, 'examples/lookup');
  const at = (name: string) => join(folder, name);
  const given = ['--config', at('corral.yaml'), '--events', at('shop.ndjson')];
  const { code, stdout, stderr } = await corral(
    'replay',
    ...given,
    '--reference',
    `customers=${at('customers.ndjson')}`,
  );
  t.equal(code, 0, stderr);
  const matches = stdout.trim().split('\n');
  t.same(
    matches.map((line) => (JSON.parse(line) as MatchOutput).data.emit),
    [
      { title: 'Bob spent 210, more than 200', tier: 'silver' },
      { title: 'Ann spent 525, more than 500', tier: 'gold' },
    ],
  );
});
