import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Command } from 'commander';
import { loadConfig } from '../config/load-config.ts';
import type { Config } from '../config.ts';
import type { RuleSet } from '../core/rules/rule-set.ts';
import { duration } from '../core/time/units.ts';
import { connectNats } from '../nats/connect.ts';
import { persistApi } from '../nats/js-api.ts';
import type { NatsLink } from '../nats/link.ts';
import { createPublisher } from '../nats/publisher.ts';
import { NO_WATCH } from '../ports/turn-watch.ts';
import { systemClock } from '../system/system-clock.ts';
import { type MatchReader, readMatches } from './demo/match-reader.ts';
import { inWords, matchText } from './demo/print-match.ts';
import { EXIT, type Exit } from './exit-code.ts';
import { formatProblems } from './format-problems.ts';
import { loadRules } from './load-rules.ts';
import { packageRoot } from './package-root.ts';
import { paintFor } from './paint.ts';
import { publishLines } from './publish/publish-lines.ts';
import { readLines } from './publish/read-lines.ts';
import { parseSubject } from './publish/template.ts';
import { startEmbedded } from './serve/embedded-server.ts';
import { type RunningNode, startNode } from './serve/start-node.ts';
import { TerminalLog } from './terminal-log.ts';

const FOLDER = join(packageRoot, 'examples', 'demo');
const EVENTS = join(FOLDER, 'auth-ec2.ndjson.gz');
const RULES = ['break-in', 'name-guessing', 'cut-off', 'two-addresses', 'new-account'];

/** Events a second: four weeks of a log in a quarter of a minute. */
const RATE = 475;
/** A poll of our own progress, for waiting until everything is worked off. */
const POLL_MS = 25;
/** Nothing moved for so long: all that was published has been worked on. */
const QUIET_MS = 1_000;
const READY_MS = 60_000;

const HELP = `
Starts a nats-server of its own (fetching one where none is), publishes four weeks of a real machine's auth.log within
a quarter of a minute, and prints what the rules of examples/demo find in it.

Example:
  $ corral demo --stay
`;

/** The command `corral demo`. */
export function demoCommand(): Command {
  return new Command('demo')
    .description('See real events correlate over a real NATS; needs nothing and leaves nothing behind.')
    .option('--stay', 'keep running afterwards, until Ctrl-C', false)
    .addHelpText('after', HELP)
    .action(async ({ stay }: { stay: boolean }) => {
      // Interrupted, it may still be waiting for what has just been closed.
      process.exit(await demo(stay));
    });
}

async function demo(stay: boolean): Promise<Exit> {
  const paint = paintFor(process.stdout);
  const log = new TerminalLog('demo', process.stdout, paint);
  const interrupted = nextSignal();
  const dataDir = await mkdtemp(join(tmpdir(), 'corral-demo-'));
  const closers: (() => Promise<void>)[] = [() => rm(dataDir, { recursive: true, force: true })];
  try {
    log.progress('starting a nats-server …');
    const server = await startEmbedded({ dataDir, port: 0 }, log);
    closers.push(() => server.stop());
    const show = async (): Promise<void> => {
      const setup = await prepare(server.url, log);
      if (setup === undefined) throw new Error('the rules of the demo cannot be used: install Corral again');
      const link = await connectNats({ url: server.url, name: 'corral demo' });
      closers.push(() => link.close());
      await createStream(link);
      await play({ ...setup, link, log, stay, closers, natsUrl: server.url });
      if (stay) await interrupted;
    };
    await Promise.race([show(), interrupted]);
    return EXIT.ok;
  } catch (error) {
    log.error({}, error instanceof Error ? error.message : String(error));
    return EXIT.failed;
  } finally {
    log.end();
    for (const close of closers.reverse()) await close();
  }
}

interface Setup {
  readonly config: Config;
  readonly rules: RuleSet;
}

async function prepare(natsUrl: string, log: TerminalLog): Promise<Setup | undefined> {
  const flags = { 'nats.url': natsUrl, 'http.host': '127.0.0.1', 'http.port': '0' } as const;
  const files = RULES.map((name) => join(FOLDER, `${name}.yaml`));
  const loaded = loadConfig({ file: join(FOLDER, 'corral.yaml'), flags, environment: {}, rules: files });
  const rules = loaded.ok ? await loadRules(files, { sources: ['auth'], limits: loaded.config.limits }) : undefined;
  if (loaded.ok && rules?.ok) return { config: loaded.config, rules: rules.ruleSet };
  const problems = loaded.ok ? (rules?.ok === false ? rules.problems : []) : loaded.problems;
  log.line(formatProblems(problems, paintFor(process.stdout)));
  return undefined;
}

async function createStream(link: NatsLink): Promise<void> {
  const made = await persistApi(link, 'STREAM.CREATE.AUTH', {
    name: 'AUTH',
    subjects: ['auth.>'],
    retention: 'limits',
    storage: 'file',
  });
  if (made.kind === 'error') throw new Error(`NATS does not create the stream AUTH: ${made.description}`);
}

interface Play extends Setup {
  readonly link: NatsLink;
  readonly log: TerminalLog;
  readonly stay: boolean;
  readonly closers: (() => Promise<void>)[];
  readonly natsUrl: string;
}

async function play({ config, rules, link, log, stay, closers, natsUrl }: Play): Promise<void> {
  const paint = paintFor(process.stdout);
  const node = await startNode({ config, rules, node: 'demo', logger: log, watch: NO_WATCH });
  closers.push(() => node.stop());
  await ready(node);
  const matches = await readMatches(link, config.prefix, (match) => log.line(matchText(match, paint)));
  closers.push(() => matches.close());

  log.line(paint.bold(`Corral on NATS: ${rules.rules.length} rules over four weeks of the auth.log of one machine.\n`));
  const began = performance.now();
  const { events } = await publishEvents(link, log);
  await workedOff(node, matches, events);
  const seconds = (performance.now() - began) / 1000;

  log.line('');
  log.line(
    `${paint.bold(events.toLocaleString('en'))} events at a pace to watch (${RATE}/s), in ${inWords(seconds * 1000)};`,
  );
  log.line(`${paint.bold(String(matches.count))} matches, each stored once in the stream CORRAL_MATCH.`);
  log.line(await atFullSpeed({ config, rules }, link, log, { events, matches: matches.count }));
  log.line('');
  const folder = relative(process.cwd(), FOLDER) || '.';
  if (stay) {
    log.line(`Metrics  ${paint.cyan(`${node.url}/metrics`)}   (also /readyz and /livez)`);
    log.line(`NATS     ${paint.cyan(natsUrl)}   matches on corral.match.>`);
    log.line(`Rules    ${folder}/*.yaml`);
    log.line(`Publish  corral publish FILE --server ${natsUrl} --subject 'auth.\${event.type}'`);
    log.line('\nCtrl-C ends it.');
  } else {
    log.line(`Metrics were at ${node.url}/metrics; 'corral demo --stay' keeps it all running.`);
    log.line(`The rules are ${folder}/*.yaml. Run one over your own events:`);
    log.line('  corral replay rule.yaml --events FILE --time event.ts --type event.type');
    log.line('or beside your own NATS: corral serve --config corral.yaml');
  }
}

async function publishEvents(link: NatsLink, log: TerminalLog): Promise<{ events: number }> {
  // biome-ignore lint/suspicious/noTemplateCurlyInString: a template of Corral's own
  const subject = parseSubject('auth.${event.type}');
  if (!subject.ok) throw new Error(subject.message);
  let now = '';
  async function* oneByOne(): AsyncGenerator<readonly Buffer[]> {
    for await (const lines of readLines(EVENTS)) {
      for (const line of lines) {
        now = /"ts":"([^"T]*)/.exec(line.toString('latin1', 0, 80))?.[1] ?? now;
        yield [line];
      }
    }
  }
  return publishLines(oneByOne(), createPublisher(link), {
    subject: subject.template,
    messageId: undefined,
    batch: 1,
    rate: RATE,
    count: undefined,
    msgpack: false,
    stream: 'AUTH',
    clock: systemClock,
    onSkipped: (line, reason) => log.warn({}, `line ${line} ${reason}`),
    onProgress: (events) => {
      if (events % 25 === 0) log.progress(`${now}  ${events.toLocaleString('en')} events published`);
    },
  });
}

async function ready(node: RunningNode): Promise<void> {
  for (const until = performance.now() + READY_MS; node.notReady().length > 0; ) {
    if (performance.now() > until) throw new Error(`the node is not ready: ${node.notReady().join('; ')}`);
    await Promise.race([sleep(POLL_MS), node.failed]);
  }
}

/** Waits until every event was read and nothing of it is on its way any more. */
async function workedOff(node: RunningNode, matches: MatchReader, events: number): Promise<void> {
  let seen = '';
  let since = performance.now();
  for (;;) {
    const measures = node.measures();
    const read = measures?.sources.get('auth')?.eventsIn ?? 0;
    const now = [read, measures?.node.batchEvents, matches.count].join(' ');
    if (now !== seen) since = performance.now();
    seen = now;
    if (read >= events && performance.now() - since > QUIET_MS) return;
    await Promise.race([sleep(POLL_MS), node.failed]);
  }
}

/** The same once more by a second deployment, as fast as it goes: from its start to its last match. */
async function atFullSpeed(
  { config, rules }: Setup,
  link: NatsLink,
  log: TerminalLog,
  expected: { readonly events: number; readonly matches: number },
): Promise<string> {
  const again = { ...config, prefix: `${config.prefix}-again`, heartbeat: duration(100) };
  const node = await startNode({ config: again, rules, node: 'demo-again', logger: log, watch: NO_WATCH });
  try {
    await ready(node);
    const began = performance.now();
    const matches = await readMatches(link, again.prefix, () => undefined);
    const read = () => node.measures()?.sources.get('auth')?.eventsIn ?? 0;
    while (read() < expected.events || matches.count < expected.matches) await Promise.race([sleep(2), node.failed]);
    const ms = performance.now() - began;
    await matches.close();
    const rate = Math.round((expected.events / ms) * 1000).toLocaleString('en');
    return `Once more, by a second deployment as fast as it goes: the same ${matches.count} matches in ${ms.toFixed(0)} ms, ${rate} events/s.`;
  } finally {
    await node.stop();
  }
}

function nextSignal(): Promise<void> {
  return new Promise((resolve) => {
    let signalled = false;
    for (const name of ['SIGTERM', 'SIGINT'] as const) {
      process.on(name, () => {
        if (signalled) process.exit(EXIT.failed);
        signalled = true;
        resolve();
      });
    }
  });
}
