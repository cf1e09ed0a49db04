import t from 'tap';
import type { SourceEvent, SourceRead } from './soak/events-read.ts';
import { type ExpectedOutputs, expectedOutputs } from './soak/model.ts';
import type { StoredOutput } from './soak/stored-outputs.ts';
import { isClean, judge, type Verdict } from './soak/verdict.ts';

/** The judge of the soak runs finds what it is there to find. */

const START = Date.UTC(2026, 0, 1);

/** Events of one key, each as `type@ms`, with the number and sequence of its place. */
function read(source: 'orders' | 'payments', ...events: readonly string[]): SourceRead {
  let before = Number.NEGATIVE_INFINITY;
  const list = events.map((text, at): SourceEvent => {
    const [type, ms] = text.split('@');
    const ts = START + Number(ms);
    const event = { type: type as SourceEvent['type'], ts, k: 'k1', n: at, i: at + 1 };
    const placed = { ...event, source, seq: at + 1, index: 0, before };
    before = Math.max(before, ts);
    return placed;
  });
  return {
    byKey: new Map([['k1', list]]),
    events: list.length,
    unreadable: [7],
    upto: START + 60_000,
    lost: 0,
    repeated: 0,
  };
}

const sources = {
  orders: read('orders', 'Open@0', 'Try@100', 'Close@200', 'Open@5000', 'Open@9000'),
  payments: read('payments', 'Paid@100', 'Paid@5400', 'Paid@9900'),
};
const expected = expectedOutputs(sources);
const letters = ['orders 7 undecodable', 'payments 7 undecodable'];

/** What a faultless deployment would have stored. */
function faultless(of: ExpectedOutputs): StoredOutput[] {
  return [...of].flatMap(([group, outputs]) => {
    const output = group.slice(0, group.indexOf(' '));
    const subject = `corral.${output.includes('.') ? 'side' : 'match'}.${output}.3`;
    return outputs.map(({ text }, at) => {
      const ordinal = String(at + 1);
      return { shard: 3, stamp: at, subject, id: `${output}/3/${ordinal}`, ordinal, group, text };
    });
  });
}

/** The numbers of what was taken out or put in are made right, as a wrong program would have numbered it. */
function renumbered(stored: readonly StoredOutput[]): StoredOutput[] {
  const reached = new Map<string, number>();
  return stored.map((output) => {
    const due = (reached.get(output.subject) ?? 0) + 1;
    reached.set(output.subject, due);
    return { ...output, ordinal: String(due), id: `${output.id.slice(0, output.id.lastIndexOf('/'))}/${due}` };
  });
}

const verdictOn = (stored: readonly StoredOutput[], dead = letters): Verdict => judge(expected, stored, sources, dead);

t.test('the model says what the rules are for', async (t) => {
  const said = Object.fromEntries([...expected].map(([group, outputs]) => [group, outputs.length]));
  t.same(said, {
    'closed "k1"': 1,
    'closed.timeout "k1"': 2,
    'unclosed "k1"': 2,
    'volume "k1"': 3,
    'settled "k1"': 3,
    'tally.quiet "k1"': 4,
  });
});

t.test('what is faultless is clean', async (t) => {
  const verdict = verdictOn(faultless(expected));
  t.ok(isClean(verdict), verdict.examples.join('\n'));
  t.equal(verdict.expected, 15);
});

t.test('any one output that is missing is lost, whichever it is', async (t) => {
  const all = faultless(expected);
  for (let at = 0; at < all.length; at += 1) {
    const verdict = verdictOn(renumbered(all.toSpliced(at, 1)));
    t.match(verdict, { lost: 1, doubled: 0, misordered: 0, misnumbered: 0 }, all[at]!.text);
    t.notOk(isClean(verdict));
  }
});

t.test('any one output that is there twice is doubled', async (t) => {
  const all = faultless(expected);
  for (let at = 0; at < all.length; at += 1) {
    t.match(verdictOn(renumbered(all.toSpliced(at, 0, all[at]!))), { lost: 0, doubled: 1 }, all[at]!.text);
  }
});

t.test('two outputs of different moments that change places are out of order', async (t) => {
  const all = faultless(expected);
  const at = all.findIndex(({ group }) => group.startsWith('volume'));
  const swapped = all.toSpliced(at, 2, all[at + 1]!, all[at]!);
  t.match(verdictOn(renumbered(swapped)), { lost: 0, doubled: 0, misordered: 1, misnumbered: 0 });
});

t.test('an output that nothing implies is invented', async (t) => {
  const all = faultless(expected);
  const other = { ...all[0]!, text: `${all[0]!.text} and more` };
  t.match(verdictOn(renumbered([...all, other])), { invented: 1, lost: 0 });
});

t.test('a number that is left out or used twice, and a key on two subjects, are told', async (t) => {
  const all = faultless(expected);
  t.match(verdictOn(all.map((one, at) => (at === 1 ? { ...one, ordinal: '9' } : one))), { misnumbered: 1 });
  const moved = all.map((one) =>
    one.group.startsWith('volume') && one.ordinal === '3'
      ? { ...one, subject: 'corral.match.volume.4', ordinal: '1', id: 'volume/4/1' }
      : one,
  );
  t.match(verdictOn(moved), { spread: 1, misnumbered: 0 });
});

t.test('a dead letter is due once for each message that is no event', async (t) => {
  const all = faultless(expected);
  t.match(verdictOn(all, letters.slice(1)), { deadLettersWrong: 1 });
  t.match(verdictOn(all, [...letters, letters[0]!]), { deadLettersWrong: 1 });
  t.match(verdictOn(all, [...letters, 'orders 8 undecodable']), { deadLettersWrong: 1 });
});
