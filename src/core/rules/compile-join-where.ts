import type { Event } from '../events/event.ts';
import type { JoinDefinition, Side } from '../joins/join.ts';
import { compileScalar } from './expression-place.ts';
import type { Expression } from './expressions/compile.ts';
import { chain } from './expressions/logic.ts';
import type { ASTNode } from './expressions/syntax.ts';
import { fieldReader } from './expressions/values.ts';
import { callFunction, dataOf, eventMeta, takenValues } from './function-values.ts';
import { type Pair, sideNames, sideSteps } from './join-pair.ts';
import type { RuleContext } from './rule-context.ts';
import type { ExpressionSource } from './rule-source.ts';

/** `where` of a join, compiled. */
export interface CompiledJoinWhere {
  readonly where: JoinDefinition['where'];
  readonly equal: JoinDefinition['equal'];
  /** What it reads of the sides' data, as a condition of a pattern says it. */
  readonly reads: Expression['uses']['steps'];
  readonly readsAll: boolean;
  readonly text: string | undefined;
}

const EVERYTHING: CompiledJoinWhere = {
  where: undefined,
  equal: undefined,
  reads: new Map(),
  readsAll: false,
  text: undefined,
};

const PLACE = 'where of the join';

/** A join's conditions have no event of their own; this stands in its place and is never read. */
const NO_EVENT = undefined as unknown as Event;

export function compileJoinWhere(
  source: ExpressionSource | undefined,
  names: Readonly<Record<Side, string>>,
  pair: Pair,
  { lookups, sink, problems }: RuleContext,
): CompiledJoinWhere {
  if (source === undefined) return EVERYTHING;
  if (source.kind === 'function') {
    const steps = sideSteps(names);
    const { run } = source;
    return {
      ...EVERYTHING,
      where(left, right, key) {
        const taken = pair.of(left, right);
        const args = [takenValues(steps, taken, dataOf), key, takenValues(steps, taken, eventMeta)];
        return sink.settle(callFunction(run, args), PLACE);
      },
      readsAll: true,
      text: `function ${run.toString()}`,
    };
  }
  const scope = { event: false, key: true, steps: sideNames(names), lookups };
  const expression = compileScalar(source, scope, 'boolean', problems);
  if (expression === undefined) return EVERYTHING;
  const { run, uses, text, ast } = expression;
  return {
    where: (left, right, key) => sink.settle(run(NO_EVENT, pair.of(left, right), key), PLACE),
    equal: equalFields(ast, names),
    reads: uses.steps,
    readsAll: false,
    text,
  };
}

/**
 * The first `left.a == right.b` among what `where` asks: partners are then looked for among those that have the value,
 * not among all that wait. Only plain fields are taken, since reading one cannot fail.
 */
function equalFields(ast: ASTNode, names: Readonly<Record<Side, string>>): JoinDefinition['equal'] {
  for (const part of chain(ast, '&&')) {
    if (part.op !== '==') continue;
    const [one, other] = part.args.map(fieldOf);
    if (one === undefined || other === undefined) continue;
    if (one.name === names.left && other.name === names.right) return { left: reader(one), right: reader(other) };
    if (one.name === names.right && other.name === names.left) return { left: reader(other), right: reader(one) };
  }
  return undefined;
}

interface Field {
  readonly name: string;
  readonly path: readonly string[];
}

/** `name.a.b`; undefined for everything else. */
function fieldOf(node: ASTNode): Field | undefined {
  if (node.op === 'id') return { name: node.args, path: [] };
  if (node.op !== '.') return undefined;
  const of = fieldOf(node.args[0]);
  return of === undefined ? undefined : { name: of.name, path: [...of.path, node.args[1]] };
}

function reader({ path }: Field): (event: Event) => unknown {
  const fields = path.map(fieldReader);
  return (event) => {
    let value = event.data;
    for (const field of fields) value = field(value);
    return value;
  };
}
