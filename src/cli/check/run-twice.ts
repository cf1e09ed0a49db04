import { Writable } from 'node:stream';
import { decodeDeadLetter } from '../../core/events/dead-letter.ts';
import type { Problem } from '../../core/rules/problem.ts';
import { subjects } from '../../core/shards/subjects.ts';
import { duration, type InstantMs } from '../../core/time/units.ts';
import { MemoryLog } from '../../memory/memory-log.ts';
import type { Logger } from '../../ports/logger.ts';
import { systemClock } from '../../system/system-clock.ts';
import { embedded } from '../replay/embedded.ts';
import { inputSource } from '../replay/inputs.ts';
import { OutputPrinter } from '../replay/print-outputs.ts';
import { referenceSourceOf } from '../replay/references.ts';
import type { Replay } from '../replay/settings.ts';

/**
 * Finds rules that are no function of their events. A sample is run twice: once as it comes, and once in batches of a
 * few lines, over more shards, with hardly a key kept in memory. What a rule says for a key must be the same, or it has
 * used a clock, chance, or something that it remembers outside its state.
 *
 * Both runs are at one moment of processing time, since that is a part of the input: timers by it do not fire.
 * @throws what the file system or the node fails with; the process is then of no more use
 */
export async function runTwice(replay: Replay): Promise<readonly Problem[]> {
  const now = systemClock.now();
  const first = await run(replay, now, { shards: 1, actorsMax: 100_000, lines: Number.POSITIVE_INFINITY });
  const second = await run(replay, now, { shards: 5, actorsMax: 1, lines: 7 });
  return [...failuresIn(first), ...differences(first, second)];
}

/** Something that a rule said, or could not do. */
interface Said {
  readonly rule: string;
  readonly key: unknown;
  /** Which of its outputs. */
  readonly on: string;
  /** All that must be the same again. */
  readonly text: string;
  /** What was thrown; undefined for what was said. */
  readonly failure: string | undefined;
}

/** In which batches, with how much in memory. */
interface Cut {
  readonly shards: number;
  readonly actorsMax: number;
  readonly lines: number;
}

async function run(replay: Replay, now: InstantMs, { shards, actorsMax, lines }: Cut): Promise<readonly Said[]> {
  let fail: (error: unknown) => void = () => undefined;
  const inputFailed = new Promise<never>((_resolve, reject) => {
    fail = reject;
  });
  inputFailed.catch(() => undefined); // waited for below
  const log = new MemoryLog({ prefix: replay.prefix, now: () => now, retention: 'consumed' });
  const progress = { lines: 0, bytes: 0 };
  const inputs = new Map(
    replay.inputs.map((input) => [input.source, inputSource(input, progress, fail, lines)] as const),
  );
  // What is idle is told by a clock; here every source has its end instead.
  const sources = replay.sources.map((source) => ({ ...source, idleAfter: duration(Number.POSITIVE_INFINITY) }));
  const references = new Map(
    replay.references.map((input) => [input.settings.name, referenceSourceOf(input, fail)] as const),
  );
  const options = { inputs, references, log, logger: SILENT, shards, actorsMax, atEnd: 'close' } as const;
  const corral = embedded({ ...replay, sources }, options);
  const said: Said[] = [];
  const { allMatches, allSides, output } = subjects(replay.prefix);
  const readers = [
    [allMatches, outputOf],
    [allSides, outputOf],
    [output('dead.shard.>'), failureOf],
  ] as const;
  const printers = readers.map(([filter, of]) => new OutputPrinter(log.read(filter, 1), linesTo(said, of)));
  corral.start();
  await Promise.race([corral.finished, corral.failed, inputFailed]);
  for (const printer of printers) await printer.end();
  await corral.drain();
  return said;
}

/** What a rule could not do is told by its dead letters, and the rest of the node is of no interest here. */
const SILENT: Logger = {
  debug: () => undefined,
  info: () => undefined,
  warn: () => undefined,
  error: () => undefined,
};

/** Each write holds whole lines. */
function linesTo(said: Said[], of: (line: string) => Said | undefined): Writable {
  return new Writable({
    write(chunk: Buffer, _encoding, done) {
      for (const line of chunk.toString().split('\n')) {
        const one = line === '' ? undefined : of(line);
        if (one !== undefined) said.push(one);
      }
      done();
    },
  });
}

/** Ids and numbers count by shard, so they may differ. */
function outputOf(line: string): Said {
  const { type, time, data } = JSON.parse(line) as { type: string; time: string; data: { rule: string; key: unknown } };
  const { rule, key, ...rest } = data;
  return { rule, key, on: type, text: JSON.stringify({ time, ...rest }), failure: undefined };
}

function failureOf(line: string): Said | undefined {
  const { rule, key, cause, message, sequence, index, events } = decodeDeadLetter(Buffer.from(line));
  if (rule === undefined || cause !== 'failed') return undefined;
  const [failure] = message.split('\n');
  return { rule, key, on: 'dead letters', text: JSON.stringify({ failure, sequence, index, events }), failure };
}

const AT = { file: '--run', line: 1, column: 1 };

function failuresIn(said: readonly Said[]): readonly Problem[] {
  const failed = said.filter(({ failure }) => failure !== undefined);
  const byRule = groupedBy(failed, ({ rule }) => rule);
  return [...byRule].map(([rule, failures]) => ({
    code: 'RULE_FAILED',
    at: AT,
    message: `rule ${rule} failed ${times(failures.length)}, first on key ${JSON.stringify(failures[0]!.key)}: ${failures[0]!.failure}`,
    fix: 'mend the rule, or leave such events out with `where`',
  }));
}

function groupedBy(said: readonly Said[], nameOf: (one: Said) => string): ReadonlyMap<string, readonly Said[]> {
  const groups = new Map<string, Said[]>();
  for (const one of said) {
    const name = nameOf(one);
    const group = groups.get(name);
    if (group === undefined) groups.set(name, [one]);
    else group.push(one);
  }
  return groups;
}

const times = (count: number): string => (count === 1 ? 'once' : `${count} times`);

/** One problem for each rule: the first thing it said in the first run that is not in the same place in the second. */
function differences(first: readonly Said[], second: readonly Said[]): readonly Problem[] {
  const place = ({ rule, key, on }: Said): string => JSON.stringify([rule, key, on]);
  const before = groupedBy(first, place);
  const after = groupedBy(second, place);
  const told = new Set<string>();
  const problems: Problem[] = [];
  for (const at of new Set([...before.keys(), ...after.keys()])) {
    const [one, other] = [before.get(at) ?? [], after.get(at) ?? []];
    const index = [...one, ...other].findIndex((_, n) => one[n]?.text !== other[n]?.text);
    const found = one[index] ?? other[index];
    if (found === undefined || told.has(found.rule)) continue;
    told.add(found.rule);
    const { rule, key, on } = found;
    problems.push({
      code: 'PROCESS_NOT_DETERMINISTIC',
      at: AT,
      message:
        `rule ${rule} did not say the same when it ran again over the same events. For key ${JSON.stringify(key)}, ` +
        `number ${index + 1} on ${on} was ${shown(one[index])} and then ${shown(other[index])}`,
      fix: 'let its functions compute from what they are given alone: ctx.time instead of a clock, ctx.random() instead of chance, ctx.state instead of variables outside',
    });
  }
  return problems;
}

const shown = (said: Said | undefined): string => (said === undefined ? 'nothing' : cut(said.text));

const TEXT_MAX = 400;
const cut = (text: string): string => (text.length > TEXT_MAX ? `${text.slice(0, TEXT_MAX)}…` : text);
