import type { PatternLimits } from '../patterns/pattern.ts';
import { type CompiledKey, compileKey } from './compile-key.ts';
import { checkStages } from './compile-pattern.ts';
import { compileRule, type RuleCompilation, sourcesOf } from './compile-rule.ts';
import { DEFAULT_LIMITS } from './default-limits.ts';
import { Definitions, isDefinition } from './definitions.ts';
import { listed, suggestion } from './did-you-mean.ts';
import { Problems, type RuleDocument } from './document.ts';
import { hashText } from './hash.ts';
import { compileKeyspace, keyspaceText } from './keyspaces.ts';
import type { Problem } from './problem.ts';
import { readRule } from './read-rule.ts';
import { StageReader } from './read-stages.ts';
import type { RuleSet } from './rule-set.ts';
import type { RuleSource } from './rule-source.ts';
import { SharedPredicates } from './shared-predicates.ts';

export interface CompileOptions {
  /** Names of the configured sources; undefined = not known, so `from` is not checked. */
  readonly sources: readonly string[] | undefined;
  /** For what the rules' `limits` leave open. Default `DEFAULT_LIMITS`. */
  readonly limits?: PatternLimits | undefined;
}

export type CompiledRules =
  | { readonly ok: true; readonly ruleSet: RuleSet; readonly warnings: readonly Problem[] }
  | { readonly ok: false; readonly problems: readonly Problem[]; readonly warnings: readonly Problem[] };

/**
 * Compiles all rules of a deployment together: checks them, groups them by key expression and shares what they ask of
 * an event. Gives a rule set, or every problem there is, in order of file and line.
 * @param problems what reading the documents has found already
 */
export function compileRules(
  documents: readonly RuleDocument[],
  options: CompileOptions,
  problems: Problems = new Problems(),
): CompiledRules {
  const warnings = new Problems();
  const definitions = new Definitions(documents, problems);
  const sources = documents.flatMap((document) => {
    if (isDefinition(document)) return [];
    const source = readRule(document, definitions, problems);
    return source === undefined ? [] : [source];
  });
  checkUnused(definitions, problems, warnings);
  checkNames(sources, problems);
  const defaults = { limits: options.limits ?? DEFAULT_LIMITS };
  const drafts = new Map<string, Draft>();
  const compiled: RuleCompilation[] = [];
  for (const source of sources) {
    checkSources(source, options.sources, problems);
    const key = source.key === undefined ? undefined : keyOf(source, problems);
    const draft = draftOf(drafts, source, key ?? NO_KEY);
    const rule = compileRule(source, (key ?? NO_KEY).text, defaults, draft.shared, problems, warnings);
    if (rule === undefined) continue;
    draft.rules.push(rule);
    compiled.push(rule);
  }
  if (problems.list.length > 0) return { ok: false, problems: problems.sorted(), warnings: warnings.sorted() };
  const rules = compiled.map(({ rule }) => rule);
  const keyspaces = [...drafts].map(([text, { key, sources: names, rules: members }]) =>
    compileKeyspace(text, key, names, members),
  );
  const version = hashText(
    rules
      .map(({ name, version: own }) => `${name} ${own}`)
      .sort()
      .join('\n'),
  );
  return { ok: true, ruleSet: { version, keyspaces, rules }, warnings: warnings.sorted() };
}

/** A keyspace while its rules are being compiled. */
interface Draft {
  readonly key: CompiledKey;
  readonly sources: readonly string[];
  readonly shared: SharedPredicates;
  readonly rules: RuleCompilation[];
}

/** Stands in for a key that has problems, so that the rest of the rule is still checked. */
const NO_KEY: CompiledKey = { keyOf: () => ({ kind: 'none' }), text: '' };

function draftOf(drafts: Map<string, Draft>, source: RuleSource, key: CompiledKey): Draft {
  const sources = sourcesOf(source);
  const text = keyspaceText(key, sources);
  let draft = drafts.get(text);
  if (draft === undefined) drafts.set(text, (draft = { key, sources, shared: new SharedPredicates(), rules: [] }));
  return draft;
}

/** Functions of different modules are different even when their texts are equal. */
function keyOf(source: RuleSource, problems: Problems): CompiledKey | undefined {
  const key = source.key === undefined ? undefined : compileKey(source.key, problems);
  const hasFunction = source.key?.kind === 'parts' && source.key.parts.some(({ kind }) => kind === 'function');
  return key !== undefined && hasFunction ? { ...key, text: `${key.text} of ${source.digest}` } : key;
}

/** A definition that no rule uses is checked all the same, as far as it can be judged alone. */
function checkUnused(definitions: Definitions, problems: Problems, warnings: Problems): void {
  for (const { name, namePlace, steps } of definitions.unused) {
    const before = problems.added;
    const stages = steps === undefined ? [] : new StageReader(definitions, problems).stages(steps);
    if (problems.added === before) checkStages(stages, problems);
    warnings.add('DEFINITION_UNUSED', namePlace, `no rule uses \`${name}\``, 'use it, or take it out');
  }
}

function checkNames(sources: readonly RuleSource[], problems: Problems): void {
  const first = new Map<string, RuleSource>();
  for (const source of sources) {
    const other = first.get(source.name);
    if (other === undefined) first.set(source.name, source);
    else {
      const { file, line } = other.namePlace;
      problems.add(
        'RULE_NAME_TWICE',
        source.namePlace,
        `there are two rules \`${source.name}\`, the first in ${file}:${line}`,
        'rename one of them',
      );
    }
  }
}

function checkSources(source: RuleSource, known: readonly string[] | undefined, problems: Problems): void {
  for (const { name, place } of source.from) {
    if (known === undefined || known.includes(name)) continue;
    const fix =
      known.length === 0
        ? 'add it to `sources` of the configuration'
        : suggestion(name, known, `name one of ${listed(known)}, or add it to \`sources\` of the configuration`);
    problems.add('RULE_SOURCE_UNKNOWN', place, `the configuration has no source \`${name}\``, fix);
  }
}
