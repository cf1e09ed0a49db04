import type { Event } from '../events/event.ts';
import type { Taken } from '../patterns/pattern.ts';
import type { DocumentNode, FunctionNode, MapNode, Problems, ScalarNode } from './document.ts';
import { compilePart } from './expression-place.ts';
import type { Expression } from './expressions/compile.ts';
import { Failure } from './expressions/failure.ts';
import type { Scope } from './expressions/term.ts';
import { textOf } from './expressions/values.ts';
import type { FailureSink } from './failure-sink.ts';
import { callFunction, dataOf, eventMeta, takenValues } from './function-values.ts';
import type { KeyValue } from './rule-set.ts';
import { splitTemplate } from './split-template.ts';
import type { NamedStep } from './step-table.ts';

/** Makes the value of `emit` for one match. */
export type Build = (taken: Taken, key: KeyValue) => unknown;

export interface CompiledEmit {
  readonly build: Build;
  readonly reads: readonly Expression['uses'][];
  readonly readsAll: boolean;
  /** What gives it its meaning, as plain data. */
  readonly meaning: unknown;
}

/** Expressions in `emit` have no event of their own; this stands in its place and is never read. */
const NO_EVENT = undefined as unknown as Event;

/** What a module's function is called with in the place of `emit`. */
export type EmitArguments = (taken: Taken, key: KeyValue) => readonly unknown[];

/**
 * Compiles `emit`: plain JSON with `${expression}` in its texts, or a module's function.
 * @param argumentsOf what a function gets; default: data by step, the key, envelopes by step
 */
export function compileEmit(
  node: DocumentNode,
  scope: Scope,
  steps: readonly NamedStep[],
  sink: FailureSink,
  problems: Problems,
  argumentsOf: EmitArguments = (taken, key) => [
    takenValues(steps, taken, dataOf),
    key,
    takenValues(steps, taken, eventMeta),
  ],
): CompiledEmit {
  const compiler = new EmitCompiler(scope, argumentsOf, sink, problems);
  const part = compiler.part(node, 'emit');
  return { build: part.build, reads: compiler.reads, readsAll: compiler.readsAll, meaning: part.meaning };
}

interface Part {
  readonly build: Build;
  readonly meaning: unknown;
}

class EmitCompiler {
  readonly reads: Expression['uses'][] = [];
  readsAll = false;
  private readonly scope: Scope;
  private readonly argumentsOf: EmitArguments;
  private readonly sink: FailureSink;
  private readonly problems: Problems;

  constructor(scope: Scope, argumentsOf: EmitArguments, sink: FailureSink, problems: Problems) {
    this.scope = scope;
    this.argumentsOf = argumentsOf;
    this.sink = sink;
    this.problems = problems;
  }

  /** @param path names the part in incidents: "emit.title" */
  part(node: DocumentNode, path: string): Part {
    switch (node.kind) {
      case 'map':
        return this.map(node, path);
      case 'list': {
        const items = node.items.map((item, index) => this.part(item, `${path}[${index}]`));
        return {
          build: (taken, key) => items.map(({ build }) => build(taken, key)),
          meaning: items.map(({ meaning }) => meaning),
        };
      }
      case 'scalar':
        return typeof node.value === 'string'
          ? this.template(node, path)
          : { build: () => node.value, meaning: node.value };
      case 'function':
        return this.functionOf(node, path);
      case 'broken':
        return { build: () => null, meaning: null };
    }
  }

  private map(node: MapNode, path: string): Part {
    const fields = node.fields.map(({ name, value }) => ({ name, ...this.part(value, `${path}.${name}`) }));
    return {
      build: (taken, key) => Object.fromEntries(fields.map(({ name, build }) => [name, build(taken, key)])),
      meaning: Object.fromEntries(fields.map(({ name, meaning }) => [name, meaning])),
    };
  }

  private template(node: ScalarNode, path: string): Part {
    const split = splitTemplate(node.text);
    if (!split.ok) {
      const fix = node.commented
        ? 'YAML takes what follows ` #` for a comment: quote the text'
        : 'close it with `}`, or write `$${` for the characters `${`';
      this.problems.add('TEMPLATE_SYNTAX', node.placeAt(split.offset), '`${` is not closed', fix);
      return { build: () => null, meaning: null };
    }
    const parts = split.parts.map((part) =>
      typeof part === 'string' ? part : this.expression(node, part.text, part.offset),
    );
    const [only] = parts;
    if (parts.length === 0) return { build: () => '', meaning: '' };
    if (parts.length === 1 && only !== undefined) {
      if (typeof only === 'string') return { build: () => only, meaning: only };
      return {
        build: (taken, key) => this.sink.value(only.run(NO_EVENT, taken, key), path),
        meaning: { expression: only.text },
      };
    }
    return {
      build: (taken, key) =>
        parts.map((part) => (typeof part === 'string' ? part : this.text(part, taken, key, path))).join(''),
      meaning: { template: parts.map((part) => (typeof part === 'string' ? part : { expression: part.text })) },
    };
  }

  private text(part: Expression, taken: Taken, key: KeyValue, path: string): string {
    const value = part.run(NO_EVENT, taken, key);
    const text = value instanceof Failure ? undefined : textOf(value);
    if (text !== undefined) return text;
    this.sink.report(path, value instanceof Failure ? value.message : 'the value has no text');
    return 'null';
  }

  private expression(node: ScalarNode, text: string, offset: number): Expression {
    const compiled = compilePart(node, text, offset, this.scope, this.problems);
    if (compiled === undefined) return BROKEN;
    this.reads.push(compiled.uses);
    return compiled;
  }

  private functionOf({ run }: FunctionNode, path: string): Part {
    this.readsAll = true;
    return {
      build: (taken, key) => this.sink.value(callFunction(run, this.argumentsOf(taken, key)), path),
      meaning: { function: run.toString() },
    };
  }
}

const BROKEN: Expression = {
  run: () => null,
  type: 'any',
  uses: { event: false, meta: false, key: false, steps: new Map(), values: new Set(), lookups: false },
  text: '',
  stateless: true,
  ast: undefined as unknown as Expression['ast'],
};
