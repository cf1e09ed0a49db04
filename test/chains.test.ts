import t from 'tap';
import { decodeTick, encodeTick } from '../src/core/shards/tick.ts';
import { duration, instant } from '../src/core/time/units.ts';
import { iterableSource } from '../src/memory/iterable-source.ts';
import { MemoryLog } from '../src/memory/memory-log.ts';
import { MemorySource } from '../src/memory/memory-source.ts';
import { memoryNode, messagesOf, sourceSettings } from './support/memory-node.ts';
import { rulesOf } from './support/rules-of.ts';
import { until } from './support/until.ts';

/** Three guesses of one address; then addresses of one net that did so; then nets of one owner. */
const RULES = `
rule: guessed
from: logins
key: event.ip
pattern:
  - begin: guess
    type: Failed
    times: 3
within: 1m
afterMatch: skipPastLastEvent
emit: {ip: "\${key}", net: "\${last(guess).net}", owner: "\${last(guess).owner}"}
---
rule: many-addresses
from: {rule: guessed}
key: event.emit.net
pattern:
  - begin: address
    times: 2
within: 10m
afterMatch: skipPastLastEvent
emit: {net: "\${key}", ips: ["\${first(address).emit.ip}", "\${last(address).emit.ip}"], owner: "\${last(address).emit.owner}"}
---
rule: quiet-owner
from: {rule: many-addresses}
key: event.emit.owner
pattern:
  - begin: seen
  - notFollowedBy: again
within: 1h
emit: {owner: "\${key}", net: "\${seen.emit.net}"}
`;

const guesses = (ip: string, net: string, at: number) =>
  [0, 1, 2].map((n) => ({ kind: 'Failed', at: at + n, ip, net, owner: 'acme' }));

async function replay(events: readonly object[], atEnd: 'close' | 'drain', chunk = 1000) {
  const source = iterableSource(
    (async function* () {
      for (let from = 0; from < events.length; from += chunk) {
        yield events
          .slice(from, from + chunk)
          .map((event) => ({ subject: 'in', body: Buffer.from(JSON.stringify(event)), stamp: instant(0) }));
      }
    })(),
    () => instant(0),
  );
  const node = memoryNode(rulesOf(RULES, ['logins']), new Map([['logins', source]]), {
    settings: {
      sources: [sourceSettings('logins', { idleAfter: duration(Number.POSITIVE_INFINITY) })],
      finite: true,
      atEnd,
    },
  });
  node.corral.start();
  await Promise.race([node.corral.finished, node.corral.failed]);
  const matches = (await messagesOf(node.log, 'corral.match.>')).map(({ body }) =>
    JSON.parse(Buffer.from(body).toString()),
  );
  await node.corral.drain();
  const late = [...node.corral.measures.rules.values()].reduce((sum, { late: one }) => sum + one, 0);
  return { late, of: (rule: string) => matches.filter(({ data }) => data.rule === rule).map(({ data }) => data.emit) };
}

t.test('a tick is read as it was written, and a match is none', async (t) => {
  for (const watermark of [5.25, Number.NEGATIVE_INFINITY, Number.POSITIVE_INFINITY]) {
    const tick = { watermark: instant(watermark), standing: 'closed' as const };
    t.same(decodeTick(encodeTick(tick)), tick);
  }
  t.equal(decodeTick(Buffer.from('{"specversion":"1.0"}')), undefined);
});

t.test('a rule reads the matches of another, in order of time, whatever shards they come from', async (t) => {
  const events = Array.from({ length: 40 }, (_, n) => guesses(`ip${n}`, `net${n % 4}`, n * 1000)).flat();
  for (const chunk of [1000, 7]) {
    const { of, late } = await replay(events, 'close', chunk);
    t.equal(of('guessed').length, 40);
    t.equal(late, 0);
    const pairs = of('many-addresses');
    t.equal(pairs.length, 20);
    const expected = [0, 1, 2, 3].flatMap((net) =>
      [0, 1, 2, 3, 4].map((n) => ({
        net: `net${net}`,
        ips: [`ip${net + 8 * n}`, `ip${net + 8 * n + 4}`],
        owner: 'acme',
      })),
    );
    const byNet = (a: { net: string }, b: { net: string }) => (a.net < b.net ? -1 : a.net > b.net ? 1 : 0);
    t.same([...pairs].sort(byNet), expected, 'each net has its addresses in pairs, in order');
    t.same(of('quiet-owner'), [], 'the hour is not over');
  }
});

t.test('the end of input reaches the end of the chain', async (t) => {
  const { of } = await replay([...guesses('a', 'n', 0), ...guesses('b', 'n', 5000)], 'drain');
  t.same(of('quiet-owner'), [{ owner: 'acme', net: 'n' }]);
});

t.test('on sources without end the time of the rule that is read is the time of the one that reads it', async (t) => {
  const source = new MemorySource({ name: 'logins', now: () => instant(Date.now()) });
  const rules = rulesOf(RULES.replace('within: 1h', 'within: 1s'), ['logins']);
  const sources = new Map([['logins', source]]);
  const settings = { sources: [sourceSettings('logins', { idleAfter: duration(50) })] };
  // Ticks go by processing time, so the log needs a clock.
  const log = new MemoryLog({ prefix: 'corral', now: () => instant(Date.now()) });
  const first = memoryNode(rules, sources, { settings, ports: { log } });
  const publish = (events: readonly object[]) => {
    for (const event of events) source.publish({ subject: 'in', body: Buffer.from(JSON.stringify(event)) });
  };
  first.corral.start();
  publish(guesses('a', 'n', 1000));
  await until(() => first.corral.measures.rules.get('guessed')!.matches === 1);
  await first.corral.drain();
  // Another node goes on with the chain, and silence alone brings the absence at its end.
  const second = memoryNode(rules, sources, { ports: first.ports, settings: { ...settings, node: 'other' } });
  second.corral.start();
  publish(guesses('b', 'n', 2000));
  await until(() => second.corral.measures.rules.get('quiet-owner')!.matches === 1);
  await second.corral.drain();
  const read = async (rule: string) => (await messagesOf(second.log, `corral.match.${rule}.>`)).length;
  t.same([await read('guessed'), await read('many-addresses'), await read('quiet-owner')], [2, 1, 1]);
});
