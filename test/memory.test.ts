import t from 'tap';
import { subjectFilter } from '../src/core/events/subject-filter.ts';
import { instant } from '../src/core/time/units.ts';
import { iterableSource } from '../src/memory/iterable-source.ts';
import { MemoryLog } from '../src/memory/memory-log.ts';
import { MemorySource, type NewMessage } from '../src/memory/memory-source.ts';
import type { FencedLog, LogReader } from '../src/ports/log.ts';

// What the in-memory ports do beyond the contract: ends, and runs that keep nothing.

const now = () => instant(5);
const body = (text: string): Uint8Array => Buffer.from(text);

async function textsToEnd(reader: LogReader): Promise<string[]> {
  const texts: string[] = [];
  for (let batch = await reader.next(); batch !== undefined; batch = await reader.next()) {
    texts.push(...batch.map((message) => Buffer.from(message.body).toString()));
  }
  return texts;
}

async function append(log: FencedLog, subject: string, text: string): Promise<number> {
  const appended = await log.append(subject, (await log.last(subject))?.sequence ?? 0, body(text));
  if (appended.kind !== 'stored') throw new Error(appended.kind);
  return appended.sequence;
}

/** Whether a promise settles without anything else happening. */
async function settles(promise: Promise<unknown>): Promise<boolean> {
  let settled = false;
  promise.then(
    () => {
      settled = true;
    },
    () => {
      settled = true;
    },
  );
  await new Promise((resolve) => setImmediate(resolve));
  return settled;
}

t.test('a log that keeps only what is not yet consumed', async (t) => {
  const consumed = (backlogBytes = 1000) => new MemoryLog({ prefix: 'c', now, retention: 'consumed', backlogBytes });

  t.test('lets a message go once every open reader was given it, except the last of its subject', async (t) => {
    const log = consumed();
    const readers = [log.read('c.shard.1.*', 1), log.read('c.shard.>', 1)];
    const sequences: number[] = [];
    for (const text of ['a', 'b', 'c']) sequences.push(await append(log, 'c.shard.1.x', text));
    await readers[0]!.next();
    t.ok(await log.get('c.shard.1.x', sequences[0]!), 'the second reader has not been given it');
    await readers[1]!.next();
    t.equal(await log.get('c.shard.1.x', sequences[0]!), undefined);
    t.equal(await log.get('c.shard.1.x', sequences[1]!), undefined);
    t.ok(await log.get('c.shard.1.x', sequences[2]!));
    t.same(await log.append('c.shard.1.x', sequences[1]!, body('zombie')), { kind: 'refused' });
  });

  t.test('keeps a shard log for its first reader, and of what nobody reads only the last', async (t) => {
    const log = consumed();
    for (const text of ['a', 'b']) {
      await append(log, 'c.shard.1.x', text);
      await append(log, 'c.journal.1', text);
    }
    const reader = log.read('c.shard.1.*', 1);
    t.equal((await reader.next())?.length, 2);
    const journal = log.read('c.journal.1', 1);
    t.equal((await journal.next())?.length, 1);
  });

  t.test('makes an append wait while a reader is far behind', async (t) => {
    const log = consumed(10);
    const reader = log.read('c.match.r.0', 1);
    const first = await log.append('c.match.r.0', 0, new Uint8Array(8));
    t.equal(first.kind, 'stored');
    const second = log.append('c.match.r.0', 1, new Uint8Array(8));
    t.notOk(await settles(second));
    await reader.next();
    t.same(await second, { kind: 'stored', sequence: 2 });
    const third = log.append('c.match.r.0', 2, new Uint8Array(80));
    t.notOk(await settles(third), 'far behind again');
    await reader.close();
    t.equal((await third).kind, 'stored', 'a reader that is closed holds nobody up');
  });
});

t.test('a stamp never goes back, although the clock does', async (t) => {
  const clock = [5, 9, 3, 12];
  const log = new MemoryLog({ prefix: 'c', now: () => instant(clock.shift()!) });
  for (const text of ['a', 'b', 'c', 'd']) await append(log, 'c.journal.1', text);
  const messages = await log.read('c.journal.1', 1).next();
  t.same(
    messages?.map(({ stamp }) => stamp),
    [5, 9, 9, 12],
  );
});

t.test('a source that has ended', async (t) => {
  const source = new MemorySource({ name: 'S', now, subject: 'a.*' });
  for (const [subject, text] of [
    ['a.1', 'one'],
    ['b.1', 'other'],
    ['a.2', 'two'],
  ] as const) {
    source.publish({ subject, body: body(text) });
  }
  const early = source.read(1);
  t.equal((await early.next())?.length, 2);
  const waiting = early.next();
  t.notOk(await settles(waiting));
  source.end();
  t.equal(await waiting, undefined, 'ends who waits');
  t.same(await textsToEnd(source.read(1)), ['one', 'two'], 'and gives all to who comes later');
});

t.test('a source that is read once', async (t) => {
  async function* chunks(): AsyncGenerator<NewMessage[]> {
    yield [
      { subject: 's', body: body('a') },
      { subject: 's', body: body('b'), stamp: instant(7), headers: { x: 'y' } },
    ];
    yield [];
    yield [{ subject: 's', body: body('c') }];
  }

  t.test('gives the chunks as they come, then its end', async (t) => {
    const source = iterableSource(chunks(), now);
    t.match(await source.facts(), { firstSequence: 1, lastSequence: 0 });
    const reader = source.read(1);
    t.match(await reader.next(), [
      { sequence: 1, stamp: 5, headers: undefined },
      { sequence: 2, stamp: 7, headers: { x: 'y' } },
    ]);
    t.equal(reader.position, 3);
    t.match(await reader.next(), [{ sequence: 3 }]);
    t.equal(await reader.next(), undefined);
    t.match(await source.facts(), { lastSequence: 3 });
    t.equal(await source.sequenceAt(instant(0)), 4, 'what comes next is stored later than now');
  });

  t.test('asks for nothing ahead', async (t) => {
    let asked = 0;
    async function* counted(): AsyncGenerator<NewMessage[]> {
      for (;;) {
        asked += 1;
        yield [{ subject: 's', body: body('x') }];
      }
    }
    const reader = iterableSource(counted(), now).read(1);
    await reader.next();
    await new Promise((resolve) => setImmediate(resolve));
    t.equal(asked, 1);
    await reader.close();
    t.equal(await reader.next(), undefined);
  });

  t.test('ends a reader that waits for an input that gives nothing', async (t) => {
    async function* silent(): AsyncGenerator<NewMessage[]> {
      await new Promise(() => undefined);
    }
    const reader = iterableSource(silent(), now).read(1);
    const waiting = reader.next();
    await reader.close();
    t.equal(await waiting, undefined);
  });

  t.test('passes on what goes wrong with its input', async (t) => {
    async function* broken(): AsyncGenerator<NewMessage[]> {
      yield [{ subject: 's', body: body('a') }];
      throw new Error('line 2 is cut off');
    }
    const reader = iterableSource(broken(), now).read(1);
    t.equal((await reader.next())?.length, 1);
    await t.rejects(reader.next(), { message: 'line 2 is cut off' });
  });

  t.test('cannot be read from elsewhere, or again', async (t) => {
    const source = iterableSource(chunks(), now);
    t.throws(() => source.read(2), { code: 'POSITION_GONE' });
    source.read(1);
    t.throws(() => source.read(1), { code: 'POSITION_GONE' });
  });
});

t.test('filters fit subjects as those of NATS do', async (t) => {
  const cases: readonly [filter: string, fits: readonly string[], not: readonly string[]][] = [
    ['a.b', ['a.b'], ['a', 'a.b.c', 'a.c']],
    ['a.*', ['a.b', 'a.c'], ['a', 'a.b.c', 'b.a']],
    ['a.*.c', ['a.b.c'], ['a.b.d', 'a.c', 'a.b.c.d']],
    ['a.>', ['a.b', 'a.b.c'], ['a', 'ab.c']],
    ['*.b.>', ['a.b.c', 'x.b.c.d'], ['a.b', 'a.c.b']],
    ['>', ['a', 'a.b'], []],
  ];
  for (const [filter, fits, not] of cases) {
    const test = subjectFilter(filter);
    for (const subject of fits) t.ok(test(subject), `${filter} fits ${subject}`);
    for (const subject of not) t.notOk(test(subject), `${filter} does not fit ${subject}`);
  }
});
