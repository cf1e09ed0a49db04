import { existsSync } from 'node:fs';
import { Command } from 'commander';
import { knownSubjects } from '../config/known-subjects.ts';
import { DEFAULT_FILE, loadConfig } from '../config/load-config.ts';
import { ruleFiles } from '../config/rule-files.ts';
import type { CompiledRules, CompileOptions } from '../core/rules/compile-rules.ts';
import type { Problem } from '../core/rules/problem.ts';
import type { CompiledRule } from '../core/rules/rule-set.ts';
import { runTwice } from './check/run-twice.ts';
import { EXIT, EXIT_HELP, type Exit } from './exit-code.ts';
import { counted, formatProblems } from './format-problems.ts';
import { forwardLimits } from './forward-limits.ts';
import { loadRules } from './load-rules.ts';
import { type Paint, paintFor } from './paint.ts';
import { type ReplayFlags, resolveReplay } from './replay/settings.ts';
import { addSourceFlags, collect } from './replay/source-flags.ts';

interface Flags extends Omit<ReplayFlags, 'events'> {
  readonly json: boolean;
  readonly run?: readonly string[];
}

const HELP = `
Without files, the rules of the configuration are checked. Sources are checked against the configuration when there is
one (--config, CORRAL_CONFIG or ./corral.yaml), which also gives the limits that rules leave open.

For each rule it says what bounds the state of one key, and what happens after a match.

With --run the rules run twice over a file of events, in different batches. A rule that does not say the same both times
has used a clock, chance or something it remembers outside its state; what it would say after a restart is not certain.
The flags that say how lines are read are those of 'corral replay'.

${EXIT_HELP}

Example:
  $ corral check rules/*.yaml
  $ corral check rules/bookings.ts --run bookings=bookings.ndjson --run seats=seats.ndjson --time event.at
`;

/** The command `corral check`. */
export function checkCommand(): Command {
  const command = new Command('check')
    .description('Check rules and configuration; list every problem with its place and the way out.')
    .argument('[files...]', 'rule files, folders or patterns')
    .option('--config <file>', 'configuration whose sources the rules may read (CORRAL_CONFIG)')
    .option('--json', 'print the result as JSON', false)
    .option('--run <[source=]file>', 'NDJSON to run the rules over, plain or gzip; may be given again', collect)
    .option('--reference <name=file>', 'with --run: entries of a reference that the rules look up', collect);
  return addSourceFlags(command)
    .addHelpText('after', HELP)
    .action(async (files: string[], flags: Flags) => {
      process.exitCode = await check(files, flags);
    });
}

async function check(patterns: readonly string[], flags: Flags): Promise<Exit> {
  const withConfig =
    flags.config !== undefined || !!process.env.CORRAL_CONFIG || patterns.length === 0 || existsSync(DEFAULT_FILE);
  const problems: Problem[] = [];
  let options: CompileOptions = { sources: undefined };
  let files: readonly string[] = patterns.flatMap((pattern) => ruleFiles('.', pattern));
  if (withConfig) {
    const rules = patterns.length === 0 ? undefined : patterns;
    const loaded = loadConfig({ file: flags.config, flags: {}, environment: process.env, rules });
    if (loaded.ok) {
      const { sources, references, limits } = loaded.config;
      const namesOf = (all: readonly { readonly name: string }[]): string[] => all.map(({ name }) => name);
      options = {
        sources: namesOf(sources),
        references: namesOf(references),
        limits,
        subjects: knownSubjects(loaded.config),
      };
      files = loaded.ruleFiles;
    } else problems.push(...loaded.problems);
  }
  const compiled = await loadRules(files, options);
  if (!compiled.ok) problems.push(...compiled.problems);
  if (flags.run !== undefined && problems.length === 0) {
    const config = withConfig ? (flags.config ?? process.env.CORRAL_CONFIG ?? DEFAULT_FILE) : undefined;
    problems.push(...(await problemsOfRun(patterns, { ...flags, config, events: flags.run })));
  }
  if (flags.json) printJson(compiled, problems);
  else printText(compiled, problems, files.length);
  return problems.length === 0 ? EXIT.ok : EXIT.unusable;
}

async function problemsOfRun(
  patterns: readonly string[],
  { config, ...flags }: Omit<ReplayFlags, 'config'> & { readonly config: string | undefined },
): Promise<readonly Problem[]> {
  if (flags.events.includes('-')) {
    const at = { file: '--run', line: 1, column: 1 };
    const message = 'standard input cannot be read twice';
    return [{ code: 'REPLAY_EVENTS', at, message, fix: 'put the events into a file, and name that' }];
  }
  const resolved = await resolveReplay(patterns, config === undefined ? flags : { ...flags, config });
  if (!resolved.ok) return resolved.problems;
  try {
    return await runTwice(resolved.replay);
  } catch (error) {
    process.stderr.write(`corral check: ${error instanceof Error ? error.message : String(error)}\n`);
    // Whatever still waits in the assembly waits for an input or lease that will not come.
    process.exit(EXIT.failed);
  }
}

function rulesOf(compiled: CompiledRules): readonly object[] {
  if (!compiled.ok) return [];
  return compiled.ruleSet.rules.map(({ name, version, kind, sources, onLate, bound, afterMatch }) => ({
    name,
    version,
    kind,
    sources,
    onLate,
    // JSON has no Infinity: what is not bounded is null there.
    bound,
    afterMatch,
  }));
}

function printJson(compiled: CompiledRules, problems: readonly Problem[]): void {
  const result = { ok: problems.length === 0, problems, warnings: compiled.warnings, rules: rulesOf(compiled) };
  process.stdout.write(`${JSON.stringify(result, undefined, 2)}\n`);
}

function printText(compiled: CompiledRules, problems: readonly Problem[], files: number): void {
  const paint = paintFor(process.stdout);
  const blocks = compiled.ok ? compiled.ruleSet.rules.map((rule) => describe(rule, paint)) : [];
  if (compiled.warnings.length > 0) blocks.push(formatProblems(compiled.warnings, paint, 'warning'));
  if (problems.length > 0) blocks.push(formatProblems(problems, paint));
  for (const block of blocks) process.stdout.write(`${block}\n`);
  const warned = compiled.warnings.length === 0 ? '' : `, ${counted(compiled.warnings.length, 'warning')}`;
  if (problems.length > 0) {
    process.stdout.write(`${paint.red(counted(problems.length, 'problem'))}${warned} in ${counted(files, 'file')}\n`);
  } else {
    const rules = compiled.ok ? compiled.ruleSet.rules.length : 0;
    process.stdout.write(
      `${paint.green('no problems')}${warned}: ${counted(rules, 'rule')} in ${counted(files, 'file')}\n`,
    );
  }
}

/** Where lines of sentences end. */
const WIDTH = 100;

/** A rule in a few lines: what it is, what bounds it, and what its choice of matches means. */
function describe({ name, kind, sources, version, bound, afterMatch, to }: CompiledRule, paint: Paint): string {
  const lines = [`${paint.bold(name)}  ${paint.dim(`${kind} over ${sources.join(', ')}, version ${version}`)}`];
  if (bound !== undefined) lines.push(...labelled('bound', bound.sentence, paint));
  if (afterMatch !== undefined) lines.push(...labelled('after a match', afterMatch, paint));
  if (to !== undefined) lines.push(...labelled('goes to', `${to.form}. ${forwardLimits(to)}`, paint));
  return `${lines.join('\n')}\n`;
}

/** A sentence broken into lines beside its label. */
function labelled(label: string, sentence: string, paint: Paint): readonly string[] {
  const margin = '  '.padEnd(18);
  const lines: string[] = [];
  let line = '';
  for (const word of sentence.split(' ')) {
    if (line !== '' && margin.length + line.length + word.length >= WIDTH) {
      lines.push(line);
      line = '';
    }
    line += line === '' ? word : ` ${word}`;
  }
  lines.push(line);
  const first = `  ${paint.dim(`${label}:`)}`.padEnd(margin.length + paint.dim('').length);
  return lines.map((text, index) => `${index === 0 ? first : margin}${text}`);
}
