import t from 'tap';
import { compileRules } from '../src/core/rules/compile-rules.ts';
import { Problems } from '../src/core/rules/document.ts';
import { readModule } from '../src/core/rules/module-document.ts';
import type { RuleSet } from '../src/core/rules/rule-set.ts';
import { decodeRecord } from '../src/core/shards/record.ts';
import { duration, instant } from '../src/core/time/units.ts';
import { MemoryLog } from '../src/memory/memory-log.ts';
import { MemorySource } from '../src/memory/memory-source.ts';
import type { FencedLog } from '../src/ports/log.ts';
import { eventTimer, output, processingTimer, processRule, source } from '../src/rules-module.ts';
import { memoryNode, messagesOf, sourceSettings } from './support/memory-node.ts';
import { rulesOf } from './support/rules-of.ts';
import { until } from './support/until.ts';

/** What the simulation found, each in the smallest form: where events wait, come late, or time alone is at work. */

t.setTimeout(60_000);

/** A node over sources that never fall silent. What is published at once is one record. */
function started(rules: RuleSet, names: readonly string[], disorder = 0) {
  const now = () => instant(Date.now());
  const sources = new Map(names.map((name) => [name, new MemorySource({ name, now })]));
  const silence = { disorder: duration(disorder), idleAfter: duration(Number.POSITIVE_INFINITY) };
  const { corral, log } = memoryNode(rules, sources, {
    ports: { log: new MemoryLog({ prefix: 'corral', now }) },
    settings: { sources: names.map((name) => sourceSettings(name, silence)) },
  });
  corral.start();
  t.teardown(() => corral.drain());
  const publish = (name: string, events: readonly object[]) =>
    sources.get(name)!.publish({ subject: 'in', body: Buffer.from(JSON.stringify(events)) });
  return { corral, log, publish };
}

const emitted = async (log: FencedLog, subject: string): Promise<unknown[]> =>
  (await messagesOf(log, subject)).map(({ body }) => JSON.parse(Buffer.from(body).toString()).data.emit);

/** Waits until so many outputs are there, or something went wrong. */
async function outputs(log: FencedLog, subject: string, count: number): Promise<unknown[]> {
  await until(
    async () =>
      (await emitted(log, subject)).length >= count || (await messagesOf(log, 'corral.dead.shard.>')).length > 0,
  );
  return emitted(log, subject);
}

const COUNTS = `
rule: counts
key: event.k
window: {tumbling: 1s}
aggregate: {n: count()}
emit: {start: "\${window.start}", n: "\${n}"}
`;

t.test('a late event does not make those late that wait in the same record', async (t) => {
  const { log, publish } = started(rulesOf(`${COUNTS}from: shop`, ['shop']), ['shop'], 500);
  // When 600 comes, no event before 2400 is awaited any more; 1200 waits for the end of the record.
  const times = [1200, 2900, 600, 5000];
  publish(
    'shop',
    times.map((at) => ({ kind: 'Paid', k: 'a', at })),
  );
  t.same(await outputs(log, 'corral.match.>', 2), [
    { start: 1000, n: 1 },
    { start: 2000, n: 1 },
  ]);
});

t.test('what is late for its source is in time for a window that still waits for another source', async (t) => {
  const { log, publish } = started(rulesOf(`${COUNTS}from: [left, right]`, ['left', 'right']), ['left', 'right']);
  publish('left', [
    { kind: 'Paid', k: 'a', at: 5000 },
    { kind: 'Paid', k: 'a', at: 1000 },
  ]);
  const hasEvents = async () =>
    (await messagesOf(log, 'corral.shard.>')).some(({ body }) => decodeRecord(body).events.length > 0);
  await until(hasEvents);
  publish('right', [
    { kind: 'Paid', k: 'a', at: 500 },
    { kind: 'Paid', k: 'a', at: 6000 },
  ]);
  t.same(await outputs(log, 'corral.match.>', 2), [
    { start: 0, n: 1 },
    { start: 1000, n: 1 },
  ]);
});

t.test('a timer of event time may arm one of processing time, in a record with nothing else for the key', async (t) => {
  const rule = processRule({
    rule: 'watch',
    from: { seen: source<{ k: string }>('shop', { key: 'event.k' }) },
    timers: { check: eventTimer(), poll: processingTimer() },
    outputs: { polled: output<{ armed: number; fired: number }>() },
    on: {
      seen(_, ctx) {
        ctx.timers.check.after(100);
      },
    },
    onTimer: {
      check(ctx) {
        ctx.timers.poll.after(10);
      },
      poll(ctx) {
        ctx.emit('polled', { armed: 0, fired: ctx.processingTime });
      },
    },
  });
  const compiled = compileRules(readModule('watch.ts', rule, 'digest', new Problems()), { sources: ['shop'] });
  if (!compiled.ok) throw new Error(JSON.stringify(compiled.problems));
  const { corral, log, publish } = started(compiled.ruleSet, ['shop']);
  publish('shop', [{ kind: 'Seen', k: 'a', at: 0 }]);
  // Its actor must read all it knows from its packed state.
  await until(() => [0, 1, 2, 3].some((shard) => corral.killActor(shard, 'a')));
  const began = Date.now();
  publish('shop', [{ kind: 'Seen', k: 'b', at: 150 }]);
  const [polled] = (await outputs(log, 'corral.side.>', 1)) as { fired: number }[];
  t.ok(polled!.fired >= began + 10, 'counted from the record by which the first timer fired');
});

t.test('`dedupe` takes no notice of events that no alias takes', async (t) => {
  const rules = `
rule: pairs
from:
  opened: {source: left, type: Open}
  closed: {source: right, type: Close}
key: event.k
dedupe: {events: event.n, within: 10s}
join:
  interval: {closed: {after: opened, from: 0, to: 5s}}
emit: {pair: {n: "\${closed.n}"}}
---
rule: all
from: [left, right]
key: event.k
pattern:
  - begin: any
    where: event.n > 0
`;
  const { log, publish } = started(rulesOf(rules, ['left', 'right']), ['left', 'right']);
  const event = (kind: string, n: number, at: number) => ({ kind, n, at, k: 'a' });
  publish('left', [event('Close', 1, 0), event('Open', 2, 500), event('Other', 99, 9000)]);
  publish('right', [event('Close', 1, 1000), event('Other', 99, 9000)]);
  t.same((await outputs(log, 'corral.match.pairs.>', 1))[0], { n: 1 });
});

t.test('the time of a rule reaches those that read it although nothing more happens', async (t) => {
  const rules = `
rule: paid
from: shop
key: event.k
pattern:
  - begin: paid
    type: Paid
---
rule: twice
from: {rule: paid}
key: event.key
pattern:
  - begin: first
  - next: second
emit: {key: "\${key}"}
`;
  const { log, publish } = started(rulesOf(rules, ['shop']), ['shop']);
  publish('shop', [{ kind: 'Paid', k: 'a', at: 1000 }]);
  // Time was told once, and is not told again at once.
  await until(async () => (await messagesOf(log, 'corral.chain.>')).length >= 5);
  publish('shop', [{ kind: 'Paid', k: 'a', at: 2000 }]);
  t.same(await outputs(log, 'corral.match.twice.>', 1), [{ key: 'a' }]);
});
