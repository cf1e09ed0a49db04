import t from 'tap';
import { decodeDeadLetter } from '../src/core/events/dead-letter.ts';
import { eventTimer, output, processRule, source } from '../src/core/process/process-rule.ts';
import { compileRules } from '../src/core/rules/compile-rules.ts';
import { Problems } from '../src/core/rules/document.ts';
import { readModule } from '../src/core/rules/module-document.ts';
import { instant } from '../src/core/time/units.ts';
import { iterableSource } from '../src/memory/iterable-source.ts';
import { memoryNode, messagesOf } from './support/memory-node.ts';

// What `--at-end drain` makes of rules that never come to an end.

t.setTimeout(120_000);

const rule = processRule({
  rule: 'ticks',
  from: { order: source<{ order: string; endless: boolean }>('orders', { key: (event) => event.order }) },
  timers: { tick: eventTimer() },
  outputs: { ended: output<{ at: string }>() },
  on: {
    order(event, ctx) {
      ctx.timers.tick.after('1m', event.endless ? 'endless' : 'once');
    },
  },
  onTimer: {
    tick(ctx, id) {
      if (id === 'endless') ctx.timers.tick.after('1m', id);
      else ctx.emit('ended', { at: id });
    },
  },
});

t.test('a timer that always arms itself anew ends with a dead letter, and other keys with what they had', async (t) => {
  const problems = new Problems();
  const compiled = compileRules(readModule('ticks.ts', rule, 'd', problems), { sources: ['orders'] }, problems);
  if (!compiled.ok) throw new Error(JSON.stringify(compiled.problems));
  const orders = ['a', 'b', 'c'].map((order, at) => ({
    subject: 'orders',
    body: Buffer.from(JSON.stringify({ kind: 'Made', at: 1000 + at, order, endless: order === 'b' })),
    stamp: instant(0),
  }));
  const once = async function* () {
    yield orders;
  };
  const { corral, log } = memoryNode(
    compiled.ruleSet,
    new Map([['orders', iterableSource(once(), () => instant(0))]]),
    {
      settings: { atEnd: 'drain', shards: 1 },
    },
  );
  corral.start();
  await Promise.race([corral.finished, corral.failed]);
  const letters = (await messagesOf(log, 'corral.dead.shard.0')).map(({ body }) => decodeDeadLetter(body));
  t.equal(letters.length, 1);
  t.match(letters[0], { cause: 'failed', rule: 'ticks', key: 'b', message: /woken 200000 times.*Use --at-end close/s });
  t.equal((await messagesOf(log, 'corral.side.ticks.ended.>')).length, 2);
  await corral.drain();
});
