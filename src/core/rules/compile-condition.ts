import type { Event } from '../events/event.ts';
import type { Condition } from '../patterns/pattern.ts';
import type { FunctionNode, Problems, ScalarNode } from './document.ts';
import { compileScalar } from './expression-place.ts';
import { canonicalText } from './expressions/canonical.ts';
import { compileTree, type Expression } from './expressions/compile.ts';
import { chain } from './expressions/logic.ts';
import type { ASTNode } from './expressions/syntax.ts';
import type { Run, Scope } from './expressions/term.ts';
import type { FailureSink } from './failure-sink.ts';
import { callFunction, dataOf, eventMeta, takenValues } from './function-values.ts';
import type { ExpressionSource } from './rule-source.ts';
import { type EventPredicate, mayPass, type SharedPredicates } from './shared-predicates.ts';
import type { NamedStep } from './step-table.ts';

/** A condition of a pattern, and what is known of it. */
export interface CompiledCondition {
  /** Undefined = always true. */
  readonly condition: Condition | undefined;
  /** Types that can pass; undefined = any. */
  readonly types: readonly string[] | undefined;
  /** False only when the event alone already says that the condition is false. */
  readonly possible: (event: Event) => boolean;
  /** Paths of taken events' data that it reads, by step. */
  readonly reads: ReadonlyMap<number, readonly (readonly string[])[]>;
  /** Whether it is a function that may read all of any step. */
  readonly readsAll: boolean;
  /** The same for conditions of the same meaning. */
  readonly text: string;
}

/** What the conditions of one rule share. */
export interface ConditionContext {
  readonly scope: Scope;
  /** The steps that can be named here. */
  readonly steps: readonly NamedStep[];
  readonly shared: SharedPredicates;
  readonly sink: FailureSink;
  readonly problems: Problems;
  /** Conditions of the rule by text: equal ones are one function, so that the automaton sees that they are equal. */
  readonly known: Map<string, Condition>;
}

const NOTHING_READ: ReadonlyMap<number, readonly (readonly string[])[]> = new Map();

/** @param where names the place in incidents: "step `login`" */
export function compileCondition(
  types: readonly string[] | undefined,
  source: ExpressionSource | undefined,
  context: ConditionContext,
  where: string,
): CompiledCondition {
  const typeText = types === undefined ? '' : `type ${JSON.stringify([...types].sort())} `;
  const typed = types === undefined ? undefined : context.shared.share(typeText, typePredicate(types));
  if (source === undefined) return typeOnly(types, typed, typeText, context);
  if (source.kind === 'function') return functionCondition(source, types, typed, typeText, context, where);
  return expressionCondition(source, types, typed, typeText, context, where);
}

function typePredicate(types: readonly string[]): EventPredicate {
  const [only] = types;
  if (types.length === 1) return (event) => event.type === only;
  const set = new Set(types);
  return (event) => set.has(event.type);
}

function typeOnly(
  types: readonly string[] | undefined,
  typed: EventPredicate | undefined,
  text: string,
  context: ConditionContext,
): CompiledCondition {
  const condition =
    typed === undefined ? undefined : remember(context, text, () => marked((event) => typed(event) === true, true));
  return {
    condition,
    types,
    possible: (event) => typed === undefined || typed(event) === true,
    reads: NOTHING_READ,
    readsAll: false,
    text,
  };
}

function functionCondition(
  { run }: FunctionNode,
  types: readonly string[] | undefined,
  typed: EventPredicate | undefined,
  typeText: string,
  { sink, steps }: ConditionContext,
  where: string,
): CompiledCondition {
  // A function that declares the event alone is called with it alone, so it cannot depend on more.
  const stateless = run.length <= 1 && !/^[^)]*\.\.\./.test(run.toString());
  const fits = (event: Event): boolean => typed === undefined || typed(event) === true;
  const condition: Condition = stateless
    ? (event) => fits(event) && sink.settle(callFunction(run, [dataOf(event)]), where)
    : (event, taken) =>
        fits(event) &&
        sink.settle(callFunction(run, [dataOf(event), takenValues(steps, taken, dataOf), eventMeta(event)]), where);
  return {
    condition: marked(condition, stateless),
    types,
    possible: fits,
    reads: NOTHING_READ,
    readsAll: !stateless,
    text: `${typeText}function ${run.toString()}`,
  };
}

function expressionCondition(
  source: ScalarNode,
  types: readonly string[] | undefined,
  typed: EventPredicate | undefined,
  typeText: string,
  context: ConditionContext,
  where: string,
): CompiledCondition {
  const whole = compileScalar(source, context.scope, 'boolean', context.problems);
  if (whole === undefined) return { ...typeOnly(types, typed, typeText, context), text: `${typeText}broken` };
  const { alone, rest } = divided(whole, context);
  const known = types ?? (alone === undefined ? undefined : typesIn(alone.ast));
  const predicate = alone === undefined ? undefined : context.shared.share(alone.text, alone.run as EventPredicate);
  const text = `${typeText}${whole.text}`;
  const stateless = whole.uses.steps.size === 0 && whole.uses.values.size === 0 && !whole.uses.lookups;
  return {
    condition: remember(context, text, () =>
      marked(combined(typed, predicate, rest?.run, context.sink, where), stateless),
    ),
    types: known,
    possible: (event) =>
      (typed === undefined || typed(event) === true) && (predicate === undefined || mayPass(predicate(event))),
    reads: whole.uses.steps,
    readsAll: false,
    text,
  };
}

/** Splits `a && b` into what the event alone decides, which rules can share, and the rest. */
function divided(
  whole: Expression,
  context: ConditionContext,
): { alone: Expression | undefined; rest: Expression | undefined } {
  if (whole.stateless) return { alone: whole, rest: undefined };
  const parts = chain(whole.ast, '&&').map((node) => compileTree(node, context.scope));
  const compiled = parts.flatMap((part) => (part.ok ? [part.expression] : []));
  const alone = compiled.filter((part) => part.stateless);
  const rest = compiled.filter((part) => !part.stateless);
  return { alone: joined(alone, context), rest: joined(rest, context) };
}

function joined(parts: readonly Expression[], context: ConditionContext): Expression | undefined {
  const [first, ...others] = parts;
  if (first === undefined) return undefined;
  let ast: ASTNode = first.ast;
  for (const other of others) {
    const { start, end, pos, input, range } = other.ast;
    ast = { op: '&&', args: [ast, other.ast], start, end, pos, input, range, toOldStructure: () => ['&&'] };
  }
  const compiled = compileTree(ast, context.scope);
  return compiled.ok ? compiled.expression : undefined;
}

function combined(
  typed: EventPredicate | undefined,
  alone: EventPredicate | undefined,
  rest: Run | undefined,
  sink: FailureSink,
  where: string,
): Condition {
  if (rest === undefined) {
    if (alone === undefined) return (event) => typed === undefined || typed(event) === true;
    if (typed === undefined) return (event) => settle(alone(event), sink, where);
    return (event) => typed(event) === true && settle(alone(event), sink, where);
  }
  return (event, taken, key) =>
    (typed === undefined || typed(event) === true) &&
    (alone === undefined || settle(alone(event), sink, where)) &&
    settle(rest(event, taken, key), sink, where);
}

const settle = (value: unknown, sink: FailureSink, where: string): boolean =>
  value === true || (value !== false && sink.settle(value, where));

const marked = (condition: Condition, stateless: boolean): Condition => Object.assign(condition, { stateless });

function remember(context: ConditionContext, text: string, make: () => Condition): Condition {
  let condition = context.known.get(text);
  if (condition === undefined) context.known.set(text, (condition = make()));
  return condition;
}

/** Types named by `meta.type == "X"` or `meta.type in [...]` among the parts of a conjunction. */
export function typesIn(ast: ASTNode): readonly string[] | undefined {
  for (const part of chain(ast, '&&')) {
    if (part.op !== '==' && part.op !== 'in') continue;
    const [left, right] = part.args;
    if (canonicalText(left) !== 'meta["type"]') continue;
    const values = part.op === '==' ? [right] : right.op === 'list' ? right.args : [];
    const types = values.flatMap((value) =>
      value.op === 'value' && typeof value.args === 'string' ? [value.args] : [],
    );
    if (types.length > 0 && types.length === values.length) return types;
  }
  return undefined;
}
