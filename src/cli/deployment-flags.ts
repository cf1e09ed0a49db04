import type { Command } from 'commander';
import { loadDeployment } from '../config/load-deployment.ts';
import type { DeploymentConfig } from '../config.ts';
import { connectNats } from '../nats/connect.ts';
import type { NatsLink } from '../nats/link.ts';
import { NatsSetupError } from '../nats/setup-error.ts';
import { givenFlags } from './config-flags.ts';
import { EXIT, type Exit } from './exit-code.ts';
import { formatProblems } from './format-problems.ts';
import { paintFor } from './paint.ts';

/** Flags of commands that look at a deployment which runs elsewhere. */
export interface DeploymentFlags {
  readonly config?: string;
}

export function addDeploymentFlags(command: Command): Command {
  return command
    .option(
      '--config <file>',
      'configuration that says where the deployment is (CORRAL_CONFIG; default: ./corral.yaml)',
    )
    .option('--prefix <name>', 'prefix of the deployment (CORRAL_PREFIX)')
    .option('--server <url>', 'NATS URL (NATS_URL, CORRAL_NATS_URL)')
    .option('--context <name>', 'context of the nats command to take the connection from')
    .option('--creds <file>', 'NATS credentials file');
}

/** A deployment that a command looks at. */
export interface Reached {
  readonly config: DeploymentConfig;
  readonly link: NatsLink;
}

/**
 * Finds out which deployment is meant, connects to its NATS, once, and lets a command work on it. Whatever fails is
 * said on standard error, with its code.
 */
export async function withDeployment(
  command: string,
  flags: DeploymentFlags,
  work: (reached: Reached) => Promise<Exit>,
): Promise<Exit> {
  const given = givenFlags(flags as Readonly<Record<string, unknown>>);
  const resolved = loadDeployment({ file: flags.config, flags: given, environment: process.env });
  if (!resolved.ok) {
    process.stderr.write(`${formatProblems(resolved.problems, paintFor(process.stderr))}\n`);
    return EXIT.unusable;
  }
  let link: NatsLink | undefined;
  try {
    link = await connectNats({ ...resolved.config.nats, name: `corral ${command}`, tries: 'once' });
    return await work({ config: resolved.config, link });
  } catch (error) {
    const { code } = error as { code?: unknown };
    const message = error instanceof Error ? error.message : String(error);
    process.stderr.write(`corral ${command}: ${typeof code === 'string' ? `${code}: ` : ''}${message}\n`);
    return error instanceof NatsSetupError && error.code === 'NATS_OPTIONS' ? EXIT.unusable : EXIT.failed;
  } finally {
    await link?.close();
  }
}
