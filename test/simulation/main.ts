import { randomInt } from 'node:crypto';
import { parseArgs } from 'node:util';
import { strikesTable, violationReport } from './report.ts';
import { type SimulationResult, simulate } from './simulate.ts';
import { Strikes } from './sites.ts';

/**
 * Runs the simulation: `--seeds N` for N seeds from `--from` (default 1, or `random`), `--seed N` for one with its
 * trace, `--trace N` for so many lines of it, `--big` for about 2,000 events in each, `--keepGoing` past violations. Exit code 1 when a run violates anything, or when of 1,000 seeds or more
 * some site was never struck.
 */
const { values } = parseArgs({
  options: {
    seed: { type: 'string' },
    seeds: { type: 'string', default: '1000' },
    from: { type: 'string', default: '1' },
    trace: { type: 'string', default: '60' },
    keepGoing: { type: 'boolean', default: false },
    big: { type: 'boolean', default: false },
  },
});

const traceLines = Number(values.trace);

if (values.seed !== undefined) await one(Number(values.seed));
else await many(values.from === 'random' ? randomInt(2 ** 47) : Number(values.from), Number(values.seeds));

async function one(seed: number): Promise<void> {
  const result = await simulate(seed, traceLines, values.big);
  if (result.violations.length > 0) {
    console.log(violationReport(result, traceLines));
    process.exitCode = 1;
    return;
  }
  if (values.trace !== '60') console.log(result.trace.slice(-traceLines).join('\n'));
  console.log(`seed ${seed}: 0 violations; ${summary(result)}; trace ${result.hash}`);
}

async function many(from: number, count: number): Promise<void> {
  const strikes = new Strikes();
  const began = performance.now();
  let struckLeast = Number.POSITIVE_INFINITY;
  let events = 0;
  let outcomes = 0;
  let virtualMs = 0;
  let violating = 0;
  for (let seed = from; seed < from + count; seed += 1) {
    const result = await simulate(seed, undefined, values.big);
    strikes.add(result.strikes);
    struckLeast = Math.min(struckLeast, result.strikes.total);
    events += result.events;
    outcomes += result.outcomes;
    virtualMs += result.virtualMs;
    if (result.violations.length === 0) continue;
    violating += 1;
    console.log(violationReport(result, values.keepGoing ? 0 : traceLines));
    process.exitCode = 1;
    if (!values.keepGoing) break;
  }
  const seconds = (performance.now() - began) / 1000;
  console.log(strikesTable(strikes));
  console.log(
    `${count} seeds from ${from}: ${violating} with violations; ${events} events, ${outcomes} matches and timeouts, ` +
      `${strikes.total} faults (at least ${struckLeast} a seed), ${(virtualMs / 3_600_000).toFixed(2)} virtual hours, ${seconds.toFixed(1)} s`,
  );
  if (count >= 1000 && strikes.missed.length > 0) {
    console.log(`never struck: ${strikes.missed.join(', ')}`);
    process.exitCode = 1;
  }
}

function summary({ events, outcomes, strikes, virtualMs }: SimulationResult): string {
  return `${events} events, ${outcomes} matches and timeouts, ${strikes.total} faults, ${Math.round(virtualMs)} ms of virtual time`;
}
