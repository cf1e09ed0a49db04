import assert from 'node:assert/strict';
import fc from 'fast-check';
import t from 'tap';
import { ByteReader } from '../src/core/shards/byte-reader.ts';
import { ByteWriter } from '../src/core/shards/byte-writer.ts';
import { cellsBySlot, mergeCells, readCells, writeCell } from '../src/core/shards/cells.ts';
import { type Commit, decodeCommit, encodeCommit } from '../src/core/shards/commit.ts';
import { decodeDeadRecord, encodeDeadRecord } from '../src/core/shards/dead-record.ts';
import { covers, WHOLE, whole } from '../src/core/shards/position.ts';
import { decodeRecord, encodeRecord, type LaneRecord } from '../src/core/shards/record.ts';
import { fnv1a32, shardOf } from '../src/core/shards/shard-of.ts';
import { isSnapshotDue, pageBits } from '../src/core/shards/snapshot-decision.ts';
import { ShardTable } from '../src/core/shards/table.ts';
import type { Wake } from '../src/core/shards/wake.ts';
import { BEGINNING, duration, instant } from '../src/core/time/units.ts';
import { cutCommit, encodeFrame, FrameJoiner, newestManifest, readFrame } from '../src/journal/frames.ts';

t.test('what is written is what is read: numbers, texts and bytes of any size', async (t) => {
  const value = fc.oneof(
    fc.record({ kind: fc.constant('varint' as const), value: fc.maxSafeNat() }),
    fc.record({ kind: fc.constant('double' as const), value: fc.double({ noNaN: true }) }),
    fc.record({ kind: fc.constant('text' as const), value: fc.string({ unit: 'binary', maxLength: 400 }) }),
    fc.record({ kind: fc.constant('bytes' as const), value: fc.uint8Array({ maxLength: 400 }) }),
  );
  fc.assert(
    fc.property(fc.array(value), (values) => {
      const writer = new ByteWriter(1);
      for (const one of values) {
        if (one.kind === 'varint') writer.varint(one.value);
        else if (one.kind === 'double') writer.double(one.value);
        else if (one.kind === 'text') writer.text(one.value);
        else writer.bytes(one.value);
      }
      const reader = new ByteReader(writer.copy());
      for (const one of values) {
        if (one.kind === 'varint') assert.equal(reader.varint(), one.value);
        else if (one.kind === 'double') assert.ok(Object.is(reader.double(), one.value));
        else if (one.kind === 'text') assert.equal(reader.text(), Buffer.from(one.value, 'utf8').toString('utf8'));
        else assert.deepEqual(reader.bytes(), Buffer.from(one.value));
      }
      assert.ok(reader.done);
    }),
    { numRuns: 50 },
  );
  t.throws(() => new ByteReader(Buffer.from([5, 1])).bytes(), RangeError, 'bytes that are missing are no bytes');
});

t.test('a key falls to the shard the server itself would give its text', async (t) => {
  // FNV-1a 32 test vectors of the algorithm's authors.
  t.equal(fnv1a32(''), 0x811c9dc5);
  t.equal(fnv1a32('a'), 0xe40c292c);
  t.equal(fnv1a32('foobar'), 0xbf9cf968);
  t.equal(fnv1a32('é'), 0x1e9de8c1, 'text beyond ASCII is hashed by its UTF-8 bytes');
  t.equal(shardOf('a', 64), 0xe40c292c % 64);
  t.equal(shardOf(['foo', 'bar'], 64), 0xbf9cf968 % 64, 'the parts of a composite key are concatenated');
  t.equal(shardOf(7, 64), shardOf('7', 64));
});

const wakes = fc.uniqueArray(
  fc.record(
    { scope: fc.integer({ min: 0, max: 2 }), at: fc.integer({ min: 0, max: 50 }).map(instant) },
    { noNullPrototype: true },
  ),
  { selector: ({ scope }) => scope, maxLength: 2 },
);
const change = fc.array(
  fc.record({
    slot: fc.integer({ min: 0, max: 2 }),
    cell: fc.integer({ min: 0, max: 3 }),
    bytes: fc.option(fc.oneof(fc.uint8Array({ maxLength: 8 }), fc.uint8Array({ minLength: 900, maxLength: 1200 })), {
      nil: undefined,
    }),
  }),
  { maxLength: 4 },
);

type PlainTable = Map<string, { cells: Map<string, Buffer>; wakes: readonly Wake[] }>;

function holdsWhat(model: PlainTable, table: ShardTable): void {
  assert.equal(table.size, model.size);
  assert.equal(
    table.timersPending,
    [...model.values()].reduce((sum, entry) => sum + entry.wakes.length, 0),
  );
  const found = new Map(
    [...table.all()].map((entry) => [`${entry.keyspace} ${entry.key}`, { ...entry, cells: Buffer.from(entry.cells) }]),
  );
  assert.deepEqual([...found.keys()].sort(), [...model.keys()].sort());
  for (const [name, entry] of model) {
    const [keyspace, key] = [Number(name.slice(0, 1)), name.slice(2)];
    for (const packed of [table.packed(keyspace, key)!, found.get(name)!.cells]) {
      const cells = new Map(
        [...readCells(packed)].map(({ slot, cell, bytes }) => [`${slot}.${cell}`, Buffer.from(bytes!)]),
      );
      assert.deepEqual([...cells].sort(), [...entry.cells].sort());
    }
    assert.deepEqual(
      [...table.wakes(keyspace, key)].sort((a, b) => a.scope - b.scope),
      [...entry.wakes].sort((a, b) => a.scope - b.scope),
    );
  }
}

t.test('the table holds what a plain map would hold, whatever is written, grown, removed and woken', async () => {
  const command = fc.oneof(
    fc.record({
      kind: fc.constant('apply' as const),
      keyspace: fc.integer({ min: 0, max: 1 }),
      key: fc.oneof(fc.integer({ min: 0, max: 30 }).map(String), fc.constantFrom('ключ', '\u{1f600}', 'x'.repeat(300))),
      change,
      wakes,
    }),
    fc.record({
      kind: fc.constant('wake' as const),
      scope: fc.integer({ min: 0, max: 2 }),
      now: fc.integer({ min: 0, max: 50 }),
    }),
    fc.record({ kind: fc.constant('divide' as const), bits: fc.integer({ min: 0, max: 5 }) }),
    fc.record({ kind: fc.constant('pack' as const), many: fc.boolean() }),
  );
  fc.assert(
    fc.property(fc.array(command, { maxLength: 300 }), (commands) => {
      const table = new ShardTable();
      let pages: Buffer[] = [];
      const pack = (count: number): void => {
        for (const page of table.changedPages().slice(0, count)) pages[page] = table.packPage(page).bytes;
      };
      const model: PlainTable = new Map();
      for (const command of commands) {
        if (command.kind === 'apply') {
          const name = `${command.keyspace} ${command.key}`;
          const writer = new ByteWriter();
          const entry = model.get(name) ?? { cells: new Map(), wakes: [] };
          for (const { slot, cell, bytes } of command.change) {
            writeCell(writer, slot, cell, bytes);
            if (bytes === undefined) entry.cells.delete(`${slot}.${cell}`);
            else entry.cells.set(`${slot}.${cell}`, Buffer.from(bytes));
          }
          entry.wakes = command.wakes;
          if (entry.cells.size === 0 && entry.wakes.length === 0) model.delete(name);
          else model.set(name, entry);
          table.apply(command.keyspace, command.key, writer.copy(), command.wakes);
        } else if (command.kind === 'divide') {
          table.dividePages(command.bits, true);
          pages = [];
        } else if (command.kind === 'pack') {
          pack(command.many ? 64 : 1);
        } else {
          const due = table
            .takeDue(command.scope, instant(command.now))
            .map(({ keyspace, key }) => `${keyspace} ${key}`);
          const expected = [...model].filter(([, entry]) =>
            entry.wakes.some(({ scope, at }) => scope === command.scope && at <= command.now),
          );
          assert.deepEqual(due.sort(), expected.map(([name]) => name).sort());
          // Whoever is woken says when it wants to be woken next, as actors do.
          for (const [name, entry] of expected) {
            entry.wakes = entry.wakes.filter(({ scope }) => scope !== command.scope);
            const [keyspace, key] = [Number(name.slice(0, 1)), name.slice(2)];
            table.apply(keyspace, key, new Uint8Array(0), entry.wakes);
            if (entry.cells.size === 0 && entry.wakes.length === 0) model.delete(name);
          }
        }
      }
      holdsWhat(model, table);
      // A table made of its pages, each packed when it had last changed, is the same table.
      pack(64);
      assert.deepEqual(table.changedPages(), []);
      const loaded = new ShardTable();
      loaded.dividePages(table.pageBits, false);
      pages.forEach((bytes, page) => {
        loaded.loadPage(page, bytes);
      });
      holdsWhat(model, loaded);
      assert.deepEqual(loaded.changedPages(), []);
    }),
    { numRuns: 150 },
  );
});

t.test('merging a change twice gives what merging it once gives', async () => {
  fc.assert(
    fc.property(change, change, (first, second) => {
      const [a, b] = [first, second].map((cells) => {
        const writer = new ByteWriter();
        for (const { slot, cell, bytes } of cells) writeCell(writer, slot, cell, bytes);
        return writer.copy();
      }) as [Buffer, Buffer];
      const once = mergeCells(mergeCells(new Uint8Array(0), a), b);
      assert.deepEqual(cellsBySlot(mergeCells(once, b)), cellsBySlot(once));
    }),
    { numRuns: 50 },
  );
});

t.test('a lane record is read as it was written', async (t) => {
  const event = {
    id: '7',
    type: 'A',
    subject: 's.a',
    time: instant(5),
    source: 'src',
    seq: 7,
    index: 0,
    headers: undefined,
    data: { x: [1, null, 'é'] },
  };
  const record: LaneRecord = {
    from: whole(3),
    upto: { seq: 9, part: 2 },
    stamp: instant(1_700_000_000_123.5),
    watermark: BEGINNING,
    standing: duration(2000),
    ruleVersion: 1,
    source: 'src',
    created: '2026-01-01T00:00:00Z',
    events: [
      { event, lag: Number.POSITIVE_INFINITY, routes: [{ keyspace: 'k1', key: 'sa' }] },
      {
        event: { ...event, id: 'own', seq: 8, index: 3, headers: { a: 'b' }, data: 'text' },
        lag: -4,
        routes: [
          { keyspace: 'k1', key: 'sb' },
          { keyspace: 'k2', key: 'n5' },
        ],
      },
    ],
  };
  t.same(decodeRecord(encodeRecord(record)), record);
  t.throws(() => decodeRecord(Buffer.from('nonsense')), RangeError);
  const dead = { from: whole(1), upto: whole(2), watermark: instant(4), letters: [Buffer.from('a')] };
  t.same(decodeDeadRecord(encodeDeadRecord(dead)), dead);
});

t.test('a position that cuts a message covers only the events before the cut', async (t) => {
  t.ok(covers(whole(5), 5, 100));
  t.notOk(covers(whole(5), 6, 0));
  t.ok(covers({ seq: 6, part: 2 }, 6, 1));
  t.notOk(covers({ seq: 6, part: 2 }, 6, 2));
  t.equal(whole(4).part, WHOLE);
});

t.test('a commit of any size is read as it was written, in one part or many', async (t) => {
  const commit: Commit = {
    incarnation: 'node.1',
    number: 12,
    opening: false,
    cursor: 2 ** 40,
    processingTime: instant(1.5),
    lanes: [{ lane: 'auth', upto: whole(9), watermark: BEGINNING, standing: 'closed', created: 'c', ruleVersion: 1 }],
    clocks: [{ scope: 3, reading: instant(12.25) }],
    names: ['keyspace a', 'rule é'],
    changes: [{ keyspace: 0, key: 'skey', change: Buffer.from([1, 2, 3]), wakes: [{ scope: 2, at: instant(77) }] }],
    outputs: [{ subject: 'match.r.0', ordinal: 3, body: Buffer.alloc(5000, 'x') }],
    manifest: Buffer.from('a manifest'),
  };
  const framesOf = (frameMax: number) => {
    const pieces = cutCommit(encodeCommit(commit), frameMax);
    return pieces.map((bytes, part) => {
      const last = part === pieces.length - 1;
      return encodeFrame({ number: 12, part, last, holdsManifest: true, previous: 70 + part, manifestAt: 40, bytes });
    });
  };
  for (const frameMax of [1024, 1_000_000]) {
    const frames = framesOf(frameMax);
    t.equal(frames.length > 1, frameMax === 1024);
    t.ok(frames.every((frame) => frame.length <= frameMax));
    const joiner = new FrameJoiner();
    // What an owner left unfinished is void once another begins.
    if (frames.length > 1) joiner.push(readFrame(frames[0]!));
    const wholes = frames.map((frame) => joiner.push(readFrame(frame)));
    t.ok(wholes.slice(0, -1).every((whole) => whole === undefined));
    t.same(decodeCommit(wholes.at(-1)!), commit);
    t.equal(newestManifest(readFrame(frames.at(-1)!), 99), 99, 'the last part names its own manifest');
    if (frames.length > 1) t.equal(newestManifest(readFrame(frames[0]!), 98), 40, 'an unfinished one the one before');
  }
  const joiner = new FrameJoiner();
  const [, second] = framesOf(1024);
  t.throws(() => joiner.push(readFrame(second!)), RangeError, 'a part without its first part is damage');
  for (let at = 0; at < second!.length; at += 1) {
    const damaged = Buffer.from(second!);
    damaged[at] = damaged[at]! ^ 0x10;
    t.throws(() => readFrame(damaged), RangeError, `a changed byte at ${at} is noticed`);
  }
});

t.test('a snapshot is due when it makes more superfluous than it may write', async (t) => {
  const settings = { afterBytes: 1000, pageBytes: 100 };
  const due = (journalBytes: number, logBytes: number, stateBytes: number) =>
    isSnapshotDue({ journalBytes, logBytes, stateBytes }, settings);
  t.notOk(due(999, 999, 0));
  t.ok(due(1000, 0, 0), 'by the journal');
  t.ok(due(0, 1000, 1000), 'by the shard log, although nothing changes');
  t.notOk(due(4999, 0, 5000), 'a large state is not written again for little');
  t.ok(due(5000, 0, 5000));
  t.equal(pageBits(0, 0, settings), 0);
  t.equal(pageBits(200, 0, settings), 0, 'pages may become twice as large as wanted');
  t.equal(pageBits(201, 0, settings), 2);
  t.equal(pageBits(0, 2, settings), 2, 'and are never joined again');
  t.equal(pageBits(2 ** 50, 0, settings), 14, 'nor are there more than can be listed');
});
