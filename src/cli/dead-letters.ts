import { Command, InvalidArgumentError } from 'commander';
import { type DeadLetterId, parseDeadLetterId, showDeadLetterId } from '../core/events/dead-letter-id.ts';
import { subjects } from '../core/shards/subjects.ts';
import { subjectCounts } from '../nats/inspect.ts';
import { attachNatsLog } from '../nats/nats-log.ts';
import { natsSource } from '../nats/nats-source.ts';
import { logStreamName } from '../nats/stream-setup.ts';
import { systemClock } from '../system/system-clock.ts';
import { Catalog, type FoundLetter } from './dead-letters/catalog.ts';
import { dropLetter, type Outcome, refused, replayLetter } from './dead-letters/decide.ts';
import { addFilters, type Filters, fits, isFiltered } from './dead-letters/filters.ts';
import { type Original, originalOf } from './dead-letters/original.ts';
import { letterJson, letterTable, letterText } from './dead-letters/print.ts';
import { addDeploymentFlags, type DeploymentFlags, type Reached, withDeployment } from './deployment-flags.ts';
import { EXIT, type Exit } from './exit-code.ts';
import { counted } from './format-problems.ts';
import { paintFor } from './paint.ts';

interface ListFlags extends DeploymentFlags, Filters {
  readonly limit: number;
  readonly decided: boolean;
  readonly json: boolean;
}

interface DecideFlags extends DeploymentFlags, Filters {
  readonly all: boolean;
  readonly json: boolean;
}

const NAME = 'dead-letters';
const LIMIT = 50;

const EXIT_CODES = `Exit codes: 0 all of it was done; 1 some of it was not, each with the reason; 2 the command line cannot be used.`;

const HELP = `
Example:
  $ corral dead-letters list --rule break-in --since 2h
  $ corral dead-letters show lane.auth.1523
`;

const REPLAY_HELP = `
The event goes through its source's settings and the rules again, as they now are: only to rules that have not seen it
(a letter of a rule goes to that rule alone), and at its key's present time, since its own has passed. A letter can be
replayed once; if it fails again, that is another letter. Partial matches and matches are no events: they say so.

${EXIT_CODES}

Example:
  $ corral dead-letters replay lane.auth.1523
  $ corral dead-letters replay --all --cause key --rule break-in --since 2h
`;

/** The command `corral dead-letters` with its own commands. */
export function deadLettersCommand(): Command {
  const command = new Command(NAME)
    .description('Look at events that could not be processed; replay or drop them.')
    .addHelpText('after', HELP)
    .exitOverride();
  for (const one of [list(), show(), replay(), drop()]) command.addCommand(one.copyInheritedSettings(command));
  return command;
}

function list(): Command {
  const command = new Command('list')
    .description('The newest dead letters that nothing was decided about: a table on a terminal, else JSON lines.')
    .option('--limit <n>', 'at most so many', positive, LIMIT)
    .option('--decided', 'those that were replayed or dropped, instead', false)
    .option('--json', 'JSON lines on a terminal too', false);
  return addDeploymentFlags(addFilters(command)).action(async (flags: ListFlags) => {
    process.exitCode = await withDeployment(NAME, flags, async (reached) => {
      const desk = await Desk.at(reached);
      const found = await desk.newest(flags, flags.limit, flags.decided);
      if (flags.json || !process.stdout.isTTY) for (const one of found) print(JSON.stringify(letterJson(one)));
      else for (const line of letterTable(found, paintFor(process.stdout))) print(line);
      return EXIT.ok;
    });
  });
}

function show(): Command {
  const command = new Command('show')
    .description('Everything about one dead letter: cause, place, rule, events and the original message.')
    .argument('<id>', 'as list prints it', letterId)
    .option('--json', 'print it as JSON', false);
  return addDeploymentFlags(command).action(async (id: DeadLetterId, flags: DeploymentFlags & { json: boolean }) => {
    process.exitCode = await withDeployment(NAME, flags, async (reached) => {
      const desk = await Desk.at(reached);
      const found = await desk.catalog.find(id);
      if (found === undefined) {
        process.stderr.write(`corral ${NAME}: DEAD_LETTER_UNKNOWN: ${unknown(showDeadLetterId(id))}\n`);
        return EXIT.failed;
      }
      const [decided, original] = [await desk.catalog.decided(found), await desk.originalOf(found)];
      if (flags.json) print(JSON.stringify(letterJson(found, { decided, original }), undefined, 2));
      else for (const line of letterText(found, { decided, original }, paintFor(process.stdout))) print(line);
      return EXIT.ok;
    });
  });
}

function replay(): Command {
  const command = new Command('replay').description('Let events that failed be processed again, each once.');
  return deciding(command, replayLetter).addHelpText('after', REPLAY_HELP);
}

function drop(): Command {
  const command = new Command('drop').description(
    'Mark dead letters as done; they stay stored, and lists leave them out.',
  );
  return deciding(command, dropLetter).addHelpText('after', `\n${EXIT_CODES}\n`);
}

function deciding(command: Command, decide: typeof replayLetter): Command {
  command
    .argument('[ids...]', 'as list prints them', letterIds)
    .option('--all', 'all that nothing was decided about and that fit the filters, oldest first', false)
    .option('--json', 'print one line of JSON for each', false);
  return addDeploymentFlags(addFilters(command)).action(
    async (ids: readonly DeadLetterId[], flags: DecideFlags, given: Command) => {
      if (flags.all === ids.length > 0)
        given.error('error: give ids, or --all with or without filters', { exitCode: EXIT.unusable });
      if (!flags.all && isFiltered(flags)) given.error('error: filters go with --all', { exitCode: EXIT.unusable });
      process.exitCode = await withDeployment(NAME, flags, (reached) => decideAll(reached, ids, flags, decide));
    },
  );
}

async function decideAll(
  reached: Reached,
  ids: readonly DeadLetterId[],
  flags: DecideFlags,
  decide: typeof replayLetter,
): Promise<Exit> {
  const desk = await Desk.at(reached);
  const counts = { done: 0, refused: 0 };
  const report = (id: string, outcome: Outcome): void => {
    counts[outcome.kind === 'refused' ? 'refused' : 'done'] += 1;
    if (flags.json) print(JSON.stringify({ id, ...outcome }));
    else if (outcome.kind !== 'refused') print(`${id} ${outcome.kind}`);
    else print(`${id} ${outcome.code}: ${outcome.why}`);
  };
  if (flags.all) {
    for await (const found of desk.open(flags)) report(found.id, await decide(found, desk));
    if (!flags.json) print(`${counted(counts.done, 'letter')} done, ${counts.refused} refused`);
  }
  for (const id of ids) {
    const found = await desk.catalog.find(id);
    const text = showDeadLetterId(id);
    report(text, found === undefined ? refused('DEAD_LETTER_UNKNOWN', unknown(text)) : await decide(found, desk));
  }
  return counts.refused === 0 ? EXIT.ok : EXIT.failed;
}

/** A deployment's dead letters and what was decided about them. */
class Desk {
  readonly clock = systemClock;
  readonly catalog: Catalog;
  readonly log: Awaited<ReturnType<typeof attachNatsLog>>;
  readonly #reached: Reached;

  private constructor(reached: Reached, log: Awaited<ReturnType<typeof attachNatsLog>>) {
    this.#reached = reached;
    this.log = log;
    this.catalog = new Catalog(log, this.#subjects);
  }

  static async at(reached: Reached): Promise<Desk> {
    return new Desk(reached, await attachNatsLog(reached.link, reached.config.prefix));
  }

  readonly originalOf = (found: FoundLetter): Promise<Original> =>
    originalOf(found, { link: this.#reached.link, log: this.log, subjects: this.#subjects, catalog: this.catalog });

  /** Letters that nothing was decided about when it began, oldest first. */
  async *open(filters: Filters): AsyncGenerator<FoundLetter> {
    yield* this.#letters(filters, false);
  }

  /** The newest first. */
  async newest(filters: Filters, limit: number, decided: boolean): Promise<readonly FoundLetter[]> {
    let newest: FoundLetter[] = [];
    for await (const found of this.#letters(filters, decided)) {
      newest.push(found);
      if (newest.length >= 2 * limit) newest = newest.slice(-limit);
    }
    return newest.slice(-limit).reverse();
  }

  async *#letters(filters: Filters, decided: boolean): AsyncGenerator<FoundLetter> {
    const { link, config } = this.#reached;
    const decisions = await subjectCounts(link, logStreamName(config.prefix, 'REPLAY'), this.#subjects.allDecisions);
    const stream = logStreamName(config.prefix, 'DEAD');
    const from =
      filters.since === undefined
        ? 1
        : await natsSource(link, { stream, subject: undefined }).sequenceAt(filters.since);
    for await (const found of this.catalog.letters(from)) {
      if (fits(found.letter, filters) && decisions.has(this.catalog.decisionSubject(found)) === decided) yield found;
    }
  }

  get #subjects(): ReturnType<typeof subjects> {
    return subjects(this.#reached.config.prefix);
  }
}

const unknown = (id: string): string =>
  `There is no dead letter ${id} in this deployment; 'corral dead-letters list' shows what there is.`;

function letterId(text: string): DeadLetterId {
  const id = parseDeadLetterId(text);
  if (id === undefined)
    throw new InvalidArgumentError('Give an id as list prints it, such as lane.auth.1523 or shard.7.12.');
  return id;
}

const letterIds = (text: string, before: readonly DeadLetterId[] | undefined): readonly DeadLetterId[] => [
  ...(before ?? []),
  letterId(text),
];

function positive(text: string): number {
  const value = Number(text);
  if (!Number.isSafeInteger(value) || value < 1) throw new InvalidArgumentError('Give a whole number of at least 1.');
  return value;
}

const print = (line: string): void => {
  process.stdout.write(`${line}\n`);
};
