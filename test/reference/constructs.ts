import { parseAllDocuments } from 'yaml';
import { ruleSchema } from '../../src/core/rules/rule-schema.ts';
import type { Example } from './timeline.ts';

/**
 * The constructs of the rule language as the schema of rule files has them: every field, every word that a field takes,
 * and every form of one that takes several. What the schema gains, the reference has to show.
 */
interface Schema {
  readonly type?: string;
  readonly const?: unknown;
  readonly $ref?: string;
  readonly anyOf?: readonly Schema[];
  readonly items?: Schema;
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly additionalProperties?: unknown;
  readonly definitions?: Readonly<Record<string, Schema>>;
}

const root = ruleSchema as unknown as Schema;

/** What events over time do not show: names, and what goes into a match as it is written. */
const WITHOUT_EFFECT_OVER_TIME = /^(rule|description|severity|labels|from)\b/;

/** What there is beyond single fields. */
const COMBINED: readonly (readonly [construct: string, shown: (rule: string) => boolean])[] = [
  ['a notFollowedBy in the middle', (rule) => /- notFollowedBy: [^-]*- followedBy/.test(rule)],
  ['a notFollowedBy at the end', (rule) => /- notFollowedBy: [^-]*$/.test(rule)],
  [
    'a condition over earlier events',
    (rule) => /where: .*\b(last|first|size|sum|avg|exists|all)\(|where: .*\w+\.\w+ (==|<|>) \w+\./.test(rule),
  ],
  ['a group that loops', (rule) => /steps:[\s\S]*\n {4}times:/.test(rule)],
  ['a group that may be absent', (rule) => /steps:[\s\S]*\n {4}optional:/.test(rule)],
  ['a group in a group', (rule) => /steps:[\s\S]*\n {8,}(- begin|- \w+):\n\s+steps:/.test(rule)],
];

/** All constructs that a timeline has to show. */
export function constructsOfSchema(): readonly string[] {
  const found = new Set<string>();
  walk(root, '', found, new Set());
  return [...found, ...COMBINED.map(([name]) => name)].filter((name) => !WITHOUT_EFFECT_OVER_TIME.test(name)).sort();
}

function walk(given: Schema, path: string, found: Set<string>, seen: Set<string>): void {
  const schema = resolved(given);
  if (given.$ref !== undefined) {
    if (seen.has(given.$ref)) return;
    seen.add(given.$ref);
    walk(schema, 'step', found, seen);
    return;
  }
  if (schema.const !== undefined) found.add(`${path}: ${String(schema.const)}`);
  const forms = (schema.anyOf ?? []).map(formOf);
  for (const form of new Set(forms))
    if (form !== undefined && forms.some((other) => other !== form)) found.add(`${path} as ${form}`);
  for (const variant of schema.anyOf ?? []) walk(variant, path, found, seen);
  if (schema.items !== undefined) walk(schema.items, path, found, seen);
  for (const [name, field] of Object.entries(schema.properties ?? {})) {
    found.add(under(path, name));
    walk(field, under(path, name), found, seen);
  }
}

/** The constructs that the rules of these examples use. */
export function constructsOf(examples: readonly Example[]): ReadonlySet<string> {
  const used = new Set<string>();
  for (const { rule } of examples) {
    for (const document of parseAllDocuments(rule)) use(root, document.toJS(), '', used);
    for (const [name, shown] of COMBINED) if (shown(rule)) used.add(name);
  }
  return used;
}

function use(given: Schema, value: unknown, path: string, used: Set<string>): void {
  const schema = resolved(given);
  const own = given.$ref === undefined ? path : 'step';
  if (schema.const === value) used.add(`${own}: ${String(value)}`);
  if (schema.anyOf !== undefined) {
    used.add(`${own} as ${kindOf(value)}`);
    for (const variant of schema.anyOf) if (fits(resolved(variant), value)) use(variant, value, own, used);
  }
  if (Array.isArray(value)) {
    for (const item of value) if (schema.items !== undefined) use(schema.items, item, own, used);
  } else if (typeof value === 'object' && value !== null) {
    for (const [name, field] of Object.entries(value)) {
      const known = schema.properties?.[name];
      if (known === undefined) continue;
      used.add(under(own, name));
      use(known, field, under(own, name), used);
    }
  }
}

/** Groups have the same fields wherever they stand. */
const under = (path: string, name: string): string =>
  ['steps', 'anyOf', 'allOf', 'use', 'as'].includes(name) ? `group.${name}` : path === '' ? name : `${path}.${name}`;

const resolved = (schema: Schema): Schema =>
  schema.$ref === undefined ? schema : root.definitions![schema.$ref.replace('#/definitions/', '')]!;

const fits = (schema: Schema, value: unknown): boolean => {
  if (schema.anyOf !== undefined) return true;
  return schema.const === undefined ? formOf(schema) === kindOf(value) : schema.const === value;
};

/** Forms that read differently; a text and a truth value are one, since both are expressions. */
function formOf({ type, const: word }: Schema): string | undefined {
  if (word !== undefined || type === undefined) return undefined;
  return type === 'boolean' ? 'string' : type === 'number' ? 'integer' : type;
}

function kindOf(value: unknown): string {
  if (Array.isArray(value)) return 'array';
  if (typeof value === 'number') return 'integer';
  return typeof value === 'object' ? 'object' : 'string';
}
