import { hostname } from 'node:os';
import { Command, InvalidArgumentError } from 'commander';
import { pino } from 'pino';
import { knownSubjects } from '../config/known-subjects.ts';
import { loadConfig } from '../config/load-config.ts';
import type { Config } from '../config.ts';
import type { RuleDocument } from '../core/rules/document.ts';
import type { RuleSet } from '../core/rules/rule-set.ts';
import { HttpListenError } from '../http/http-error.ts';
import type { RunningServer } from '../nats/server/start-server.ts';
import { NatsSetupError } from '../nats/setup-error.ts';
import type { Logger } from '../ports/logger.ts';
import { systemRandom } from '../system/system-random.ts';
import { startWatchdog } from '../system/watchdog.ts';
import { addConfigFlags, givenFlags } from './config-flags.ts';
import { EXIT, EXIT_HELP, type Exit } from './exit-code.ts';
import { formatProblems } from './format-problems.ts';
import { forwardLimits } from './forward-limits.ts';
import { loadRules } from './load-rules.ts';
import { paintFor } from './paint.ts';
import { DATA_DIR, NATS_PORT, startEmbedded } from './serve/embedded-server.ts';
import { type RunningNode, startNode } from './serve/start-node.ts';

interface Flags {
  readonly config?: string;
  readonly embedded: boolean;
  readonly dataDir: string;
  readonly natsPort: number;
  readonly activateRules: boolean;
  readonly requireCompatible: boolean;
}

/** What is in flight has this long to end after SIGTERM. */
const DRAIN_MS = 20_000;

const HELP = `
Every setting of the configuration that is one value has a variable: http.port is CORRAL_HTTP_PORT. A flag wins over a
variable, a variable over the file. NATS_URL, NATS_CREDS, NATS_CONTEXT and the like are understood too.

SIGTERM and SIGINT drain: the node stops reading, ends what is in flight and gives its leases back, within
${DRAIN_MS / 1000} s. A second signal ends it at once.

${EXIT_HELP}

Example:
  $ corral serve --config corral.yaml
  $ corral serve --embedded --data-dir ./data     # with a nats-server of its own, for one machine
`;

/** The command `corral serve`. */
export function serveCommand(): Command {
  const command = new Command('serve')
    .description('Run a node: read sources, match rules, publish matches. Several nodes share the work.')
    .option('--config <file>', 'configuration file (CORRAL_CONFIG; default: ./corral.yaml)')
    .option('--embedded', 'start a nats-server with this process, reachable from this machine only', false)
    .option('--data-dir <folder>', 'where the embedded server keeps its streams', DATA_DIR)
    .option('--nats-port <port>', 'port of the embedded server; 0 takes any free one', port, NATS_PORT)
    .option('--activate-rules', 'make these rules the active ones, also when newer ones are', false)
    .option('--require-compatible', 'do not start when an edited or removed rule would lose its state', false);
  return addConfigFlags(command)
    .addHelpText('after', HELP)
    .action(async (flags: Flags) => {
      process.exitCode = await serve(flags);
    });
}

async function serve(flags: Flags): Promise<Exit> {
  const loaded = loadConfig({
    file: flags.config,
    flags: givenFlags(flags as unknown as Record<string, unknown>),
    environment: process.env,
  });
  const rules = loaded.ok
    ? await loadRules(loaded.ruleFiles, {
        sources: loaded.config.sources.map(({ name }) => name),
        references: loaded.config.references.map(({ name }) => name),
        subjects: knownSubjects(loaded.config),
        limits: loaded.config.limits,
      })
    : undefined;
  const problems = [...(loaded.ok ? [] : loaded.problems), ...(rules === undefined || rules.ok ? [] : rules.problems)];
  if (!loaded.ok || rules === undefined || !rules.ok) {
    process.stderr.write(`${formatProblems(problems, paintFor(process.stderr))}\n`);
    return EXIT.unusable;
  }
  const node = loaded.config.node ?? madeUpName();
  const logger = pino({
    level: loaded.config.log.level,
    base: { node },
    timestamp: pino.stdTimeFunctions.isoTime,
    formatters: { level: (level) => ({ level }) },
  });
  for (const { code, at, message } of rules.warnings) logger.warn({ code, at }, message);
  const { ruleSet, documents } = rules;
  return run({ config: loaded.config, rules: ruleSet, documents, node, logger, flags });
}

interface Run {
  readonly config: Config;
  readonly rules: RuleSet;
  readonly documents: readonly RuleDocument[];
  readonly node: string;
  readonly logger: Logger;
  readonly flags: Flags;
}

async function run({ config: given, rules, documents, node, logger, flags }: Run): Promise<Exit> {
  const signal = firstSignal(logger);
  let server: RunningServer | undefined;
  let running: RunningNode | undefined;
  const watchdog = startWatchdog(given.turnTimeout, EXIT.failed);
  try {
    let config = given;
    if (flags.embedded) {
      server = await startEmbedded({ dataDir: flags.dataDir, port: flags.natsPort }, logger);
      config = { ...given, nats: { url: server.url } };
    }
    logger.info({ rules: rules.rules.map(({ name }) => name), version: rules.version }, 'rules');
    sayLimits(config, logger);
    sayForwards(rules, logger);
    const { activateRules: activate, requireCompatible } = flags;
    const registry = { documents, limits: config.limits, activate, requireCompatible };
    running = await startNode({ config, rules, registry, node, logger, watch: watchdog.watch });
    const serverEnded = server?.ended.then(() => {
      throw new NatsSetupError('NATS_SERVER_FAILED', 'the embedded nats-server ended; its log is in the data folder');
    });
    const name = await Promise.race([signal, running.failed, ...(serverEnded === undefined ? [] : [serverEnded])]);
    logger.info({ signal: name }, `${name}: draining`);
    serverEnded?.catch(() => undefined); // from here on it is meant to end
    const inTime = await withinDrainTime(running.stop());
    await server?.stop();
    if (!inTime)
      logger.error({}, `not drained within ${DRAIN_MS / 1000} s; what was not acknowledged will be done again`);
    else logger.info({}, 'drained');
    return end(inTime ? EXIT.ok : EXIT.failed);
  } catch (error) {
    const { code } = error as { code?: string };
    logger.error(
      { code, err: code === undefined ? error : undefined },
      error instanceof Error ? error.message : String(error),
    );
    await withinDrainTime(running?.stop() ?? Promise.resolve());
    await server?.stop();
    const unusable =
      (error instanceof NatsSetupError && code === 'NATS_OPTIONS') ||
      error instanceof HttpListenError ||
      code === 'RULES_INCOMPATIBLE';
    return end(unusable ? EXIT.unusable : EXIT.failed);
  }
}

/** Ends the process whatever still waits in it, such as a try to connect. */
function end(code: Exit): never {
  process.exit(code);
}

/** Resolves with the first signal; a second one ends the process at once. */
function firstSignal(logger: Logger): Promise<NodeJS.Signals> {
  return new Promise((resolve) => {
    let signalled = false;
    for (const name of ['SIGTERM', 'SIGINT'] as const) {
      process.on(name, () => {
        if (signalled) {
          logger.warn({ signal: name }, `${name} again: ending at once`);
          process.exit(EXIT.failed);
        }
        signalled = true;
        resolve(name);
      });
    }
  });
}

function withinDrainTime(drained: Promise<void>): Promise<boolean> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(resolve, DRAIN_MS, false);
    drained.then(() => resolve(true), reject).finally(() => clearTimeout(timer));
  });
}

/** What the promise of each match exactly once does not cover, said before anybody relies on it. */
function sayLimits({ streams }: Config, logger: Logger): void {
  const power =
    'an acknowledgement of JetStream is not a write to disk: a power cut or crash of the operating system can lose what ' +
    'an unreplicated server took in its last sync interval (2 minutes unless set otherwise).';
  const answer = streams.replicas > 1 ? '' : ' Answers: streams.replicas 3, or sync_interval: always in the server.';
  logger.info({ replicas: streams.replicas, storage: streams.storage }, power + answer);
  if (streams.storage === 'memory')
    logger.warn({}, 'streams.storage is memory: a restart of the server loses everything');
}

function sayForwards({ rules }: RuleSet, logger: Logger): void {
  for (const { name: rule, to } of rules) {
    if (to !== undefined)
      logger.info({ rule, to: to.form }, `rule ${rule} also goes to ${to.form}. ${forwardLimits(to)}`);
  }
}

const madeUpName = (): string =>
  `${hostname().replace(/[^A-Za-z0-9_-]/g, '-')}-${Math.floor(systemRandom.next() * 2 ** 32).toString(36)}`;

function port(text: string): number {
  const value = Number(text);
  if (!Number.isInteger(value) || value < 0 || value > 65_535)
    throw new InvalidArgumentError('Give a port, 0 to 65535.');
  return value;
}
