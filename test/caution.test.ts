import t from 'tap';
import { type Attempt, decodeAttempt, encodeAttempt } from '../src/core/shards/attempt.ts';
import { decodeCommit, emptyCommit, encodeCommit } from '../src/core/shards/commit.ts';
import { callsToRun, decideCaution, recordsToRun, type Said, turnsToRun } from '../src/supervision/caution.ts';

/** What a journal's end says is what decides; nothing of it runs here. */

const opening = (incarnation: string): Said => ({ incarnation, attempt: undefined });
const tried = (incarnation: string, attempt: Attempt): Said => ({ incarnation, attempt });
const nobody = (): boolean => false;

const batch: Attempt = { from: 10, upto: 90, records: 40 };
const turn = (key: string) => ({ keyspace: 'keyspace a', key });
const keyed = (first: string, last = first, count = first === last ? 1 : 2): Attempt => ({
  ...{ from: 50, upto: 50, records: 1, keys: { first: turn(first), last: turn(last), count } },
});
const called = (from: number, upto: number, key = 'k'): Attempt => ({ ...keyed(key), calls: { from, upto } });

t.test('an owner is careful from the second opening on that no commit followed', async (t) => {
  t.same(decideCaution([opening('a')], nobody), { careful: false, blamed: undefined, parked: [] });
  t.same(decideCaution([opening('a'), opening('b')], nobody), { careful: true, blamed: undefined, parked: [] });
});

t.test('without an attempt nobody is blamed, however often a process is killed', async (t) => {
  const often = Array.from({ length: 100 }, (_, n) => opening(`owner ${n}`));
  t.same(decideCaution(often, nobody), { careful: true, blamed: undefined, parked: [] });
});

t.test('a life whose last word is an attempt died of that, and of nothing it tried before', async (t) => {
  const said = [opening('a'), tried('a', keyed('i')), tried('a', keyed('k')), opening('b')];
  t.same(decideCaution(said, nobody), { careful: true, blamed: keyed('k'), parked: [] });
  t.same(decideCaution([...said, opening('c')], nobody).blamed, keyed('k'), 'also after lives that tried nothing');
  const later = [...said, tried('b', called(0, 1)), tried('b', called(1, 2)), opening('c')];
  t.same(decideCaution(later, nobody).blamed, called(1, 2), 'the last one counts');
});

t.test('an owner that got on, tried more and ended is blamed for what it tried last', async (t) => {
  const said = [tried('a', batch), tried('a', keyed('k')), opening('b')];
  t.same(decideCaution(said, nobody), { careful: true, blamed: keyed('k'), parked: [] });
});

t.test('attempts of the own life, and of owners that their process outlived, blame nobody', async (t) => {
  const said = [opening('a'), tried('a', batch), opening('b')];
  t.same(
    decideCaution(said, (name) => name === 'a'),
    { careful: false, blamed: undefined, parked: [] },
  );
  const died = [opening('a'), tried('a', called(3, 4)), opening('b'), tried('b', called(3, 4)), opening('c')];
  t.equal(decideCaution(died, nobody).parked.length, 1);
  t.same(decideCaution(died, (name) => name === 'b').parked, [], 'two deaths are needed');
});

t.test('a call is parked when two lives died of it, and of it alone', async (t) => {
  const twice = (attempt: Attempt) => [
    ...[opening('a'), tried('a', attempt), opening('b'), tried('b', attempt), opening('c')],
  ];
  for (const larger of [batch, keyed('a', 'k'), keyed('k'), called(3, 5)])
    t.same(decideCaution(twice(larger), nobody), { careful: true, blamed: larger, parked: [] });
  const call = { ...turn('k'), record: 50, call: 3 };
  const { parked, blamed } = decideCaution(twice(called(3, 4)), nobody);
  t.same(parked, [call]);
  t.same(blamed, called(4, 4), 'what comes after it in the turn is looked at further');
  const apart = [opening('a'), tried('a', called(3, 4)), opening('b'), tried('b', called(5, 6)), opening('c')];
  t.same(decideCaution(apart, nobody).parked, [], 'not when they died of different calls');
  const back = [...apart.slice(0, 4), opening('c'), tried('c', called(3, 4)), opening('d')];
  t.same(decideCaution(back, nobody).parked, [call], 'nor need they be in a row');
  const two = [...twice(called(3, 4)), tried('c', called(7, 8)), opening('d'), tried('d', called(7, 8)), opening('e')];
  t.same(
    decideCaution(two, nobody).parked.map(({ call: number }) => number),
    [3, 7],
    'what was parked stays so while another is looked for',
  );
});

t.test('what is blamed is run in pieces: records', async (t) => {
  const sequences = Array.from({ length: 100 }, (_, n) => 5 + n);
  t.equal(recordsToRun(undefined, sequences, 80), 80, 'all that fit when nothing is blamed');
  t.equal(recordsToRun(batch, sequences, 80), 5, 'what comes before it, by itself');
  t.equal(recordsToRun(batch, sequences, 3), 3);
  t.equal(recordsToRun(batch, sequences.slice(5), 80), 1);
  t.equal(recordsToRun({ ...batch, records: 640 }, sequences.slice(5), 80), 10);
  t.equal(recordsToRun({ ...batch, records: 640 }, sequences.slice(83), 80), 3, 'never beyond its end');
  t.equal(recordsToRun(batch, sequences.slice(86), 14), 14, 'after it as ever');
});

t.test('what is blamed is run in pieces: turns', async (t) => {
  const turns = Array.from({ length: 10 }, (_, n) => turn(`k${n}`));
  t.same(turnsToRun(undefined, turns), new Array(10).fill(1));
  const many = Array.from({ length: 200 }, (_, n) => turn(`k${String(n).padStart(3, '0')}`));
  t.same(turnsToRun(undefined, many), new Array(50).fill(4));
  const range = { first: turn('k010'), last: turn('k013'), count: 4 };
  t.same(turnsToRun(range, many), [10, 1, 1, 1, 1, 186], 'those before and after it together');
  t.same(turnsToRun({ first: turn('k7'), last: turn('k7'), count: 1 }, turns), [7, 1, 2]);
  t.same(turnsToRun({ first: turn('x'), last: turn('y'), count: 2 }, turns), [10], 'one that is not there any more');
  t.same(turnsToRun(undefined, []), []);
});

t.test('what is blamed is run in pieces: calls', async (t) => {
  const walk = (blamed: { from: number; upto: number } | undefined, count: number): number[] => {
    const steps: number[] = [];
    for (let ended = 0; steps.length < count; ) steps.push((ended = callsToRun(blamed, ended)));
    return steps;
  };
  t.same(walk(undefined, 19), [...Array.from({ length: 16 }, (_, n) => n + 1), 32, 64, 128]);
  t.same(walk({ from: 64, upto: 128 }, 4), [64, 65, 66, 67], 'what was seen to end is run at once');
  t.same(walk({ from: 128, upto: 256 }, 4), [128, 130, 132, 134]);
  t.same(walk({ from: 7, upto: 8 }, 3), [7, 8, 9]);
  t.same(walk({ from: 8, upto: 8 }, 2), [8, 9], 'after a parked call');
});

t.test('a search by deaths ends at any single call of any record, within a few of them', async (t) => {
  // An owner that is careful, played with nothing but its decisions: the process dies of one call.
  const calls = 1000;
  const keys = Array.from({ length: 150 }, (_, n) => turn(`k${String(n).padStart(3, '0')}`));
  for (const [record, key, call] of [
    [30, 0, 0],
    [1, 149, 999],
    [64, 77, 500],
    [65, 3, 17],
  ] as const) {
    const said: Said[] = [];
    let deaths = 0;
    for (let life = 0; life < 20; life += 1) {
      said.push(opening(`${life}`));
      const { blamed, parked } = decideCaution(said, nobody);
      if (parked.length > 0) {
        t.same(parked, [{ ...keys[key]!, record, call }]);
        break;
      }
      const attempt = fatalAttempt(blamed, record, keys, key, call);
      if (life > 0) said.push(tried(`${life}`, attempt));
      deaths += 1;
    }
    t.ok(deaths <= 9, `${deaths} deaths for call ${call} of key ${key} in record ${record}`);
  }

  function fatalAttempt(
    blamed: Attempt | undefined,
    record: number,
    names: readonly ReturnType<typeof turn>[],
    key: number,
    call: number,
  ): Attempt {
    const sequences = Array.from({ length: 100 }, (_, n) => n + 1);
    let at = 0;
    let length = recordsToRun(blamed, sequences, 100);
    while (sequences[at + length - 1]! < record) {
      at += length;
      length = recordsToRun(blamed, sequences.slice(at), 100 - at);
    }
    const range = { from: sequences[at]!, upto: sequences[at + length - 1]!, records: length };
    if (length > 1) return range;
    const isBlamed = blamed?.keys !== undefined && blamed.from === record;
    let done = 0;
    const pieces = turnsToRun(isBlamed ? blamed.keys : undefined, names);
    const count = pieces.find((size) => (done += size) > key)!;
    const first = names[done - count]!;
    const range2 = { ...range, keys: { first, last: names[done - 1]!, count } };
    if (count > 1 || !isBlamed || blamed.keys?.count !== 1) return range2;
    let ended = 0;
    for (let upto = callsToRun(blamed.calls, ended); ; upto = callsToRun(blamed.calls, ended)) {
      if (call < upto || upto >= calls) return { ...range2, calls: { from: ended, upto } };
      ended = upto;
    }
  }
});

t.test('an attempt is read as it was written, and other commits as before there were any', async (t) => {
  for (const attempt of [batch, keyed('a', 'é\u0000'), called(2 ** 20, 2 ** 40)]) {
    t.same(decodeAttempt(encodeAttempt(attempt)), attempt);
    const commit = { ...emptyCommit('owner', 7), attempt };
    t.same(decodeCommit(encodeCommit(commit)), commit);
  }
  t.equal(encodeCommit(emptyCommit('owner', 7))[0], 3);
  t.throws(() => decodeAttempt(Buffer.from([1, 1, 1, 9])), RangeError);
  const newer = Buffer.from(encodeCommit({ ...emptyCommit('owner', 7), attempt: batch }));
  newer[newer.length - encodeAttempt(batch).length - 2] = 99;
  t.throws(() => decodeCommit(newer), /commit field 99 is unknown/);
});
