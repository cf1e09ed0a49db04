import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { ActorPool } from '../src/actors/actor-pool.ts';
import { readRuleFiles } from '../src/cli/load-rules.ts';
import { packageRoot } from '../src/cli/package-root.ts';
import { resolveConfig } from '../src/config.ts';
import type { Event } from '../src/core/events/event.ts';
import { compileRules } from '../src/core/rules/compile-rules.ts';
import { DEFAULT_LIMITS } from '../src/core/rules/default-limits.ts';
import { Problems } from '../src/core/rules/document.ts';
import { documentFromJson, documentToJson } from '../src/core/rules/document-json.ts';
import { keyText } from '../src/core/rules/key-text.ts';
import {
  decodeVersion,
  encodeVersion,
  type RuleVersion,
  ruleChanges,
  runnableVersion,
  versionContent,
} from '../src/core/rules/rule-version.ts';
import { runningRules } from '../src/core/rules/running-rules.ts';
import { readYaml } from '../src/core/rules/yaml-document.ts';
import { whole } from '../src/core/shards/position.ts';
import { encodeRecord } from '../src/core/shards/record.ts';
import { subjects } from '../src/core/shards/subjects.ts';
import { BEGINNING, instant } from '../src/core/time/units.ts';
import type { Corral } from '../src/corral.ts';
import { committedCursor } from '../src/journal/committed-cursor.ts';
import { encodeFrame } from '../src/journal/frames.ts';
import { RuleRegistry } from '../src/journal/rule-registry.ts';
import { SnapshotGate } from '../src/journal/snapshot-gate.ts';
import { MemoryLeases } from '../src/memory/memory-leases.ts';
import { MemoryLog } from '../src/memory/memory-log.ts';
import { MemorySource } from '../src/memory/memory-source.ts';
import { createMeasures } from '../src/pipeline/create-measures.ts';
import { ShardOwner } from '../src/pipeline/shard-owner.ts';
import type { Measures } from '../src/ports/measures.ts';
import { decideRestart } from '../src/supervision/restart-decision.ts';
import { decideRules } from '../src/supervision/rule-decision.ts';
import { systemClock } from '../src/system/system-clock.ts';
import { memoryNode, messagesOf, silent } from './support/memory-node.ts';
import { chance } from './support/plain-owner.ts';
import { until } from './support/until.ts';
import { compiledOf, inOrder, NO_OWN, versionOf } from './support/versions.ts';

/** Numbered versions of the rules: which run, where they come from, and what becomes of state. */

t.setTimeout(300_000);

const pair = (rule: string, from: string, type: string, form: number): string => `
rule: ${rule}
from: ${from}
key: event.k
pattern:
  - begin: first
    type: ${type}
  - followedBy: second
    type: ${type}
within: 1h
afterMatch: skipPastLastEvent
emit: {form: ${form}, first: "\${first.n}", second: "\${second.n}"}
`;
const absent = `
rule: absent
from: a
key: event.k
pattern:
  - begin: first
    type: A
  - notFollowedBy: other
    type: Z
within: 10s
emit: {n: "\${first.n}"}
`;
const joined = (...documents: string[]): string => documents.join('---');
const both = (form: number): string => pair('both', '{x: {source: a}, y: {source: b}}', 'B', form);

const ONE = compiledOf(
  joined(pair('kept-a', 'a', 'A', 0), pair('edited-a', 'a', 'A', 1), both(1), absent, pair('stays-b', 'b', 'B', 0)),
  ['a', 'b'],
);
const TWO = compiledOf(
  joined(pair('stays-b', 'b', 'B', 0), pair('edited-a', 'a', 'A', 2), both(2), pair('kept-a', 'a', 'A', 0)),
  ['a', 'b'],
);
const SOURCES = inOrder('a', 'b');
const v1 = versionOf(ONE, 1, SOURCES);
const v2 = versionOf(TWO, 2, SOURCES);
// What was edited is as it was before.
const v3 = versionOf(ONE, 3, SOURCES);
const VERSIONS = new Map<number, RuleVersion>([v1, v2, v3].map((version) => [version.number, version]));

const names = (
  lanes: Readonly<Record<string, number>>,
  versions: ReadonlyMap<number, RuleVersion> = VERSIONS,
): string[] =>
  runningRules(new Map(Object.entries(lanes)), (number) => versions.get(number)!).rules.map(
    ({ name, version, sorted }) =>
      `${name}${[...versions.values()].find(({ rules }) => rules.has(`${name} ${version}`))!.number}${sorted ? ' sorted' : ''}`,
  );

t.test('a rule runs while all lanes heard of, of the sources it reads, key by versions that contain it', (t) => {
  t.same(names({}), [], 'of no lane anything was heard');
  t.same(names({ a: 1 }), ['absent1', 'both1 sorted', 'edited-a1', 'kept-a1'], 'one lane of two is enough to begin');
  t.same(names({ a: 1, b: 1 }), ['absent1', 'both1 sorted', 'edited-a1', 'kept-a1', 'stays-b1']);
  t.same(
    names({ a: 2, b: 1 }),
    ['edited-a2', 'kept-a1', 'stays-b1'],
    'the old form stops at the first switch, a removed rule too, and what did not change runs on',
  );
  t.same(names({ a: 1, b: 2 }), ['absent1', 'edited-a1', 'kept-a1', 'stays-b1']);
  t.same(names({ a: 2, b: 2 }), ['both2 sorted', 'edited-a2', 'kept-a1', 'stays-b1'], 'the new one starts at the last');
  t.same(names({ a: 3, b: 1 }), names({ a: 1, b: 1 }), 'a version between them that nobody keys by decides nothing');
  t.end();
});

t.test('lanes of replays and of references decide nothing where the source itself was heard of', (t) => {
  t.same(names({ a: 1, 'a~replay': 2, 'reference:c': 2 }), names({ a: 1 }));
  t.same(names({ 'a~replay': 2 }), names({ a: 2 }));
  t.same(names({ 'reference:c': 2 }), []);
  t.end();
});

t.test('a source that is read no more holds no rule alive', (t) => {
  const only = (number: number, from: string) =>
    versionOf(compiledOf(pair('moved', from, 'A', 1), ['a', 'b']), number, SOURCES);
  const versions = new Map([1, 2].map((number) => [number, only(number, number === 1 ? 'a' : 'b')]));
  t.same(names({ a: 1 }, versions), ['moved1']);
  t.same(names({ a: 1, b: 2 }, versions), ['moved2'], 'its lane may never say anything again');
  t.end();
});

t.test(
  'two forms of a rule never run at once: while another rule keeps the old source, the older form goes on',
  (t) => {
    const of = (number: number, from: string) =>
      versionOf(
        compiledOf(joined(pair('moved', from, 'A', 1), pair('other', 'a', 'A', 1)), ['a', 'b']),
        number,
        SOURCES,
      );
    const versions = new Map([1, 2].map((number) => [number, of(number, number === 1 ? 'a' : 'b')]));
    t.same(names({ a: 1, b: 2 }, versions), ['moved1', 'other1']);
    t.same(names({ a: 2, b: 2 }, versions), ['moved2', 'other1']);
    t.end();
  },
);

t.test('events wait in a rule from where the lane of its source keys by settings that are out of order', (t) => {
  const late = [{ ...SOURCES[0]!, inOrder: false }, SOURCES[1]!];
  const versions = new Map([versionOf(ONE, 1, SOURCES), versionOf(ONE, 2, late)].map((one) => [one.number, one]));
  t.ok(names({ a: 1 }, versions).includes('kept-a1'));
  t.ok(names({ a: 2 }, versions).includes('kept-a1 sorted'));
  t.end();
});

t.test('a rule is passed on to others as soon as any version has one that reads it', (t) => {
  const alone = pair('source', 'a', 'A', 1);
  const read = pair('reader', '{rule: source}', 'corral.match.source', 1);
  const versions = new Map(
    [alone, joined(alone, read)].map((yaml, at) => [at + 1, versionOf(compiledOf(yaml, ['a', 'b']), at + 1, SOURCES)]),
  );
  const chained = (lanes: Record<string, number>) => [
    ...runningRules(new Map(Object.entries(lanes)), (number) => versions.get(number)!).chained,
  ];
  t.same(chained({ a: 1 }), []);
  t.same(chained({ a: 1, b: 2 }), ['source']);
  t.same(chained({ a: 2 }), ['source'], 'before the reader itself runs: its lane would never hear of anything');
  t.end();
});

t.test('every rule of the examples compiles from its stored document to the same version', async (t) => {
  const files = readdirSync(join(packageRoot, 'examples'), { recursive: true, encoding: 'utf8' })
    .filter((file) => /\.ya?ml$/.test(file) && !/corral|config|compose/.test(file))
    .map((file) => join(packageRoot, 'examples', file));
  let rules = 0;
  for (const file of files) {
    const documents = await readRuleFiles([file], new Problems());
    const compiled = compileRules(documents, { sources: undefined });
    if (!compiled.ok) continue;
    rules += compiled.ruleSet.rules.length;
    const stored = documents.map((document) =>
      documentFromJson(JSON.parse(JSON.stringify(documentToJson(document))), 'x'),
    );
    const again = compileRules(stored, { sources: undefined });
    t.ok(again.ok && again.ruleSet.version === compiled.ruleSet.version, file);
    if (!again.ok) t.comment(again.problems.map(({ message }) => message).join('\n'));
  }
  t.ok(rules > 20, `${rules} rules`);
});

t.test('scalars keep the way they were written', (t) => {
  const yaml = 'a: 1e3\nb: .inf\nc: -.inf\nd: .nan\ne: ~\nf: "1e3"\ng: 010\nh: [true, "true", null]\ni: ""\n';
  const [document] = readYaml('x.yaml', yaml, new Problems());
  const again = documentFromJson(JSON.parse(JSON.stringify(documentToJson(document!))), 'x.yaml');
  const plain = (node: unknown): unknown =>
    JSON.parse(
      JSON.stringify(node, (name, value) =>
        name === 'place' || name === 'namePlace' ? undefined : typeof value === 'number' ? String(value) : value,
      ),
    );
  t.same(plain(again.root), plain(document!.root));
  t.end();
});

t.test(
  'a version is stored whole, in parts where it is large, and read by nodes that never had its rules',
  async (t) => {
    const log = new MemoryLog({ prefix: 'corral', now: () => instant(0), bodyMax: 1024 });
    const registry = new RuleRegistry(log, subjects('corral').ruleVersions);
    const content = versionContent(ONE.rules, ONE.documents, SOURCES, DEFAULT_LIMITS);
    t.same(decodeVersion(encodeVersion({ ...content, number: 7, earlier: [] })), {
      ...content,
      number: 7,
      earlier: [],
    });
    t.throws(() => decodeVersion(Buffer.from('x')), RangeError);
    t.same(await registry.read(), { end: 0, newest: undefined, sequence: 0 });
    const many = compiledOf(
      joined(
        ...Array.from({ length: 80 }, (_, n) => pair(`r${n}${Math.sin(n)}`.replace(/[.-]/g, '_'), 'a', `T${n}`, n)),
      ),
      ['a'],
    );
    const large = versionContent(many.rules, many.documents, SOURCES, DEFAULT_LIMITS);
    const start = await registry.read();
    t.equal(await registry.append(large, start), 'stored');
    t.ok((await messagesOf(log, registry.subject)).length > 2, 'in parts');
    t.equal(await registry.append(content, start), 'refused', 'another was there first');
    const end = await registry.read();
    t.equal(end.newest?.number, 1);
    t.equal(end.newest?.hash, large.hash);
    t.equal(await registry.append(content, end), 'stored');
    const second = await registry.read();
    t.same(second.newest?.earlier, [{ number: 1, hash: large.hash, sequence: end.sequence }]);
    t.same((await registry.version(1)).rules, large.rules);
    await t.rejects(registry.version(9), { code: 'RULE_VERSION_MISSING' });
    // A writer that died between two parts: what it began is void.
    const begun = { number: 3, part: 0, last: false, holdsManifest: false, previous: second.end, manifestAt: 0 };
    await log.append(registry.subject, second.end, encodeFrame({ ...begun, bytes: Buffer.from('half') }));
    const after = await registry.read();
    t.equal(after.newest?.number, 2);
    t.equal(await registry.append(large, after), 'stored');
    t.equal((await registry.read()).newest?.number, 3);
    const foreign = runnableVersion(await registry.version(2), NO_OWN);
    t.same(
      [...foreign.rules.values()].map(({ name, version, compiled }) => [name, version === compiled?.version]),
      content.rules.map(({ name }) => [name, true]),
    );
  },
);

t.test('rules that need code of modules are marked; the others of their version are compiled without them', (t) => {
  const uses = `
rule: uses
from: a
key: event.k
pattern: [{begin: it, type: A}, {followedBy: {use: of-module, as: m}}]
afterMatch: noSkip
`;
  const definition = 'define: of-module\nsteps: [{begin: x, where: event.ok}]\n';
  const module = pair('of-a-module', 'a', 'A', 1);
  const reader = pair('reader', '{rule: of-a-module}', 'X', 1);
  const problems = new Problems();
  const yaml = readYaml('r.yaml', joined(pair('plain', 'a', 'A', 1), uses, reader), problems);
  const code = readYaml('m.ts', joined(definition, module), problems).map((one) => ({ ...one, digest: 'abc' }));
  const compiled = compileRules([...yaml, ...code], { sources: ['a'] });
  if (!compiled.ok) return t.fail(JSON.stringify(compiled.problems));
  const content = versionContent(compiled.ruleSet, compiled.documents, SOURCES, DEFAULT_LIMITS);
  t.same(
    content.rules.filter((rule) => rule.module).map(({ name }) => name),
    ['of-a-module'],
  );
  const foreign = runnableVersion({ ...content, number: 1, earlier: [] }, NO_OWN);
  const here = [...foreign.rules.values()].filter((rule) => rule.compiled !== undefined).map(({ name }) => name);
  t.same(here, ['plain', 'reader']);
  return t.end();
});

t.test('what a node does with its rules', (t) => {
  const newest = { number: 4, hash: 'd' };
  const usual = { newest, earlier: ['a', 'b', 'c'], activate: false, unusedMs: 0, patienceMs: 1000 };
  t.same(decideRules({ ...usual, own: 'x', newest: undefined, earlier: [] }), { kind: 'register', number: 1 });
  t.same(decideRules({ ...usual, own: 'd' }), { kind: 'run', number: 4 });
  t.same(decideRules({ ...usual, own: 'd', activate: true }), { kind: 'run', number: 4 });
  t.same(decideRules({ ...usual, own: 'new' }), { kind: 'register', number: 5 });
  t.same(decideRules({ ...usual, own: 'b' }), { kind: 'wait', active: 4 });
  t.same(decideRules({ ...usual, own: 'b', unusedMs: 999 }), { kind: 'wait', active: 4 });
  t.same(decideRules({ ...usual, own: 'b', unusedMs: 1000 }), { kind: 'register', number: 5 });
  t.same(decideRules({ ...usual, own: 'b', activate: true }), { kind: 'register', number: 5 });
  const stored = (compiled: typeof ONE) => versionContent(compiled.rules, compiled.documents, SOURCES, DEFAULT_LIMITS);
  t.same(ruleChanges(stored(ONE), stored(TWO)), { added: [], edited: ['both', 'edited-a'], removed: ['absent'] });
  t.end();
});

t.test(
  'two nodes of one process with different rules: the newer ones are active, and the older come back when told',
  async (t) => {
    const log = new MemoryLog({ prefix: 'corral', now: () => instant(Date.now()) });
    const leases = new MemoryLeases();
    const source = new MemorySource({ name: 'A', now: () => instant(0) });
    const node = (name: string, { rules, documents }: typeof ONE, activate = false) => {
      const { corral } = memoryNode(
        rules,
        new Map([
          ['a', source],
          ['b', new MemorySource({ name: 'B', now: () => instant(0) })],
        ]),
        {
          ports: { log, leases },
          settings: { node: name, registry: { documents, limits: DEFAULT_LIMITS, activate } },
        },
      );
      corral.start();
      t.teardown(() => corral.drain());
      return corral;
    };
    const publish = (n: number): void => {
      source.publish({ subject: 's', body: Buffer.from(JSON.stringify({ kind: 'A', at: 1000 * n, k: 'k', n })) });
    };
    const forms = async (): Promise<unknown[]> =>
      (await messagesOf(log, 'corral.match.edited-a.*')).map(
        ({ body }) => JSON.parse(Buffer.from(body).toString()).data.emit,
      );
    const isReady = (corral: Corral): boolean => corral.notReady().length === 0;
    const first = node('first', ONE);
    await until(() => isReady(first));
    for (const n of [1, 2, 3]) publish(n);
    await until(async () => (await forms()).length === 1);
    const second = node('second', TWO);
    await until(() => isReady(second) && second.measures.node.shardsOwned === 4 && !isReady(first));
    t.match(first.notReady().join(), 'newer rules are active (version 2)');
    t.equal(first.measures.node.shardsOwned, 0);
    for (const n of [4, 5]) publish(n);
    await until(async () => (await forms()).length === 2);
    const third = node('third', ONE, true);
    await until(() => isReady(third) && isReady(first) && !isReady(second));
    t.equal(first.measures.node.rulesOwn, 3);
    for (const n of [6, 7]) publish(n);
    await until(async () => (await forms()).length === 3);
    t.same(
      await forms(),
      [
        { form: 1, first: 1, second: 2 },
        { form: 2, first: 4, second: 5 },
        { form: 1, first: 6, second: 7 },
      ],
      'event 3 was half a match of the old form',
    );
  },
);

const PREFIX = 'corral';
const NAMES = subjects(PREFIX);

interface Told {
  readonly lane: 'a' | 'b';
  readonly version: number;
  readonly events: readonly { readonly k: string; readonly n: number }[];
}

/** A shard log of two lanes that switch at different places. Times ascend over both. */
function tell(random: () => number): Told[] {
  const told: Told[] = [];
  const version = { a: 1, b: 1 };
  let n = 0;
  for (let record = 0; record < 60; record += 1) {
    const lane = random() < 0.5 ? 'a' : 'b';
    if (record > 12 && random() < 0.12 && version[lane] < 3) version[lane] += 1;
    const events = Array.from({ length: Math.floor(random() * 4) }, () => ({
      k: `k${Math.floor(random() * 5)}`,
      n: ++n,
    }));
    told.push({ lane, version: version[lane], events });
  }
  return told;
}

const timeOf = (n: number) => instant(1_000_000 + n * 1000);

async function append(log: MemoryLog, told: readonly Told[], from: number, upto: number): Promise<void> {
  for (let at = from; at < upto; at += 1) {
    const { lane, version, events } = told[at]!;
    const before = told.slice(0, at).filter((one) => one.lane === lane).length;
    const last = told
      .slice(0, at + 1)
      .flatMap((one) => (one.lane === lane ? one.events : []))
      .at(-1);
    const subject = NAMES.shardLog(0, lane);
    const body = encodeRecord({
      from: whole(before * 10),
      upto: whole((before + 1) * 10),
      stamp: instant(0),
      watermark: last === undefined ? BEGINNING : timeOf(last.n),
      standing: 'leads',
      ruleVersion: version,
      source: lane,
      created: 'c',
      events: events.map((data, index) => {
        const seq = before * 10 + 1 + index;
        const event: Event = {
          ...{ id: `${lane}${seq}`, type: lane.toUpperCase(), subject: 's', time: timeOf(data.n) },
          ...{ source: lane, seq, index: 0, headers: undefined, data },
        };
        const keyspaces = [...VERSIONS.get(version)!.rules.values()].filter(({ sources }) => sources.includes(lane));
        const ids = [...new Set(keyspaces.map(({ keyspace }) => keyspace))];
        return {
          event,
          lag: Number.POSITIVE_INFINITY,
          routes: ids.map((keyspace) => ({ keyspace, key: keyText(data.k) })),
        };
      }),
    });
    const answer = await log.append(subject, (await log.last(subject))?.sequence ?? 0, body);
    if (answer.kind !== 'stored') throw new Error(answer.kind);
  }
}

interface Owned {
  readonly owner: ShardOwner;
  readonly running: Promise<void>;
  readonly measures: Measures;
  readonly errors: unknown[];
  stop(): Promise<void>;
}

function begin(log: MemoryLog, life: number, versions: ReadonlyMap<number, RuleVersion> = VERSIONS): Owned {
  const measures = createMeasures({ sources: [], rules: ONE.rules, references: [] });
  const pool = new ActorPool(1000, measures.node);
  const errors: unknown[] = [];
  const owner = new ShardOwner({
    ports: { log, clock: systemClock, logger: { ...silent, error: (fields) => errors.push(fields) } },
    shard: 0,
    prefix: PREFIX,
    subjects: NAMES,
    versions: { load: async (number) => versions.get(number)! },
    pool,
    // Often, so that takeovers go on from snapshots with half a sweep done.
    snapshots: { settings: { afterBytes: 2048, pageBytes: 1024 }, gate: new SnapshotGate() },
    measures,
  });
  const running = owner.run(`life ${life}`, () => undefined);
  running.catch(() => undefined);
  const stop = async (): Promise<void> => {
    owner.stop();
    await running.catch((error) => {
      if (error.code !== 'STOPPED') throw error;
    });
    pool.stop();
  };
  return { owner, running, measures, errors, stop };
}

async function settled({ owner, running }: Owned, told: readonly Told[]): Promise<void> {
  for (const lane of ['a', 'b'] as const) {
    const count = told.filter((one) => one.lane === lane).length;
    if (count === 0) continue;
    const last = told.flatMap((one) => (one.lane === lane ? one.events : [])).at(-1);
    const watermark = last === undefined ? BEGINNING : timeOf(last.n);
    await Promise.race([owner.settled(lane, { position: whole(count * 10), watermark, standing: 'leads' }), running]);
  }
}

async function own(log: MemoryLog, told: readonly Told[], life: number): Promise<number> {
  const owned = begin(log, life);
  await settled(owned, told);
  await owned.stop();
  return owned.measures.node.ruleStateDroppedKeys;
}

async function matchesOf(log: MemoryLog): Promise<string[]> {
  return (await messagesOf(log, NAMES.allMatches)).map(({ subject, headers, body }) => {
    const { data } = JSON.parse(Buffer.from(body).toString());
    return `${subject} ${headers?.['corral-ordinal']} ${data.key} ${JSON.stringify(data.emit)}`;
  });
}

/** What the rules of one source say that see their events at once: recomputed from what the log tells. */
function expected(told: readonly Told[]): string[] {
  const said: string[] = [];
  const lanes = new Map<string, number>();
  let before = new Map<string, string>();
  const open = new Map<string, Map<string, number>>();
  const deadlines: { at: number; k: string; n: number }[] = [];
  let last = 0;
  const say = (rule: string, k: string, emit: object): void => {
    said.push(`corral.match.${rule}.0 ${k} ${JSON.stringify(emit)}`);
  };
  for (const { lane, version, events } of told) {
    lanes.set(lane, version);
    const running = runningRules(lanes, (number) => VERSIONS.get(number)!).rules;
    const now = new Map(running.map(({ name, version: own }) => [name, own]));
    for (const [name, own] of before) {
      if (now.get(name) === own) continue;
      open.delete(name);
      if (name === 'absent') deadlines.length = 0;
    }
    before = now;
    const fire = (time: number): void => {
      for (; deadlines.length > 0 && deadlines[0]!.at <= time; deadlines.shift())
        say('absent', deadlines[0]!.k, { n: deadlines[0]!.n });
    };
    for (const { k, n } of events) {
      if (lane === 'a') last = timeOf(n);
      for (const name of lane === 'a' ? ['kept-a', 'edited-a'] : ['stays-b']) {
        const own = now.get(name);
        if (own === undefined) continue;
        const firsts = open.get(name) ?? new Map<string, number>();
        open.set(name, firsts);
        const first = firsts.get(k);
        if (first === undefined) firsts.set(k, n);
        else {
          firsts.delete(k);
          const form = name !== 'edited-a' ? 0 : v1.rules.has(`${name} ${own}`) ? 1 : 2;
          say(name, k, { form, first, second: n });
        }
      }
      if (lane === 'a' && now.has('absent')) deadlines.push({ at: timeOf(n) + 10_000, k, n });
    }
    if (lane === 'a') fire(last);
  }
  return said.sort();
}

t.test(
  'two lanes switch at different places: rules that did not change notice nothing, whoever owns the shard when',
  async (t) => {
    let dropped = 0;
    let ofBoth = 0;
    for (let seed = 1; seed <= 25; seed += 1) {
      const random = chance(seed);
      const told = tell(random);
      const log = new MemoryLog({ prefix: PREFIX, now: () => instant(0) });
      await append(log, told, 0, told.length);
      dropped += await own(log, told, 0);
      const alone = (await matchesOf(log)).sort();
      const isBoth = (line: string): boolean => line.startsWith('corral.match.both');
      ofBoth += alone.filter(isBoth).length;
      t.same(
        alone.flatMap((line) => (isBoth(line) ? [] : line.replace(/ \d+ /, ' '))).sort(),
        expected(told),
        `seed ${seed}`,
      );
      // The same log, taken over again and again, and read in other batches.
      const again = new MemoryLog({ prefix: PREFIX, now: () => instant(0) });
      for (let at = 0, life = 1; at < told.length; life += 1) {
        const upto = Math.min(told.length, at + 1 + Math.floor(random() * 6));
        await append(again, told, at, upto);
        await own(again, told.slice(0, upto), life);
        at = upto;
      }
      t.same((await matchesOf(again)).sort(), alone, `seed ${seed}, taken over`);
    }
    t.ok(dropped > 0, `${dropped} keys lost state of rules that were gone`);
    t.ok(ofBoth > 0, `${ofBoth} matches of the rule that reads both`);
  },
);

/** As a node has the versions that lacks the module of a rule in one of them. */
const without = (name: string, number: number): ReadonlyMap<number, RuleVersion> => {
  const version = VERSIONS.get(number)!;
  const rules = [...version.rules].map(
    ([id, rule]) => [id, rule.name === name ? { ...rule, compiled: undefined } : rule] as const,
  );
  return new Map([...VERSIONS, [number, { ...version, rules: new Map(rules) }]]);
};

/** One lane: eight events by the first version, then eight by the second. */
const SWITCH: readonly Told[] = Array.from({ length: 16 }, (_, n) => ({
  lane: 'a',
  version: n < 8 ? 1 : 2,
  events: [{ k: 'k', n: n + 1 }],
}));

t.test('a rule whose module is not here does not see what was routed to it: counted and said once', async (t) => {
  const log = new MemoryLog({ prefix: PREFIX, now: () => instant(0) });
  await append(log, SWITCH, 0, SWITCH.length);
  const owned = begin(log, 0, without('edited-a', 1));
  await settled(owned, SWITCH);
  await owned.stop();
  const wanted = expected(SWITCH).filter((line) => !(line.includes('edited-a') && line.includes('"form":1')));
  t.same((await matchesOf(log)).map((line) => line.replace(/ \d+ /, ' ')).sort(), wanted);
  t.equal(owned.measures.node.ruleEventsUnseen, 8);
  t.match(owned.errors, [{ code: 'RULE_CODE_MISSING', rule: 'edited-a' }]);
  t.equal(owned.errors.length, 1);
});

t.test(
  'an owner that hands over works up to what it lacks the code for, and leaves nothing to be done again',
  async (t) => {
    const log = new MemoryLog({ prefix: PREFIX, now: () => instant(0) });
    await append(log, SWITCH, 0, 8);
    const older = begin(log, 0, without('edited-a', 2));
    await settled(older, SWITCH.slice(0, 8));
    const handed = older.owner.handOver();
    await append(log, SWITCH, 8, SWITCH.length);
    await handed;
    await older.running;
    t.equal(await committedCursor(log, NAMES.journal(0)), 8, 'what changed nothing is committed as well');
    const newer = begin(log, 1, without('edited-a', 1));
    await settled(newer, SWITCH);
    await newer.stop();
    await older.stop();
    t.same((await matchesOf(log)).map((line) => line.replace(/ \d+ /, ' ')).sort(), expected(SWITCH));
    t.equal(older.measures.node.ruleEventsUnseen + newer.measures.node.ruleEventsUnseen, 0);
  },
);

t.test('a version that is not stored keeps the shard down', async (t) => {
  const log = new MemoryLog({ prefix: PREFIX, now: () => instant(0) });
  await append(log, SWITCH, 0, 1);
  const registry = new RuleRegistry(log, NAMES.ruleVersions);
  const missing = registry.version(1).then((stored) => runnableVersion(stored, NO_OWN));
  await t.rejects(missing, { code: 'RULE_VERSION_MISSING' });
  t.same(decideRestart({ code: 'RULE_VERSION_MISSING', retry: 'never' }, 0), { kind: 'stayDown' });
});

t.test('what a source says is part of a version, but for where it begins', (t) => {
  const meaning = (settings: string): string | undefined => {
    const text = `sources: {a: {stream: A${settings}}}\nrules: [r.yaml]\n`;
    const resolved = resolveConfig({ file: { path: 'c.yaml', text }, flags: {}, environment: {} });
    if (!resolved.ok) throw new Error(JSON.stringify(resolved.problems));
    return resolved.config.sources[0]!.meaning;
  };
  t.equal(meaning(', start: beginning, disorder: 5s'), meaning(', disorder: 5s, onStreamChanged: continue'));
  t.not(meaning(''), meaning(', disorder: 5s'));
  t.not(meaning(', time: event.at'), meaning(', time: event.ts'));
  t.end();
});
