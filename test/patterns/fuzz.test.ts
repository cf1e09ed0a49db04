import { randomInt } from 'node:crypto';
import t from 'tap';
import { fuzz } from './support/fuzz/run.ts';

t.setTimeout(300_000);

const cases = Number(process.env.PATTERN_CASES ?? 20_000);
const seed = Number(process.env.SEED ?? randomInt(2 ** 30));

t.test(`engine and oracles agree on ${cases} random cases of a fresh seed`, async (t) => {
  t.comment(`SEED=${seed}`);
  const fuzzed = fuzz(seed, cases);
  t.equal(fuzzed.failure, undefined, `seed ${seed}`);
  t.same(fuzzed.coverage.lacks, [], 'every construct and pair is frequent, and matches are');
});
