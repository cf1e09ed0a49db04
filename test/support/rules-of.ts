import { compileRules } from '../../src/core/rules/compile-rules.ts';
import { Problems } from '../../src/core/rules/document.ts';
import type { RuleSet } from '../../src/core/rules/rule-set.ts';
import { readYaml } from '../../src/core/rules/yaml-document.ts';

/** Compiles rules from YAML text; a problem is a failure of the test. */
export function rulesOf(yaml: string, sources: readonly string[]): RuleSet {
  const problems = new Problems();
  const compiled = compileRules(readYaml('rules.yaml', yaml, problems), { sources }, problems);
  if (compiled.ok) return compiled.ruleSet;
  throw new Error(compiled.problems.map(({ at, message }) => `${at.line}:${at.column} ${message}`).join('\n'));
}
