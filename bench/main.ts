import { readFile, writeFile } from 'node:fs/promises';
import { cpus } from 'node:os';
import { type DrainCase, type DrainResult, drain } from './drain.ts';
import { eventMaker } from './event-maker.ts';
import { latency } from './latency.ts';
import { measurePatternStep, shapes } from './pattern-step.ts';

/*
 * npm run bench            everything, three runs each, as a table
 * npm run bench -- --write the same, and puts the tables into docs/benchmarks.md
 * npm run bench -- --quick one run each of less
 */
const quick = process.argv.includes('--quick');
const runs = quick ? 1 : 3;
const scale = quick ? 0.2 : 1;

const CASES: readonly DrainCase[] = [
  { name: '64 a message, 100 keys', events: 400_000 * scale, keys: 100, packed: 64 },
  { name: '64 a message, 10,000 keys', events: 400_000 * scale, keys: 10_000, packed: 64 },
  { name: '64 a message, 1,000,000 keys', events: 1_000_000 * scale, keys: 1_000_000, packed: 64 },
  { name: '1 a message, 10,000 keys', events: 100_000 * scale, keys: 10_000, packed: 1 },
];

const lines: string[] = [];
const say = (line: string): void => {
  lines.push(line);
  console.log(line);
};
const number = (value: number, digits = 0): string =>
  value.toLocaleString('en-US', { minimumFractionDigits: digits, maximumFractionDigits: digits });
const median = (values: readonly number[]): number => [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)]!;

/** What the machine makes of known work, to read the other figures by: machines, and their moods, differ by multiples. */
function yardstick(): number {
  const next = eventMaker(10_000);
  const texts = Array.from({ length: 2000 }, () => JSON.stringify(Array.from({ length: 64 }, next)));
  const times = Array.from({ length: 5 }, () => {
    const begin = process.cpuUsage();
    for (const text of texts) JSON.parse(text);
    const { user, system } = process.cpuUsage(begin);
    return (user + system) / (2000 * 64);
  });
  return Math.min(...times);
}

say(
  `${new Date().toISOString().slice(0, 10)}, Node ${process.version}, ${cpus().length} × ${cpus()[0]?.model ?? 'unknown'}`,
);
say(`JSON.parse of the events used here takes ${number(yardstick(), 2)} µs an event on this machine now.`);
say('');
say('### Core step alone');
say('');
say('| pattern | events a second, median of runs (least to most) |');
say('|---|---|');
for (const shape of Object.keys(shapes)) {
  for (const keys of [10_000, 1_000_000]) {
    const rates = Array.from(
      { length: runs },
      () => measurePatternStep(shape, keys, Math.max(2_000_000 * scale, keys)).eventsPerSecond,
    );
    const spread = `${number(Math.min(...rates))} to ${number(Math.max(...rates))}`;
    say(`| ${shape}, ${number(keys)} keys | ${number(median(rates))} (${spread}) |`);
  }
}
say('');
say('### Draining a preloaded stream over the whole path');
say('');
say(
  '| case | events a second, median (least to most) | µs of stage per event: decode, append, read, turn, commit | process | resident | bytes stored per byte of source |',
);
say('|---|---|---|---|---|---|');
let packedRate = 0;
for (const one of CASES) {
  const results: DrainResult[] = [];
  for (let run = 0; run < runs; run += 1) results.push(await drain(one));
  const rates = results.map(({ eventsPerSecond }) => eventsPerSecond);
  const { stageMicros: s, residentMb, writeFactor } = results[Math.floor(runs / 2)]!;
  const stages = ['decode', 'append', 'read', 'turn', 'commit'].map((name) => number(s[name]!, 2)).join(', ');
  if (one.keys === 10_000 && one.packed === 64) packedRate = median(rates);
  say(
    `| ${one.name} | ${number(median(rates))} (${number(Math.min(...rates))} to ${number(Math.max(...rates))}) | ${stages} | ` +
      `${number(s['process']!, 2)} | ${number(residentMb)} MB | ${number(writeFactor, 2)} |`,
  );
}
say('');
say('### From event published to match received, open loop');
say('');
say('| load | matches | p50 | p90 | p99 | most |');
say('|---|---|---|---|---|---|');
for (const rate of [0, Math.round(packedRate / 2)]) {
  const { matches, p50, p90, p99, max } = await latency(rate, quick ? 5 : 20);
  const load = rate === 0 ? 'probes alone' : `half load: ${number(rate)} events a second`;
  say(
    `| ${load} | ${number(matches)} | ${number(p50, 1)} ms | ${number(p90, 1)} ms | ${number(p99, 1)} ms | ${number(max, 1)} ms |`,
  );
}

if (process.argv.includes('--write')) {
  const page = new URL('../../docs/benchmarks.md', import.meta.url);
  const text = await readFile(page, 'utf8');
  const [head] = text.split('<!-- figures -->');
  await writeFile(page, `${head}<!-- figures -->\n\n${lines.join('\n')}\n`);
}
process.exit(0);
