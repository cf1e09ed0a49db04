import { type ASTNode, Environment, ParseError } from '@marcbachmann/cel-js';

export type { ASTNode };

/** Longest expression in characters. */
export const EXPRESSION_LENGTH_MAX = 4_096;
/** Deepest nesting of an expression: brackets, calls, selections, operators. */
export const EXPRESSION_DEPTH_MAX = 64;
/** Deepest nesting of macros and aggregates, each of which multiplies the cost. */
export const MACRO_DEPTH_MAX = 3;

const environment = new Environment({
  unlistedVariablesAreDyn: true,
  limits: {
    maxAstNodes: 4_096,
    maxDepth: EXPRESSION_DEPTH_MAX,
    maxListElements: 1_000,
    maxMapEntries: 200,
    maxCallArguments: 16,
  },
});

/** Something wrong inside an expression. `offset` counts characters from its start. */
export interface ExpressionProblem {
  readonly code: string;
  readonly offset: number;
  readonly message: string;
  readonly fix: string;
}

export type Parsed =
  | { readonly ok: true; readonly ast: ASTNode }
  | { readonly ok: false; readonly problem: ExpressionProblem };

/** Parses CEL. Names, functions and types are checked later, by `compileExpression`. */
export function parseExpression(text: string): Parsed {
  if (text.trim() === '') {
    return refused(
      'EXPRESSION_EMPTY',
      0,
      'the expression is empty',
      'write a CEL expression, such as event.amount > 100',
    );
  }
  if (text.length > EXPRESSION_LENGTH_MAX) {
    return refused(
      'EXPRESSION_TOO_LONG',
      EXPRESSION_LENGTH_MAX,
      `the expression has ${text.length} characters, at most ${EXPRESSION_LENGTH_MAX} are taken`,
      'shorten it, or write the rule as a module with a function',
    );
  }
  try {
    return { ok: true, ast: environment.parse(text).ast };
  } catch (error) {
    if (!(error instanceof ParseError)) throw error;
    const offset = error.range?.start ?? 0;
    if (error.code === 'limit_exceeded') {
      return refused(
        'EXPRESSION_TOO_COMPLEX',
        offset,
        `the expression is too complex: ${error.summary}`,
        TOO_COMPLEX_FIX,
      );
    }
    return refused(
      'EXPRESSION_SYNTAX',
      offset,
      `${tidy(error.summary)} in the expression \`${shown(text)}\``,
      fixFor(error),
    );
  }
}

export const TOO_COMPLEX_FIX = 'split it into fewer nested parts, or write the rule as a module with a function';

function refused(code: string, offset: number, message: string, fix: string): Parsed {
  return { ok: false, problem: { code, offset, message, fix } };
}

/** The parser names tokens in capitals; people know them by their signs. */
const SIGNS: Readonly<Record<string, string>> = {
  EOF: 'the end',
  RPAREN: '`)`',
  LPAREN: '`(`',
  RBRACKET: '`]`',
  LBRACKET: '`[`',
  RBRACE: '`}`',
  LBRACE: '`{`',
  IDENTIFIER: 'a name',
  NUMBER: 'a number',
  STRING: 'a string',
  DOT: '`.`',
  COMMA: '`,`',
  COLON: '`:`',
  QUESTION: '`?`',
  EQ: '`==`',
  NE: '`!=`',
  AND: '`&&`',
  OR: '`||`',
  PLUS: '`+`',
  MINUS: '`-`',
  MULTIPLY: '`*`',
  DIVIDE: '`/`',
  MODULO: '`%`',
  LT: '`<`',
  LE: '`<=`',
  GT: '`>`',
  GE: '`>=`',
  IN: '`in`',
  NOT: '`!`',
};

const tidy = (summary: string): string =>
  summary.replace(/\b[A-Z]{2,}\b/g, (token) => SIGNS[token] ?? token).replace(/^./, (first) => first.toLowerCase());

const shown = (text: string): string => (text.length > 80 ? `${text.slice(0, 77)}...` : text);

function fixFor(error: ParseError): string {
  const summary = error.summary;
  if (error.code === 'unexpected_character') {
    if (summary.endsWith(': =')) return 'compare with `==`';
    if (summary.endsWith(': &')) return 'write `&&` for "and"';
    if (summary.endsWith(': |')) return 'write `||` for "or"';
    return 'remove this character, or put text into quotes; a field with an unusual name is read as event["name"]';
  }
  if (error.code === 'unterminated_string') return 'close the string with the same quote that opens it';
  if (error.code === 'reserved_identifier')
    return 'this name is reserved in CEL; read a field of this name as event["name"]';
  if (summary.includes('got EOF') || summary.endsWith('EOF')) return 'the expression ends too early: complete it';
  if (error.code === 'invalid_macro_argument')
    return 'the first argument names a variable, as in list.exists(x, x > 1)';
  return 'correct the expression here; CEL is written like event.amount > 100 && event.kind == "x"';
}
