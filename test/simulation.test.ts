import { randomInt } from 'node:crypto';
import t from 'tap';
import { decodeRecord } from '../src/core/shards/record.ts';
import { subjects } from '../src/core/shards/subjects.ts';
import { instant } from '../src/core/time/units.ts';
import { MemoryLog } from '../src/memory/memory-log.ts';
import { checkStates } from './simulation/check-states.ts';
import { check } from './simulation/checker.ts';
import { PlainClock } from './simulation/plain-clock.ts';
import { outcomesOf } from './simulation/plain-pattern.ts';
import type { Placed } from './simulation/plain-rule.ts';
import { violationReport } from './simulation/report.ts';
import { PATTERNS, SHAPES } from './simulation/shapes.ts';
import { SHAPES_OF_CHAINS } from './simulation/shapes-of-chains.ts';
import { type SimulationResult, simulate } from './simulation/simulate.ts';
import type { Stored, StoredMessage, Trim } from './simulation/store.ts';

t.setTimeout(240_000);

const FIXED_SEEDS = 120;
const FRESH_SEEDS = 30;

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
  const inPlay = new Set<string>();
  const seeds = [
    ...Array.from({ length: FIXED_SEEDS }, (_, n) => n + 1),
    ...Array.from({ length: FRESH_SEEDS }, (_, n) => fresh + n),
  ];
  for (const seed of seeds) {
    const result = await simulate(seed);
    faults += result.strikes.total;
    for (const name of playedIn(result)) inPlay.add(name);
    if (result.violations.length > 0) t.fail(violationReport(result, 60));
  }
  t.ok(faults > 5 * seeds.length, `${faults} faults took effect`);
  const kinds = [
    ...['match', 'update', 'unmatched', 'timeout', 'late', 'limit', 'failed', 'throttle', 'dedupe', 'each', 'bySource'],
    ...['two clocks', 'silence', 'two sources', 'one machine', 'snapshots'],
  ];
  t.same(
    [...[...SHAPES, ...SHAPES_OF_CHAINS].map(({ name }) => name), ...kinds].filter((name) => !inPlay.has(name)),
    [],
    'everything was in play',
  );
});

t.test('the checker finds', async (t) => {
  const needed = ['sim.match.', 'sim.shard.', 'sim.journal.', 'sim.side.', 'sim.chain.', 'sim.page.'];
  const result = await runWith(needed);
  const { stored, scenario, expected, violations } = result;
  t.same(violations, []);
  const subject = (start: string) => subjectOf(stored, start)!;
  const match = subject('sim.match.');
  const changed = (name: string, change: (messages: StoredMessage[]) => StoredMessage[]): Stored =>
    new Map([...stored, [name, change([...stored.get(name)!])]]);
  const finds = (what: string, damaged: Stored, wanted: RegExp) =>
    t.ok(
      check(damaged, scenario.sources, expected).some((violation) => wanted.test(violation)),
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
    'a side output that is missing',
    changed(subject('sim.side.'), (all) => all.slice(0, -1)),
    /is missing/,
  );
  finds(
    'lost dead letters',
    new Map([...stored].filter(([name]) => !name.startsWith('sim.dead.'))),
    /dead letters: missing/,
  );
  finds(
    'a gap between the records of a lane',
    changed(subject('sim.shard.'), (all) => all.filter(({ body }) => decodeRecord(body).events.length === 0)),
    /the one before it ends at/,
  );
  finds(
    'a watermark that goes back',
    changed(subject('sim.shard.'), (all) => [...all, all[0]!]),
    /takes back|goes backwards|begins after/,
  );
  finds(
    'a commit that is missing',
    changed(subject('sim.journal.'), (all) => all.toSpliced(1, 1)),
    /calls itself/,
  );
  const chain = subject('sim.chain.');
  finds(
    'something missing of what other rules read',
    changed(chain, (all) => all.slice(1)),
    /has the ordinal/,
  );
  const { trims } = result;
  t.same(check(stored, scenario.sources, expected, trims), []);
  const some = trims.find(({ subject }) => subject.startsWith('sim.journal.'))!;
  const refused = (trim: Trim, what: string) =>
    t.match(check(stored, scenario.sources, expected, [trim])[0], /no snapshot had made it superfluous/, what);
  refused({ ...some, arrival: 0 }, 'what was removed too early');
  const furthest = trims.filter(({ subject }) => subject === some.subject).at(-1)!;
  refused({ ...furthest, sequence: furthest.sequence + 1 }, 'what was removed one message too far');
  finds('a message that nobody should have written', new Map([...stored, ['sim.else.1', []]]), /nobody should write/);
});

t.test('the checker finds a state that is not the sum of its commits', async (t) => {
  const { stored, scenario } = await runWith(['sim.match.', 'sim.journal.0']);
  const journal = subjects('sim').journal(0);
  const all = stored.get(journal)!;
  const wrong = async (commits: readonly StoredMessage[]) => {
    // What is there now ends earlier than what ever was.
    const log = new MemoryLog({ prefix: 'sim', now: () => instant(0) });
    let end = 0;
    for (const { body, headers } of commits) {
      const answer = await log.append(journal, end, body, headers);
      if (answer.kind === 'stored') end = answer.sequence;
    }
    return checkStates(log, new Map([[journal, all]]), scenario.shards);
  };
  t.match((await wrong([]))[0], /^shard 0: after a restart/);
});

t.test('the plain meaning of the rules is what their documentation says', async (t) => {
  type Plain = readonly [type: string, time: number, n?: number, poison?: 'before' | 'after'];
  const events = (list: readonly Plain[]): Placed[] =>
    list.map(([type, time, n = 0, poison], at) => ({
      source: 's',
      seq: at + 1,
      index: 0,
      time,
      value: { type, ts: time, n, k: 'k', u: 'u', shop: 1, peer: 'k', tags: null, ...(poison && { poison }) },
    }));
  const pattern = (name: string) => PATTERNS.find((shape) => shape.name === name)!.plain;
  const said = (name: string, list: readonly Plain[], upto = 0) => {
    const numbers = (steps: readonly { readonly refs: readonly string[] }[]) =>
      steps.map(({ refs }) => refs.map((ref) => /\d+/.exec(ref)![0]).join('+')).join(' ');
    const { outcomes, dead } = outcomesOf(pattern(name), events(list), upto, true);
    return [
      ...outcomes.map(({ kind, steps, time }) => `${kind} ${numbers(steps)} @${time}`),
      ...dead.map(({ cause, steps }) => `${cause} ${numbers(steps)}`),
    ];
  };
  const means = (sentence: string, name: string, list: readonly Plain[], wanted: readonly string[], upto?: number) =>
    t.same(said(name, list, upto), wanted, sentence);

  means(
    'a greedy loop takes all there are, and the match ends what began inside it',
    'tries',
    [
      ['Try', 0],
      ['Try', 1],
      ['Try', 2],
      ['Close', 3, 1],
      ['Close', 4, 1],
    ],
    ['match 1+2+3 4 @3'],
  );
  means(
    'an event just before the limit is inside',
    'three',
    [
      ['Try', 0],
      ['Try', 1],
      ['Try', 2999],
    ],
    ['match 1+2+3 @2999'],
  );
  means(
    'an event exactly at the limit is outside',
    'three',
    [
      ['Try', 0],
      ['Try', 1],
      ['Try', 3000],
    ],
    [],
  );
  means(
    '`next` wants the very next event of the key',
    'at-once',
    [
      ['Try', 0],
      ['Close', 1],
      ['Try', 2],
      ['Noise', 3],
      ['Close', 4],
    ],
    ['match 1 2 @1'],
  );
  means(
    'without skipping every beginning goes its own way',
    'path',
    [
      ['Open', 0],
      ['Open', 0, 5],
      ['Try', 1, 5],
      ['Close', 2],
    ],
    ['match 1 3 4 @2', 'match 2 3 4 @2'],
  );
  means(
    'what runs out of time says so once time has come to its limit',
    'left',
    [
      ['Open', 0],
      ['Open', 1],
    ],
    ['timeout 1 @2000'],
    2000,
  );
  means(
    'an absence is a match when time has come to its limit',
    'unclosed',
    [
      ['Open', 0],
      ['Open', 100],
      ['Close', 1550],
    ],
    ['match 1 @1500'],
    9999,
  );
  means(
    'what does not get as far as the absence times out, and what is forbidden ends the rest without a word',
    'abandoned',
    [
      ['Open', 0],
      ['Try', 1],
      ['Close', 2],
      ['Open', 3],
    ],
    ['timeout 4 @2003'],
    9999,
  );
  means(
    'a group takes its steps again and again',
    'rounds',
    [
      ['Open', 0],
      ['Try', 1],
      ['Try', 2],
      ['Open', 3],
      ['Try', 4],
      ['Close', 5],
    ],
    ['match 1+4 2+5 6 @5'],
  );
  means(
    'one of several ways is enough',
    'either',
    [
      ['Open', 0],
      ['Noise', 1],
      ['Try', 2],
      ['Close', 3],
    ],
    ['match 1 2 4 @3'],
  );
  means(
    'all of several come in any order',
    'any-order',
    [
      ['Try', 0],
      ['Close', 1],
      ['Open', 2],
      ['Close', 3],
    ],
    ['match 1 3 4 @3'],
  );
  means(
    'with one partial match too many the oldest goes',
    'newest-two',
    [
      ['Open', 0],
      ['Open', 1],
      ['Open', 2],
      ['Close', 3],
    ],
    ['match 2 4 @3', 'match 3 4 @3'],
  );
  means(
    'or the newest becomes a dead letter',
    'first-two',
    [
      ['Open', 0],
      ['Open', 1],
      ['Open', 2],
      ['Try', 3],
      ['Close', 4],
    ],
    ['match 1 4 5 @4', 'match 2 4 5 @4', 'limit 3'],
  );
  means(
    'skipToNext leaves one match for each beginning',
    'each-first',
    [
      ['Try', 0],
      ['Try', 1],
      ['Close', 2],
    ],
    ['match 1+2 3 @2', 'match 2 3 @2'],
  );
  means(
    'skipToLast gives up what began before the last event of the step',
    'from-last',
    [
      ['Open', 0],
      ['Try', 1],
      ['Open', 2],
      ['Try', 3],
      ['Close', 4],
    ],
    ['match 1 2+4 5 @4'],
  );
  means(
    'a match waits for what began before it, until that is decided',
    'in-turn',
    [
      ['Open', 0, 1],
      ['Open', 1, 9],
      ['Close', 2, 9],
    ],
    ['match 2 3 @3000', 'timeout 1 @3000'],
    3000,
  );
  means(
    'a rule that fails begins afresh, and what it said before stays said',
    'left',
    [
      ['Open', 0],
      ['Try', 1],
      ['Open', 2, 0, 'before'],
      ['Close', 3],
      ['Open', 4],
      ['Close', 5, 0, 'after'],
    ],
    ['match 5 6 @5', 'failed 3', 'failed 6'],
  );
});

t.test('the plain clock is what the documentation of event time says', async (t) => {
  const source = { name: 's', disorder: 100, idleAfter: Number.POSITIVE_INFINITY, clocks: [0] };
  const one = new PlainClock(source);
  t.equal(one.watermark, Number.NEGATIVE_INFINITY);
  one.observe('', 5000);
  one.observe('', 4000);
  t.equal(one.watermark, 4900, 'the latest time less the disorder');
  const two = new PlainClock({ ...source, clocks: [0, 60_000] });
  two.observe('a', 1000);
  two.observe('b', 61_000);
  two.observe('a', 3000);
  t.equal(two.watermark, Number.NEGATIVE_INFINITY, 'nothing is promised until the publishers are known');
  two.observe('a', 3100);
  t.equal(two.watermark, 3000, 'the least of the publishers');
  two.observe('b', 99_000);
  t.equal(two.watermark, 3000);
});

/** Names of what was there to be seen in a run. */
function playedIn({ scenario, expected }: SimulationResult): string[] {
  const { rules, sources, oneMachine } = scenario;
  return [
    ...rules.map(({ shape }) => shape),
    ...[...expected.outcomes.values()].flatMap((outcomes) => outcomes.map(({ kind }) => kind)),
    ...rules.map(({ key }) => key.kind),
    ...(rules.some(({ wrapper }) => wrapper.throttle) ? ['throttle'] : []),
    ...(rules.some(({ wrapper }) => wrapper.dedupeMs) ? ['dedupe'] : []),
    ...(scenario.snapshots ? ['snapshots'] : []),
    ...expected.dead.map((name) => / (limit|failed) /.exec(name)?.[1] ?? ''),
    ...(rules.some((rule) => rule.sources.length > 1) ? ['two sources'] : []),
    ...(sources.some(({ clocks }) => clocks.length > 1) ? ['two clocks'] : []),
    ...(sources.some(({ idleAfter }) => Number.isFinite(idleAfter)) ? ['silence'] : []),
    ...(oneMachine ? ['one machine'] : []),
  ];
}

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
