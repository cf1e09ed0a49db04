import { type DocumentNode, type Problems, type RuleDocument, scalarText } from './document.ts';
import type { Place } from './problem.ts';
import { KINDS } from './rule-kinds.ts';

const DEPTH_MAX = 32;

/** What process rules alone have: code and declarations, which stay as they are. */
const CODE: ReadonlySet<string> = new Set(KINDS.process.fields);

/**
 * Makes the tree of what a module exports by default: a rule, or a list of rules, of the same shape as YAML, where
 * functions may stand for expressions; of a process rule what it reads and says of itself is. Places name the file alone, since values have none; messages name the field.
 * @param digest of the module's text
 */
export function readModule(
  file: string,
  exported: unknown,
  digest: string,
  problems: Problems,
): readonly RuleDocument[] {
  const place: Place = { file, line: 1, column: 1 };
  if (exported === undefined) {
    problems.add(
      'RULE_MODULE_EMPTY',
      place,
      'the module has no default export',
      'write export default patternRule({ … })',
    );
    return [];
  }
  const rules = Array.isArray(exported) ? exported : [exported];
  return rules.map((rule) => ({ root: convertRule(rule, place, problems), digest, exported: rule }));
}

/** Of a process rule the tree only says which code there is. */
function convertRule(rule: unknown, place: Place, problems: Problems): DocumentNode {
  if (typeof rule !== 'object' || rule === null || !Object.hasOwn(rule, KINDS.process.opens))
    return convert(rule, place, problems, 0);
  const fields = Object.entries(rule).filter(([, value]) => value !== undefined);
  const plain = Object.fromEntries(fields.filter(([name]) => !CODE.has(name)));
  const root = convert(plain, place, problems, 0);
  if (root.kind !== 'map') return root;
  const code = fields.flatMap(([name]) =>
    CODE.has(name) ? [{ name, namePlace: place, value: { kind: 'map' as const, place, fields: [] } }] : [],
  );
  return { ...root, fields: [...root.fields, ...code] };
}

function convert(value: unknown, place: Place, problems: Problems, depth: number): DocumentNode {
  if (depth > DEPTH_MAX) {
    problems.add(
      'RULE_TOO_LARGE',
      place,
      `the rule is nested more than ${DEPTH_MAX} deep, or contains itself`,
      'make it flatter',
    );
    return { kind: 'broken', place };
  }
  switch (typeof value) {
    case 'function':
      return { kind: 'function', place, run: value as (...args: unknown[]) => unknown };
    case 'string':
    case 'number':
    case 'boolean':
      return { kind: 'scalar', place, value, text: scalarText(value), placeAt: () => place, commented: false };
    case 'object': {
      if (value === null) return { kind: 'scalar', place, value, text: '', placeAt: () => place, commented: false };
      if (Array.isArray(value))
        return { kind: 'list', place, items: value.map((item) => convert(item, place, problems, depth + 1)) };
      const fields = Object.entries(value).filter(([, field]) => field !== undefined);
      return {
        kind: 'map',
        place,
        fields: fields.map(([name, field]) => ({
          name,
          namePlace: place,
          value: convert(field, place, problems, depth + 1),
        })),
      };
    }
    default:
      problems.add('RULE_TYPE', place, `a ${typeof value} has no place in a rule`, 'use plain values and functions');
      return { kind: 'broken', place };
  }
}
