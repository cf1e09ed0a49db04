import { Argument, Command } from 'commander';

/** Loaded when asked for: the library that they are written with takes longer to load than all else together. */
const SCHEMAS: Readonly<Record<string, () => Promise<object>>> = {
  rule: async () => (await import('../core/rules/rule-schema.ts')).ruleSchema,
  config: async () => (await import('../config/config-schema.ts')).configSchema,
  match: async () => (await import('../core/events/match-schema.ts')).matchSchema,
};

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
    .action(async (what: string) => {
      const schema = { $schema: 'http://json-schema.org/draft-07/schema#', ...(await SCHEMAS[what]?.()) };
      process.stdout.write(`${JSON.stringify(schema, undefined, 2)}\n`);
    });
}
