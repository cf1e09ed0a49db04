import type { Event } from '../../events/event.ts';
import type { Taken } from '../../patterns/pattern.ts';
import type { KeyValue } from '../rule-set.ts';
import { Failure, failure } from './failure.ts';
import { condition } from './logic.ts';
import { type ASTNode, MACRO_DEPTH_MAX, TOO_COMPLEX_FIX } from './syntax.ts';
import type { Context, Run, Term } from './term.ts';
import { isMap, typeOf } from './values.ts';

/** Most iterations that the macros of one expression make in one evaluation, nested ones counted too. */
export const ITERATIONS_MAX = 1_000_000;

/** A loop over a list: its items one after another in the macro's variable, and a body to evaluate for each. */
interface Loop {
  /** The items, or a failure. */
  readonly items: (event: Event, taken: Taken, key: KeyValue) => readonly unknown[] | Failure;
  /** Puts an item into the variable and evaluates a body. */
  readonly each: (item: unknown, body: Run, event: Event, taken: Taken, key: KeyValue) => unknown;
  readonly compile: (body: () => Term) => Term;
}

/**
 * Binds a macro's variable to the items of a term: over a looping step it denotes events, over a map its keys. The
 * variable lives in a cell that the closures share; evaluation is never re-entered, so one cell is enough.
 */
function loopOver(context: Context, over: Term, variable: ASTNode): Loop | undefined {
  if (variable.op !== 'id') {
    context.problem(
      'EXPRESSION_ARGUMENTS',
      variable,
      'a macro names its variable here',
      'write a name, as in list.exists(x, x > 1)',
    );
    return undefined;
  }
  if (context.macroDepth >= MACRO_DEPTH_MAX) {
    context.problem(
      'EXPRESSION_TOO_COMPLEX',
      variable,
      `macros are nested more than ${MACRO_DEPTH_MAX} deep`,
      TOO_COMPLEX_FIX,
    );
    return undefined;
  }
  if (over.type !== 'any' && over.type !== 'list' && over.type !== 'map' && over.event === undefined) {
    context.problem('EXPRESSION_TYPE', over.node, 'a macro needs a list or a map', 'use it on a list');
    return undefined;
  }
  const denotesEvents = over.events !== undefined || (over.event !== undefined && over.origin !== undefined);
  if (!denotesEvents) context.use(over);
  const cell: { item: unknown } = { item: null };
  const local: Term = denotesEvents
    ? {
        node: variable,
        type: 'any',
        mayFail: false,
        ...(over.origin === undefined ? {} : { origin: over.origin }),
        event: () => cell.item as Event,
        run: () => (cell.item as Event).data ?? null,
      }
    : { node: variable, type: 'any', mayFail: false, run: () => cell.item };
  const name = variable.args;
  const outermost = context.macroDepth === 0;
  const budget = context.budget;
  const items = itemsOf(over);
  return {
    items: (event, taken, key) => {
      if (outermost) budget.left = ITERATIONS_MAX;
      return items(event, taken, key);
    },
    each: (item, body, event, taken, key) => {
      if (--budget.left < 0) return failure(`an expression makes at most ${ITERATIONS_MAX} macro steps`);
      cell.item = item ?? null;
      return body(event, taken, key);
    },
    compile: (body) => {
      const shadowed = context.locals.get(name);
      context.locals.set(name, local);
      context.macroDepth++;
      const term = body();
      context.macroDepth--;
      if (shadowed === undefined) context.locals.delete(name);
      else context.locals.set(name, shadowed);
      return term;
    },
  };
}

function itemsOf(over: Term): Loop['items'] {
  const { events, event: single, run } = over;
  if (events !== undefined) return events;
  if (single !== undefined && over.origin !== undefined) {
    return (event, taken, key) => {
      const found = single(event, taken, key);
      return found instanceof Failure ? found : found === undefined ? [] : [found];
    };
  }
  return (event, taken, key) => {
    const value = run(event, taken, key);
    if (Array.isArray(value) || value instanceof Failure) return value;
    return isMap(value) ? Object.keys(value) : failure(`a macro needs a list or a map, and got ${typeOf(value)}`);
  };
}

/** `list.exists(x, …)` and its like; the receiver may be a step. */
export const MACROS = new Set(['all', 'exists', 'exists_one', 'map', 'filter']);

export function compileMacro(context: Context, node: Extract<ASTNode, { op: 'rcall' }>): Term {
  const [name, receiver, args] = node.args;
  const [variable, ...bodies] = args;
  const expected = name === 'map' ? [1, 2] : [1];
  if (variable === undefined || !expected.includes(bodies.length)) {
    return context.problem(
      'EXPRESSION_ARGUMENTS',
      node,
      `\`${name}\` takes a variable and ${name === 'map' ? 'one or two expressions' : 'one expression'}`,
      `write list.${name}(x, …)`,
    );
  }
  const over = context.compile(receiver);
  const loop = loopOver(context, over, variable);
  if (loop === undefined) return over;
  if (name === 'map' || name === 'filter') return compileCollect(context, node, loop, variable, bodies, name === 'map');
  const test = loop.compile(() => condition(context, bodies[0]!, `\`${name}\``));
  return { node, type: 'boolean', mayFail: true, run: quantifier(name, loop, test.run) };
}

/** As in CEL, `all` and `exists` are decided by one item even when others fail; `exists_one` needs every item. */
function quantifier(name: string, loop: Loop, test: Run): Run {
  const decisive = name === 'all' ? false : name === 'exists' ? true : undefined;
  return (event, taken, key) => {
    const items = loop.items(event, taken, key);
    if (items instanceof Failure) return items;
    let failed: Failure | undefined;
    let found = 0;
    for (const item of items) {
      const value = loop.each(item, test, event, taken, key);
      if (value === decisive) return decisive;
      if (value === true) found++;
      else if (value !== false)
        failed ??= value instanceof Failure ? value : failure(`\`${name}\` needs a boolean, and got ${typeOf(value)}`);
    }
    if (failed !== undefined) return failed;
    return decisive === undefined ? found === 1 : !decisive;
  };
}

function compileCollect(
  context: Context,
  node: ASTNode,
  loop: Loop,
  variable: ASTNode,
  bodies: readonly ASTNode[],
  maps: boolean,
): Term {
  const test =
    !maps || bodies.length === 2
      ? loop.compile(() => condition(context, bodies[0]!, maps ? '`map`' : '`filter`'))
      : undefined;
  const result = loop.compile(() => context.value(maps ? bodies.at(-1)! : variable));
  const run: Run = (event, taken, key) => {
    const items = loop.items(event, taken, key);
    if (items instanceof Failure) return items;
    const made: unknown[] = [];
    for (const item of items) {
      if (test !== undefined) {
        const fits = loop.each(item, test.run, event, taken, key);
        if (fits === false) continue;
        if (fits !== true)
          return fits instanceof Failure ? fits : failure(`a filter needs a boolean, and got ${typeOf(fits)}`);
      }
      const value = loop.each(item, result.run, event, taken, key);
      if (value instanceof Failure) return value;
      made.push(value);
    }
    return made;
  };
  return { node, type: 'list', mayFail: true, run };
}

/** `avg(step, x, x.amount)` and its like, over a step or a list. Items whose value is null are left out. */
export const AGGREGATES = new Set(['sum', 'avg', 'min', 'max', 'count']);

export function compileAggregate(context: Context, node: Extract<ASTNode, { op: 'call' }>): Term {
  const [name, [list, variable, body]] = node.args;
  if (node.args[1].length !== 3 || list === undefined || variable === undefined || body === undefined) {
    const fix =
      name === 'count'
        ? 'write count(step, x, x.amount > 5); the number of all is size(step)'
        : `write ${name}(step, x, x.amount); of two numbers it is math.${name}(a, b)`;
    return context.problem(
      'EXPRESSION_ARGUMENTS',
      node,
      `\`${name}\` takes a step or list, a variable and an expression`,
      fix,
    );
  }
  const over = context.compile(list);
  const loop = loopOver(context, over, variable);
  if (loop === undefined) return over;
  const each = loop.compile(() => (name === 'count' ? condition(context, body, '`count`') : context.value(body)));
  return {
    node,
    type: name === 'count' || name === 'sum' ? 'number' : 'any',
    mayFail: true,
    run: aggregate(name, loop, each.run),
  };
}

function aggregate(name: string, loop: Loop, body: Run): Run {
  return (event, taken, key) => {
    const items = loop.items(event, taken, key);
    if (items instanceof Failure) return items;
    const values: number[] = [];
    for (const item of items) {
      const value = loop.each(item, body, event, taken, key);
      if (value instanceof Failure) return value;
      if (value === null || value === false) continue;
      if (name === 'count' && value === true) values.push(1);
      else if (name !== 'count' && typeof value === 'number') values.push(value);
      else return failure(`\`${name}\` needs ${name === 'count' ? 'booleans' : 'numbers'}, and got ${typeOf(value)}`);
    }
    return combine(name, values);
  };
}

function combine(name: string, values: readonly number[]): number | null {
  const sum = values.reduce((total, value) => total + value, 0);
  if (name === 'sum' || name === 'count') return sum;
  if (values.length === 0) return null;
  if (name === 'avg') return sum / values.length;
  return values.reduce((best, value) => ((name === 'min') === value < best ? value : best));
}
