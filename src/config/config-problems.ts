import type { Problem } from '../core/rules/problem.ts';

/** What the reader of YAML trees reports of a rule is, in a configuration, a problem of the configuration. */
const CODES: Readonly<Record<string, string>> = {
  RULE_YAML: 'CONFIG_YAML',
  RULE_TYPE: 'CONFIG_TYPE',
  RULE_DURATION: 'CONFIG_DURATION',
  RULE_FIELD_UNKNOWN: 'CONFIG_FIELD_UNKNOWN',
  RULE_FIELD_TWICE: 'CONFIG_FIELD_TWICE',
  RULE_TOO_LARGE: 'CONFIG_TOO_LARGE',
};

export const configProblems = (problems: readonly Problem[]): readonly Problem[] =>
  problems.map((problem) => ({ ...problem, code: CODES[problem.code] ?? problem.code }));
