import { Command, Option } from 'commander';
import { subjects } from '../core/shards/subjects.ts';
import type { Settings } from '../corral.ts';
import { MemoryLog } from '../memory/memory-log.ts';
import { systemClock } from '../system/system-clock.ts';
import { EXIT, EXIT_HELP, type Exit } from './exit-code.ts';
import { formatProblems } from './format-problems.ts';
import { paintFor } from './paint.ts';
import { embedded } from './replay/embedded.ts';
import { type InputProgress, inputSource, totalBytes } from './replay/inputs.ts';
import { OutputPrinter } from './replay/print-outputs.ts';
import { referenceSourceOf } from './replay/references.ts';
import { type Replay, type ReplayFlags, resolveReplay } from './replay/settings.ts';
import { showProgress, summary } from './replay/show-progress.ts';
import { addSourceFlags, collect } from './replay/source-flags.ts';
import { TerminalLog } from './terminal-log.ts';

interface Flags extends ReplayFlags {
  readonly atEnd: Settings['atEnd'];
  readonly side: boolean;
  readonly shards: string;
  readonly quiet: boolean;
}

const HELP = `
Matches go to standard output as NDJSON, progress and a summary to standard error. Events pass through the same lanes,
shard logs, actors and commits as in 'corral serve', in memory.

--time, --type, --id, --where and --each are CEL expressions over the event, such as event.ts. Without a time the
events are all at one instant. A line is a message: its number is the sequence, its source's name the subject.

Entries of a reference are in memory before the first event. A line of its file is {"key": "c1", "value": {...}}, or a
message, where the configuration says that it is a stream.

At the end: close closes what is open and decides no deadline that lies after the last event; stop does neither;
drain lets all time pass, so that every deadline is decided.

${EXIT_HELP}

Example:
  $ corral replay rules/break-in.yaml --events auth.ndjson.gz --time event.ts --type event.type
`;

/** The command `corral replay`. */
export function replayCommand(): Command {
  const command = new Command('replay')
    .description('Run rules over files of events, without any server.')
    .argument('[rules...]', 'rule files, folders or patterns; those of --config when there are none')
    .requiredOption(
      '--events <[source=]file>',
      'NDJSON, plain or gzip; - is standard input; may be given again',
      collect,
    )
    .option('--reference <name=file>', 'entries of a reference that the rules look up; may be given again', collect)
    .option('--config <file>', 'configuration whose sources say how events are read');
  return addSourceFlags(command)
    .addOption(
      new Option('--at-end <what>', 'what the end of the events means')
        .choices(['close', 'stop', 'drain'])
        .default('close'),
    )
    .option('--side', 'print side outputs too', false)
    .option('--shards <n>', 'shards to divide keys into', '1')
    .option('--quiet', 'no progress and no summary', false)
    .addHelpText('after', HELP)
    .action(async (rules: string[], flags: Flags, command: Command) => {
      const shards = Number(flags.shards);
      if (!Number.isInteger(shards) || shards < 1 || shards > 4_096) {
        command.error(`error: --shards is '${flags.shards}': give a whole number, 1 to 4096`, {
          exitCode: EXIT.unusable,
        });
      }
      process.exitCode = await replay(rules, flags, shards);
    });
}

async function replay(rules: readonly string[], flags: Flags, shards: number): Promise<Exit> {
  const paint = paintFor(process.stderr);
  const resolved = await resolveReplay(rules, flags);
  if (!resolved.ok) {
    process.stderr.write(`${formatProblems(resolved.problems, paint)}\n`);
    return EXIT.unusable;
  }
  const log = new TerminalLog('replay', process.stderr, paint);
  for (const { at, message } of resolved.replay.warnings) log.warn({}, `${at.file}:${at.line}: ${message}`);
  try {
    await run(resolved.replay, flags, shards, log);
    return EXIT.ok;
  } catch (error) {
    log.error({}, error instanceof Error ? error.message : String(error));
    log.end();
    // Whatever still waits in the assembly waits for an input or lease that will not come.
    process.exit(EXIT.failed);
  }
}

async function run(prepared: Replay, flags: Flags, shards: number, log: TerminalLog): Promise<void> {
  const { prefix, inputs, references } = prepared;
  const began = performance.now();
  const progress: InputProgress = { lines: 0, bytes: 0 };
  let fail: (error: unknown) => void = () => undefined;
  const inputFailed = new Promise<never>((_resolve, reject) => {
    fail = reject;
  });
  inputFailed.catch(() => undefined); // waited for below
  const memory = new MemoryLog({ prefix, now: systemClock.now, retention: 'consumed' });
  const corral = embedded(prepared, {
    inputs: new Map(inputs.map((input) => [input.source, inputSource(input, progress, fail)])),
    references: new Map(references.map((input) => [input.settings.name, referenceSourceOf(input, fail)])),
    log: memory,
    logger: log,
    shards,
    atEnd: flags.atEnd,
  });
  const { allMatches, allSides } = subjects(prefix);
  // Open before anything is written: in memory nothing is kept that nobody reads.
  const printers = [allMatches, ...(flags.side ? [allSides] : [])].map(
    (filter) => new OutputPrinter(memory.read(filter, 1), process.stdout),
  );
  const hideProgress = flags.quiet ? () => undefined : showProgress(log, corral.measures, progress, totalBytes(inputs));
  try {
    corral.start();
    await Promise.race([corral.finished, corral.failed, inputFailed]);
    for (const printer of printers) await printer.end();
    await corral.drain();
  } finally {
    hideProgress();
  }
  log.end();
  if (!flags.quiet) for (const line of summary(corral.measures, (performance.now() - began) / 1000)) log.line(line);
}
