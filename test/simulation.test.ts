import { randomInt } from 'node:crypto';
import t from 'tap';
import { check } from './simulation/checker.ts';
import { outcomesOf, type Placed, type PlainRule } from './simulation/plain-rule.ts';
import { violationReport } from './simulation/report.ts';
import { PLAIN_RULES } from './simulation/rules.ts';
import { type SimulationResult, simulate } from './simulation/simulate.ts';
import type { Stored, StoredMessage } from './simulation/store.ts';

t.setTimeout(240_000);

const FIXED_SEEDS = 250;
const FRESH_SEEDS = 50;

t.test('a run depends on its seed and on nothing else', async (t) => {
  const first = await simulate(11);
  const { random } = Math;
  const { now } = Date;
  t.teardown(() => Object.assign(Math, { random }) && Object.assign(Date, { now }));
  Math.random = () => 0.25;
  Date.now = () => 0;
  t.equal((await simulate(11)).hash, first.hash);
  t.not((await simulate(12)).hash, first.hash);
});

t.test('crashes, pauses, lost and late answers neither lose, double nor reorder a match', async (t) => {
  const fresh = randomInt(2 ** 40);
  t.comment(`fresh seeds from ${fresh}`);
  let faults = 0;
  const seeds = [
    ...Array.from({ length: FIXED_SEEDS }, (_, n) => n + 1),
    ...Array.from({ length: FRESH_SEEDS }, (_, n) => fresh + n),
  ];
  for (const seed of seeds) {
    const result = await simulate(seed);
    faults += result.strikes.total;
    if (result.violations.length > 0) t.fail(violationReport(result, 60));
  }
  t.ok(faults > 5 * seeds.length, `${faults} faults took effect`);
});

t.test('the checker finds', async (t) => {
  const { stored, expected, violations } = await runWith(['sim.match.', 'sim.shard.', 'sim.journal.']);
  t.same(violations, []);
  const subject = (start: string) => subjectOf(stored, start)!;
  const match = subject('sim.match.');
  const changed = (name: string, change: (messages: StoredMessage[]) => StoredMessage[]): Stored =>
    new Map([...stored, [name, change([...stored.get(name)!])]]);
  const finds = (what: string, damaged: Stored, wanted: RegExp) =>
    t.ok(
      check(damaged, expected).some((violation) => wanted.test(violation)),
      what,
    );

  finds(
    'a match that is missing at the end',
    changed(match, (all) => all.slice(0, -1)),
    /is missing/,
  );
  finds(
    'a match that is missing in the middle',
    changed(match, (all) => all.toSpliced(1, 1)),
    /its message number 2 has the id/,
  );
  finds(
    'a match that is there twice',
    changed(match, (all) => [...all, all.at(-1)!]),
    /too many: 1 ×/,
  );
  finds(
    'matches out of order',
    changed(match, (all) => [all[1]!, all[0]!, ...all.slice(2)]),
    /has the id/,
  );
  finds(
    'a match that came before its commit',
    changed(match, (all) => all.map((one) => ({ ...one, arrival: -1 }))),
    /came before its commit/,
  );
  finds(
    'lost dead letters',
    new Map([...stored].filter(([name]) => !name.startsWith('sim.dead.'))),
    /dead letters: missing/,
  );
  finds(
    'a gap between the records of a lane',
    changed(subject('sim.shard.'), (all) => all.toSpliced(1, 1)),
    /the one before it ends at/,
  );
  finds(
    'a commit that is missing',
    changed(subject('sim.journal.'), (all) => all.toSpliced(1, 1)),
    /calls itself/,
  );
  finds('a message that nobody should have written', new Map([...stored, ['sim.else.1', []]]), /nobody should write/);
});

t.test('the plain meaning of the rules is what their documentation says', async (t) => {
  const events = (...list: readonly [string, number, number?][]): Placed[] =>
    list.map(([type, time, n = 0], at) => ({ seq: at + 1, index: 0, time, value: { type, ts: time, n } }));
  const rule = (name: string): PlainRule => PLAIN_RULES.find((one) => one.name === name)!;
  const said = (name: string, list: Placed[], upto = 0) =>
    outcomesOf(rule(name), list, upto).map(
      ({ kind, steps }) =>
        `${kind} ${steps.map(({ refs }) => refs.map((ref) => ref.split('.')[0]).join('+')).join(' ')}`,
    );

  t.test('a greedy loop takes all there are, and the match ends what began inside it', async (t) => {
    t.same(said('break-in', events(['Fail', 0], ['Fail', 1], ['Fail', 2], ['Ok', 3, 1], ['Ok', 4, 1])), [
      'match 1+2+3 4',
    ]);
  });
  t.test('an event exactly at the limit is outside', async (t) => {
    t.same(said('three-fails', events(['Fail', 0], ['Fail', 1], ['Fail', 2999])), ['match 1+2+3']);
    t.same(said('three-fails', events(['Fail', 0], ['Fail', 1], ['Fail', 3000])), []);
  });
  t.test('`next` wants the very next event of the key', async (t) => {
    t.same(said('at-once', events(['Fail', 0], ['Ok', 1], ['Fail', 2], ['Noise', 3], ['Ok', 4])), ['match 1 2']);
  });
  t.test('without skipping every beginning goes its own way', async (t) => {
    t.same(said('bought', events(['Add', 0], ['Add', 0, 5], ['Try', 1, 5], ['Buy', 2])), [
      'match 1 3 4',
      'match 2 3 4',
    ]);
  });
  t.test('what runs out of time says so once time has come to its limit', async (t) => {
    t.same(said('left', events(['Add', 0], ['Add', 1]), 2000), ['timeout 1']);
    t.same(said('left', events(['Add', 0], ['Buy', 1999]), 9999), ['match 1 2']);
  });
});

/** The first run that has a subject with a few messages for each of these beginnings, and a dead letter. */
async function runWith(starts: readonly string[]): Promise<SimulationResult> {
  for (let seed = 1; ; seed += 1) {
    const result = await simulate(seed);
    const { stored, expected } = result;
    if (expected.dead.length > 0 && starts.every((start) => subjectOf(stored, start) !== undefined)) return result;
  }
}

function subjectOf(stored: Stored, start: string): string | undefined {
  return [...stored].find(([name, { length }]) => name.startsWith(start) && length > 2)?.[0];
}
