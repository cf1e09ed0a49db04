import type { ASTNode } from './syntax.ts';

/**
 * An expression's text freed from formatting, comments, quotes and ways to write a number, so that two expressions
 * with the same text mean the same. Macro variables keep their names.
 * @param nameOf what a name is called in the text; a step of a definition has another name in the pattern
 */
export function canonicalText(node: ASTNode, nameOf: (name: string) => string = (name) => name): string {
  const textOf = (part: ASTNode): string => canonicalText(part, nameOf);
  switch (node.op) {
    case 'value':
      return literalText(node.args);
    case 'id':
      return nameOf(node.args);
    case '.':
    case '.?':
      return `${textOf(node.args[0])}[${JSON.stringify(node.args[1])}]`;
    case '[]':
    case '[?]':
      return `${textOf(node.args[0])}[${textOf(node.args[1])}]`;
    case 'call':
      return `${node.args[0]}(${node.args[1].map(textOf).join(',')})`;
    case 'rcall':
      return `${textOf(node.args[1])}.${node.args[0]}(${node.args[2].map(textOf).join(',')})`;
    case 'list':
      return `[${node.args.map(textOf).join(',')}]`;
    case 'map':
      return `{${node.args.map(([key, value]) => `${textOf(key)}:${textOf(value)}`).join(',')}}`;
    case '!_':
      return `!${textOf(node.args)}`;
    case '-_':
      return `-(${textOf(node.args)})`;
    case '?:':
      return `(${node.args.map(textOf).join(' ? ')})`;
    default:
      return `(${textOf(node.args[0])} ${node.op} ${textOf(node.args[1])})`;
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
