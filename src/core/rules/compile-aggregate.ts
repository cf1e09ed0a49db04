import type { Event } from '../events/event.ts';
import type { Aggregate, ValueOf } from '../windows/aggregates/aggregate.ts';
import { AGGREGATE_CALLS, type AggregateCall, type Setting } from './aggregate-calls.ts';
import { closest, listed } from './did-you-mean.ts';
import type { DocumentNode, ScalarNode } from './document.ts';
import { compileScalar, compileSubtree, parseScalar } from './expression-place.ts';
import { literalValue } from './expressions/canonical.ts';
import type { Expression } from './expressions/compile.ts';
import { Failure } from './expressions/failure.ts';
import type { ASTNode } from './expressions/syntax.ts';
import type { Scope, StaticType } from './expressions/term.ts';
import { typeOf } from './expressions/values.ts';
import { nodeName } from './field-reader.ts';
import { callFunction, dataOf, eventMeta } from './function-values.ts';
import { compileOwnAggregate, isOwnAggregate } from './own-aggregate.ts';
import type { Place } from './problem.ts';
import type { AggregateSource } from './read-aggregates.ts';
import type { RuleContext } from './rule-context.ts';

/** An aggregate ready to run, and what gives it its meaning as plain data. */
export interface CompiledAggregate {
  readonly aggregate: Aggregate;
  readonly meaning: unknown;
}

/**
 * Compiles one entry of `aggregate`: a call such as `percentile(event.ms, 95)`; in modules also the same call as a map,
 * {percentile: [(event) => event.ms, 95]}, or an aggregate of the author's own. Undefined when something is wrong with
 * it, which is reported.
 */
export function compileAggregate(
  { name, namePlace, node }: AggregateSource,
  context: RuleContext,
): CompiledAggregate | undefined {
  const { problems } = context;
  if (node.kind === 'broken') return undefined;
  if (node.kind === 'map') {
    if (isOwnAggregate(node)) return compileOwnAggregate(name, node, context);
    const [field, ...others] = node.fields;
    if (field !== undefined && others.length === 0) {
      const items = field.value.kind === 'list' ? field.value.items : [field.value];
      const places = items.map((item) => argumentOf(item, context));
      return compileCall(name, field.name, field.namePlace, places, context);
    }
  }
  if (node.kind !== 'scalar' || typeof node.value !== 'string') {
    const message = `\`${name}\` is ${nodeName(node)}, not an aggregate`;
    problems.add('AGGREGATE_CALL', node.place ?? namePlace, message, `write a call, such as ${SHOWN}`);
    return undefined;
  }
  const ast = parseScalar(node, problems);
  if (ast === undefined) return undefined;
  if (ast.op !== 'call') {
    problems.add(
      'AGGREGATE_CALL',
      node.placeAt(ast.pos ?? ast.start),
      `\`${name}\` is not a call of an aggregate`,
      `write a call, such as ${SHOWN}; \`having\` and \`emit\` compute with what aggregates give`,
    );
    return undefined;
  }
  const [word, args] = ast.args;
  const places = args.map((part) => partOf(node, part, context));
  return compileCall(name, word, node.placeAt(ast.start), places, context);
}

const SHOWN = 'count(), sum(event.amount) or percentile(event.ms, 95)';

/** What a call is given in one place, wherever it is written. */
interface Argument {
  readonly place: Place;
  /** Set for what is written as it is. */
  readonly literal: { readonly value: unknown } | undefined;
  /** Undefined when it cannot be compiled, which is reported. */
  compile(wants: StaticType): CompiledValue | undefined;
}

interface CompiledValue {
  /** Gives a value, or a `Failure`. */
  readonly run: (event: Event) => unknown;
  readonly text: string;
}

const scopeOf = ({ lookups }: RuleContext): Scope => ({ event: true, key: false, steps: new Map(), lookups });
const NOTHING_TAKEN = { events: () => [], count: () => 0, first: () => undefined, last: () => undefined };

/** A part of a call in text. */
function partOf(node: ScalarNode, ast: ASTNode, context: RuleContext): Argument {
  const { problems, shared } = context;
  return {
    place: node.placeAt(ast.start),
    literal: ast.op === 'value' ? { value: literalValue(ast.args) } : undefined,
    compile: (wants) => compiledValue(compileSubtree(node, ast, scopeOf(context), wants, problems), shared),
  };
}

/** An item of a call written as a map. */
function argumentOf(node: DocumentNode, context: RuleContext): Argument {
  const { problems, shared } = context;
  const literal = node.kind === 'scalar' && typeof node.value !== 'string' ? { value: node.value } : undefined;
  return {
    place: node.place,
    literal: node.kind === 'scalar' ? (literal ?? { value: node.text }) : undefined,
    compile(wants) {
      if (node.kind === 'function') {
        const { run } = node;
        return {
          run: (event) => callFunction(run, [dataOf(event), eventMeta(event)]),
          text: `function ${run.toString()}`,
        };
      }
      if (node.kind === 'scalar') return compiledValue(compileScalar(node, scopeOf(context), wants, problems), shared);
      if (node.kind !== 'broken') {
        const fix = 'write an expression or a function';
        problems.add('AGGREGATE_CALL', node.place, `a value of an aggregate is ${nodeName(node)}`, fix);
      }
      return undefined;
    },
  };
}

/**
 * The rules of a keyspace share what they ask of an event, conditions and values alike. What looks something up is not a
 * question about the event alone.
 */
function compiledValue(expression: Expression | undefined, shared: RuleContext['shared']): CompiledValue | undefined {
  if (expression === undefined) return undefined;
  const { run, text, uses } = expression;
  const value = (event: Event): unknown => run(event, NOTHING_TAKEN, '');
  return { run: uses.lookups ? value : shared.share(text, value), text };
}

function compileCall(
  name: string,
  word: string,
  place: Place,
  given: readonly Argument[],
  context: RuleContext,
): CompiledAggregate | undefined {
  const { problems } = context;
  const call = Object.hasOwn(AGGREGATE_CALLS, word) ? AGGREGATE_CALLS[word] : undefined;
  if (call === undefined) {
    const words = Object.keys(AGGREGATE_CALLS);
    const near = closest(word, words);
    const fix = near === undefined ? `there are ${listed(words, 'and')}` : `did you mean \`${near}\`?`;
    problems.add('AGGREGATE_UNKNOWN', place, `there is no aggregate \`${word}\``, fix);
    return undefined;
  }
  const { values, settings } = call;
  const least = values.length + settings.filter((one) => one.kind === 'number' && one.required).length;
  if (given.length < least || given.length > values.length + settings.length) {
    const message = `\`${word}\` is given ${given.length} ${given.length === 1 ? 'value' : 'values'}`;
    problems.add('AGGREGATE_CALL', place, message, `write ${call.form}`);
    return undefined;
  }
  const before = problems.added;
  const compiled = values.map((wants, index) => given[index]!.compile(wants));
  const set = settings.map((setting, index) => settingOf(setting, given[values.length + index], call, context));
  if (problems.added > before) return undefined;
  const where = `aggregate \`${name}\``;
  const runs = values.map((wants, index) => guarded(compiled[index]!.run, wants, word, where, context));
  return {
    aggregate: call.make(name, runs, set),
    meaning: { call: word, values: compiled.map((one) => one?.text), settings: set },
  };
}

function settingOf(
  setting: Setting,
  argument: Argument | undefined,
  { form }: AggregateCall,
  { problems }: RuleContext,
): number | string | undefined {
  if (argument === undefined) return undefined;
  const value = argument.literal?.value;
  const wrong = (wanted: string): undefined => {
    const is = argument.literal === undefined ? 'computed' : JSON.stringify(value);
    problems.add('AGGREGATE_CALL', argument.place, `the ${setting.name} is ${is}, not ${wanted}`, `write ${form}`);
  };
  if (setting.kind === 'word') {
    const found = setting.words.find((one) => one === value);
    return found ?? wrong(setting.words.map((one) => JSON.stringify(one)).join(' or '));
  }
  const { whole, least, most } = setting.takes;
  const fits =
    typeof value === 'number' && value <= most && (whole ? Number.isInteger(value) && value >= least : value > least);
  if (fits) return value;
  return wrong(whole ? `a whole number from ${least} to ${most}` : `a number above ${least}, at most ${most}`);
}

/** A value as aggregates take it: what fails, or is of a kind that this one cannot use, is reported and left out. */
function guarded(
  run: (event: Event) => unknown,
  wants: StaticType,
  word: string,
  where: string,
  { sink }: RuleContext,
): ValueOf {
  if (wants === 'boolean') return (event) => sink.settle(run(event), where);
  return (event) => {
    const value = run(event);
    if (value === null || value === undefined) return undefined;
    if (value instanceof Failure) {
      sink.report(where, value.message);
      return undefined;
    }
    if (wants !== 'number' || (typeof value === 'number' && Number.isFinite(value))) return value;
    sink.report(where, `\`${word}\` takes numbers, and got ${typeof value === 'number' ? value : typeOf(value)}`);
    return undefined;
  };
}
