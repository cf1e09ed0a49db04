import { BINDING_NAME, RESERVED_NAMES } from './binding-name.ts';
import type { DocumentNode, Problems } from './document.ts';
import type { FieldReader } from './field-reader.ts';
import type { Place } from './problem.ts';

/** One entry of `aggregate`: its name and, still unread, what it computes. */
export interface AggregateSource {
  readonly name: string;
  readonly namePlace: Place;
  readonly node: DocumentNode;
}

/** Most aggregates of one rule. */
export const AGGREGATES_MAX = 64;

/** Reads `aggregate`: a map from names to calls. */
export function readAggregates(reader: FieldReader, problems: Problems): readonly AggregateSource[] {
  const node = reader.get('aggregate');
  if (node === undefined) return [];
  if (node.kind !== 'map') {
    reader.wrong(node, 'aggregate', 'a map', 'write a name and what it computes: `aggregate: {events: count()}`');
    return [];
  }
  if (node.fields.length > AGGREGATES_MAX) {
    const message = `the rule has ${node.fields.length} aggregates, at most ${AGGREGATES_MAX} are taken`;
    problems.add('RULE_TOO_LARGE', node.place, message, 'make two rules of it');
  }
  return node.fields.map(({ name, namePlace, value }) => {
    if (!BINDING_NAME.test(name) || RESERVED_NAMES.has(name) || name === 'window') {
      const why = BINDING_NAME.test(name) ? 'means something else in expressions' : 'cannot be a name in expressions';
      const fix = 'name it with letters, digits and _, as `having` and `emit` will call it';
      problems.add('AGGREGATE_NAME', namePlace, `the aggregate \`${name}\` ${why}`, fix);
    }
    return { name, namePlace, node: value };
  });
}
