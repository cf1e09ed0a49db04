import { configProblems } from '../../config/config-problems.ts';
import { loadConfig } from '../../config/load-config.ts';
import { readSource } from '../../config/read-source.ts';
import { ruleFiles } from '../../config/rule-files.ts';
import { DEFAULTS } from '../../config.ts';
import type { Extraction } from '../../core/events/extraction.ts';
import type { SourceSettings } from '../../core/events/source-settings.ts';
import { expressionNode } from '../../core/rules/compile-source.ts';
import { type DocumentField, Problems } from '../../core/rules/document.ts';
import type { Problem } from '../../core/rules/problem.ts';
import type { RuleSet } from '../../core/rules/rule-set.ts';
import { loadRules } from '../load-rules.ts';
import { assignInputs, type SourceInput } from './inputs.ts';
import { assignReferences, type ReferenceInput } from './references.ts';

/** Flags of `corral replay` that say what is replayed. */
export interface ReplayFlags {
  readonly events: readonly string[];
  readonly reference?: readonly string[];
  readonly config?: string;
  readonly time?: string;
  readonly type?: string;
  readonly id?: string;
  readonly where?: string;
  readonly each?: string;
  readonly disorder?: string;
  readonly watermarkPer?: string;
  readonly format?: string;
}

export interface Replay {
  readonly prefix: string;
  readonly rules: RuleSet;
  readonly warnings: readonly Problem[];
  readonly sources: readonly SourceSettings[];
  readonly inputs: readonly SourceInput[];
  /** What the rules look up. */
  readonly references: readonly ReferenceInput[];
}

export type ResolvedReplay =
  | { readonly ok: true; readonly replay: Replay }
  | { readonly ok: false; readonly problems: readonly Problem[] };

/** Flags that are fields of a source. */
const SOURCE_FLAGS = ['time', 'type', 'id', 'where', 'each', 'disorder', 'watermarkPer', 'format'] as const;

/**
 * Resolves what is replayed. Without a configuration the sources are those that the rules name, read as the flags say;
 * with one they are its sources, and a flag wins over what it says.
 */
export async function resolveReplay(patterns: readonly string[], flags: ReplayFlags): Promise<ResolvedReplay> {
  const loaded =
    flags.config === undefined
      ? undefined
      : loadConfig({
          file: flags.config,
          flags: {},
          environment: process.env,
          rules: patterns.length === 0 ? undefined : patterns,
        });
  if (loaded?.ok === false) return loaded;
  const files = loaded?.ruleFiles ?? patterns.flatMap((pattern) => ruleFiles('.', pattern));
  if (files.length === 0) {
    const at = { file: 'corral replay', line: 1, column: 1 };
    const message = 'no rule files are named';
    return { ok: false, problems: [{ code: 'REPLAY_RULES', at, message, fix: 'name rule files, or a --config' }] };
  }
  const rules = await loadRules(files, {
    sources: loaded?.config.sources.map(({ name }) => name),
    references: loaded?.config.references.map(({ name }) => name),
    limits: loaded?.config.limits,
  });
  const problems: Problem[] = rules.ok ? [] : [...rules.problems];
  const needed = rules.ok ? [...new Set(rules.ruleSet.rules.flatMap((rule) => rule.sources))] : [];
  const sources: SourceSettings[] = [];
  const found = new Problems();
  for (const name of rules.ok ? needed : ['events']) {
    const read = readSource(sourceField(name, flags), found);
    const configured = loaded?.config.sources.find((source) => source.name === name);
    if (read !== undefined) sources.push(configured === undefined ? read : overridden(configured, read, flags));
  }
  // Every source reads the same flags, so each of their problems is found once for each.
  const once = new Map(
    found.list.map((problem) => [`${problem.at.file} ${problem.code} ${problem.at.column}`, problem]),
  );
  problems.push(...configProblems([...once.values()]));
  const assigned = assignInputs(flags.events, needed);
  const lookedUp = rules.ok ? [...new Set(rules.ruleSet.rules.flatMap(({ references }) => references))].sort() : [];
  const { references, problems: unassigned } = assignReferences(
    flags.reference ?? [],
    lookedUp,
    loaded?.config.references ?? [],
  );
  if (rules.ok) problems.push(...assigned.problems, ...unassigned);
  if (problems.length > 0 || !rules.ok) return { ok: false, problems };
  return {
    ok: true,
    replay: {
      prefix: loaded?.config.prefix ?? DEFAULTS.prefix,
      rules: rules.ruleSet,
      warnings: rules.warnings,
      sources: sources.map((source) => ({ ...source, start: { kind: 'beginning' } })),
      inputs: assigned.inputs,
      references,
    },
  };
}

function sourceField(name: string, flags: ReplayFlags): DocumentField {
  const place = { file: '--events', line: 1, column: 1 };
  const field = (flag: string, text: string): DocumentField => {
    const at = { file: `--${flag}`, line: 1, column: 1 };
    return { name: flag, namePlace: at, value: expressionNode(text, at) };
  };
  const given = SOURCE_FLAGS.flatMap((flag) => {
    const text = flags[flag];
    return text === undefined ? [] : [field(flag, text)];
  });
  return { name, namePlace: place, value: { kind: 'map', place, fields: [field('stream', name), ...given] } };
}

function overridden(configured: SourceSettings, read: SourceSettings, flags: ReplayFlags): SourceSettings {
  const { time, type, id, where, each } = read.extraction;
  const given = Object.fromEntries(
    Object.entries({ time, type, id, where, each }).filter(([, value]) => value !== undefined),
  );
  return {
    ...configured,
    extraction: { ...configured.extraction, ...given } as Extraction,
    ...(flags.disorder === undefined ? {} : { disorder: read.disorder }),
    ...(flags.watermarkPer === undefined ? {} : { publisher: read.publisher }),
    ...(flags.format === undefined ? {} : { format: read.format }),
  };
}
