import { flood, floods } from '../test/patterns/support/flood.ts';

/*
 * What one key's state takes under a flood of events within an hour, against the bound that `corral check` prints.
 * Fails when something is beyond the bound, or when an adversarial stream does not even reach half of it.
 *
 * npm run memory:patterns             ten million events a stream
 * npm run memory:patterns -- 100000   so many
 */
const events = Number(process.argv[2] ?? 10_000_000);
const seed = Number(process.env.SEED ?? 20_261_122);
if (!Number.isInteger(events) || events < 1) {
  console.error('usage: node build/scripts/pattern-memory.js [EVENTS]');
  process.exit(2);
}

const share = (bytes: number, of: number): string =>
  `${(bytes / 1024).toFixed(0)} KiB (${((100 * bytes) / of).toFixed(0)} %)`;

console.log(`seed ${seed}`);
for (const [name, one] of Object.entries(floods)) {
  const began = process.cpuUsage();
  const result = await flood(one, events, seed, 50);
  const { user, system } = process.cpuUsage(began);
  const { stateBytes, partialMatches } = result.bound;
  console.log(
    `${name}: ${result.events} events, ${((user + system) / result.events).toFixed(2)} µs each; ` +
      `partial matches ${result.partialMatches} of ${partialMatches}, ${result.dropped} dropped; counted ` +
      `${share(result.countedBytes, stateBytes)}, in memory ${share(result.memoryBytes, stateBytes)}, stored ` +
      `${share(result.storedBytes, stateBytes)}`,
  );
  const { countedBytes, memoryBytes, storedBytes } = result;
  if (Math.max(countedBytes, memoryBytes, storedBytes) > stateBytes || result.partialMatches > partialMatches) {
    console.error(`${name}: beyond the bound`);
    process.exitCode = 1;
  }
  if (one.adversarial && Math.max(memoryBytes / stateBytes, result.partialMatches / partialMatches) < 0.5) {
    console.error(`${name}: not even half of the bound`);
    process.exitCode = 1;
  }
}
