import type { Scalar } from 'yaml';

/**
 * Where the character at `offset` of a YAML scalar's value stands in the file, so that a mistake inside an expression
 * is shown where it is. Exact for plain and quoted scalars on one line and for `|`; escapes and folded lines are
 * followed as far as each of them stands for one character.
 */
export function scalarOffset(file: string, node: Scalar, offset: number): number {
  const [start, end] = node.range ?? [0, 0];
  switch (node.type) {
    case 'BLOCK_LITERAL':
    case 'BLOCK_FOLDED':
      return blockOffset(file, start, end, offset);
    case 'QUOTE_DOUBLE':
      return walk(file, start + 1, end, offset, doubleQuoted);
    case 'QUOTE_SINGLE':
      return walk(file, start + 1, end, offset, (text, at) => (text.startsWith("''", at) ? 2 : 1));
    default:
      return walk(file, start, end, offset, () => 1);
  }
}

/** How many characters of the file stand for one of the value. */
type Width = (file: string, at: number) => number;

const ESCAPE_WIDTHS: Readonly<Record<string, number>> = { x: 4, u: 6, U: 10 };

const doubleQuoted: Width = (file, at) => (file[at] === '\\' ? (ESCAPE_WIDTHS[file[at + 1] ?? ''] ?? 2) : 1);

function walk(file: string, start: number, end: number, offset: number, width: Width): number {
  let at = start;
  for (let seen = 0; seen < offset && at < end; seen++) {
    const fold = /^[ \t]*\r?\n\s*/.exec(file.slice(at, at + 200));
    at += fold === null ? width(file, at) : fold[0].length;
  }
  return Math.min(at, Math.max(start, end));
}

/** A block's lines lose their common indentation. */
function blockOffset(file: string, start: number, end: number, offset: number): number {
  let at = file.indexOf('\n', start) + 1;
  const lines = file.slice(at, end).split('\n');
  const first = lines.find((line) => line.trim() !== '') ?? '';
  const indent = first.length - first.trimStart().length;
  let left = offset;
  for (const line of lines) {
    const length = Math.max(0, line.length - indent);
    if (left <= length) return at + Math.min(indent, line.length) + left;
    left -= length + 1;
    at += line.length + 1;
  }
  return Math.max(start, end - 1);
}
