import type { ASTNode } from './syntax.ts';

/**
 * An expression's text freed from formatting, comments, quotes and ways to write a number, so that two expressions
 * with the same text mean the same. Macro variables keep their names.
 */
export function canonicalText(node: ASTNode): string {
  switch (node.op) {
    case 'value':
      return literalText(node.args);
    case 'id':
      return node.args;
    case '.':
    case '.?':
      return `${canonicalText(node.args[0])}[${JSON.stringify(node.args[1])}]`;
    case '[]':
    case '[?]':
      return `${canonicalText(node.args[0])}[${canonicalText(node.args[1])}]`;
    case 'call':
      return `${node.args[0]}(${node.args[1].map(canonicalText).join(',')})`;
    case 'rcall':
      return `${canonicalText(node.args[1])}.${node.args[0]}(${node.args[2].map(canonicalText).join(',')})`;
    case 'list':
      return `[${node.args.map(canonicalText).join(',')}]`;
    case 'map':
      return `{${node.args.map(([key, value]) => `${canonicalText(key)}:${canonicalText(value)}`).join(',')}}`;
    case '!_':
      return `!${canonicalText(node.args)}`;
    case '-_':
      return `-(${canonicalText(node.args)})`;
    case '?:':
      return `(${node.args.map(canonicalText).join(' ? ')})`;
    default:
      return `(${canonicalText(node.args[0])} ${node.op} ${canonicalText(node.args[1])})`;
  }
}

/** Numbers are doubles, so 1, 1.0, 1u and 0x1 are the same. */
export function literalText(value: unknown): string {
  const plain = literalValue(value);
  return plain instanceof Uint8Array ? `b[${plain.join(',')}]` : JSON.stringify(plain);
}

/** A literal as a value of the language. */
export function literalValue(value: unknown): string | number | boolean | null | Uint8Array {
  if (value === null || typeof value === 'string' || typeof value === 'boolean' || typeof value === 'number')
    return value;
  if (value instanceof Uint8Array) return value;
  return Number(value);
}
