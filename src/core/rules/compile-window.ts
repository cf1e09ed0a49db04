import type { Event } from '../events/event.ts';
import type { WindowProblem } from '../windows/check-window.ts';
import { windowProblems } from '../windows/check-window.ts';
import type { EmitWhen, WindowDefinition, WindowLimits, WindowShape } from '../windows/window.ts';
import { windowBehaviour } from '../windows/window-behaviour.ts';
import { compileAggregate } from './compile-aggregate.ts';
import { type CompiledEmit, compileEmit } from './compile-emit.ts';
import { explainWindowBound, panesOf } from './explain-window-bound.ts';
import { compileScalar } from './expression-place.ts';
import { callFunction } from './function-values.ts';
import type { Place } from './problem.ts';
import type { WindowBody } from './read-window.ts';
import type { CompiledBody, RuleContext } from './rule-context.ts';
import { SPEAKING_EVENT, WindowTaken, windowNames, windowValue } from './window-names.ts';

/** Most panes, sessions or events that one key may hold, when the rule does not say. */
const ENTRIES_DEFAULT = 100_000;

/** Expressions of a window have no event of their own; this stands in its place and is never read. */
const NO_EVENT = undefined as unknown as Event;

/** Compiles what window rules alone have; undefined when something is wrong with it, which is reported. */
export function compileWindow(body: WindowBody, context: RuleContext): CompiledBody | undefined {
  const { source, defaults, problems } = context;
  const before = problems.added;
  const compiled = body.aggregates.map((one) => compileAggregate(one, context));
  const names = body.aggregates.map(({ name }) => name);
  const taken = new WindowTaken();
  const having = compileHaving(body, names, taken, context);
  const emit = compileWindowEmit(body, names, context);
  const limits: WindowLimits = {
    entries: source.limits.count ?? ENTRIES_DEFAULT,
    stateBytes: source.limits.stateBytes ?? defaults.limits.stateBytes,
    onLimit: source.limits.onLimit ?? defaults.limits.onLimit,
  };
  const { shape, emitWhen, allowedLateness } = body;
  if (shape === undefined) return undefined;
  check(body, shape, limits, context);
  if (body.incomplete || problems.added > before) return undefined;
  const aggregates = compiled.flatMap((one) => (one === undefined ? [] : [one.aggregate]));
  const build = emit?.build;
  const definition: WindowDefinition = {
    window: shape,
    allowedLateness,
    emitWhen,
    aggregates,
    having: having?.holds,
    havingReadsWindow: having?.readsWindow ?? false,
    emit:
      build === undefined
        ? (results) => ({ ...results })
        : (results, window, key) => build(taken.of(results, window), key),
    limits,
  };
  return {
    behaviour: windowBehaviour(definition),
    conditions: undefined,
    meaning: {
      window: shape,
      allowedLateness,
      emitWhen,
      aggregate: names.map((name, index) => [name, compiled[index]?.meaning]),
      having: having?.text,
      emit: emit?.meaning,
      limits,
    },
    bound: explainWindowBound(definition),
  };
}

interface CompiledHaving {
  readonly holds: NonNullable<WindowDefinition['having']>;
  readonly readsWindow: boolean;
  readonly text: string;
}

function compileHaving(
  { having: source }: WindowBody,
  names: readonly string[],
  taken: WindowTaken,
  { lookups, sink, problems }: RuleContext,
): CompiledHaving | undefined {
  if (source === undefined) return undefined;
  if (source.kind === 'function') {
    const { run } = source;
    return {
      holds: (results, window) =>
        sink.settle(callFunction(run, [{ ...results }, window.key, windowValue(window)]), 'having'),
      readsWindow: run.length > 2 || run.toString().includes('...'),
      text: `function ${run.toString()}`,
    };
  }
  const scope = { event: false, key: true, steps: new Map(), values: windowNames(names), lookups };
  const compiled = compileScalar(source, scope, 'boolean', problems);
  if (compiled === undefined) return undefined;
  const { run, uses, text } = compiled;
  return {
    holds: (results, window) => sink.settle(run(NO_EVENT, taken.of(results, window), window.key), 'having'),
    readsWindow: uses.values.has('window'),
    text,
  };
}

function compileWindowEmit(
  { shape, emitWhen }: WindowBody,
  names: readonly string[],
  { source, lookups, sink, problems }: RuleContext,
): CompiledEmit | undefined {
  if (source.emit === undefined) return undefined;
  const steps = new Map(shape !== undefined && speaksByEvent(shape, emitWhen) ? [SPEAKING_EVENT] : []);
  const scope = { event: false, key: true, steps, values: windowNames(names), lookups };
  return compileEmit(source.emit, scope, [], sink, problems, (taken, key) => {
    const { results, window } = taken as WindowTaken;
    return [{ ...results }, key, windowValue(window), window.event?.data ?? null];
  });
}

/** Whether it is always an event that makes a window speak, so that `emit` can name it. */
function speaksByEvent({ kind }: WindowShape, when: EmitWhen): boolean {
  if (kind === 'perEvent' || kind === 'countSliding') return true;
  if (when.kind === 'risingEdge') return when.across === 'events';
  return when.kind === 'everyEvents' || when.kind === 'once';
}

/** What is wrong with the window as a whole. */
function check(body: WindowBody, shape: WindowShape, limits: WindowLimits, { problems, warnings }: RuleContext): void {
  const { emitWhen, allowedLateness, having, aggregates, place, emitWhenPlace } = body;
  // A name that stands twice is a field that stands twice, which is reported.
  const names = [...new Set(aggregates.map(({ name }) => name))];
  const outline = { window: shape, emitWhen, allowedLateness, hasHaving: having !== undefined, aggregates: names };
  const found = windowProblems(outline).filter(({ code }) => code !== 'AGGREGATE_MISSING' || !body.incomplete);
  for (const { code, severity, message, fix } of found) {
    (severity === 'error' ? problems : warnings).add(code, placeOf(code, place, emitWhenPlace), message, fix);
  }
  const panes = panesOf(shape, 0);
  const isWrong = found.some(({ severity }) => severity === 'error');
  if (isWrong || panes === undefined || panes <= limits.entries) return;
  const message = `the window is kept in ${panes} panes, and a key may hold ${limits.entries}`;
  problems.add('WINDOW_LIMIT', place, message, 'raise `limits: {entries: …}`, or let windows begin less often');
}

const placeOf = (code: WindowProblem['code'], window: Place, emitWhen: Place): Place =>
  code.includes('EMIT') || code.includes('EDGE') ? emitWhen : window;
