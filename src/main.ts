#!/usr/bin/env node
import { CommanderError } from 'commander';
import { EXIT } from './cli/exit-code.ts';
import { corralProgram } from './cli/program.ts';

// Whoever reads our output may stop early (`corral replay … | head`); that is no failure of ours.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code === 'EPIPE') process.exit(EXIT.ok);
  throw error;
});

try {
  await corralProgram().parseAsync();
} catch (error) {
  if (!(error instanceof CommanderError)) {
    process.stderr.write(`corral: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`);
    process.exitCode = EXIT.failed;
  } else {
    // Commander has printed it already; what it calls 1 is a command line that cannot be used.
    process.exitCode = error.exitCode === 0 ? EXIT.ok : EXIT.unusable;
  }
}
