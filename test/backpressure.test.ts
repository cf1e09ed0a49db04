import t from 'tap';
import { instant } from '../src/core/time/units.ts';
import { MemoryLog } from '../src/memory/memory-log.ts';
import type { Appended, EventSource, FencedLog, LogReader } from '../src/ports/log.ts';
import { memoryNode } from './support/memory-node.ts';
import { rulesOf } from './support/rules-of.ts';
import { until } from './support/until.ts';

/** What waits has a bound in bytes, and nothing is read beyond it. */

const MIB = 1024 * 1024;

const RULE = `
rule: seen
from: orders
key: event.order
pattern:
  - begin: first
    type: Paid
`;

/** A log that answers no append to some subjects before it is let. */
function heldLog(holds: (subject: string) => boolean): { log: FencedLog; letGo(): void } {
  const inner = new MemoryLog({ prefix: 'corral', now: () => instant(0) });
  let letGo: () => void = () => undefined;
  const gone = new Promise<void>((resolve) => (letGo = resolve));
  const append: FencedLog['append'] = async (subject, expected, body, headers): Promise<Appended> => {
    if (holds(subject)) await gone;
    return inner.append(subject, expected, body, headers);
  };
  const log = new Proxy(inner, {
    get: (target, name) => {
      if (name === 'append') return append;
      const value = Reflect.get(target, name, target);
      return typeof value === 'function' ? value.bind(target) : value;
    },
  });
  return { log, letGo };
}

/** A source of large events, each read by itself; counts what was read of it. */
function largeEvents(count: number, size: number): { source: EventSource; read(): number } {
  const filler = 'x'.repeat(size);
  let given = 0;
  const source: EventSource = {
    facts: async () => ({ created: 'once', firstSequence: 1, lastSequence: count }),
    sequenceAt: async () => 1,
    read: (from: number): LogReader => {
      let at = from;
      let end: () => void = () => undefined;
      const ended = new Promise<undefined>((resolve) => (end = () => resolve(undefined)));
      return {
        async next() {
          if (at > count) return ended;
          given = Math.max(given, at);
          const event = { kind: 'Paid', at, order: `o${at % 50}`, filler };
          const message = { sequence: at, subject: 'orders', stamp: instant(0), headers: undefined };
          at += 1;
          return [{ ...message, body: Buffer.from(JSON.stringify(event)) }];
        },
        close: async () => end(),
      };
    },
  };
  return { source, read: () => given };
}

t.test('a lane stops reading at 32 MiB that shards have not acknowledged, and goes on when they have', async (t) => {
  const { log, letGo } = heldLog((subject) => subject.startsWith('corral.shard.'));
  const { source, read } = largeEvents(200, MIB / 2);
  const { corral } = memoryNode(rulesOf(RULE, ['orders']), new Map([['orders', source]]), { ports: { log } });
  corral.start();
  t.teardown(() => corral.drain());
  await until(() => read() >= 64);
  // Whoever went on would have read all of it by now.
  for (let turn = 0; turn < 200; turn += 1) await new Promise((resolve) => setImmediate(resolve));
  t.equal(read(), 64, '64 events of half a MiB');
  const waiting = corral.measures.sources.get('orders')!.backlogBytes;
  t.ok(waiting >= 32 * MIB && waiting < 33 * MIB, `${waiting} bytes wait`);
  letGo();
  await until(() => read() === 200);
  await until(() => corral.measures.sources.get('orders')!.backlogBytes === 0);
});

t.test('a shard commits no further while 4 MiB of its outputs wait for the match stream', async (t) => {
  const { log, letGo } = heldLog((subject) => subject.startsWith('corral.match.'));
  const rule = `${RULE}emit: {filler: "\${first.filler}"}\n`;
  const { source } = largeEvents(100, MIB / 4);
  const settings = { shards: 1 };
  const { corral } = memoryNode(rulesOf(rule, ['orders']), new Map([['orders', source]]), { ports: { log }, settings });
  corral.start();
  t.teardown(() => corral.drain());
  await until(() => corral.measures.node.relayBacklogBytes > 4 * MIB);
  const { commits } = corral.measures.node;
  for (let turn = 0; turn < 200; turn += 1) await new Promise((resolve) => setImmediate(resolve));
  t.ok(corral.measures.node.relayBacklogBytes < 7 * MIB, `${corral.measures.node.relayBacklogBytes} bytes wait`);
  t.ok(corral.measures.node.commits <= commits + 1, 'at most the one under way');
  letGo();
  await until(() => corral.measures.rules.get('seen')!.matches === 100);
  await until(() => corral.measures.node.relayBacklogBytes === 0);
});
