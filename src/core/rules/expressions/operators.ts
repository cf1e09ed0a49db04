import { Failure, failure } from './failure.ts';
import type { ASTNode } from './syntax.ts';
import type { Context, Run, StaticType, Term } from './term.ts';
import { equal, fieldReader, isMap, typeOf } from './values.ts';

type Order = '<' | '<=' | '>' | '>=';
type Arithmetic = '+' | '-' | '*' | '/' | '%';
type BinaryNode = Extract<ASTNode, { op: '==' | '!=' | 'in' | Order | Arithmetic }>;

/** `==`, `!=`, the four orders, arithmetic and `in`. */
export function compileBinary(context: Context, node: BinaryNode): Term {
  const left = context.value(node.args[0]);
  const right = context.value(node.args[1]);
  const mayFail = left.mayFail || right.mayFail;
  switch (node.op) {
    case '==':
    case '!=':
      checkComparable(context, node, left, right);
      return { node, type: 'boolean', mayFail, run: equality(left, right, node.op === '!=') };
    case '<':
    case '<=':
    case '>':
    case '>=':
      checkComparable(context, node, left, right);
      return { node, type: 'boolean', mayFail, run: order(node.op, left, right) };
    case 'in':
      if (right.type !== 'any' && right.type !== 'list' && right.type !== 'map') {
        context.problem(
          'EXPRESSION_TYPE',
          node.args[1],
          `\`in\` needs a list or a map, not ${NAMES[right.type]}`,
          'write a list, as in event.kind in ["a", "b"]',
        );
      }
      return { node, type: 'boolean', mayFail: mayFail || right.literal === undefined, run: membership(left, right) };
    default:
      return arithmetic(context, node, node.op, left, right);
  }
}

/** Static types as messages call them. */
export const NAMES: Readonly<Record<StaticType, string>> = {
  any: 'a value',
  boolean: 'a boolean',
  number: 'a number',
  string: 'a string',
  null: 'null',
  list: 'a list',
  map: 'a map',
};

function checkComparable(context: Context, node: BinaryNode, left: Term, right: Term): void {
  if (left.type === 'any' || right.type === 'any' || left.type === right.type) return;
  const equals = node.op === '==' || node.op === '!=';
  if (equals && (left.type === 'null' || right.type === 'null')) return;
  context.problem(
    'EXPRESSION_TYPE',
    node,
    `${NAMES[left.type]} is compared with ${NAMES[right.type]}, which is always ${node.op === '!='}`,
    'compare values of one type, or convert one with string(…) or double(…)',
  );
}

function equality(left: Term, right: Term, negated: boolean): Run {
  const literal = scalarLiteral(right) ?? scalarLiteral(left);
  const other = scalarLiteral(right) !== undefined ? left : right;
  if (literal !== undefined && !other.mayFail) return literalEquality(other, literal.value, negated);
  const a = left.run;
  const b = right.run;
  return (event, taken, key) => {
    const x = a(event, taken, key);
    if (x instanceof Failure) return x;
    const y = b(event, taken, key);
    if (y instanceof Failure) return y;
    return equal(x, y) !== negated;
  };
}

type Scalar = { readonly value: string | number | boolean | null };

function scalarLiteral(term: Term): Scalar | undefined {
  const value = term.literal?.value;
  return term.literal !== undefined && (value === null || typeof value !== 'object')
    ? (term.literal as Scalar)
    : undefined;
}

/** The commonest predicate of all, `event.field == "literal"`, without a call per part. */
function literalEquality(other: Term, literal: unknown, negated: boolean): Run {
  const path = other.eventPath;
  if (path?.length === 1) {
    const read = fieldReader(path[0]!);
    return negated ? (event) => read(event.data) !== literal : (event) => read(event.data) === literal;
  }
  const run = other.run;
  return negated
    ? (event, taken, key) => run(event, taken, key) !== literal
    : (event, taken, key) => run(event, taken, key) === literal;
}

const COMPARE: Readonly<Record<Order, (a: number, b: number) => boolean>> = {
  '<': (a, b) => a < b,
  '<=': (a, b) => a <= b,
  '>': (a, b) => a > b,
  '>=': (a, b) => a >= b,
};

const MIRRORED: Readonly<Record<Order, Order>> = { '<': '>', '<=': '>=', '>': '<', '>=': '<=' };

function order(op: Order, left: Term, right: Term): Run {
  if (typeof right.literal?.value === 'number' && !left.mayFail) return numberOrder(op, left, right.literal.value);
  if (typeof left.literal?.value === 'number' && !right.mayFail)
    return numberOrder(MIRRORED[op], right, left.literal.value);
  const a = left.run;
  const b = right.run;
  const compare = COMPARE[op];
  return (event, taken, key) => {
    const x = a(event, taken, key);
    if (x instanceof Failure) return x;
    const y = b(event, taken, key);
    if (y instanceof Failure) return y;
    // Operators compare like types only. Strings go by UTF-16 code units.
    return typeof x === typeof y && typeof x !== 'object' && compare(x as number, y as number);
  };
}

/** `event.amount > 100`: one closure for each order, so that the comparison is not a call. */
function numberOrder(op: Order, other: Term, limit: number): Run {
  const path = other.eventPath;
  if (path?.length === 1) return fieldOrder(op, path[0]!, limit);
  const run = other.run;
  const compare = COMPARE[op];
  return (event, taken, key) => {
    const value = run(event, taken, key);
    return typeof value === 'number' && compare(value, limit);
  };
}

function fieldOrder(op: Order, name: string, limit: number): Run {
  const read = fieldReader(name);
  switch (op) {
    case '<':
      return (event) => numberOr(read(event.data)) < limit;
    case '<=':
      return (event) => numberOr(read(event.data)) <= limit;
    case '>':
      return (event) => numberOr(read(event.data)) > limit;
    case '>=':
      return (event) => numberOr(read(event.data)) >= limit;
  }
}

/** NaN compares false with everything, as what is no number must. */
const numberOr = (value: unknown): number => (typeof value === 'number' ? value : Number.NaN);

/** A literal list of scalars is looked up in a set. */
function membership(left: Term, right: Term): Run {
  const a = left.run;
  const list = right.literal?.value;
  if (Array.isArray(list) && list.every((item) => item === null || typeof item !== 'object')) {
    const items = new Set<unknown>(list);
    return (event, taken, key) => {
      const x = a(event, taken, key);
      return x instanceof Failure ? x : items.has(x);
    };
  }
  const b = right.run;
  return (event, taken, key) => {
    const x = a(event, taken, key);
    if (x instanceof Failure) return x;
    const y = b(event, taken, key);
    if (y instanceof Failure) return y;
    if (Array.isArray(y)) return y.some((item) => equal(x, item));
    if (isMap(y)) return typeof x === 'string' && Object.hasOwn(y, x);
    return failure(`\`in\` needs a list or a map, and got ${typeOf(y)}`);
  };
}

function arithmetic(context: Context, node: BinaryNode, op: Arithmetic, left: Term, right: Term): Term {
  const type = arithmeticType(op, left.type, right.type);
  if (type === undefined) {
    const wrong = `\`${op}\` cannot be used on ${NAMES[left.type]} and ${NAMES[right.type]}`;
    return context.problem(
      'EXPRESSION_TYPE',
      node,
      wrong,
      'use numbers; `+` also joins two strings or two lists, so convert with string(…)',
    );
  }
  const a = left.run;
  const b = right.run;
  const numbers = NUMBERS[op];
  const run: Run = (event, taken, key) => {
    const x = a(event, taken, key);
    const y = b(event, taken, key);
    if (typeof x === 'number' && typeof y === 'number') return numbers(x, y);
    return joined(op, x, y);
  };
  return {
    node,
    type,
    mayFail: left.mayFail || right.mayFail || left.type !== 'number' || right.type !== 'number',
    run,
  };
}

const NUMBERS: Readonly<Record<Arithmetic, (a: number, b: number) => number>> = {
  '+': (a, b) => a + b,
  '-': (a, b) => a - b,
  '*': (a, b) => a * b,
  '/': (a, b) => a / b,
  '%': (a, b) => a % b,
};

/** The longest text or list that `+` makes; a guard against growth that no one meant. */
const JOINED_MAX = 1_000_000;

function joined(op: Arithmetic, x: unknown, y: unknown): unknown {
  if (x instanceof Failure) return x;
  if (y instanceof Failure) return y;
  if (op === '+' && typeof x === 'string' && typeof y === 'string') {
    return x.length + y.length > JOINED_MAX ? tooLong() : x + y;
  }
  if (op === '+' && Array.isArray(x) && Array.isArray(y)) {
    return x.length + y.length > JOINED_MAX ? tooLong() : [...x, ...y];
  }
  return failure(`\`${op}\` cannot be used on ${typeOf(x)} and ${typeOf(y)}`);
}

const tooLong = (): Failure => failure(`\`+\` makes at most ${JOINED_MAX} characters or items`);

function arithmeticType(op: Arithmetic, a: StaticType, b: StaticType): StaticType | undefined {
  const allowed = op === '+' ? ['number', 'string', 'list'] : ['number'];
  if (a !== 'any' && !allowed.includes(a)) return undefined;
  if (b !== 'any' && !allowed.includes(b)) return undefined;
  if (a === 'any') return op === '+' ? b : 'number';
  return b === 'any' || a === b ? a : undefined;
}

/** Unary minus. */
export function compileMinus(context: Context, node: Extract<ASTNode, { op: '-_' }>): Term {
  const term = context.value(node.args);
  if (typeof term.literal?.value === 'number') {
    const value = -term.literal.value;
    return { node, type: 'number', mayFail: false, literal: { value }, run: () => value };
  }
  if (term.type !== 'any' && term.type !== 'number') {
    return context.problem('EXPRESSION_TYPE', node, `\`-\` needs a number, not ${NAMES[term.type]}`, 'use a number');
  }
  const run = term.run;
  return {
    node,
    type: 'number',
    mayFail: true,
    run: (event, taken, key) => {
      const value = run(event, taken, key);
      if (typeof value === 'number') return -value;
      return value instanceof Failure ? value : failure(`\`-\` needs a number, and got ${typeOf(value)}`);
    },
  };
}
