import { deflateRawSync, inflateRawSync } from 'node:zlib';
import type { PatternLimits } from '../patterns/pattern.ts';
import { type CompileOptions, compileRules } from './compile-rules.ts';
import { isDefinition } from './definitions.ts';
import type { RuleDocument } from './document.ts';
import { documentFromJson, documentToJson, type JsonNode } from './document-json.ts';
import { canonicalJson, hashText } from './hash.ts';
import type { CompiledRule, RuleSet } from './rule-set.ts';

/**
 * A version of the rules (protocol.md, T4): all rules of a deployment and what of its sources they depend on, under one
 * number. It is stored before any record names it and never changes. It holds what another node needs to run its rules.
 */
export interface StoredVersion {
  readonly number: number;
  /** The same for the same rules and sources. A set that comes back has the hash it had, under a new number. */
  readonly hash: string;
  readonly rules: readonly StoredRule[];
  readonly sources: readonly StoredSource[];
  /** What holds where a rule leaves its limits open: part of what the documents mean. */
  readonly limits: PatternLimits;
  /** The rules and definitions that are YAML. */
  readonly documents: readonly JsonNode[];
  /** Every version before it. */
  readonly earlier: readonly EarlierVersion[];
}

export interface StoredRule {
  readonly name: string;
  /** The rule's own version: its identity (see `CompiledRule`). */
  readonly version: string;
  readonly keyspace: string;
  readonly sources: readonly string[];
  /** Whether its code is in a module, so that only nodes that have the module can run it. */
  readonly module: boolean;
}

export interface StoredSource {
  readonly name: string;
  /** Whether its events come in order of time, so that rules see them at once. */
  readonly inOrder: boolean;
  /** Hash of all its settings but where to start; empty when not known. */
  readonly settings: string;
}

export interface EarlierVersion {
  readonly number: number;
  readonly hash: string;
  /** Sequence of its last message on the subject of versions. */
  readonly sequence: number;
}

/** What a node would run: a version without number and history. */
export type VersionContent = Omit<StoredVersion, 'number' | 'earlier'>;

/**
 * The version that some rules are.
 * @param documents what the rules were compiled from
 * @param limits see `CompileOptions`
 */
export function versionContent(
  { keyspaces, version }: RuleSet,
  documents: readonly RuleDocument[],
  sources: readonly StoredSource[],
  limits: PatternLimits,
): VersionContent {
  const yaml = new Set<string>();
  const stored: JsonNode[] = [];
  for (const document of documents) {
    const json = documentToJson(document);
    if (json === undefined) continue;
    stored.push(json);
    const name = nameOf(document);
    if (name !== undefined) yaml.add(name);
  }
  const rules = keyspaces
    .flatMap(({ id, rules: members }) =>
      members.map(({ name, version: own, sources: read }) => ({
        ...{ name, version: own, keyspace: id, sources: read },
        module: !yaml.has(name),
      })),
    )
    .sort(byName);
  const known = [...sources].sort(byName);
  return { hash: hashText(canonicalJson([version, known])), rules, sources: known, limits, documents: stored };
}

const byName = (a: { readonly name: string }, b: { readonly name: string }): number => (a.name < b.name ? -1 : 1);

function nameOf({ root }: RuleDocument): string | undefined {
  const field = root.kind === 'map' ? root.fields.find(({ name }) => name === 'rule')?.value : undefined;
  return field?.kind === 'scalar' ? field.text : undefined;
}

const FORMAT = 1;

export function encodeVersion(version: StoredVersion): Buffer {
  return deflateRawSync(JSON.stringify({ format: FORMAT, ...version }));
}

/** @throws {RangeError} when the bytes are no version of a known format */
export function decodeVersion(bytes: Uint8Array): StoredVersion {
  let stored: StoredVersion & { readonly format?: unknown };
  try {
    stored = JSON.parse(inflateRawSync(bytes).toString());
  } catch (cause) {
    throw new RangeError('not a version of the rules', { cause });
  }
  const { format, ...version } = stored;
  if (format !== FORMAT)
    throw new RangeError(`rule version format ${String(format)} is unknown; this Corral reads ${FORMAT}`);
  return version;
}

/** A version ready to run on this node. */
export interface RuleVersion {
  readonly number: number;
  readonly hash: string;
  /** By `ruleId`. */
  readonly rules: ReadonlyMap<string, VersionedRule>;
  /** Names of the sources whose events come in order of time. */
  readonly inOrder: ReadonlySet<string>;
}

export interface VersionedRule extends Omit<StoredRule, 'module'> {
  /** Undefined: its code is in a module that this node does not have. */
  readonly compiled: CompiledRule | undefined;
}

/** Names a rule in one of its forms. */
export const ruleId = ({ name, version }: { readonly name: string; readonly version: string }): string =>
  `${name} ${version}`;

/** What a set of rules is as a version that stands nowhere, as for a run over files. */
export function unstoredVersion(rules: RuleSet, number: number, inOrder: ReadonlySet<string>): RuleVersion {
  const all = rules.keyspaces.flatMap(({ id, rules: members }) =>
    members.map((compiled) => {
      const { name, version, sources } = compiled;
      return { name, version, sources, keyspace: id, compiled };
    }),
  );
  return { number, hash: rules.version, rules: new Map(all.map((rule) => [ruleId(rule), rule])), inOrder };
}

/**
 * Makes a version run here: with this node's own rules where it has the same, else from the version's documents.
 * @param own the rules this node was given
 */
export function runnableVersion(stored: StoredVersion, own: RuleSet): RuleVersion {
  const known = new Map(own.rules.map((rule) => [ruleId(rule), rule]));
  if (stored.rules.some((rule) => !rule.module && !known.has(ruleId(rule)))) {
    for (const rule of compileDocuments(stored)) if (!known.has(ruleId(rule))) known.set(ruleId(rule), rule);
  }
  const rules = stored.rules.map((rule): [string, VersionedRule] => {
    const { name, version, keyspace, sources } = rule;
    const compiled = known.get(ruleId(rule));
    return [ruleId(rule), { name, version, keyspace, sources, compiled }];
  });
  const inOrder = new Set(stored.sources.flatMap((source) => (source.inOrder ? [source.name] : [])));
  return { number: stored.number, hash: stored.hash, rules: new Map(rules), inOrder };
}

/**
 * The rules that the documents give. One that needs a definition of a module cannot be compiled without that; the others
 * are then compiled one by one.
 */
function compileDocuments({ documents, limits, number }: StoredVersion): readonly CompiledRule[] {
  const options: CompileOptions = { sources: undefined, limits, partial: true };
  const all = documents.map((json) => documentFromJson(json, `rules of version ${number}`));
  const together = compileRules(all, options);
  if (together.ok) return together.ruleSet.rules;
  const definitions = all.filter(isDefinition);
  return all
    .filter((document) => !isDefinition(document))
    .flatMap((document) => {
      const alone = compileRules([...definitions, document], options);
      return alone.ok ? alone.ruleSet.rules : [];
    });
}

export interface RuleChanges {
  /** Names. */
  readonly added: readonly string[];
  /** Names of rules whose meaning changed: they start afresh. */
  readonly edited: readonly string[];
  readonly removed: readonly string[];
}

/** How the rules of a version differ from those before. */
export function ruleChanges(
  before: Pick<StoredVersion, 'rules'> | undefined,
  after: Pick<StoredVersion, 'rules'>,
): RuleChanges {
  const rules = before?.rules ?? [];
  const ids = new Set(rules.map(ruleId));
  const names = new Set(rules.map(({ name }) => name));
  const kept = new Set(after.rules.map(({ name }) => name));
  return {
    added: after.rules.flatMap(({ name }) => (names.has(name) ? [] : [name])),
    edited: after.rules.flatMap((rule) => (names.has(rule.name) && !ids.has(ruleId(rule)) ? [rule.name] : [])),
    removed: rules.flatMap(({ name }) => (kept.has(name) ? [] : [name])),
  };
}
