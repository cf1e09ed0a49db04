import t from 'tap';
import { decodeDeadLetter } from '../src/core/events/dead-letter.ts';
import { compileRules } from '../src/core/rules/compile-rules.ts';
import { Problems } from '../src/core/rules/document.ts';
import { readModule } from '../src/core/rules/module-document.ts';
import type { RuleSet } from '../src/core/rules/rule-set.ts';
import { duration, instant } from '../src/core/time/units.ts';
import type { Settings } from '../src/corral.ts';
import { iterableSource } from '../src/memory/iterable-source.ts';
import type { FencedLog } from '../src/ports/log.ts';
import { output, patternRule, processRule, source, value } from '../src/rules-module.ts';
import { memoryNode, messagesOf, sourceSettings } from './support/memory-node.ts';
import type { MatchOutput } from './support/replay.ts';

/** A rule that fails on some keys touches neither other keys nor other rules. */

t.setTimeout(120_000);

const KEYS = 300;
const EVENTS = 8 * KEYS;

interface Step {
  readonly key: string;
  readonly n: number;
  readonly kind: string;
}

const steps: readonly (Step & { at: number })[] = Array.from({ length: EVENTS }, (_, n) => {
  const kind = n % 7 === 0 ? 'B' : 'A';
  return { key: `k${(n * 7) % KEYS}`, n, kind, at: n * 1000 };
});

const fails = (key: string): boolean => Number(key.slice(1)) % 100 === 7;

/** @param throwing whether `sums` throws on one key in a hundred: at every third of its events */
function rules(throwing: boolean): RuleSet {
  const sums = (rule: string, isFaulty: boolean) =>
    processRule({
      rule,
      from: { step: source<Step>('in', { key: (event) => event.key }) },
      state: { sum: value<number>() },
      outputs: { sum: output<number>() },
      on: {
        step({ key, n }, ctx) {
          ctx.state.sum.set((ctx.state.sum.get() ?? 0) + n);
          ctx.emit('sum', ctx.state.sum.get()!);
          if (isFaulty && fails(key) && n % 3 === 0) throw new Error('not this one');
        },
      },
    });
  const pairs = patternRule<Step>({
    rule: 'pairs',
    from: 'in',
    key: (event) => event.key,
    pattern: [
      { begin: 'a', type: 'A' },
      { next: 'b', type: 'B' },
    ],
    afterMatch: 'skipPastLastEvent',
  });
  const problems = new Problems();
  const exported = [sums('sums', throwing), sums('others', false), pairs];
  const compiled = compileRules(readModule('m.ts', exported, 'digest', problems), { sources: ['in'] }, problems);
  if (compiled.ok) return compiled.ruleSet;
  throw new Error(compiled.problems.map(({ message }) => message).join('\n'));
}

const outputsOf = async (log: FencedLog, filter: string): Promise<readonly MatchOutput[]> =>
  (await messagesOf(log, filter)).map(({ body }) => JSON.parse(Buffer.from(body).toString()) as MatchOutput);

async function run(throwing: boolean, chunk: number, settings: Partial<Settings>) {
  const idleAfter = duration(Number.POSITIVE_INFINITY);
  const all = (async function* () {
    for (let from = 0; from < steps.length; from += chunk)
      yield steps
        .slice(from, from + chunk)
        .map((step) => ({ subject: 'in', body: Buffer.from(JSON.stringify(step)), stamp: instant(0) }));
  })();
  const node = memoryNode(rules(throwing), new Map([['in', iterableSource(all, () => instant(0))]]), {
    settings: { sources: [sourceSettings('in', { idleAfter })], finite: true, ...settings },
  });
  node.corral.start();
  await Promise.race([node.corral.finished, node.corral.failed]);
  const said = new Map<string, unknown[]>();
  for (const { type, data } of [
    ...(await outputsOf(node.log, 'corral.side.>')),
    ...(await outputsOf(node.log, 'corral.match.>')),
  ]) {
    const name = `${type} ${data.key}`;
    const refs = data.events.map(({ step, refs: of }) => [step, of.map(({ seq }) => seq)]);
    said.set(name, [...(said.get(name) ?? []), [data.emit, refs]]);
  }
  const dead = (await messagesOf(node.log, 'corral.dead.shard.>')).map(({ body }) => decodeDeadLetter(body));
  await node.corral.drain();
  return { said, dead, failures: node.corral.measures.rules.get('sums')!.failures };
}

for (const [chunk, settings] of [
  [1000, {}],
  [1, { actorsMax: 1 }],
  [64, { shards: 1 }],
] as const) {
  t.test(
    `a rule that throws on one key in a hundred costs nobody else anything, ${chunk} events at a time`,
    async (t) => {
      const without = await run(false, chunk, settings);
      const found = await run(true, chunk, settings);
      t.same(without.dead, []);
      const mine = (name: string): boolean => name.startsWith('corral.side.sums.') && fails(name.split(' ')[1]!);
      const others = ({ said }: typeof found) => [...said].filter(([name]) => !mine(name)).sort();
      t.same(others(found), others(without), 'other keys and other rules say what they say without it');
      t.ok(others(found).length > 2 * KEYS);

      const failing = steps.filter(({ key, n }) => fails(key) && n % 3 === 0);
      t.equal(found.failures, failing.length);
      t.same(
        found.dead.map(({ cause, rule, key, events }) => [cause, rule, key, events?.[0]?.refs[0]?.seq]).sort(),
        failing.map(({ key, n }) => ['failed', 'sums', key, n + 1]).sort(),
        'each event it failed on is a dead letter',
      );
      // What it does for its own keys is as if those events had not been.
      for (const name of [...without.said.keys()].filter(mine)) {
        const sums: number[] = [];
        for (const { n } of steps.filter(({ key, n }) => key === name.split(' ')[1] && n % 3 !== 0))
          sums.push((sums.at(-1) ?? 0) + n);
        t.same(found.said.get(name)?.map((one) => (one as unknown[])[0]) ?? [], sums, name);
      }
    },
  );
}
