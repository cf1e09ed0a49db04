import { Command } from 'commander';
import { addDeploymentFlags, type DeploymentFlags, withDeployment } from './deployment-flags.ts';
import { EXIT } from './exit-code.ts';
import { paintFor } from './paint.ts';
import { gatherStatus } from './status/gather.ts';
import { statusJson, statusText } from './status/print.ts';
import { problemsOf } from './status/status.ts';

interface Flags extends DeploymentFlags {
  readonly json: boolean;
  readonly shards: boolean;
}

const HELP = `
It reads what NATS has: leases, ends of subjects, streams. A lease not renewed for lease.ttl (of the configuration,
else 10s) has expired. Records not yet committed include heartbeats; some dozens in each shard are normal.

Exit codes: 0 healthy; 1 not healthy, or NATS cannot be asked; 2 the command line or configuration cannot be used.

Example:
  $ corral status --config corral.yaml
  $ corral status --server nats://10.0.0.5:4222 --json
`;

/** The command `corral status`. */
export function statusCommand(): Command {
  const command = new Command('status')
    .description('Is the deployment healthy? Nodes, shards, lanes, rules, dead letters, streams.')
    .option('--shards', 'a line for each shard', false)
    .option('--json', 'print it as JSON', false);
  return addDeploymentFlags(command)
    .addHelpText('after', HELP)
    .action(async (flags: Flags) => {
      process.exitCode = await withDeployment('status', flags, async ({ link, config }) => {
        const status = await gatherStatus(link, config.prefix, config.lease.ttl);
        if (flags.json) process.stdout.write(`${JSON.stringify(statusJson(status), undefined, 2)}\n`);
        else process.stdout.write(`${statusText(status, paintFor(process.stdout), flags.shards).join('\n')}\n`);
        return problemsOf(status).length === 0 ? EXIT.ok : EXIT.failed;
      });
    });
}
