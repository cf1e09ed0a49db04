import type { Event } from '../../events/event.ts';
import { listed, suggestion } from '../did-you-mean.ts';
import { Failure, failure } from './failure.ts';
import type { ASTNode } from './syntax.ts';
import type { Context, Run, RunEvent, Term } from './term.ts';
import { fieldOf, fieldReader, hasField, isMap, type ReadField, typeOf } from './values.ts';

/** What `meta` has: the envelope of the current event. */
const META: Readonly<Record<string, { readonly type: Term['type']; readonly read: (event: Event) => unknown }>> = {
  id: { type: 'string', read: (event) => event.id },
  type: { type: 'string', read: (event) => event.type },
  subject: { type: 'string', read: (event) => event.subject },
  time: { type: 'number', read: (event) => event.time },
  source: { type: 'string', read: (event) => event.source },
  headers: { type: 'any', read: (event) => event.headers ?? null },
  seq: { type: 'number', read: (event) => event.seq },
  index: { type: 'number', read: (event) => event.index },
};

const META_NAMES = Object.keys(META);

/** The envelope as a value. */
export const metaOf = (event: Event): Readonly<Record<string, unknown>> =>
  Object.fromEntries(META_NAMES.map((name) => [name, META[name]!.read(event)]));

/** A root, a step or a macro's variable. */
export function compileName(context: Context, node: Extract<ASTNode, { op: 'id' }>): Term {
  const name = node.args;
  const local = context.locals.get(name);
  if (local !== undefined) return { ...local, node };
  if (name === 'event' && context.scope.event) {
    context.uses.event = true;
    return {
      node,
      type: 'any',
      mayFail: false,
      event: (event) => event,
      eventPath: [],
      run: (event) => event.data ?? null,
    };
  }
  if (name === 'meta' && context.scope.event) {
    context.uses.meta = true;
    return { node, type: 'map', mayFail: false, meta: true, run: (event) => metaOf(event) };
  }
  if (name === 'key' && context.scope.key) {
    context.uses.key = true;
    return { node, type: 'any', mayFail: false, run: (_event, _taken, key) => key };
  }
  const value = context.scope.values?.get(name);
  if (value !== undefined) {
    context.uses.values.add(name);
    const { read, type, fields } = value;
    return { node, type, mayFail: true, ...(fields && { fields }), run: (_event, taken) => read(taken) };
  }
  return compileStep(context, node, name);
}

function compileStep(context: Context, node: ASTNode, name: string): Term {
  const step = context.scope.steps.get(name);
  if (step === undefined) return unknownName(context, node, name);
  if (step.unusable !== undefined) {
    return context.problem('STEP_UNBOUND', node, step.unusable.message, step.unusable.fix);
  }
  const index = step.index;
  const origin = { step: index, path: [] };
  if (!step.many) {
    return {
      node,
      type: 'any',
      mayFail: false,
      origin,
      event: (_event, taken) => taken.first(index),
      run: (_event, taken) => taken.first(index)?.data ?? null,
    };
  }
  return {
    node,
    type: 'list',
    mayFail: false,
    origin,
    events: (_event, taken) => taken.events(index),
    run: (_event, taken) => taken.events(index).map((event) => event.data ?? null),
  };
}

function unknownName(context: Context, node: ASTNode, name: string): Term {
  const roots = [
    ...(context.scope.event ? ['event', 'meta'] : []),
    ...(context.scope.key ? ['key'] : []),
    ...context.scope.steps.keys(),
    ...(context.scope.values?.keys() ?? []),
    ...context.locals.keys(),
  ];
  if (name === 'event' || name === 'meta') {
    return context.problem(
      'EXPRESSION_NAME_UNKNOWN',
      node,
      `\`${name}\` means nothing here: a match has several events`,
      `name one of them instead: ${listed(roots)}`,
    );
  }
  if (name === 'key') {
    return context.problem('EXPRESSION_NAME_UNKNOWN', node, '`key` is not known here', `use ${listed(roots)}`);
  }
  const field = context.scope.event ? `; a field of the event is read as event.${name}` : '';
  return context.problem(
    'EXPRESSION_NAME_UNKNOWN',
    node,
    `there is no step or name \`${name}\``,
    suggestion(name, roots, `the names here are ${listed(roots, 'and')}${field}`),
  );
}

/** `a.b` and `a["b"]`. */
export function compileMember(context: Context, node: ASTNode, of: ASTNode, name: string): Term {
  const base = context.compile(of);
  if (base.meta === true) return compileMeta(context, node, name);
  if (base.events !== undefined) {
    return context.problem(
      'EXPRESSION_TYPE',
      node,
      `\`${of.input.slice(of.start, of.end)}\` can hold several events, so it is a list and has no field \`${name}\``,
      'use first(…), last(…), an index, or a macro such as exists(…)',
    );
  }
  if (base.type !== 'any' && base.type !== 'map') {
    return context.problem(
      'EXPRESSION_TYPE',
      node,
      `a ${base.type} has no field \`${name}\``,
      'read fields of maps only',
    );
  }
  if (base.fields?.includes(name) === false) {
    const what = of.input.slice(of.start, of.end);
    const fix = suggestion(name, base.fields, `it has ${listed(base.fields, 'and')}`);
    return context.problem('EXPRESSION_NAME_UNKNOWN', node, `\`${what}\` has no field \`${name}\``, fix);
  }
  const term = { node, type: 'any' as const, mayFail: base.mayFail };
  if (base.eventPath !== undefined) {
    const eventPath = [...base.eventPath, name];
    return { ...term, eventPath, run: readEventPath(eventPath) };
  }
  const run = readField(base, name);
  return base.origin === undefined
    ? { ...term, run }
    : { ...term, run, origin: { step: base.origin.step, path: [...base.origin.path, name] } };
}

function readEventPath(path: readonly string[]): Run {
  const readers = path.map(fieldReader);
  const [a, b] = readers as [ReadField, ReadField];
  if (path.length === 1) return (event) => a(event.data);
  if (path.length === 2) return (event) => b(a(event.data));
  return (event) => {
    let value = event.data;
    for (const read of readers) value = read(value);
    return value;
  };
}

function readField(base: Term, name: string): Run {
  const read = fieldReader(name);
  const denoted = base.event;
  if (denoted !== undefined) {
    return (event, taken, key) => {
      const found = denoted(event, taken, key);
      return found instanceof Failure ? found : read(found?.data);
    };
  }
  const run = base.run;
  return (event, taken, key) => {
    const value = run(event, taken, key);
    return value instanceof Failure ? value : read(value);
  };
}

function compileMeta(context: Context, node: ASTNode, name: string): Term {
  const field = Object.hasOwn(META, name) ? META[name] : undefined;
  if (field === undefined) {
    return context.problem(
      'EXPRESSION_NAME_UNKNOWN',
      node,
      `\`meta\` has no field \`${name}\``,
      suggestion(name, META_NAMES, `it has ${listed(META_NAMES, 'and')}`),
    );
  }
  return { node, type: field.type, mayFail: false, run: field.read };
}

/** `a[i]`: a field of a map by text, an item of a list by number from 0. */
export function compileIndex(context: Context, node: Extract<ASTNode, { op: '[]' }>): Term {
  const [of, by] = node.args;
  if (by.op === 'value' && typeof by.args === 'string') return compileMember(context, node, of, by.args);
  const base = context.compile(of);
  const index = context.value(by);
  if (base.events !== undefined && base.origin !== undefined) {
    const list = base.events;
    const at: RunEvent = (event, taken, key) =>
      itemAt(list(event, taken, key), index.run(event, taken, key)) as Event | Failure;
    return {
      node,
      type: 'any',
      mayFail: true,
      origin: base.origin,
      event: at,
      run: (event, taken, key) => {
        const found = at(event, taken, key);
        return found instanceof Failure ? found : (found?.data ?? null);
      },
    };
  }
  context.use(base);
  return {
    node,
    type: 'any',
    mayFail: true,
    run: (event, taken, key) => {
      const value = base.run(event, taken, key);
      return value instanceof Failure ? value : itemAt(value, index.run(event, taken, key));
    },
  };
}

function itemAt(of: unknown, index: unknown): unknown {
  if (index instanceof Failure) return index;
  if (Array.isArray(of)) {
    if (typeof index !== 'number') return failure(`a list is indexed by a number, not by ${typeOf(index)}`);
    const item = Number.isInteger(index) && index >= 0 && index < of.length ? of[index] : undefined;
    return item === undefined && !(index in of)
      ? failure(`index ${index} is outside a list of ${of.length}`)
      : (item ?? null);
  }
  if (of === null || isMap(of)) {
    if (typeof index !== 'string') return failure(`a map is indexed by a string, not by ${typeOf(index)}`);
    return fieldOf(of, index);
  }
  return failure(`${typeOf(of)} cannot be indexed`);
}

/** `has(a.b)`: whether the field is there, also as null. */
export function compileHas(context: Context, node: ASTNode, args: readonly ASTNode[]): Term {
  const [field] = args;
  const name =
    field?.op === '.'
      ? field.args[1]
      : field?.op === '[]' && field.args[1].op === 'value'
        ? field.args[1].args
        : undefined;
  if (args.length !== 1 || field === undefined || (field.op !== '.' && field.op !== '[]') || typeof name !== 'string') {
    return context.problem('EXPRESSION_ARGUMENTS', node, '`has` takes one field', 'write has(event.field)');
  }
  const base = context.compile(field.args[0]);
  if (base.meta === true || base.events !== undefined) {
    const whole = context.value(field);
    return {
      node,
      type: 'boolean',
      mayFail: whole.mayFail,
      run: (event, taken, key) => whole.run(event, taken, key) !== null,
    };
  }
  if (base.origin !== undefined) {
    context.use({ ...base, origin: { step: base.origin.step, path: [...base.origin.path, name] } });
  }
  const run = base.run;
  return {
    node,
    type: 'boolean',
    mayFail: base.mayFail,
    run: (event, taken, key) => {
      const value = run(event, taken, key);
      return value instanceof Failure ? value : hasField(value, name);
    },
  };
}
