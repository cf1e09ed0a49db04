import { compileRules } from '../../src/core/rules/compile-rules.ts';
import { DEFAULT_LIMITS } from '../../src/core/rules/default-limits.ts';
import { Problems, type RuleDocument } from '../../src/core/rules/document.ts';
import type { RuleSet } from '../../src/core/rules/rule-set.ts';
import {
  type RuleVersion,
  runnableVersion,
  type StoredSource,
  versionContent,
} from '../../src/core/rules/rule-version.ts';
import { readYaml } from '../../src/core/rules/yaml-document.ts';

export interface Compiled {
  readonly rules: RuleSet;
  readonly documents: readonly RuleDocument[];
}

/** Compiles rules from YAML text, with the documents they come from; a problem is a failure of the test. */
export function compiledOf(yaml: string, sources: readonly string[]): Compiled {
  const problems = new Problems();
  const compiled = compileRules(readYaml('rules.yaml', yaml, problems), { sources }, problems);
  if (!compiled.ok) throw new Error(compiled.problems.map(({ at, message }) => `${at.line} ${message}`).join('\n'));
  return { rules: compiled.ruleSet, documents: compiled.documents };
}

export const inOrder = (...names: string[]): StoredSource[] =>
  names.map((name) => ({ name, inOrder: true, settings: '' }));

/** A version as a node has it that was given those rules itself. */
export function versionOf(
  { rules, documents }: Compiled,
  number: number,
  sources: readonly StoredSource[],
): RuleVersion {
  const content = versionContent(rules, documents, sources, DEFAULT_LIMITS);
  return runnableVersion({ ...content, number, earlier: [] }, rules);
}

export const NO_OWN: RuleSet = { version: '', keyspaces: [], rules: [] };
