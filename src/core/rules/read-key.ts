import type { DocumentNode, Problems } from './document.ts';
import type { FieldReader } from './field-reader.ts';
import { readExpression } from './read-expression.ts';
import type { ExpressionSource, KeySource } from './rule-source.ts';

/** Most parts of a composite key. */
const PARTS_MAX = 16;

/** Reads `key` or `keyEach`; undefined when neither is there, or what is there cannot be read. */
export function readKey(reader: FieldReader, problems: Problems): KeySource | undefined {
  const each = reader.has('keyEach');
  if (each && reader.has('key')) {
    problems.add(
      'KEY_EACH',
      reader.placeOf('keyEach'),
      '`key` and `keyEach` both say which events belong together',
      'keep one of them',
    );
    reader.get('keyEach');
  } else if (each) return readEach(reader, problems);
  const node = reader.get('key');
  return node === undefined ? undefined : readParts(node, reader);
}

function readParts(node: DocumentNode, reader: FieldReader): KeySource | undefined {
  if (node.kind === 'scalar' && node.text === 'global') return { kind: 'global' };
  const items = node.kind === 'list' ? node.items : [node];
  const parts = items.filter(
    (item): item is ExpressionSource => item.kind === 'function' || (item.kind === 'scalar' && item.value !== null),
  );
  if (parts.length === items.length && parts.length > 0 && parts.length <= PARTS_MAX)
    return { kind: 'parts', parts, list: node.kind === 'list' };
  if (items.some((item) => item.kind === 'broken')) return undefined;
  return reader.wrong(node, 'key', 'an expression', `write an expression, or a list of 1 to ${PARTS_MAX} expressions`);
}

function readEach(reader: FieldReader, problems: Problems): KeySource | undefined {
  const node = reader.get('keyEach');
  if (node?.kind === 'list') {
    problems.add(
      'KEY_EACH',
      node.place,
      '`keyEach` is a list of expressions; it takes one expression, whose value is a list',
      'write one expression, as in `keyEach: event.tags`; for a composite key write `key`',
    );
    return undefined;
  }
  const list = readExpression(reader, 'keyEach');
  return list === undefined ? undefined : { kind: 'each', list };
}
