import type { Event } from '../../events/event.ts';
import { closest, listed } from '../did-you-mean.ts';
import { compileHas } from './access.ts';
import { Failure } from './failure.ts';
import { compileLookup } from './lookup.ts';
import { AGGREGATES, compileAggregate, compileMacro, MACROS } from './macros.ts';
import { NAMES } from './operators.ts';
import { MATH_FUNCTIONS, PLAIN_FUNCTIONS, type PlainFunction, sizeOf } from './plain-functions.ts';
import type { ASTNode } from './syntax.ts';
import type { Context, Run, RunEvent, Term } from './term.ts';
import { applyText, regularExpression, TEXT_FUNCTIONS } from './text-functions.ts';

/** What is known of an event beside its data: `timeOf` in milliseconds since the epoch, `seqOf` its place in its stream. */
const EVENT_READERS: Readonly<Record<string, (event: Event) => unknown>> = {
  timeOf: (event) => event.time,
  idOf: (event) => event.id,
  seqOf: (event) => event.seq,
};

const EVENT_FUNCTIONS = [...Object.keys(EVENT_READERS), 'first', 'last'];

const PLAIN_NAMES = ['has', 'lookup', ...EVENT_FUNCTIONS, ...AGGREGATES, ...Object.keys(PLAIN_FUNCTIONS)];
const METHOD_NAMES = [...MACROS, ...Object.keys(TEXT_FUNCTIONS), 'size'];

/** `f(a, b)`. */
export function compileCall(context: Context, node: Extract<ASTNode, { op: 'call' }>): Term {
  const [name, args] = node.args;
  if (name === 'has') return compileHas(context, node, args);
  if (name === 'lookup') return compileLookup(context, node, args);
  if (Object.hasOwn(EVENT_READERS, name)) return compileOfEvent(context, node, name, args);
  if (name === 'first' || name === 'last') return compileEnd(context, node, name, args);
  if (AGGREGATES.has(name)) return compileAggregate(context, node);
  if (name === 'size' && args.length === 1) return compileSize(context, node, args[0]!);
  const found = Object.hasOwn(PLAIN_FUNCTIONS, name) ? PLAIN_FUNCTIONS[name] : undefined;
  if (found !== undefined) return compilePlain(context, node, name, found, all(context, args));
  const near = closest(name, PLAIN_NAMES);
  const method = METHOD_NAMES.includes(name) ? `it is a method: write value.${name}(…)` : undefined;
  const inMath = Object.hasOwn(MATH_FUNCTIONS, name) ? `write math.${name}(…)` : undefined;
  const fix =
    inMath ?? method ?? (near === undefined ? `there are ${listed(PLAIN_NAMES, 'and')}` : `did you mean \`${near}\`?`);
  return context.problem('EXPRESSION_FUNCTION_UNKNOWN', node, `there is no function \`${name}\``, fix);
}

/** `a.f(b)`. */
export function compileMethod(context: Context, node: Extract<ASTNode, { op: 'rcall' }>): Term {
  const [name, receiver, args] = node.args;
  const isMath =
    receiver.op === 'id' && receiver.args === 'math' && !context.locals.has('math') && !context.scope.steps.has('math');
  if (isMath) {
    const found = Object.hasOwn(MATH_FUNCTIONS, name) ? MATH_FUNCTIONS[name] : undefined;
    if (found !== undefined) return compilePlain(context, node, `math.${name}`, found, all(context, args));
    const fix = `there are ${listed(
      Object.keys(MATH_FUNCTIONS).map((one) => `math.${one}`),
      'and',
    )}`;
    return context.problem('EXPRESSION_FUNCTION_UNKNOWN', node, `there is no function \`math.${name}\``, fix);
  }
  if (MACROS.has(name)) return compileMacro(context, node);
  if (name === 'size' && args.length === 0) return compileSize(context, node, receiver);
  if (name === 'matches') return compileMatches(context, node, receiver, args);
  const found = Object.hasOwn(TEXT_FUNCTIONS, name) ? TEXT_FUNCTIONS[name] : undefined;
  if (found !== undefined) {
    return compilePlain(
      context,
      node,
      name,
      { ...found, apply: (values) => applyText(name, found.apply, values) },
      all(context, args),
      context.compile(receiver),
    );
  }
  const near = closest(name, METHOD_NAMES);
  const plain = PLAIN_NAMES.includes(name) ? `write ${name}(value)` : undefined;
  return context.problem(
    'EXPRESSION_FUNCTION_UNKNOWN',
    node,
    `there is no method \`${name}\``,
    plain ?? (near === undefined ? `there are ${listed(METHOD_NAMES, 'and')}` : `did you mean \`${near}\`?`),
  );
}

const all = (context: Context, args: readonly ASTNode[]): Term[] => args.map((part) => context.compile(part));

/** A function over values: checks the number of arguments and literal types, and passes failures on. */
function compilePlain(
  context: Context,
  node: ASTNode,
  name: string,
  plain: PlainFunction,
  args: readonly Term[],
  receiver?: Term,
): Term {
  const [least, most] = plain.arity;
  if (args.length < least || args.length > most) {
    const wanted = least === most ? `${least}` : `${least} to ${most}`;
    return context.problem(
      'EXPRESSION_ARGUMENTS',
      node,
      `\`${name}\` takes ${wanted} ${most === 1 ? 'argument' : 'arguments'}, not ${args.length}`,
      'correct the number of arguments',
    );
  }
  const terms = (receiver === undefined ? args : [receiver, ...args]).map((term) => context.use(term));
  if (receiver !== undefined && receiver.type !== 'any' && receiver.type !== 'string') {
    return context.problem(
      'EXPRESSION_TYPE',
      receiver.node,
      `\`${name}\` is a function of a text, not of ${NAMES[receiver.type]}`,
      'use a text, or convert with string(…)',
    );
  }
  if (terms.every((term) => term.literal !== undefined)) {
    const value = plain.apply(terms.map((term) => term.literal!.value));
    if (value instanceof Failure)
      return context.problem('EXPRESSION_TYPE', node, value.message, 'correct the argument');
    return { node, type: plain.type, mayFail: false, literal: { value }, run: () => value };
  }
  return {
    node,
    type: plain.type,
    mayFail: true,
    run: callWith(
      plain.apply,
      terms.map((term) => term.run),
    ),
  };
}

function callWith(apply: PlainFunction['apply'], runs: readonly Run[]): Run {
  return (event, taken, key) => {
    const values: unknown[] = [];
    for (const run of runs) {
      const value = run(event, taken, key);
      if (value instanceof Failure) return value;
      values.push(value);
    }
    return apply(values);
  };
}

/** A literal regular expression is compiled here, once. */
function compileMatches(
  context: Context,
  node: Extract<ASTNode, { op: 'rcall' }>,
  receiver: ASTNode,
  args: readonly ASTNode[],
): Term {
  const pattern = args[0]?.op === 'value' && args.length === 1 ? args[0].args : undefined;
  const plain = TEXT_FUNCTIONS.matches!;
  if (typeof pattern !== 'string') {
    return compilePlain(
      context,
      node,
      'matches',
      { ...plain, apply: (values) => applyText('matches', plain.apply, values) },
      all(context, args),
      context.compile(receiver),
    );
  }
  const expression = regularExpression(pattern);
  if (expression instanceof Failure) {
    return context.problem(
      'EXPRESSION_TYPE',
      args[0]!,
      expression.message,
      'write an RE2 regular expression; RE2 has no back-references and no look-around',
    );
  }
  const test = (text: string): boolean => expression.test(text);
  return compilePlain(
    context,
    node,
    'matches',
    { arity: [0, 0], type: 'boolean', apply: (values) => applyText('matches', test, values) },
    [],
    context.compile(receiver),
  );
}

/** The size of a step is the number of its events: none of their data is read. */
function compileSize(context: Context, node: ASTNode, of: ASTNode): Term {
  const base = context.compile(of);
  const step = base.node.op === 'id' ? base.origin?.step : undefined;
  if (
    step !== undefined &&
    base.origin?.path.length === 0 &&
    !context.locals.has((base.node as { args: string }).args)
  ) {
    return { node, type: 'number', mayFail: false, run: (_event, taken) => taken.count(step) };
  }
  return compilePlain(context, node, 'size', { arity: [1, 1], type: 'number', apply: ([value]) => sizeOf(value) }, [
    base,
  ]);
}

/** `timeOf(x)`, `idOf(x)` and `seqOf(x)`; null when x is absent. */
function compileOfEvent(context: Context, node: ASTNode, name: string, args: readonly ASTNode[]): Term {
  const [of] = args;
  if (of === undefined || args.length !== 1) {
    return context.problem(
      'EXPRESSION_ARGUMENTS',
      node,
      `\`${name}\` takes one event`,
      `write ${name}(step), or ${name}(event)`,
    );
  }
  const term = context.compile(of);
  if (term.events !== undefined) {
    const step = of.input.slice(of.start, of.end);
    return context.problem(
      'EXPRESSION_TYPE',
      of,
      `\`${step}\` can hold several events`,
      `choose one: ${name}(first(${step})) or ${name}(last(${step}))`,
    );
  }
  const denoted = term.event;
  if (denoted === undefined) {
    // A term that was refused is `any` without an event and has had its problem already.
    return context.problem(
      'EXPRESSION_TYPE',
      of,
      `\`${name}\` takes an event, not a value`,
      `write ${name}(step), ${name}(first(step)) or ${name}(event)`,
    );
  }
  return { node, type: 'any', mayFail: term.mayFail, run: readEvent(denoted, EVENT_READERS[name]!) };
}

function readEvent(denoted: RunEvent, read: (event: Event) => unknown): Run {
  return (event, taken, key) => {
    const found = denoted(event, taken, key);
    return found === undefined ? null : found instanceof Failure ? found : read(found);
  };
}

/** `first(x)` and `last(x)` of a step or a list; null when it is empty. */
function compileEnd(context: Context, node: ASTNode, name: 'first' | 'last', args: readonly ASTNode[]): Term {
  const [of] = args;
  if (of === undefined || args.length !== 1) {
    return context.problem('EXPRESSION_ARGUMENTS', node, `\`${name}\` takes one step or list`, `write ${name}(step)`);
  }
  const term = context.compile(of);
  const step = of.op === 'id' && !context.locals.has(of.args) ? term.origin?.step : undefined;
  if (step !== undefined && term.origin?.path.length === 0) {
    const event: RunEvent =
      name === 'first' ? (_event, taken) => taken.first(step) : (_event, taken) => taken.last(step);
    return {
      node,
      type: 'any',
      mayFail: false,
      origin: term.origin,
      event,
      run: readEvent(event, (found) => found.data ?? null),
    };
  }
  const end = (list: unknown): unknown =>
    Array.isArray(list)
      ? ((name === 'first' ? list[0] : list.at(-1)) ?? null)
      : new Failure(`\`${name}\` takes a step or a list`);
  return compilePlain(context, node, name, { arity: [1, 1], type: 'any', apply: ([list]) => end(list) }, [term]);
}
