import { Command } from 'commander';
import { checkCommand } from './check.ts';
import { deadLettersCommand } from './dead-letters.ts';
import { demoCommand } from './demo.ts';
import { publishCommand } from './publish.ts';
import { replayCommand } from './replay.ts';
import { rulesCommand } from './rules.ts';
import { schemaCommand } from './schema.ts';
import { serveCommand } from './serve.ts';
import { statusCommand } from './status.ts';
import { VERSION } from './version.ts';

/** The command `corral` with all its commands. It throws commander's errors; whoever runs it turns them to exit codes. */
export function corralProgram(): Command {
  const program = new Command('corral')
    .description('Correlates events on NATS: patterns over time, per key, each match exactly once.')
    .version(VERSION, '-V, --version')
    .configureHelp({ showGlobalOptions: false })
    .showHelpAfterError("(see 'corral --help', or --help of the command)")
    .exitOverride();
  for (const command of [
    serveCommand(),
    replayCommand(),
    checkCommand(),
    publishCommand(),
    schemaCommand(),
    statusCommand(),
    deadLettersCommand(),
    rulesCommand(),
    demoCommand(),
  ]) {
    program.addCommand(command.copyInheritedSettings(program));
  }
  return program;
}
