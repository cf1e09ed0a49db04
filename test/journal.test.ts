import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import t from 'tap';
import { packageRoot } from '../src/cli/package-root.ts';
import { decodeCommit } from '../src/core/shards/commit.ts';
import { decodeRecord } from '../src/core/shards/record.ts';
import { ShardState } from '../src/core/shards/shard-state.ts';
import { instant } from '../src/core/time/units.ts';
import { FrameJoiner, readFrame } from '../src/journal/frames.ts';
import { openJournal } from '../src/journal/journal.ts';
import { MemoryLog } from '../src/memory/memory-log.ts';
import { MemorySource } from '../src/memory/memory-source.ts';
import { connectNats } from '../src/nats/connect.ts';
import { openNatsLeases } from '../src/nats/nats-leases.ts';
import { openNatsLog } from '../src/nats/nats-log.ts';
import { natsSource } from '../src/nats/nats-source.ts';
import { createPublisher } from '../src/nats/publisher.ts';
import type { FencedLog, LogMessage } from '../src/ports/log.ts';
import { alteredLog } from './support/altered-log.ts';
import { memoryNode, messagesOf } from './support/memory-node.ts';
import { chance, dump, NAMES, PlainOwner, PREFIX, portsOn, settle } from './support/plain-owner.ts';
import { call } from './support/port-worlds.ts';
import { rulesOf } from './support/rules-of.ts';
import { servers, withServer } from './support/servers.ts';
import { type Kept, StoppingLog } from './support/stopping-log.ts';
import { until } from './support/until.ts';

t.setTimeout(120_000);

const SEED = Number(process.env.SEED ?? Math.floor(Math.random() * 2 ** 31));
const OFTEN = { afterBytes: 400, pageBytes: 700 };

const memoryLog = (bodyMax = 1500) => new MemoryLog({ prefix: PREFIX, now: () => instant(0), bodyMax });

/** The shard as all commits ever stored say, one after another, whatever snapshots were taken. */
function fold(kept: readonly Kept[]): ShardState {
  const state = new ShardState();
  const joiner = new FrameJoiner();
  for (const { subject, body } of kept) {
    if (subject !== NAMES.journal) continue;
    const whole = joiner.push(readFrame(body));
    if (whole !== undefined) state.apply(decodeCommit(whole));
  }
  return state;
}

/** What of all that was said is not relayed yet. */
function unrelayed(kept: readonly Kept[], relayed: ReadonlyMap<string, number>): string[] {
  const missing: string[] = [];
  for (const [subject, last] of fold(kept).head.ordinals) {
    for (let ordinal = (relayed.get(subject) ?? 0) + 1; ordinal <= last; ordinal += 1)
      missing.push(`${subject} ${ordinal}`);
  }
  return missing;
}

/** Messages now on a subject, or all that fit a filter. */
async function stored(log: FencedLog, filter: string): Promise<readonly LogMessage[]> {
  const reader = log.read(filter, 1);
  const messages = await Promise.race([reader.next(), settle()]);
  await reader.close();
  return messages ?? [];
}

t.test('an owner that ends at any write leaves a shard that is rebuilt as if there were no snapshots', async (t) => {
  const seen = new Set<string>();
  let taken = 0;
  for (const done of [false, true]) {
    for (let stopAt = 1, reached = true; reached; stopAt += 1) {
      const random = chance(SEED + stopAt);
      const kept: Kept[] = [];
      const relayed = new Map<string, number>();
      const inner = memoryLog();
      const log = new StoppingLog(inner, kept, stopAt, done);
      const life = (async () => {
        const owner = await PlainOwner.open(log, random, relayed, OFTEN);
        await owner.work(40);
        taken += owner.ports.measures.snapshots;
      })();
      await Promise.race([life, log.stopped]);
      reached = log.hasStopped;
      seen.add(
        log.writes
          .at(-1)!
          .replace(/[\d]+$/, 'n')
          .replace(/\d+$/, 'n'),
      );

      // Two more owners, the second of which goes on from what the first one made of it.
      for (let next = 1; next <= 2; next += 1) {
        const successor = new StoppingLog(inner, kept);
        const owner = await PlainOwner.open(successor, random, relayed, OFTEN);
        const { recovered } = owner.journal;
        const where = `SEED=${SEED}: stopped at write ${stopAt} (${done ? 'done' : 'not done'}), ${log.writes.at(-1)}`;
        const wanted = dump(fold(kept));
        const state = dump(recovered.state);
        if (JSON.stringify(state) !== JSON.stringify(wanted)) return void t.same(state, wanted, where);
        const offered = new Set(
          recovered.tail.flatMap(({ outputs }) => outputs.map(({ subject, ordinal }) => `${subject} ${ordinal}`)),
        );
        const lost = unrelayed(kept, relayed).filter((output) => !offered.has(output));
        if (lost.length > 0) return void t.same(lost, [], `${where}: what is not relayed is still in the journal`);
        await owner.work(5);
      }
    }
  }
  t.ok(taken >= 2, `${taken} snapshots in the two runs that nothing stopped; SEED=${SEED}`);
  for (const write of ['append corral.page.3.n', 'append corral.journal.n', 'trim corral.journal.3 n'])
    t.ok([...seen].includes(write), `stopped at: ${write}`);
  t.ok(
    [...seen].some((write) => write.startsWith('trim corral.page')),
    'and at the trimming of pages',
  );
  t.ok(
    [...seen].some((write) => write.startsWith('trim corral.shard')),
    'and of the shard log',
  );
});

/** A shard with some snapshots behind it, and its owner gone. */
async function worked(random = chance(SEED), inner = memoryLog()) {
  const kept: Kept[] = [];
  const relayed = new Map<string, number>();
  const owner = await PlainOwner.open(new StoppingLog(inner, kept), random, relayed, OFTEN);
  await owner.work(150);
  // A last snapshot may still be under way.
  for (let n = 0; n < 200; n += 1) await settle();
  owner.snapshots.stop();
  owner.journal.stop();
  return { inner, kept, owner, open: (log: FencedLog) => openJournal(portsOn(log), NAMES, 'next') };
}

t.test('what snapshots have made superfluous goes: commits, records of the shard log, older pages', async (t) => {
  const { inner, kept, owner, open } = await worked();
  const { measures } = owner.ports;
  const written = (prefix: string) => kept.filter(({ subject }) => subject.startsWith(prefix)).length;
  const { recovered } = await open(inner);
  t.ok(measures.snapshots >= 3, `${measures.snapshots} snapshots; SEED=${SEED}`);
  t.equal(measures.snapshotSeconds.count, measures.snapshots);
  t.ok(measures.snapshotBytes > 0);
  const commits = (await stored(inner, NAMES.journal)).length;
  t.ok(commits < written(NAMES.journal) / 2, `${commits} of ${written(NAMES.journal)} commits are left`);
  const records = (await stored(inner, NAMES.shardLog('a'))).length;
  t.ok(records < written('corral.shard.') / 2, `${records} of ${written('corral.shard.')} records are left`);
  const pages = (await stored(inner, 'corral.page.3.*')).map(({ sequence }) => sequence);
  const listed = recovered.pages.flatMap(({ sequences }) => sequences);
  t.ok(recovered.pages.length > 1, `${recovered.pages.length} pages`);
  t.same(
    listed.filter((sequence) => !pages.includes(sequence)),
    [],
    'every page that is listed is there',
  );
  // A whole snapshot may lie there that no manifest lists yet; a page of it can take two messages.
  const unlisted = 2 * recovered.pages.length;
  t.ok(pages.length <= listed.length + unlisted, `and hardly any other: ${pages.length}; SEED=${SEED}`);
  t.ok(pages.length < written('corral.page.') / 2, `${pages.length} of ${written('corral.page.')} are left`);
});

t.test('a page that nothing changed in is listed again, not written again', async (t) => {
  const { inner, open } = await worked();
  const relayed = new Map((await open(inner)).recovered.state.head.ordinals);
  const pagesAfterAnother = async () => {
    const owner = await PlainOwner.open(inner, chance(1), relayed, OFTEN);
    while (owner.ports.measures.snapshots === 0) await owner.work(1, 1);
    const { pages, state } = (await open(inner)).recovered;
    return { pages, own: state.table.pageOf(0, 'key 0') };
  };
  const { pages: before } = await pagesAfterAnother();
  const { pages, own } = await pagesAfterAnother();
  t.ok(pages.length > 1, `${pages.length} pages`);
  t.same(
    pages.flatMap(({ sequences }, page) => (`${sequences}` === `${before[page]!.sequences}` ? [] : [page])),
    [own],
    'only the page of the one key that changed was written',
  );
  t.ok(
    pages.every(({ label }, page) => label > before[page]!.label),
    'all are labelled anew, since they are up to date',
  );
});

t.test('what is missing or damaged is an error that says so, and never a state that is nearly right', async (t) => {
  const { inner, open } = await worked();
  const { recovered } = await open(inner);
  const [page] = recovered.pages;
  const { sequence: start } = recovered.start;
  const journal = (await stored(inner, NAMES.journal)).filter(({ sequence }) => sequence > start);
  const manifest = journal.find(({ body }) => readFrame(body).holdsManifest)!;
  const middle = journal.find(({ sequence }) => sequence > manifest.sequence)!;
  const flipped = (message: LogMessage): LogMessage => {
    const body = Buffer.from(message.body);
    body[body.length - 1] = body.at(-1)! ^ 1;
    return { ...message, body };
  };
  const cases = [
    ['a page is gone', 'PAGE_MISSING', page!.sequences[0]!, () => undefined],
    ['a byte of a page is another', 'PAGE_CORRUPT', page!.sequences[0]!, flipped],
    [
      'a page is that of another time',
      'PAGE_CORRUPT',
      page!.sequences[0]!,
      (m: LogMessage) => ({ ...m, body: Buffer.from([1]) }),
    ],
    ['the manifest is gone', 'JOURNAL_CORRUPT', manifest.sequence, () => undefined],
    ['a commit is gone', 'JOURNAL_CORRUPT', middle.sequence, () => undefined],
    ['a byte of a commit is another', 'JOURNAL_CORRUPT', middle.sequence, flipped],
    ['the first commit after the start is gone', 'JOURNAL_CORRUPT', journal[0]!.sequence, () => undefined],
  ] as const;
  for (const [what, code, sequence, change] of cases) {
    const log = alteredLog(inner, (message) => {
      const isMeant = message.sequence === sequence && !message.subject.startsWith('corral.shard.');
      return isMeant ? change(message) : message;
    });
    await t.rejects(open(log), { code, shard: 3, message: new RegExp(`docs/errors.md#${code.toLowerCase()}`) }, what);
  }
  t.same(
    dump((await open(inner)).recovered.state),
    { ...(dump(recovered.state) as object), commitNumber: recovered.state.commitNumber + 1 + cases.length },
    'all of them only opened it',
  );
  inner.recreate(NAMES.shardLog('a'));
  await t.rejects(open(inner), { code: 'STREAM_CHANGED' }, 'the shard log is another one');
});

t.test('a journal without snapshots whose beginning was purged is damaged', async (t) => {
  const inner = memoryLog();
  const owner = await PlainOwner.open(inner, chance(1), new Map(), { ...OFTEN, afterBytes: Number.POSITIVE_INFINITY });
  await owner.work(5);
  await inner.trim(NAMES.journal, (await inner.last(NAMES.journal))!.sequence);
  await t.rejects(openJournal(portsOn(inner), NAMES, 'next'), { code: 'JOURNAL_CORRUPT' });
});

t.test(
  'who finds pieces missing because another has taken the shard meanwhile is superseded, not damaged',
  async (t) => {
    const { inner, open } = await worked();
    let isTaken = false;
    const log = alteredLog(inner, async (message) => {
      if (!message.subject.startsWith('corral.page.')) return message;
      if (!isTaken) await PlainOwner.open(inner, chance(2), new Map(), OFTEN);
      isTaken = true;
      return undefined;
    });
    await t.rejects(open(log), { code: 'SUPERSEDED' });
  },
);

t.test('pages of a predecessor that does not know yet that it is one harm nobody', async (t) => {
  const { inner, kept, open } = await worked();
  const { recovered } = await open(inner);
  const owner = await PlainOwner.open(
    new StoppingLog(inner, kept),
    chance(SEED),
    new Map(recovered.state.head.ordinals),
    OFTEN,
  );
  for (let n = 0; n < 30; n += 1) {
    for (let page = 0; page < recovered.pages.length; page += 1) {
      const subject = NAMES.page(page);
      await inner.append(subject, (await inner.last(subject))!.sequence, Buffer.from(`stale ${n}`));
    }
    await owner.work(3);
  }
  t.ok(owner.ports.measures.snapshots > 0 && owner.ports.measures.appends.refused > 0);
  // The other opening is not among the kept.
  const state = dump((await open(inner)).recovered.state) as { commitNumber: number };
  t.same({ ...state, commitNumber: 0 }, { ...(dump(fold(kept)) as object), commitNumber: 0 });
});

const RULE = `
rule: paid-twice
from: orders
key: event.order
pattern:
  - begin: first
    type: Paid
  - followedBy: second
    type: Paid
within: 1h
afterMatch: skipPastLastEvent
emit: {amounts: ["\${first.amount}", "\${second.amount}"]}
`;
const ORDERS = 120;

/** Half of the orders are paid a second time at once, the others when all have been paid for the first time. */
const payments = Array.from({ length: ORDERS }, (_, order) => [order, ...(order % 2 === 0 ? [order] : [])])
  .flat()
  .concat(Array.from({ length: ORDERS }, (_, order) => order).filter((order) => order % 2 === 1))
  .map((order, amount) => ({ kind: 'Paid', at: 1000 + amount, order, amount }));

/** Nodes over one store, one after the other. */
function deployment() {
  const source = new MemorySource({ name: 'ORDERS', now: () => instant(0) });
  const inner = new MemoryLog({ prefix: PREFIX, now: () => instant(0), bodyMax: 4000 });
  const rules = rulesOf(RULE, ['orders']);
  const settings = { atEnd: 'stop', shards: 1, snapshots: { afterBytes: 1500, pageBytes: 400 } } as const;
  return {
    inner,
    node: (log: FencedLog) => memoryNode(rules, new Map([['orders', source]]), { ports: { log }, settings }).corral,
    async pay(): Promise<void> {
      for (const payment of payments) {
        source.publish({ subject: 'orders.new', body: Buffer.from(JSON.stringify(payment)) });
        await settle();
      }
    },
    async matchedOrders(): Promise<number[]> {
      const matches = await messagesOf(inner, 'corral.match.>');
      return matches.map(({ body }) => JSON.parse(Buffer.from(body).toString()).data.key).sort((a, b) => a - b);
    },
  };
}

const allOrders = Array.from({ length: ORDERS }, (_, order) => order);

t.test('a node that ends at any write of a snapshot is followed by one that loses and doubles no match', async (t) => {
  const undisturbed = deployment();
  const watched = new StoppingLog(undisturbed.inner, []);
  const node = undisturbed.node(watched);
  node.start();
  await undisturbed.pay();
  await until(async () => (await undisturbed.matchedOrders()).length === ORDERS);
  t.same(await undisturbed.matchedOrders(), allOrders);
  t.ok(node.measures.node.snapshots > 1, `${node.measures.node.snapshots} snapshots`);
  t.ok(node.measures.node.journalTailBytes > 0);
  await node.drain();
  t.ok((await messagesOf(undisturbed.inner, 'corral.journal.0')).length < node.measures.node.commits / 2);

  const isOfSnapshot = (write: string) => /page|trim/.test(write);
  const steps = watched.writes.flatMap((write, n) => (isOfSnapshot(write) ? [n, n + 1, n + 2] : []));
  t.ok(steps.length > 10, `${steps.length} steps`);
  const chosen = [...new Set(steps)].filter((_, n) => n % 29 === SEED % 29);
  let ends = 0;
  for (const stopAt of chosen) {
    const { inner, node, pay, matchedOrders } = deployment();
    const log = new StoppingLog(inner, [], stopAt, stopAt % 2 === 0);
    const first = node(log);
    first.start();
    const paying = pay();
    // Batches differ from run to run, so it may come through with fewer writes.
    await Promise.race([log.stopped, until(async () => log.hasStopped || (await matchedOrders()).length === ORDERS)]);
    ends += log.hasStopped ? 1 : 0;
    // Nothing it waits for comes any more, its own end included.
    void first.drain();
    const second = node(inner);
    second.start();
    await paying;
    await until(async () => (await matchedOrders()).length >= ORDERS);
    await second.drain();
    const found = await matchedOrders();
    if (JSON.stringify(found) !== JSON.stringify(allOrders))
      t.same(found, allOrders, `stopped at write ${stopAt}, ${log.writes.at(-1)}`);
  }
  t.ok(ends > 0, `${ends} nodes ended at one of ${chosen.length} writes`);
});

for (const [name, formats] of [
  ['journal-1', 'frames of format 1, commits of format 1'],
  ['journal-2', 'frames of format 1, commits of format 2'],
  ['journal-3', 'frames of format 2, commits of format 3, manifest and pages of format 1'],
  ['journal-4', 'commits of format 4, which say what was about to be run'],
] as const) {
  t.test(`what earlier versions wrote is read: ${formats}`, async (t) => {
    const fixture = JSON.parse(await readFile(join(packageRoot, `test/fixtures/${name}.json`), 'utf8'));
    const inner = memoryLog();
    for (const [subject, body] of fixture.messages as readonly [string, string][]) {
      const { kind } = await inner.append(
        subject,
        (await inner.last(subject))?.sequence ?? 0,
        Buffer.from(body, 'base64'),
      );
      t.equal(kind, 'stored');
    }
    const { recovered } = await openJournal(portsOn(inner), NAMES, 'next');
    t.same(JSON.parse(JSON.stringify(dump(recovered.state))), fixture.state);
    t.equal(recovered.pages.length > 0, name === 'journal-3' || name === 'journal-4');
    t.same(recovered.trials.slice(0, -1), fixture.trials ?? [], 'and what its last owners tried');

    const owner = await PlainOwner.open(inner, chance(3), new Map(recovered.state.head.ordinals), OFTEN);
    await owner.work(40);
    t.ok(owner.ports.measures.snapshots > 0, 'and this version goes on with it');
    const before = dump(owner.journal.recovered.state) as { commitNumber: number };
    const after = dump((await openJournal(portsOn(inner), NAMES, 'last')).recovered.state);
    t.same(after, { ...before, commitNumber: before.commitNumber + 1 });
  });
}

/** All messages now on a subject. */
async function allOf(log: FencedLog, subject: string): Promise<readonly LogMessage[]> {
  const end = await log.last(subject);
  const found: LogMessage[] = [];
  if (end === undefined) return found;
  const reader = log.read(subject, 1);
  while ((found.at(-1)?.sequence ?? 0) < end.sequence) found.push(...(await reader.next())!);
  await reader.close();
  return found;
}

for (const server of await servers()) {
  t.test(
    `on the ${server.name} nats-server shards are trimmed, rebuilt, and not served when a page is gone`,
    async (t) => {
      const link = await connectNats({ url: (await withServer(t, server)).url, tries: 'once' });
      t.teardown(() => link.close());
      await call(link, 'STREAM.CREATE.ORDERS', { name: 'ORDERS', subjects: ['orders.>'], storage: 'file' });
      const log = await openNatsLog(link, { prefix: PREFIX });
      const leases = await openNatsLeases(link, { prefix: PREFIX });
      const source = natsSource(link, { stream: 'ORDERS', subject: undefined });
      const snapshots = { afterBytes: 1500, pageBytes: 400 };
      const nodeOf = (name: string) =>
        memoryNode(rulesOf(RULE, ['orders']), new Map([['orders', source]]), {
          ports: { log, leases },
          settings: { node: name, atEnd: 'stop', shards: 1, snapshots },
        }).corral;
      const publisher = createPublisher(link);
      const pay = async (some: readonly object[]): Promise<void> => {
        for (const payment of some) {
          await publisher.publish('orders.new', Buffer.from(JSON.stringify(payment)));
          await publisher.flush();
        }
      };
      const matchCount = async () => (await allOf(log, 'corral.match.paid-twice.0')).length;

      const first = nodeOf('first');
      first.start();
      await pay(payments.slice(0, -ORDERS / 2));
      await until(async () => (await matchCount()) === ORDERS / 2 && first.measures.node.snapshots >= 2);
      await first.drain();
      const journal = await allOf(log, 'corral.journal.0');
      const { commits } = first.measures.node;
      t.ok(journal.length < commits, `${journal.length} of ${commits} commits are left`);
      const [oldest] = await allOf(log, 'corral.shard.0.orders');
      const { from } = decodeRecord(oldest!.body);
      t.ok(from.seq > 0, `the shard log begins after event ${from.seq}`);

      const second = nodeOf('second');
      second.start();
      await pay(payments.slice(-ORDERS / 2));
      await until(async () => (await matchCount()) === ORDERS);
      await second.drain();
      const matched = (await allOf(log, 'corral.match.paid-twice.0')).map(
        ({ body }) => JSON.parse(Buffer.from(body).toString()).data.key as number,
      );
      t.same(
        matched.sort((a, b) => a - b),
        allOrders,
      );

      for (const { sequence } of await allOf(log, 'corral.page.0.0'))
        await call(link, 'STREAM.MSG.DELETE.CORRAL_JOURNAL', { seq: sequence });
      const third = nodeOf('third');
      third.start();
      await t.rejects(third.failed, { code: 'PAGE_MISSING', message: /corral.page.0.0 is gone/ });
      t.match(third.notReady(), [/shard 0 is down: .*damaged/]);
      await third.drain();
    },
  );
}
