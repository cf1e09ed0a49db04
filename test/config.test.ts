import { mkdirSync, writeFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { Ajv } from 'ajv';
import t from 'tap';
import { givenFlags } from '../src/cli/config-flags.ts';
import { corralProgram } from '../src/cli/program.ts';
import { configSchema } from '../src/config/config-schema.ts';
import { loadConfig } from '../src/config/load-config.ts';
import { flagOf, type Given, SETTABLE, variableOf } from '../src/config/overlay.ts';
import { ruleFiles } from '../src/config/rule-files.ts';
import { DEFAULTS, resolveConfig } from '../src/config.ts';
import type { Event } from '../src/core/events/event.ts';
import { instant } from '../src/core/time/units.ts';
import { corral, corralProcess } from './support/replay.ts';

const LEAST = 'sources: {auth: {stream: AUTH}}\nrules: [rules/*.yaml]\n';

const resolve = (text: string, flags: Given = {}, environment: Record<string, string> = {}) =>
  resolveConfig({ file: { path: 'corral.yaml', text }, flags, environment });

function good(text: string, flags: Given = {}, environment: Record<string, string> = {}) {
  const resolved = resolve(text, flags, environment);
  if (!resolved.ok) throw new Error(resolved.problems.map(({ message }) => message).join('\n'));
  return resolved.config;
}

/** What is wrong, as "line:column CODE". */
function wrong(text: string, flags: Given = {}, environment: Record<string, string> = {}): string[] {
  const resolved = resolve(text, flags, environment);
  if (resolved.ok) return [];
  return resolved.problems.map(({ code, at }) =>
    at.file === 'corral.yaml' ? `${at.line}:${at.column} ${code}` : `${at.file} ${code}`,
  );
}

t.test('sources and rules are enough; everything else has a default', async (t) => {
  const { sources, references, rules, nats, node, ...rest } = good(LEAST);
  t.strictSame(rest, DEFAULTS);
  t.strictSame(references, []);
  t.strictSame([nats, node], [{}, undefined]);
  t.strictSame(rules, [{ pattern: 'rules/*.yaml', at: { file: 'corral.yaml', line: 2, column: 9 } }]);
  const { extraction, meaning, ...source } = sources[0]!;
  t.match(meaning, /^[0-9a-f]{16}$/);
  t.strictSame(source, {
    name: 'auth',
    stream: 'AUTH',
    subject: undefined,
    format: 'auto',
    start: { kind: 'now' },
    onStreamChanged: 'stop',
    disorder: 0,
    idleAfter: 2_000,
    publisher: undefined,
    eventBytesMax: 1_048_576,
  });
  t.strictSame(extraction.derived, []);
  t.equal(extraction.time, undefined);
});

t.test('a flag wins over a variable, a variable over the file, the file over the default', async (t) => {
  const file = `${LEAST}http: {port: 1}\n`;
  t.equal(good(LEAST).http.port, 9180);
  t.equal(good(file).http.port, 1);
  t.equal(good(file, {}, { CORRAL_HTTP_PORT: '2' }).http.port, 2);
  t.equal(good(file, { 'http.port': '3' }, { CORRAL_HTTP_PORT: '2' }).http.port, 3);
  t.equal(good(file, {}, { CORRAL_HTTP_PORT: '' }).http.port, 1, 'an empty variable says nothing');
});

t.test('every single setting has a flag name and a variable', async (t) => {
  t.equal(variableOf('nats.inboxPrefix'), 'CORRAL_NATS_INBOX_PREFIX');
  t.equal(variableOf('actorsMax'), 'CORRAL_ACTORS_MAX');
  t.equal(flagOf('http.port'), '--http-port');
  t.equal(flagOf('nats.url'), '--server');
  t.strictSame(givenFlags({ server: 'nats://a', httpPort: '1', embedded: true }), {
    'nats.url': 'nats://a',
    'http.port': '1',
  });
  const values: Record<string, string> = {
    'streams.replicas': '3',
    'streams.storage': 'memory',
    'limits.partialMatches': '3',
    'limits.stateBytes': '3000',
    'limits.onLimit': 'dropNewest',
    shards: '3',
    actorsMax: '3',
    heartbeat: '100ms',
    turnTimeout: '3s',
    'lease.ttl': '3s',
    'http.port': '3',
    'log.level': 'warn',
  };
  const environment = Object.fromEntries(SETTABLE.map((setting) => [variableOf(setting), values[setting] ?? 'x']));
  const { sources: _, references: __, ...config } = good(LEAST, {}, environment);
  t.strictSame(JSON.parse(JSON.stringify(config)), {
    prefix: 'x',
    node: 'x',
    nats: Object.fromEntries(
      [
        'url',
        'context',
        'creds',
        'nkey',
        'user',
        'password',
        'token',
        'ca',
        'cert',
        'key',
        'domain',
        'inboxPrefix',
      ].map((field) => [field, 'x']),
    ),
    streams: { replicas: 3, storage: 'memory' },
    rules: [{ pattern: 'x', at: { file: '$CORRAL_RULES', line: 1, column: 1 } }],
    limits: { partialMatches: 3, stateBytes: 3_000, onLimit: 'dropNewest' },
    shards: 3,
    actorsMax: 3,
    heartbeat: 100,
    turnTimeout: 3_000,
    lease: { ttl: 3_000 },
    http: { host: 'x', port: 3 },
    log: { level: 'warn' },
  });
});

t.test('NATS variables are understood, and who one is comes from one place as a whole', async (t) => {
  const file = `${LEAST}nats: {url: nats://file, user: anna, password: secret}\n`;
  t.match(good(file, {}, { NATS_URL: 'nats://env' }).nats, { url: 'nats://env', user: 'anna', password: 'secret' });
  t.strictSame(good(file, {}, { NATS_TOKEN: 'abc' }).nats, { url: 'nats://file', token: 'abc' });
  t.strictSame(good(file, { 'nats.creds': 'a.creds' }, { NATS_TOKEN: 'abc' }).nats, {
    url: 'nats://file',
    creds: 'a.creds',
  });
  t.match(good(file, {}, { NATS_URL: 'nats://env', CORRAL_NATS_URL: 'nats://ours' }).nats, { url: 'nats://ours' });
});

t.test('all problems come at once, each with its place', async (t) => {
  t.strictSame(
    wrong(`source: {}
sources:
  auth:
    steam: AUTH
    start: yesterday
    time: event.ts >
    disorder: 5
  bad name: {stream: A}
  none:
rules: []
shards: 0
http: {port: 99999}
lease: {ttl: 100ms}
log: {level: loud}
prefix: My Prefix
heartbeat: fast
streams: file
`),
    [
      '1:1 CONFIG_FIELD_UNKNOWN',
      '4:5 CONFIG_STREAM',
      '4:5 CONFIG_FIELD_UNKNOWN',
      '5:12 CONFIG_START',
      '6:21 EXPRESSION_SYNTAX',
      '7:15 CONFIG_DURATION',
      '8:3 CONFIG_NAME',
      '9:8 CONFIG_TYPE',
      '10:8 CONFIG_TYPE',
      '11:9 CONFIG_TYPE',
      '12:14 CONFIG_RANGE',
      '13:14 CONFIG_RANGE',
      '14:14 CONFIG_TYPE',
      '15:9 CONFIG_NAME',
      '16:12 CONFIG_DURATION',
      '17:10 CONFIG_TYPE',
    ],
  );
});

t.test('a problem says what to write instead', async (t) => {
  const fixOf = (text: string): string | undefined => {
    const resolved = resolve(text);
    return resolved.ok ? undefined : resolved.problems[0]?.fix;
  };
  t.equal(fixOf(`${LEAST}shard: 3\n`), 'did you mean `shards`?');
  t.match(fixOf(`${LEAST}heartbeat: 5\n`), /5s/);
  t.match(fixOf('rules: a\n'), /name: \{stream: NAME\}/);
});

t.test('a problem in a flag or variable names it in the place of the file', async (t) => {
  t.strictSame(wrong(LEAST, {}, { CORRAL_HTTP_PORT: 'tcp://10.0.0.1:80' }), ['$CORRAL_HTTP_PORT CONFIG_TYPE']);
  t.strictSame(wrong(LEAST, { shards: '-1' }), ['--shards CONFIG_TYPE']);
});

t.test('what is no configuration at all is said in one problem each', async (t) => {
  t.strictSame(wrong(''), ['1:1 CONFIG_SOURCES', '1:1 CONFIG_RULES']);
  t.match(wrong('a: [\n'), [/CONFIG_YAML/]);
  t.strictSame(wrong('- a\n'), ['1:1 CONFIG_TYPE']);
  t.match(wrong(`${LEAST}---\n${LEAST}`), [/CONFIG_DOCUMENTS/]);
  t.strictSame(wrong(`${LEAST}sources: {b: {stream: B}}\n`), ['3:1 CONFIG_FIELD_TWICE']);
  t.strictSame(wrong('sources: {}\nrules: a'), ['1:10 CONFIG_SOURCES']);
});

t.test('limits hold for rules that leave theirs open, and are checked as theirs are', async (t) => {
  t.strictSame(good(`${LEAST}limits: {stateBytes: 2048}\n`).limits, { ...DEFAULTS.limits, stateBytes: 2_048 });
  t.strictSame(wrong(`${LEAST}limits: {partialMatches: 0, stateBytes: 1, onLimit: keep, timers: 5}\n`), [
    '3:26 CONFIG_TYPE',
    '3:41 CONFIG_TYPE',
    '3:53 CONFIG_TYPE',
    '3:59 CONFIG_FIELD_UNKNOWN',
  ]);
  t.strictSame(wrong(`${LEAST}limits: few\n`), ['3:9 CONFIG_TYPE']);
});

t.test('a heartbeat slower than half a lease is refused', async (t) => {
  t.strictSame(wrong(`${LEAST}heartbeat: 3s\nlease: {ttl: 5s}\n`), ['3:1 CONFIG_HEARTBEAT']);
  t.strictSame(wrong(`${LEAST}heartbeat: 2500ms\nlease: {ttl: 5s}\n`), []);
});

t.test('a source: where to begin, how late, and its expressions', async (t) => {
  const [source] = good(`
sources:
  auth:
    stream: AUTH
    subject: auth.>
    format: msgpack
    start: 2026-01-31T00:00:00Z
    disorder: 1m30s
    eventBytesMax: 10
    time: event.ts
    where: event.a > 1
    let: {b: event.a * 2.0, c: event.b + 1.0}
rules: x
`).sources;
  t.match(source, {
    subject: 'auth.>',
    format: 'msgpack',
    start: { kind: 'time', ms: Date.UTC(2026, 0, 31) },
    disorder: 90_000,
    eventBytesMax: 10,
  });
  const event: Event = {
    id: '1',
    type: '',
    subject: 'auth.x',
    time: instant(0),
    source: 'auth',
    seq: 1,
    index: 0,
    headers: undefined,
    data: { ts: 17, a: 2 },
  };
  const { time, where, derived } = source!.extraction;
  t.strictSame(time?.(event), { ok: true, value: 17 });
  t.strictSame(where?.(event), { ok: true, value: true });
  t.strictSame(
    derived.map(({ name }) => name),
    ['b', 'c'],
  );
  t.strictSame(derived[0]?.value(event), { ok: true, value: 4 });
});

t.test('the JSON Schema accepts what is accepted, and refuses what is refused', async (t) => {
  const validate = new Ajv({ allErrors: true, strict: false }).compile(configSchema);
  const names = (schema: { properties?: object }): string[] => Object.keys(schema.properties ?? {});
  const properties = configSchema.properties as unknown as Record<string, { properties?: object }>;
  const inSchema = names(configSchema).flatMap((name) => {
    const inner = names(properties[name]!);
    return inner.length === 0 ? [name] : inner.map((field) => `${name}.${field}`);
  });
  t.strictSame(
    inSchema.filter((name) => name !== 'sources' && name !== 'references').sort(),
    [...SETTABLE].sort(),
    'it has every setting',
  );
  t.ok(validate({ sources: { auth: { stream: 'AUTH', disorder: '5s' } }, rules: ['a'] }));
  for (const bad of [
    { rules: ['a'] },
    { sources: { auth: {} }, rules: ['a'] },
    { sources: { auth: { stream: 'A', steam: 'B' } }, rules: ['a'] },
    { sources: { auth: { stream: 'A' } }, rules: ['a'], http: { port: 99_999 } },
  ])
    t.notOk(validate(bad), JSON.stringify(bad));
});

t.test('rule files: paths, folders and patterns, relative to the configuration', async (t) => {
  const folder = t.testdir({
    'corral.yaml': 'sources: {a: {stream: A}}\nrules: [rules, "more/**/*.yaml", single.ts]\n',
    rules: { 'b.yaml': '', 'a.yml': '', 'c.ts': '', 'types.d.ts': '', 'corral.yaml': '', 'notes.md': '' },
    more: { 'x.yaml': '', deep: { 'y.yaml': '', 'y.json': '' }, node_modules: { 'z.yaml': '' } },
    'single.ts': '',
    'a+b.yaml': '',
  });
  const shown = (...names: string[]): string[] => names.map((name) => relative(process.cwd(), join(folder, name)));
  const loaded = loadConfig({ file: join(folder, 'corral.yaml'), flags: {}, environment: {} });
  t.strictSame(loaded.ok && loaded.ruleFiles, [
    ...shown('rules/a.yml', 'rules/b.yaml', 'rules/c.ts'),
    ...shown('more/deep/y.yaml', 'more/x.yaml'),
    ...shown('single.ts'),
  ]);
  t.strictSame(ruleFiles(folder, 'a+?.yaml'), shown('a+b.yaml'));
  t.strictSame(ruleFiles(folder, 'missing.yaml'), shown('missing.yaml'), 'whoever reads it says that it is missing');
  writeFileSync(join(folder, 'corral.yaml'), 'sources: {a: {stream: A}}\nrules: [nothing/*.yaml]\n');
  mkdirSync(join(folder, 'nothing'));
  const none = loadConfig({ file: join(folder, 'corral.yaml'), flags: {}, environment: {} });
  t.match(none, { ok: false, problems: [{ code: 'CONFIG_RULES', at: { line: 2, column: 9 } }] });
});

t.test('a configuration that is not there is one problem', async (t) => {
  t.match(loadConfig({ file: 'no/such.yaml', flags: {}, environment: {} }), {
    ok: false,
    problems: [{ code: 'CONFIG_MISSING', at: { file: 'no/such.yaml' } }],
  });
  t.match(loadConfig({ file: undefined, flags: {}, environment: { CORRAL_CONFIG: 'no/other.yaml' } }), {
    problems: [{ at: { file: 'no/other.yaml' } }],
  });
});

t.test('the command', async (t) => {
  const folder = t.testdir({
    'corral.yaml': 'sources: {auth: {stream: AUTH, start: soon}}\nrules: rule.yaml\n',
    'rule.yaml': 'rule: a\nfrom: auth\nkey: event.ip\npattern: [{begin: x, where: "event.ok &&"}]\n',
    'good.yaml': 'rule: a\nfrom: auth\nkey: event.ip\npattern: [{begin: x}]\n',
    'limits.yaml':
      'sources: {auth: {stream: AUTH}}\nlimits: {partialMatches: 500, stateBytes: 2048, onLimit: dropOldest}\nrules: good.yaml\n',
    'loop.yaml':
      'rule: loop\nfrom: auth\nkey: event.ip\nafterMatch: skipToNext\npattern: [{begin: x, times: 2, greedy: true}, {next: y}]\n',
    'defined.yaml': 'define: d\nsteps: [{begin: a, where: nope.x == 1}]\n',
    'using.yaml': 'rule: u\nfrom: auth\nkey: event.ip\npattern: [{begin: {use: d}}]\n',
    'late.yaml':
      'rule: late\nfrom: auth\nkey: event.key\nwithin: 10s\nonTimeout: emit\nlimits: {partialMatches: 7}\n' +
      'pattern: [{begin: x, type: X}, {followedBy: y, type: Y}]\n',
    'late.ndjson': [
      { key: 'a', k: 'X', t: 0 },
      { key: 'a', k: 'Y', t: 9_999 },
      { key: 'b', k: 'X', t: 10_000 },
      { key: 'b', k: 'Y', t: 20_000 },
      { key: 'c', k: 'X', t: 20_001 },
    ]
      .map((event) => JSON.stringify(event))
      .join('\n'),
    'events.ndjson': '{"ip":"a"}\n\n{"ip":"b"}\nno json\n',
  });
  const at = (name: string): string => join(folder, name);

  t.test('check shows the line, a caret under the mistake, and the fix, and ends with 2', async (t) => {
    const { code, stdout } = await corral('check', at('rule.yaml'));
    t.equal(code, 2);
    t.match(stdout, /rule\.yaml:4:\d+: EXPRESSION_SYNTAX/);
    const [shown = '', caret = ''] = stdout.split('\n').slice(1, 3);
    t.equal(caret.indexOf('^'), shown.indexOf('&&"') + 2, 'the caret is where the expression ends too early');
    t.match(stdout, /fix: /);
    t.notMatch(stdout, '\u001b', 'no colour in a pipe');
  });
  t.test('check --json gives the same to programs', async (t) => {
    const { code, stdout } = await corral('check', '--json', at('rule.yaml'), '--config', at('corral.yaml'));
    t.equal(code, 2);
    const { ok, problems } = JSON.parse(stdout) as { ok: boolean; problems: { code: string; at: { line: number } }[] };
    t.equal(ok, false);
    t.strictSame(problems.map((problem) => problem.code).sort(), ['CONFIG_START', 'EXPRESSION_SYNTAX']);
  });
  t.test('check of good rules ends with 0', async (t) => {
    t.match(await corral('check', at('good.yaml')), { code: 0, stdout: /no problems.*: 1 rule in 1 file/ });
  });
  t.test('check says what bounds each rule, by its own limits, the configuration or the defaults', async (t) => {
    const bounds = async (...flags: string[]) => {
      const { code, stdout } = await corral('check', '--json', at('good.yaml'), at('late.yaml'), ...flags);
      t.equal(code, 0, stdout);
      const { rules } = JSON.parse(stdout) as {
        rules: {
          name: string;
          version: string;
          bound: { partialMatches: number; stateBytes: number; livesMs: number };
        }[];
      };
      return rules.map(({ name, version, bound }) => ({ name, version, ...bound }));
    };
    const given = await bounds();
    t.match(given, [
      { name: 'a', partialMatches: 10_000, stateBytes: 16_777_216, onLimit: 'deadLetter', livesMs: null },
      { name: 'late', partialMatches: 7, stateBytes: 16_777_216, onLimit: 'deadLetter', livesMs: 10_000 },
    ]);
    const configured = await bounds('--config', at('limits.yaml'));
    t.match(configured, [
      { name: 'a', partialMatches: 500, stateBytes: 2_048, onLimit: 'dropOldest' },
      { name: 'late', partialMatches: 7, stateBytes: 2_048, onLimit: 'dropOldest' },
    ]);
    t.not(configured[0]?.version, given[0]?.version, 'limits are part of what a rule means');
    const { stdout } = await corral('check', at('loop.yaml'));
    t.match(stdout, /^loop {2}pattern over auth, version [0-9a-f]{16}\n {2}bound: /);
    t.match(stdout, /10,?000 partial matches/);
    t.match(stdout, / {2}after a match: +Each `x` begins at most one match/);
    t.match(stdout, /loop\.yaml:5:\d+: warning GREEDY_WITHOUT_EFFECT/);
    for (const line of stdout.split('\n')) t.ok(line.length < 180, line);
  });
  t.test('check shows where a definition is used that has a mistake', async (t) => {
    const { code, stdout } = await corral('check', at('defined.yaml'), at('using.yaml'));
    t.equal(code, 2);
    t.match(stdout, /defined\.yaml:2:27: EXPRESSION_NAME_UNKNOWN/);
    t.match(stdout, / {2}used at: .*using\.yaml:4:25\n/);
    t.match(stdout, /1 problem in 2 files/);
  });
  t.test('serve with a bad configuration begins nothing and ends with 2', async (t) => {
    const { code, stdout, stderr } = await corralProcess('serve', '--config', at('corral.yaml'));
    t.strictSame([code, stdout], [2, '']);
    t.match(stderr, /CONFIG_START/);
  });
  t.test('replay prints matches on stdout, and on stderr what it did and left out', async (t) => {
    const { code, stdout, stderr } = await corralProcess('replay', at('good.yaml'), '--events', at('events.ndjson'));
    t.equal(code, 0, stderr);
    const matches = stdout
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line));
    t.strictSame(
      matches.map(({ data }) => [data.rule, data.key, data.events[0].refs[0].seq]),
      [
        ['a', 'a', 1],
        ['a', 'b', 2],
      ],
    );
    t.match(stderr, /a: 2 matches/);
    t.match(stderr, /1 dead letters: undecodable/);
    const quiet = await corral('replay', at('good.yaml'), '--events', at('events.ndjson'), '--quiet');
    t.strictSame([quiet.code, quiet.stderr], [0, '']);
  });
  t.test('replay decides what its end means, and prints side outputs when asked to', async (t) => {
    const rule = ['--time', 'event.t', '--type', 'event.k', '--quiet'];
    const run = async (...flags: string[]): Promise<string[]> => {
      const { code, stdout, stderr } = await corral(
        'replay',
        at('late.yaml'),
        '--events',
        at('late.ndjson'),
        ...rule,
        ...flags,
      );
      t.strictSame([code, stderr], [0, ''], flags.join(' '));
      const lines = stdout.split('\n').filter((line) => line !== '');
      return lines.map((line) => `${JSON.parse(line).data.kind} ${JSON.parse(line).data.key}`);
    };
    t.strictSame(await run(), ['match a']);
    t.strictSame((await run('--side')).sort(), ['match a', 'timeout b']);
    t.strictSame((await run('--side', '--at-end', 'drain')).sort(), ['match a', 'timeout b', 'timeout c']);
    t.strictSame((await run('--side', '--shards', '16', '--where', 'event.key != "b"')).sort(), ['match a']);
  });
  t.test('replay says which events are missing, and what is wrong with an expression of a flag', async (t) => {
    const missing = await corral('replay', at('good.yaml'), '--events', at('nothing.ndjson'));
    t.match(missing, { code: 2, stderr: /--events: REPLAY_EVENTS: there is no file/ });
    const bad = await corral('replay', at('good.yaml'), '--events', at('events.ndjson'), '--time', 'event.');
    t.match(bad, { code: 2, stderr: /--time: EXPRESSION_SYNTAX/ });
  });
  t.test('a command line that cannot be used ends with 2, help and version with 0', async (t) => {
    t.equal((await corral('replay')).code, 2);
    t.equal((await corralProcess('shout')).code, 2);
    t.equal((await corralProcess('serve', '--nats-port', 'many')).code, 2);
    t.match(await corralProcess('--version'), { code: 0, stdout: /^\d+\.\d+\.\d+/ });
  });
  t.test('every command has help with an example', async (t) => {
    for (const command of corralProgram().commands) {
      let text = '';
      command.configureOutput({ writeOut: (part) => (text += part) }).outputHelp();
      t.match(text, /Example:\n {2}\$ corral /, command.name());
    }
  });
  t.test('schema prints JSON Schemas', async (t) => {
    for (const what of ['rule', 'config', 'match']) {
      const { code, stdout } = await corral('schema', what);
      t.equal(code, 0);
      const schema = JSON.parse(stdout) as { $schema: string };
      t.match(schema.$schema, 'draft-07');
      t.ok(new Ajv({ strict: false, validateFormats: false }).compile(schema), what);
    }
    t.equal((await corral('schema', 'nothing')).code, 2);
  });
});
