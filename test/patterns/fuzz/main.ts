import { randomInt } from 'node:crypto';
import { parseArgs } from 'node:util';
import { Coverage } from '../support/fuzz/coverage.ts';
import { fuzz } from '../support/fuzz/run.ts';

/**
 * Puts random patterns and streams to the engine and both oracles: `--cases N` (default 1,000,000), `--seed S` (default
 * random; it is printed). Exit code 1 when any two disagree, or when a construct or a pair of constructs was too rare.
 */
const { values } = parseArgs({
  options: { cases: { type: 'string', default: '1000000' }, seed: { type: 'string' } },
});
const cases = Number(values.cases);
const first = Number(values.seed ?? randomInt(2 ** 30));
/** Drawn from one seed; a failing portion is short to run again. */
const portion = 20_000;

const began = performance.now();
const coverage = new Coverage();
let enumerated = 0;
let unfit = 0;
console.log(`${cases} cases from seed ${first} on, ${portion} a seed`);
for (let done = 0, seed = first; done < cases; done += portion, seed += 1) {
  const fuzzed = fuzz(seed, Math.min(portion, cases - done));
  coverage.addAll(fuzzed.coverage);
  enumerated += fuzzed.enumerated;
  for (const count of fuzzed.unfit.values()) unfit += count;
  if (fuzzed.failure !== undefined) {
    console.log(fuzzed.failure);
    process.exitCode = 1;
    break;
  }
  console.log(`seed ${seed}: ${coverage.cases} cases agree, ${seconds()} s`);
}
console.log(coverage.table);
console.log(
  `${coverage.cases} cases agree; ${enumerated} of them judged by the enumerator as well; ${unfit} drafts were too large; ${seconds()} s`,
);
if (coverage.lacks.length > 0 && cases >= portion) {
  console.log(`too rare: ${coverage.lacks.join('; ')}`);
  process.exitCode = 1;
}

function seconds(): string {
  return ((performance.now() - began) / 1000).toFixed(1);
}
