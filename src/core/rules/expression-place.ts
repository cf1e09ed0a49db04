import type { Problems, ScalarNode } from './document.ts';
import { type Compiled, compileExpression, compileTree, type Expression } from './expressions/compile.ts';
import { type ASTNode, type ExpressionProblem, parseExpression } from './expressions/syntax.ts';
import type { Scope, StaticType } from './expressions/term.ts';

/** Compiles the expression a scalar holds; its problems are reported at their places in the file. */
export function compileScalar(
  node: ScalarNode,
  scope: Scope,
  wants: StaticType,
  problems: Problems,
): Expression | undefined {
  return settled(compileExpression(node.text, scope, wants), node, 0, problems);
}

/** Compiles a part of a scalar's text, from `start` on. */
export function compilePart(
  node: ScalarNode,
  text: string,
  start: number,
  scope: Scope,
  problems: Problems,
): Expression | undefined {
  return settled(compileExpression(text, scope), node, start, problems);
}

/** Parses what a scalar holds without compiling it; a problem is reported at its place in the file. */
export function parseScalar(node: ScalarNode, problems: Problems): ASTNode | undefined {
  const parsed = parseExpression(node.text);
  if (parsed.ok) return parsed.ast;
  reportExpression(parsed.problem, node, 0, problems);
  return undefined;
}

/** Compiles a part of what `parseScalar` gave. */
export function compileSubtree(
  node: ScalarNode,
  ast: ASTNode,
  scope: Scope,
  wants: StaticType,
  problems: Problems,
): Expression | undefined {
  return settled(compileTree(ast, scope, wants), node, 0, problems);
}

function settled(compiled: Compiled, node: ScalarNode, start: number, problems: Problems): Expression | undefined {
  if (compiled.ok) return compiled.expression;
  for (const problem of compiled.problems) reportExpression(problem, node, start, problems);
  return undefined;
}

function reportExpression(problem: ExpressionProblem, node: ScalarNode, start: number, problems: Problems): void {
  const syntax = problem.code === 'EXPRESSION_SYNTAX' || problem.code === 'EXPRESSION_EMPTY';
  if (syntax && node.commented) {
    problems.add(
      'EXPRESSION_COMMENT',
      node.placeAt(node.text.length),
      'YAML takes what follows ` #` for a comment, so the expression ends here',
      'quote it, or use |',
    );
    return;
  }
  problems.add(problem.code, node.placeAt(start + problem.offset), problem.message, problem.fix);
}
