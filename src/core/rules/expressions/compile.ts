import type { Event } from '../../events/event.ts';
import { compileIndex, compileMember, compileName } from './access.ts';
import { compileCall, compileMethod } from './calls.ts';
import { canonicalText, literalText, literalValue } from './canonical.ts';
import { Failure } from './failure.ts';
import { compileChoice, compileLogic, compileNot } from './logic.ts';
import { compileBinary, compileMinus, NAMES } from './operators.ts';
import { type ASTNode, type ExpressionProblem, parseExpression, TOO_COMPLEX_FIX } from './syntax.ts';
import type { Context, Run, Scope, StaticType, Term, Uses } from './term.ts';

/**
 * Compiles an expression into closures. The idea: each part of the parsed expression becomes one function that calls
 * the functions of its parts; what is known before any event is seen (names, types of literals, which step an event
 * belongs to) is decided here, so that the functions only read and compare. Nothing is evaluated as JavaScript.
 *
 * Invariants: a compiled expression never throws and reads own properties only. Its cost is bounded: the text, its
 * nesting, macro nesting, the steps macros make and what `+`, `replace` and regular expressions produce all have limits.
 */
export interface Expression {
  readonly run: Run;
  readonly type: StaticType;
  readonly uses: Uses;
  /** The same for all expressions of the same meaning, however they are written. */
  readonly text: string;
  /** True when it reads nothing but `event` and `meta`. */
  readonly stateless: boolean;
  readonly ast: ASTNode;
}

export type Compiled =
  | { readonly ok: true; readonly expression: Expression }
  | { readonly ok: false; readonly problems: readonly ExpressionProblem[] };

/** Deepest nesting of operators; chains of `&&` and of `||` count once. */
const OPERATOR_DEPTH_MAX = 200;

/** @param wants the type the place needs; a value that is known to be of another one is a problem. */
export function compileExpression(text: string, scope: Scope, wants: StaticType = 'any'): Compiled {
  const parsed = parseExpression(text);
  if (!parsed.ok) return { ok: false, problems: [parsed.problem] };
  return compileTree(parsed.ast, scope, wants);
}

/** Compiles a part of a parsed expression. */
export function compileTree(ast: ASTNode, scope: Scope, wants: StaticType = 'any'): Compiled {
  const problems: ExpressionProblem[] = [];
  const context = newContext(scope, problems);
  const term = context.value(ast);
  if (wants !== 'any' && term.type !== 'any' && term.type !== wants) {
    const fix =
      wants === 'boolean'
        ? 'compare it with something, as in event.amount > 0'
        : `write an expression that gives ${NAMES[wants]}`;
    context.problem('EXPRESSION_TYPE', ast, `this gives ${NAMES[term.type]}, and ${NAMES[wants]} is needed here`, fix);
  }
  if (problems.length > 0) return { ok: false, problems };
  const { uses } = context;
  const stateless = !uses.key && !uses.lookups && uses.steps.size === 0 && uses.values.size === 0;
  const text = canonicalText(ast, namesIn(scope));
  return { ok: true, expression: { run: term.run, type: term.type, uses, text, stateless, ast } };
}

/** Steps by their names in the whole pattern; another name that is the same is marked, so that texts stay apart. */
function namesIn({ steps }: Scope): (name: string) => string {
  const whole = new Set([...steps].map(([name, step]) => step.name ?? name));
  return (name) => {
    const step = steps.get(name);
    if (step !== undefined) return step.name ?? name;
    return whole.has(name) ? `${name}'` : name;
  };
}

function newContext(scope: Scope, problems: ExpressionProblem[]): Context {
  let depth = 0;
  const context: Context = {
    scope,
    uses: { event: false, meta: false, key: false, steps: new Map(), values: new Set(), lookups: false },
    locals: new Map(),
    macroDepth: 0,
    budget: { left: 0 },
    compile(node) {
      if (++depth > OPERATOR_DEPTH_MAX) {
        depth--;
        return context.problem(
          'EXPRESSION_TOO_COMPLEX',
          node,
          `operators are nested more than ${OPERATOR_DEPTH_MAX} deep`,
          TOO_COMPLEX_FIX,
        );
      }
      const term = compileNode(context, node);
      depth--;
      // Every step a term denotes is used, if only for its times or its number.
      if (term.origin !== undefined && !context.uses.steps.has(term.origin.step))
        context.uses.steps.set(term.origin.step, []);
      return term;
    },
    value: (node) => context.use(context.compile(node)),
    use(term) {
      if (term.origin !== undefined) {
        const paths = context.uses.steps.get(term.origin.step) ?? [];
        paths.push(term.origin.path);
        context.uses.steps.set(term.origin.step, paths);
      }
      return term;
    },
    problem(code, node, message, fix) {
      const offset = node.pos ?? node.start;
      if (!problems.some((known) => known.offset === offset && known.code === code))
        problems.push({ code, offset, message, fix });
      return { node, type: 'any', mayFail: true, run: () => null, event: () => undefined };
    },
  };
  return context;
}

function compileNode(context: Context, node: ASTNode): Term {
  switch (node.op) {
    case 'value':
      return compileLiteral(context, node);
    case 'id':
      return compileName(context, node);
    case '.':
      return compileMember(context, node, node.args[0], node.args[1]);
    case '[]':
      return compileIndex(context, node);
    case 'call':
      return compileCall(context, node);
    case 'rcall':
      return compileMethod(context, node);
    case 'list':
      return compileList(context, node);
    case 'map':
      return compileMap(context, node);
    case '&&':
    case '||':
      return compileLogic(context, node);
    case '!_':
      return compileNot(context, node);
    case '-_':
      return compileMinus(context, node);
    case '?:':
      return compileChoice(context, node);
    case '.?':
    case '[?]':
      return context.problem(
        'EXPRESSION_SYNTAX',
        node,
        'optional access is not part of the language',
        'a missing field is null: write a.b',
      );
    default:
      return compileBinary(context, node);
  }
}

function compileLiteral(context: Context, node: Extract<ASTNode, { op: 'value' }>): Term {
  const value = literalValue(node.args);
  if (value instanceof Uint8Array) {
    return context.problem('EXPRESSION_TYPE', node, 'there are no byte values', 'write a text');
  }
  const type = value === null ? 'null' : (typeof value as 'boolean' | 'number' | 'string');
  return { node, type, mayFail: false, literal: { value }, run: () => value };
}

function compileList(context: Context, node: Extract<ASTNode, { op: 'list' }>): Term {
  const terms = node.args.map((item) => context.value(item));
  if (terms.every((term) => term.literal !== undefined)) {
    const value = Object.freeze(terms.map((term) => term.literal!.value));
    return { node, type: 'list', mayFail: false, literal: { value }, run: () => value };
  }
  const run: Run = (event, taken, key) => {
    const list: unknown[] = [];
    for (const term of terms) {
      const value = term.run(event, taken, key);
      if (value instanceof Failure) return value;
      list.push(value);
    }
    return list;
  };
  return { node, type: 'list', mayFail: terms.some((term) => term.mayFail), run };
}

function compileMap(context: Context, node: Extract<ASTNode, { op: 'map' }>): Term {
  const entries: { name: string; term: Term }[] = [];
  for (const [name, value] of node.args) {
    const term = context.value(value);
    if (name.op === 'value' && typeof name.args === 'string') entries.push({ name: name.args, term });
    else context.problem('EXPRESSION_TYPE', name, 'the names in a map are texts', `write {${literalText('name')}: …}`);
  }
  const run: Run = (event, taken, key) => {
    const map: [string, unknown][] = [];
    for (const { name, term } of entries) {
      const value = term.run(event, taken, key);
      if (value instanceof Failure) return value;
      map.push([name, value]);
    }
    return Object.fromEntries(map);
  };
  return { node, type: 'map', mayFail: entries.some(({ term }) => term.mayFail), run };
}

/** Runs an expression that reads only `event` and `meta`. */
export type RunStateless = (event: Event) => unknown;
