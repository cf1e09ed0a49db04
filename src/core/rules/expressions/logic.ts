import { Failure, failure } from './failure.ts';
import { NAMES } from './operators.ts';
import type { ASTNode } from './syntax.ts';
import type { Context, Run, Term } from './term.ts';
import { typeOf } from './values.ts';

type LogicNode = Extract<ASTNode, { op: '&&' | '||' }>;

/**
 * `&&` and `||`, as CEL has them: the side that decides also decides when the other one fails, whichever comes first.
 * A chain is compiled as one.
 */
export function compileLogic(context: Context, node: LogicNode): Term {
  const terms = chain(node, node.op).map((part) => condition(context, part, `\`${node.op}\``));
  const mayFail = terms.some((term) => term.mayFail || term.type !== 'boolean');
  const runs = terms.map((term) => term.run);
  const run = mayFail ? absorbing(runs, node.op === '||', node.op) : plain(runs, node.op === '||');
  return { node, type: 'boolean', mayFail, run };
}

/** The parts of `a && b && c`, however they are bracketed. Iterative: a chain may be longer than the stack is deep. */
export function chain(node: ASTNode, op: '&&' | '||'): readonly ASTNode[] {
  const parts: ASTNode[] = [];
  const open: ASTNode[] = [node];
  while (open.length > 0) {
    const next = open.pop()!;
    if (next.op === op) open.push(next.args[1] as ASTNode, next.args[0] as ASTNode);
    else parts.push(next);
  }
  return parts;
}

/** A part that must be a boolean. */
export function condition(context: Context, node: ASTNode, who: string): Term {
  const term = context.value(node);
  if (term.type !== 'any' && term.type !== 'boolean') {
    context.problem(
      'EXPRESSION_TYPE',
      node,
      `${who} needs a boolean, not ${NAMES[term.type]}`,
      'compare it with something, as in event.amount > 0',
    );
  }
  return term;
}

/** No part can fail and all are booleans. */
function plain(runs: readonly Run[], decisive: boolean): Run {
  const [a, b, c] = runs as [Run, Run, Run | undefined];
  if (runs.length === 2) {
    return decisive
      ? (event, taken, key) => a(event, taken, key) === true || b(event, taken, key) === true
      : (event, taken, key) => a(event, taken, key) === true && b(event, taken, key) === true;
  }
  if (runs.length === 3 && !decisive && c !== undefined) {
    return (event, taken, key) =>
      a(event, taken, key) === true && b(event, taken, key) === true && c(event, taken, key) === true;
  }
  return (event, taken, key) => {
    for (const run of runs) if (run(event, taken, key) === decisive) return decisive;
    return !decisive;
  };
}

function absorbing(runs: readonly Run[], decisive: boolean, op: string): Run {
  return (event, taken, key) => {
    let failed: Failure | undefined;
    for (const run of runs) {
      const value = run(event, taken, key);
      if (value === decisive) return decisive;
      if (value !== !decisive) failed ??= notBoolean(value, op);
    }
    return failed ?? !decisive;
  };
}

const notBoolean = (value: unknown, who: string): Failure =>
  value instanceof Failure ? value : failure(`\`${who}\` needs a boolean, and got ${typeOf(value)}`);

/** `!x`. */
export function compileNot(context: Context, node: Extract<ASTNode, { op: '!_' }>): Term {
  const term = condition(context, node.args, '`!`');
  const run = term.run;
  return {
    node,
    type: 'boolean',
    mayFail: term.mayFail || term.type !== 'boolean',
    run: (event, taken, key) => {
      const value = run(event, taken, key);
      return typeof value === 'boolean' ? !value : notBoolean(value, '!');
    },
  };
}

/** `a ? b : c`; only the branch that is chosen is evaluated. */
export function compileChoice(context: Context, node: Extract<ASTNode, { op: '?:' }>): Term {
  const test = condition(context, node.args[0], '`?`');
  const yes = context.value(node.args[1]);
  const no = context.value(node.args[2]);
  return {
    node,
    type: yes.type === no.type ? yes.type : 'any',
    mayFail: test.mayFail || test.type !== 'boolean' || yes.mayFail || no.mayFail,
    run: (event, taken, key) => {
      const value = test.run(event, taken, key);
      if (value === true) return yes.run(event, taken, key);
      if (value === false) return no.run(event, taken, key);
      return notBoolean(value, '?');
    },
  };
}
