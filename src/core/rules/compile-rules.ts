import type { PatternLimits } from '../patterns/pattern.ts';
import { Lookups } from '../references/lookups.ts';
import { checkChains } from './check-chains.ts';
import { checkTo, type Forwarding, type KnownSubjects } from './check-to.ts';
import { compileRouting, type Routing } from './compile-routing.ts';
import { compileRule, type RuleCompilation } from './compile-rule.ts';
import { checkStages } from './compile-stages.ts';
import { DEFAULT_LIMITS } from './default-limits.ts';
import { Definitions, isDefinition } from './definitions.ts';
import { listed, suggestion } from './did-you-mean.ts';
import { Problems, type RuleDocument } from './document.ts';
import { hashText } from './hash.ts';
import { compileKeyspace } from './keyspaces.ts';
import type { Problem } from './problem.ts';
import { readRule } from './read-rule.ts';
import { StageReader } from './read-stages.ts';
import type { RuleSet } from './rule-set.ts';
import type { RuleSource } from './rule-source.ts';
import { SharedPredicates } from './shared-predicates.ts';

export interface CompileOptions {
  /** Names of the configured sources; undefined = not known, so `from` is not checked. */
  readonly sources: readonly string[] | undefined;
  /** Names of the configured references; undefined = not known, so what rules look up is not checked. */
  readonly references?: readonly string[] | undefined;
  /** What `to` is checked against; undefined = not known. */
  readonly subjects?: KnownSubjects | undefined;
  /** For what the rules' `limits` leave open. Default `DEFAULT_LIMITS`. */
  readonly limits?: PatternLimits | undefined;
  /** The documents are not all there are: rules may read others that are not among them. Default false. */
  readonly partial?: boolean;
}

export type CompiledRules =
  | {
      readonly ok: true;
      readonly ruleSet: RuleSet;
      /** What it was compiled from. */
      readonly documents: readonly RuleDocument[];
      readonly warnings: readonly Problem[];
    }
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
  const lookups = new Lookups(options.references);
  checkUnused(definitions, lookups, problems, warnings);
  checkNames(sources, problems);
  if (options.partial !== true) checkChains(sources, problems);
  const defaults = { limits: options.limits ?? DEFAULT_LIMITS };
  const drafts = new Map<string, Draft>();
  const compiled: RuleCompilation[] = [];
  const forwarding: Forwarding[] = [];
  for (const source of sources) {
    checkSources(source, options.sources, problems);
    const routing = compileRouting(source, problems);
    const draft = draftOf(drafts, routing);
    const rule = compileRule(source, routing, defaults, draft.shared, lookups, problems, warnings);
    if (rule === undefined) continue;
    draft.rules.push(rule);
    compiled.push(rule);
    if (rule.rule.to !== undefined) forwarding.push({ source, to: rule.rule.to });
  }
  if (options.subjects !== undefined) checkTo(forwarding, sources, options.subjects, problems);
  if (problems.list.length > 0) return { ok: false, problems: problems.sorted(), warnings: warnings.sorted() };
  const rules = compiled.map(({ rule }) => rule);
  const keyspaces = [...drafts.values()].map(({ routing, rules: members }) => compileKeyspace(routing, members));
  const version = hashText(
    rules
      .map(({ name, version: own }) => `${name} ${own}`)
      .sort()
      .join('\n'),
  );
  return { ok: true, ruleSet: { version, keyspaces, rules }, documents, warnings: warnings.sorted() };
}

/** A keyspace while its rules are being compiled. */
interface Draft {
  readonly routing: Routing;
  readonly shared: SharedPredicates;
  readonly rules: RuleCompilation[];
}

function draftOf(drafts: Map<string, Draft>, routing: Routing): Draft {
  let draft = drafts.get(routing.text);
  if (draft === undefined) drafts.set(routing.text, (draft = { routing, shared: new SharedPredicates(), rules: [] }));
  return draft;
}

/** A definition that no rule uses is checked all the same, as far as it can be judged alone. */
function checkUnused(definitions: Definitions, lookups: Lookups, problems: Problems, warnings: Problems): void {
  for (const { name, namePlace, steps } of definitions.unused) {
    const before = problems.added;
    const stages = steps === undefined ? [] : new StageReader(definitions, problems).stages(steps);
    if (problems.added === before) checkStages(stages, lookups, problems);
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
  for (const { kind, name, place } of source.from) {
    if (kind === 'rule' || known === undefined || known.includes(name)) continue;
    const fix =
      known.length === 0
        ? 'add it to `sources` of the configuration'
        : suggestion(name, known, `name one of ${listed(known)}, or add it to \`sources\` of the configuration`);
    problems.add('RULE_SOURCE_UNKNOWN', place, `the configuration has no source \`${name}\``, fix);
  }
}
