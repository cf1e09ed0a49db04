import type { Command } from 'commander';
import { flagOf, type Given, SETTABLE, type Settable, variableOf } from '../config/overlay.ts';

const DESCRIPTIONS: Partial<Readonly<Record<Settable, string>>> = {
  prefix: 'first token of all subjects and streams of the deployment',
  node: 'name of this node',
  'nats.url': 'NATS URL',
  'nats.context': 'context of the nats command to take the connection from',
  'nats.creds': 'NATS credentials file',
  shards: 'parts into which keys are divided; fixed for the life of a deployment',
  'http.host': 'address of /metrics, /livez and /readyz',
  'http.port': 'port of them; 0 takes any free one',
  'log.level': 'debug, info, warn or error',
};

/** Adds the flags of settings, each with its variable in the help. Secrets have variables only: argv is public. */
export function addConfigFlags(command: Command): Command {
  for (const setting of SETTABLE) {
    const description = DESCRIPTIONS[setting];
    if (description === undefined) continue;
    command.option(`${flagOf(setting)} <value>`, `${description} (${variableOf(setting)})`);
  }
  return command;
}

/** What was given by those flags. */
export function givenFlags(options: Readonly<Record<string, unknown>>): Given {
  const given: Partial<Record<Settable, string>> = {};
  for (const setting of SETTABLE) {
    const name = flagOf(setting)
      .slice(2)
      .replace(/-([a-z])/g, (_, letter: string) => letter.toUpperCase());
    const value = options[name];
    if (DESCRIPTIONS[setting] !== undefined && typeof value === 'string') given[setting] = value;
  }
  return given;
}
