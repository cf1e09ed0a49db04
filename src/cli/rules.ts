import { Command, InvalidArgumentError } from 'commander';
import { type RuleMark, readMarks } from '../core/rules/rule-mark.ts';
import { type RuleChanges, ruleChanges } from '../core/rules/rule-version.ts';
import { subjects } from '../core/shards/subjects.ts';
import { RuleRegistry } from '../journal/rule-registry.ts';
import { type StoredLease, storedLeases } from '../nats/inspect.ts';
import { attachNatsLog } from '../nats/nats-log.ts';
import { addDeploymentFlags, type DeploymentFlags, type Reached, withDeployment } from './deployment-flags.ts';
import { EXIT, type Exit } from './exit-code.ts';
import { formatTable } from './table.ts';

interface ListFlags extends DeploymentFlags {
  readonly json: boolean;
  readonly limit: number;
}

const LIMIT = 20;

const HELP = `
A deployment runs one version of the rules: the newest. Starting a node with rules that were never there makes the next.
What an edited rule has in its keys is dropped where the version begins; rules that did not change keep their state.

Exit codes: 0 done; 1 not, or NATS cannot be asked; 2 the command line or configuration cannot be used.

Example:
  $ corral rules list
  $ corral rules activate 3      # version 3 becomes the newest again, under a new number
`;

const ACTIVATE_HELP = `
Nodes that were given those rules begin to work; nodes with others let their shards work off what lanes have written, and
wait. A rule that is not the same in both begins with no state.
`;

/** The command `corral rules` with its own commands. */
export function rulesCommand(): Command {
  const command = new Command('rules')
    .description('Look at the versions of the rules; make an older one active again.')
    .addHelpText('after', HELP)
    .exitOverride();
  for (const one of [list(), activate()]) command.addCommand(one.copyInheritedSettings(command));
  return command;
}

function list(): Command {
  const command = new Command('list')
    .description('The versions, newest first, and which nodes run which.')
    .option('--limit <count>', 'most versions to list', count, LIMIT)
    .option('--json', 'print it as JSON', false);
  return addDeploymentFlags(command).action(async (flags: ListFlags) => {
    process.exitCode = await withDeployment('rules', flags, (reached) => listVersions(reached, flags));
  });
}

function activate(): Command {
  const command = new Command('activate')
    .argument('<number>', 'the version', count)
    .description('Makes an older version the newest again, under a new number.')
    .addHelpText('after', ACTIVATE_HELP);
  return addDeploymentFlags(command).action(async (number: number, flags: DeploymentFlags) => {
    process.exitCode = await withDeployment('rules', flags, (reached) => activateVersion(reached, number));
  });
}

async function registryOf({ link, config: { prefix } }: Reached): Promise<RuleRegistry> {
  return new RuleRegistry(await attachNatsLog(link, prefix), subjects(prefix).ruleVersions);
}

interface Listed extends Partial<RuleChanges> {
  readonly number: number;
  readonly hash: string;
  readonly rules: number;
  /** Names of rules that only nodes with their module can run. */
  readonly modules: readonly string[];
  readonly nodes: readonly string[];
}

async function listVersions(reached: Reached, { json, limit }: ListFlags): Promise<Exit> {
  const registry = await registryOf(reached);
  const leases = (await storedLeases(reached.link, reached.config.prefix)) ?? [];
  const marks = livingMarks(leases);
  const { newest } = await registry.read();
  const numbers = newest === undefined ? [] : [newest.number, ...newest.earlier.map(({ number }) => number).reverse()];
  const listed: Listed[] = [];
  let after = newest;
  for (let at = 0; at < Math.min(limit, numbers.length) && after !== undefined; at += 1) {
    const before = numbers[at + 1] === undefined ? undefined : await registry.version(numbers[at + 1]!);
    const { number, hash, rules } = after;
    const modules = rules.flatMap(({ name, module }) => (module ? [name] : []));
    listed.push({
      ...ruleChanges(before, after),
      number,
      hash,
      rules: rules.length,
      modules,
      nodes: nodesOf(marks, number),
    });
    after = before;
  }
  const strangers = nodesOf(marks, 0);
  if (json) {
    process.stdout.write(
      `${JSON.stringify({ versions: listed, more: numbers.length - listed.length, strangers }, undefined, 2)}\n`,
    );
    return EXIT.ok;
  }
  if (listed.length === 0) process.stdout.write('no version is stored yet: no node has started\n');
  else process.stdout.write(`${formatTable(COLUMNS, listed.map(row)).join('\n')}\n`);
  if (numbers.length > listed.length)
    process.stdout.write(`and ${numbers.length - listed.length} older; see --limit\n`);
  if (strangers.length > 0) process.stdout.write(`with rules that are no version yet: ${strangers.join(', ')}\n`);
  return EXIT.ok;
}

/** A mark stays behind when its node dies; only the node's own lease says that it lives. */
function livingMarks(leases: readonly StoredLease[]): ReadonlyMap<string, RuleMark> {
  const nodes = new Set(leases.map(({ name }) => name));
  return new Map([...readMarks(leases)].filter(([node]) => nodes.has(`node.${node}`)));
}

const nodesOf = (marks: ReadonlyMap<string, RuleMark>, version: number): string[] =>
  [...marks].flatMap(([node, { number, waits }]) => (number === version ? [waits ? `${node} (waits)` : node] : []));

const COLUMNS = [
  { title: 'version', right: true },
  { title: 'hash' },
  { title: 'rules', right: true },
  { title: 'added', flexible: true },
  { title: 'edited', flexible: true },
  { title: 'removed', flexible: true },
  { title: 'nodes', flexible: true },
];

const row = ({ number, hash, rules, added = [], edited = [], removed = [], nodes }: Listed): string[] => [
  `${number}`,
  hash.slice(0, 8),
  `${rules}`,
  ...[added, edited, removed, nodes].map((names) => names.join(', ')),
];

async function activateVersion(reached: Reached, number: number): Promise<Exit> {
  const registry = await registryOf(reached);
  for (;;) {
    const end = await registry.read();
    if (end.newest?.number === number) {
      process.stdout.write(`version ${number} is active already\n`);
      return EXIT.ok;
    }
    const { earlier: _, number: __, ...content } = await registry.version(number);
    const answer = await registry.append(content, end);
    if (answer === 'unknown') {
      process.stderr.write('NATS gave no answer; look with `corral rules list` whether it was done\n');
      return EXIT.failed;
    }
    if (answer === 'refused') continue; // another version came in between
    const { edited, removed, added } = ruleChanges(end.newest, content);
    const now = (end.newest?.number ?? 0) + 1;
    process.stdout.write(`version ${number} is active again, as version ${now}\n`);
    for (const [what, names] of Object.entries({ added, edited, removed }))
      if (names.length > 0) process.stdout.write(`${what}: ${names.join(', ')}\n`);
    return EXIT.ok;
  }
}

function count(text: string): number {
  const value = Number(text);
  if (!Number.isInteger(value) || value < 1) throw new InvalidArgumentError('Give a number from 1 on.');
  return value;
}
