import { Command, InvalidArgumentError } from 'commander';
import { type ConnectOptions, connectNats } from '../nats/connect.ts';
import { persistApi } from '../nats/js-api.ts';
import type { NatsLink } from '../nats/link.ts';
import { createPublisher } from '../nats/publisher.ts';
import { NatsSetupError } from '../nats/setup-error.ts';
import { systemClock } from '../system/system-clock.ts';
import { EXIT, type Exit } from './exit-code.ts';
import { type PublishSummary, publishLines } from './publish/publish-lines.ts';
import { readLines } from './publish/read-lines.ts';
import { type ParsedTemplate, parseSubject, parseText, type Template } from './publish/template.ts';

interface Flags {
  readonly subject: Template;
  readonly msgId?: Template;
  readonly batch: number;
  readonly rate?: number;
  readonly count?: number;
  readonly msgpack?: true;
  readonly stream?: string;
  readonly create?: true;
  readonly server?: string;
  readonly context?: string;
  readonly creds?: string;
  readonly json?: true;
}

const HELP = `
A subject may hold fields of the event: auth.\${event.type}. What NATS forbids in a token (blanks, control characters,
. * >) and % itself is written percent-encoded ("CODE OK" becomes CODE%20OK); an absent or empty field becomes _.

A batch holds only events that follow each other on one subject, so batching never changes their order.

Exit codes: 0 every event is stored; 1 some are not, or NATS failed; 2 the command line cannot be used.

Example:
  $ corral publish events.ndjson.gz --subject 'auth.\${event.type}' --stream AUTH --create --rate 500/s
`;

/** The command `corral publish`. */
export function publishCommand(): Command {
  return new Command('publish')
    .description('Publish events (NDJSON, plain or gzip) to NATS subjects made from their fields.')
    .argument('[files...]', 'files of NDJSON; - is standard input, and the default')
    .requiredOption(
      '--subject <template>',
      `subject, with \${event.field} for parts from the event`,
      template(parseSubject),
    )
    .option('--batch <n>', 'most events in one message; more than 1 publishes lists', positiveInteger, 1)
    .option('--rate <n/s>', 'events per second (default: as fast as they are acknowledged)', rate)
    .option('--count <n>', 'stop after this many events', positiveInteger)
    .option('--msgpack', 'publish msgpack instead of JSON')
    .option(
      '--msg-id <template>',
      'Nats-Msg-Id of each message, for de-duplication; not with --batch',
      template(parseText),
    )
    .option('--stream <name>', 'the stream that must store them')
    .option('--create', 'create the stream when it does not exist')
    .option('--server <url>', 'NATS URL (default: NATS_URL, the context, nats://127.0.0.1:4222)')
    .option('--context <name>', 'context of the nats command to take the connection from')
    .option('--creds <file>', 'NATS credentials file')
    .option('--json', 'print the summary as JSON on standard output')
    .addHelpText('after', HELP)
    .action(async (files: string[], flags: Flags, command: Command) => {
      if (flags.msgId !== undefined && flags.batch > 1) {
        command.error('error: --msg-id names one event, and a batch holds many: leave out one of them', {
          exitCode: 2,
        });
      }
      if (flags.create === true && flags.stream === undefined) {
        command.error('error: --create needs the name of the stream: add --stream NAME', { exitCode: EXIT.unusable });
      }
      process.exitCode = await publish(files.length === 0 ? ['-'] : files, flags);
    });
}

async function publish(files: readonly string[], flags: Flags): Promise<Exit> {
  const began = performance.now();
  const report = new Report();
  let link: NatsLink | undefined;
  try {
    link = await connectNats(connectOptions(flags));
    if (flags.stream !== undefined) await ensureStream(link, flags.stream, flags);
    const summary = await publishLines(allLines(files), createPublisher(link), {
      subject: flags.subject,
      messageId: flags.msgId,
      batch: flags.batch,
      rate: flags.rate,
      count: flags.count,
      msgpack: flags.msgpack === true,
      stream: flags.stream,
      clock: systemClock,
      onSkipped: (line, reason) => report.line(`line ${line} ${reason}`),
      onProgress: (events) => report.progress(`${events.toLocaleString('en')} events`),
    });
    const seconds = (performance.now() - began) / 1000;
    report.end();
    if (flags.json === true) process.stdout.write(`${JSON.stringify({ ...summary, seconds })}\n`);
    process.stderr.write(`${summaryText(summary, seconds)}\n`);
    return summary.failed + summary.skipped > 0 ? EXIT.failed : EXIT.ok;
  } catch (fault) {
    report.end();
    process.stderr.write(`corral publish: ${fault instanceof Error ? fault.message : String(fault)}\n`);
    return fault instanceof NatsSetupError && fault.code === 'NATS_OPTIONS' ? EXIT.unusable : EXIT.failed;
  } finally {
    await link?.close();
  }
}

async function* allLines(files: readonly string[]): AsyncGenerator<readonly Buffer[]> {
  for (const file of files) yield* readLines(file);
}

function connectOptions(flags: Flags): ConnectOptions {
  return {
    name: 'corral publish',
    tries: 'once',
    ...(flags.server === undefined ? {} : { url: flags.server }),
    ...(flags.context === undefined ? {} : { context: flags.context }),
    ...(flags.creds === undefined ? {} : { creds: flags.creds }),
  };
}

/** @throws {NatsSetupError} when the stream is not there and must not or cannot be created. */
async function ensureStream(link: NatsLink, stream: string, { subject, create }: Flags): Promise<void> {
  const found = await persistApi(link, `STREAM.INFO.${stream}`);
  if (found.kind === 'ok') return;
  if (create !== true) {
    throw new NatsSetupError('STREAM_REFUSED', `the stream ${stream} does not exist: create it, or add --create`);
  }
  const created = await persistApi(link, `STREAM.CREATE.${stream}`, {
    name: stream,
    subjects: [subject.wildcard],
    retention: 'limits',
    storage: 'file',
  });
  if (created.kind === 'error') {
    throw new NatsSetupError(
      'STREAM_REFUSED',
      `NATS does not create the stream ${stream} for ${subject.wildcard}: ${created.description} (${created.code})`,
    );
  }
}

function summaryText(summary: PublishSummary, seconds: number): string {
  const { events, messages, bytes, stored, duplicates, failed, skipped, firstFailure } = summary;
  const count = (n: number): string => n.toLocaleString('en');
  const parts = [
    `${count(events)} events in ${count(messages)} messages (${count(bytes)} bytes) in ${seconds.toFixed(1)} s` +
      `, ${count(Math.round(events / seconds))} events/s`,
    `${count(stored)} messages stored`,
  ];
  if (duplicates > 0) parts.push(`${count(duplicates)} were there already`);
  if (failed > 0) parts.push(`${count(failed)} failed`);
  if (skipped > 0) parts.push(`${count(skipped)} lines left out`);
  const first = firstFailure === undefined ? '' : `\nfirst failure: ${firstFailure.subject}: ${firstFailure.cause}`;
  return parts.join('; ') + first;
}

/** Lines about what goes wrong, and one line of progress where a person watches. */
class Report {
  static readonly #LINES_MAX = 20;
  #lines = 0;
  #open = false;

  line(text: string): void {
    this.#lines += 1;
    if (this.#lines > Report.#LINES_MAX + 1) return;
    this.end();
    process.stderr.write(
      this.#lines > Report.#LINES_MAX
        ? 'corral publish: further lines are only counted\n'
        : `corral publish: ${text}\n`,
    );
  }

  progress(text: string): void {
    if (!process.stderr.isTTY) return;
    process.stderr.write(`\r${text}`);
    this.#open = true;
  }

  end(): void {
    if (this.#open) process.stderr.write('\n');
    this.#open = false;
  }
}

function template(parse: (text: string) => ParsedTemplate): (text: string) => Template {
  return (text) => {
    const parsed = parse(text);
    if (!parsed.ok) throw new InvalidArgumentError(parsed.message);
    return parsed.template;
  };
}

function positiveInteger(text: string): number {
  const value = Number(text);
  if (!Number.isSafeInteger(value) || value < 1) throw new InvalidArgumentError('Give a whole number of at least 1.');
  return value;
}

function rate(text: string): number {
  const value = Number(/^([0-9_.]+)(\/s)?$/.exec(text)?.[1]?.replaceAll('_', ''));
  if (!(value > 0)) throw new InvalidArgumentError('Give events per second, such as 500/s.');
  return value;
}
