import { Argument, Command } from 'commander';
import { configSchema } from '../config/config-schema.ts';
import { matchSchema } from '../core/events/match-schema.ts';
import { ruleSchema } from '../core/rules/rule-schema.ts';

const SCHEMAS: Readonly<Record<string, object>> = { rule: ruleSchema, config: configSchema, match: matchSchema };

const HELP = `
Editors with a YAML language server complete and check a file that begins with
  # yaml-language-server: $schema=rule.schema.json

Example:
  $ corral schema rule > rule.schema.json
`;

/** The command `corral schema`. */
export function schemaCommand(): Command {
  return new Command('schema')
    .description('Print the JSON Schema (draft-07) of rule files, of the configuration, or of matches.')
    .addArgument(new Argument('<what>', 'which schema').choices(Object.keys(SCHEMAS)))
    .addHelpText('after', HELP)
    .action((what: string) => {
      const schema = { $schema: 'http://json-schema.org/draft-07/schema#', ...SCHEMAS[what] };
      process.stdout.write(`${JSON.stringify(schema, undefined, 2)}\n`);
    });
}
