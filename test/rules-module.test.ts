import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import ts from 'typescript';
import { loadRules } from '../src/cli/load-rules.ts';
import { packageRoot } from '../src/cli/package-root.ts';
import type { Emission } from '../src/core/behaviours/behaviour.ts';
import type { Event } from '../src/core/events/event.ts';
import { compileRules } from '../src/core/rules/compile-rules.ts';
import { Problems } from '../src/core/rules/document.ts';
import { readModule } from '../src/core/rules/module-document.ts';
import type { CompiledRule } from '../src/core/rules/rule-set.ts';
import { readYaml } from '../src/core/rules/yaml-document.ts';
import { instant } from '../src/core/time/units.ts';
import { events, patternRule } from '../src/rules-module.ts';

/** What a rule module begins with in these tests. */
const HEAD = `import { type EventMeta, events, patternRule } from 'corral/rules';
interface Attempt { ip: string; user: string; n: number }
interface Lock { user: string; by: string }
type Same<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false;
export const is = <A, B>(_same: Same<A, B>): boolean => true;
const { begin, rule } = events<{ Failed: Attempt; Accepted: Attempt; Locked: Lock }>();
const about = { rule: 'r', from: 'auth', key: 'event.user', afterMatch: 'noSkip' } as const;
`;

/** The lines at which the compiler finds something, and those that end with \`// wrong\`. */
function checked(body: string, head = HEAD): { readonly found: readonly string[]; readonly marked: readonly string[] } {
  const file = join(packageRoot, 'rules-in-a-test.ts');
  const text = `${head}${body}`;
  const options: ts.CompilerOptions = {
    target: ts.ScriptTarget.ES2022,
    module: ts.ModuleKind.NodeNext,
    moduleResolution: ts.ModuleResolutionKind.NodeNext,
    lib: ['lib.es2023.d.ts'],
    types: [],
    strict: true,
    noEmit: true,
    skipLibCheck: true,
    exactOptionalPropertyTypes: true,
    allowImportingTsExtensions: true,
    paths: { 'corral/rules': [join(packageRoot, 'src/rules-module.ts')] },
  };
  const host = ts.createCompilerHost(options);
  const { getSourceFile, fileExists, readFile } = host;
  host.getSourceFile = (name, ...rest) =>
    name === file ? ts.createSourceFile(name, text, ts.ScriptTarget.ES2022) : getSourceFile.call(host, name, ...rest);
  host.fileExists = (name) => name === file || fileExists.call(host, name);
  host.readFile = (name) => (name === file ? text : readFile.call(host, name));
  const program = ts.createProgram([file], options, host);
  const lines = text.split('\n');
  const found = new Set<number>();
  for (const { file: of, start, messageText } of ts.getPreEmitDiagnostics(program)) {
    if (of?.fileName !== file) throw new Error(ts.flattenDiagnosticMessageText(messageText, '\n'));
    found.add(of.getLineAndCharacterOfPosition(start ?? 0).line);
  }
  return {
    found: [...found].sort((a, b) => a - b).map((line) => lines[line]!.trim()),
    marked: lines.filter((line) => line.endsWith('// wrong')).map((line) => line.trim()),
  };
}

t.test('the sides of a join and the data of their events are known to the compiler', async (t) => {
  const head = HEAD.replace('events, patternRule }', 'events, joinRule, patternRule }');
  const { found, marked } = checked(
    `
interface Created { id: string; customer: string }
interface Confirmed { ref: { id: string }; customer: string }
const from = {
  created: { source: 'bookings', type: 'Created', key: (event: Created) => event.id },
  confirmed: { source: 'payments', where: (event: Confirmed, meta: EventMeta) => meta.type === 'C', key: 'event.ref.id' },
} as const;
const interval = { confirmed: { after: 'created', from: '-5m', to: '15m' } } as const;
type Sides = { created: Created; confirmed: Confirmed };
export default joinRule<Sides>({
  rule: 'r',
  from,
  join: { interval, pairs: 'oneToOne', where: ({ created, confirmed }) => created.customer === confirmed.customer, unmatched: ['created'] },
  emit: {
    pair: ({ created, confirmed }, key, metas) => is<typeof created, Created>(true) && [confirmed.ref.id, key, metas.created.time],
    unmatched: { id: ({ created }) => is<typeof created, Created | null>(true) && created?.id },
  },
});
joinRule<Sides>({ rule: 'r', from, join: { window: { tumbling: '10m' } }, emit: ({ created }) => created.id });
joinRule<Sides>({ rule: 'r', from, join: { window: { tumbling: '10m' } }, emit: ({ created }) => created.name }); // wrong
joinRule<Sides>({ rule: 'r', from, join: { interval: { confirmed: { after: 'confirmed', from: 0, to: '1m' } } } }); // wrong
joinRule<Sides>({ rule: 'r', from, join: { interval, unmatched: ['creatd'] } }); // wrong
joinRule<Sides>({ rule: 'r', from, join: { interval, window: { session: '1m' } } }); // wrong
patternRule<Attempt>({ rule: 'r', from: { a: { source: 'auth', key: 'event.ip' } }, pattern: [{ begin: 'x', from: 'a' }] });
patternRule<Attempt>({ rule: 'r', from: 'auth', keyEach: (event) => [event.ip, event.user], pattern: [{ begin: 'x' }] });
patternRule<Attempt>({ rule: 'r', from: 'auth', pattern: [{ begin: 'x' }] }); // wrong
rule({ rule: 'r', from: { a: { source: 'auth' } }, key: 'event.ip', pattern: begin('x').from('a').type('Failed') });
`,
    head,
  );
  t.strictSame(found, marked);
});

t.test('steps and the data of their events are known to the compiler', async (t) => {
  const { found, marked } = checked(`
const guessed = begin('guess').type('Failed').timesOrMore(5).greedy();
const all = guessed
  .followedBy('note').type('Locked').optional()
  .notFollowedBy('reset').type('Locked').where((event, { guess, note }) => event.by === note?.by && guess.length > 5)
  .followedBy('login').type('Accepted', 'Locked').where((event, { guess, note }, meta) =>
    is<typeof event, Attempt | Lock>(true) && is<typeof guess, readonly Attempt[]>(true) &&
    is<typeof note, Lock | null>(true) && is<typeof meta, EventMeta>(true));

export default rule({
  ...about,
  key: (event) => event.user,
  pattern: all,
  emit: ({ guess, note, login }, key, metas) => {
    is<typeof guess, readonly Attempt[]>(true);
    is<typeof note, Lock | null>(true);
    is<typeof login, Attempt | Lock>(true);
    is<typeof metas, { readonly guess: readonly EventMeta[]; readonly note: EventMeta | null; readonly login: EventMeta }>(true);
    return login.by; // wrong
  },
});

rule({ ...about, pattern: all, emit: ({ gues }) => gues }); // wrong
rule({ ...about, pattern: all, emit: ({ reset }) => reset }); // wrong
rule({ ...about, pattern: all, emit: ({ note }) => note.by }); // wrong
rule({ ...about, pattern: all, emit: { title: 'a', list: [({ login }) => login.user, ({ logn }) => logn] } }); // wrong
rule({ ...about, pattern: all, emit: { title: ({ guess }, key, { login }) => [guess.length, key, login.time] } });
rule({ ...about, pattern: all, afterMatch: { skipToLast: 'login' } });
rule({ ...about, pattern: all, afterMatch: { skipToLast: 'logn' } }); // wrong
rule({ ...about, pattern: all, afterMatch: { skipToFirst: 'reset' } }); // wrong
rule({ ...about, pattern: all, key: (event) => event.ip }); // wrong
rule({ ...about, pattern: all, within: 10 }); // wrong
rule({ ...about, pattern: all, wihtin: '10m' }); // wrong
rule({ ...about, pattern: all, onLate: 'keep' }); // wrong

begin('a').type('Faild'); // wrong
begin('a').type('Failed').where((event) => event.by === ''); // wrong
begin('a').type('Failed').where((event) => event.n); // wrong
begin('a').next('b').where((event, { b }) => b === null); // wrong
begin('a').next('b').where((event, { c }) => c === null); // wrong
begin('a').next('a'); // wrong
begin('a').times('often'); // wrong
begin('a').times(3).where((event, { a }) => a.length === 0 || event.user !== a.at(-1)?.user);
begin('a').times({ min: 1, max: 1 }).next('b').times({ max: 1 }).next('c').where((event, { a, b }) =>
  is<typeof a, Attempt | Lock>(true) && is<typeof b, Attempt | Lock | null>(true));

rule({ ...about, onTimeout: 'emit', pattern: all, emit: ({ login }) => login?.user });
rule({ ...about, onTimeout: 'emit', pattern: all, emit: ({ login }) => login.user }); // wrong
rule({ ...about, onTimeout: 'drop', pattern: all, emit: ({ login }) => login.user });

const { begin: open, rule: openRule } = events();
openRule({ ...about, pattern: open('a').type('Any').next('b').where((event, { a }) => event.x === a.y), emit: ({ a }) => a.z });
openRule({ ...about, pattern: open('a'), emit: ({ b }) => b }); // wrong
patternRule<Attempt>({ ...about, pattern: [{ begin: 'a', where: (event) => event.n > 1 }, { next: { use: 'd', as: 'e' } }] });
patternRule<Attempt>({ ...about, pattern: [{ begin: 'a', where: (event) => event.m > 1 }] }); // wrong
`);
  t.strictSame(found, marked);
});

t.test('what a step holds follows from the groups it stands in', async (t) => {
  const { found, marked } = checked(`
const fragment = begin('failed').type('Failed').times(3)
  .next('locked').type('Locked').where((event, { failed }) => failed.some(({ user }) => user === event.user));
const whole = begin(fragment)
  .followedBy({
    times: { min: 3 },
    steps: (round) => round.begin('tried').type('Failed').where((event, { tried, locked }) =>
      is<typeof tried, readonly Attempt[]>(true) && is<typeof locked, Lock>(true))
      .next('refused').type('Accepted').where((event, { tried, refused }) =>
        is<typeof tried, readonly Attempt[]>(true) && is<typeof refused, readonly Attempt[]>(true)),
  }).until((event, { tried }) => tried.length > 4)
  .followedBy({ anyOf: [
    (way) => way.begin('card').type('Failed').where((event, { tried }) => tried.length > 1),
    (way) => way.begin('cash').type('Locked').next('more').type('Failed').where((event, { cash }) => is<typeof cash, Lock>(true)),
  ] })
  .followedBy({ allOf: [(one) => one.begin('x').type('Locked'), (one) => one.begin('y').type('Failed')] })
  .next({ steps: (inside) => inside.begin('p').next('q').where((event, { p }) => is<typeof p, Attempt | Lock>(true)) }).optional();
rule({
  ...about,
  pattern: whole,
  emit: (steps) =>
    is<typeof steps.failed, readonly Attempt[]>(true) && is<typeof steps.locked, Lock>(true) &&
    is<typeof steps.tried, readonly Attempt[]>(true) && is<typeof steps.refused, readonly Attempt[]>(true) &&
    is<typeof steps.card, Attempt | null>(true) && is<typeof steps.cash, Lock | null>(true) &&
    is<typeof steps.more, Attempt | null>(true) && is<typeof steps.x, Lock>(true) && is<typeof steps.y, Attempt>(true) &&
    is<typeof steps.p, Attempt | Lock | null>(true),
});
rule({ ...about, pattern: whole, afterMatch: { skipToFirst: 'tried' } }); // wrong
begin(fragment).next('failed'); // wrong
begin({ times: 2, steps: () => fragment }); // wrong
begin({ steps: () => fragment });
begin('a').next({ steps: (inside) => inside.begin('a') }); // wrong
begin({ anyOf: [(way) => way.begin('a').type('Locked')] }).next('b').where((event, { a }) => a.by === ''); // wrong
`);
  t.strictSame(found, marked);
});

const { begin, rule } = events<{
  CardAdded: { card: string };
  PaymentTried: { amount: number; attempt: number };
  PaymentDeclined: { attempt: number };
}>();

/** Compiles what a module exports. */
function compiled(exported: unknown): readonly CompiledRule[] {
  const problems = new Problems();
  const documents = readModule('m.ts', exported, 'digest', problems);
  const result = compileRules(documents, { sources: undefined }, problems);
  if (result.ok) return result.ruleSet.rules;
  throw new Error(result.problems.map(({ code, message }) => `${code} ${message}`).join('\n'));
}

const versionOf = (exported: unknown): string => compiled(exported)[0]!.version;

t.test('a rule without functions is the same rule in YAML, as plain data and built', async (t) => {
  const yaml = `
rule: every-word
from: [payments, cards]
key: event.card
where: event.ok
pattern:
  - begin: added
    type: [CardAdded, PaymentTried]
    where: event.card != ""
  - followedBy:
      steps:
        - begin: tried
          type: PaymentTried
        - next: declined
          type: PaymentDeclined
          where: event.attempt == last(tried).attempt
    times: {min: 3, max: 5, within: 5m}
    allowCombinations: true
    span: 30m
  - notNext: nothing
  - next: {anyOf: [{begin: a}, {steps: [{begin: b}, {followedByAny: c}]}]}
    optional: true
  - followedBy: {allOf: [{begin: d}, {begin: e}]}
    times: 2
    consecutive: true
  - followedBy: more
    times: {min: 1}
    greedy: true
    consecutive: true
    until: event.stop
  - notFollowedBy: end
    type: CardAdded
    withinPrevious: 10m
within: 1h
afterMatch: {skipToLast: more}
onTimeout: emit
onLate: sideOutput
limits: {partialMatches: 200, onLimit: dropOldest}
emit: {title: "\${size(tried)} tries"}
`;
  const problems = new Problems();
  const [document] = readYaml('r.yaml', yaml, problems);
  const result = compileRules([document!], { sources: undefined }, problems);
  if (!result.ok) throw new Error(JSON.stringify(result.problems));
  const about = {
    rule: 'every-word',
    from: ['payments', 'cards'],
    key: 'event.card',
    where: 'event.ok',
    within: '1h',
    afterMatch: { skipToLast: 'more' },
    onTimeout: 'emit',
    onLate: 'sideOutput',
    limits: { partialMatches: 200, onLimit: 'dropOldest' },
    emit: { title: '$' + '{size(tried)} tries' },
  } as const;
  const added = begin('added').type('CardAdded', 'PaymentTried').where('event.card != ""');
  const built = rule({
    ...about,
    pattern: added
      .followedBy({
        times: { min: 3, max: 5, within: '5m' },
        steps: (round) =>
          round
            .begin('tried')
            .type('PaymentTried')
            .next('declined')
            .type('PaymentDeclined')
            .where('event.attempt == last(tried).attempt'),
      })
      .allowCombinations()
      .span('30m')
      .notNext('nothing')
      .next({ anyOf: [(way) => way.begin('a'), (way) => way.begin('b').followedByAny('c')] })
      .optional()
      .followedBy({ times: 2, allOf: [(one) => one.begin('d'), (one) => one.begin('e')] })
      .consecutive()
      .followedBy('more')
      .oneOrMore()
      .greedy()
      .consecutive()
      .until('event.stop')
      .notFollowedBy('end')
      .type('CardAdded')
      .withinPrevious('10m'),
  });
  const version = result.ruleSet.rules[0]!.version;
  t.equal(versionOf(built), version);
  t.equal(versionOf(patternRule(JSON.parse(JSON.stringify(built)))), version);
  t.strictSame(added.stages, [{ begin: 'added', type: ['CardAdded', 'PaymentTried'], where: 'event.card != ""' }]);
  t.not(versionOf({ ...built, within: '2h' }), version);
});

t.test('a pattern can be gone on from in several ways, and nothing is said of a step twice', async (t) => {
  const a = begin('a');
  const two = [a.times(2), a.optional(), a.next('b')].map(({ stages }) => stages);
  t.strictSame(two, [[{ begin: 'a', times: 2 }], [{ begin: 'a', optional: true }], [{ begin: 'a' }, { next: 'b' }]]);
  t.strictSame(a.stages, [{ begin: 'a' }]);
  t.throws(() => a.where('event.x').where('event.y'), { message: /`where` is said twice of `a`/ });
  t.throws(
    () =>
      begin({ times: 2, steps: ({ begin: inner }) => inner('x') })
        .span('1s')
        .span('2s'),
    { message: /a group/ },
  );
});

t.test('functions get what their types say', async (t) => {
  const seen: unknown[] = [];
  const [built] = compiled(
    rule({
      rule: 'seen',
      from: 'cards',
      key: 'global',
      afterMatch: 'skipPastLastEvent',
      pattern: begin('added')
        .type('CardAdded')
        .followedBy('odd')
        .type('CardAdded')
        .optional()
        .followedBy({
          times: 2,
          steps: (round) =>
            round
              .begin('tried')
              .type('PaymentTried')
              .where(
                (event, { added, tried }) => added.card !== '' && tried.every(({ amount }) => amount < event.amount),
              )
              .next('declined')
              .type('PaymentDeclined')
              .where((event, { tried, declined }) => {
                seen.push([tried.length, declined.length]);
                return event.attempt === tried.at(-1)?.attempt;
              }),
        })
        .followedBy({
          anyOf: [(way) => way.begin('x').type('CardAdded'), (way) => way.begin('y').type('PaymentTried')],
        }),
      emit: ({ added, odd, tried, x, y }, key, metas) => [
        added.card,
        odd,
        tried.map(({ amount }) => amount),
        x?.card,
        y,
        key,
        metas.tried.map(({ type }) => type),
        metas.y,
      ],
    }),
  );
  const data: readonly [string, unknown][] = [
    ['CardAdded', { card: 'c' }],
    ['PaymentTried', { amount: 1, attempt: 1 }],
    ['PaymentDeclined', { attempt: 1 }],
    ['PaymentTried', { amount: 2, attempt: 2 }],
    ['PaymentDeclined', { attempt: 2 }],
    ['CardAdded', { card: 'd' }],
  ];
  const emissions: Emission[] = [];
  const output = { emit: (one: Emission) => emissions.push(one), incident: (one: unknown) => t.fail('', { one }) };
  const state = built!.behaviour.create('global');
  data.forEach(([type, value], index) => {
    const time = instant(index * 1_000);
    const base = { id: `${index}`, subject: 's', source: 'cards', seq: index + 1, index: 0, headers: undefined };
    built!.behaviour.onEvent(state, { ...base, type, time, data: value } satisfies Event, output);
  });
  t.strictSame(
    emissions.map(({ emit }) => emit),
    [['c', null, [1, 2], 'd', null, 'global', ['PaymentTried', 'PaymentTried'], null]],
  );
  t.strictSame(seen, [
    [1, 0],
    [2, 1],
  ]);
});

t.test(
  'a built rule is loaded from a TypeScript file, and what cannot be built is a problem of the file',
  async (t) => {
    const folder = t.testdir({
      'good.ts': `import { events } from 'corral/rules';
const { begin, rule } = events<{ A: { n: number } }>();
export default rule({ rule: 'good', from: 'auth', key: 'event.k', pattern: begin('a').type('A').where((event) => event.n > 1) });
`,
      'twice.ts': `import { events } from 'corral/rules';
const { begin, rule } = events();
export default rule({ rule: 'twice', from: 'auth', key: 'event.k', pattern: begin('a').times(2).times(3) });
`,
    });
    t.match(await loadRules([join(folder, 'good.ts')], { sources: undefined }), { ok: true });
    t.match(await loadRules([join(folder, 'twice.ts')], { sources: undefined }), {
      ok: false,
      problems: [{ code: 'RULE_MODULE_FAILED', message: /`times` is said twice of `a`/, at: { line: 3 } }],
    });
  },
);

t.test('modules in the documentation pass the compiler and run', async (t) => {
  const blocks = [...readFileSync(join(packageRoot, 'docs/rules.md'), 'utf8').matchAll(/^```ts\n([\s\S]*?)^```/gm)];
  t.ok(blocks.length > 0, 'there are some');
  for (const [index, [, text = '']] of blocks.entries()) {
    t.strictSame(checked(text, '').found, []);
    const folder = t.testdir({ [`m${index}.ts`]: text });
    t.match(await loadRules([join(folder, `m${index}.ts`)], { sources: undefined }), { ok: true });
  }
});
