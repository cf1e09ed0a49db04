import type { FieldReader } from './field-reader.ts';
import type { ExpressionSource } from './rule-source.ts';

/** An expression or, in a module, a function. A number or boolean is an expression too: `where: true`. */
export function readExpression(reader: FieldReader, name: string): ExpressionSource | undefined {
  const node = reader.get(name);
  if (node === undefined) return undefined;
  if (node.kind === 'function') return node;
  if (node.kind === 'scalar' && node.value !== null) return node;
  return reader.wrong(
    node,
    name,
    'an expression',
    'write a CEL expression, quoted or after | if YAML takes it for something else',
  );
}
