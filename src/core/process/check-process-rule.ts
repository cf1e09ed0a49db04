import { suggestion } from '../rules/did-you-mean.ts';
import { DURATION_FORM, parseDuration } from '../time/parse-duration.ts';
import { WrongCall } from './rule-failed.ts';
import { packValue } from './storable.ts';

/** What is wrong with a process rule as a module gave it, at which of its fields, and what to do. */
export interface ProcessProblem {
  readonly code:
    | 'PROCESS_FIELD'
    | 'PROCESS_NAME'
    | 'PROCESS_DECLARATION'
    | 'PROCESS_FUNCTION_MISSING'
    | 'PROCESS_FUNCTION_UNKNOWN';
  /** Fields from the outermost on. */
  readonly path: readonly string[];
  readonly message: string;
  readonly fix: string;
}

/**
 * Checks the parts that only process rules have (`from`, `state`, `timers`, `outputs`, `references`, `on`, `onTimer`, `limits`) of
 * something that need not have been written in TypeScript. Sources' names, types and expressions are the reader's to
 * check.
 */
export function checkProcessRule(rule: Readonly<Record<string, unknown>>): readonly ProcessProblem[] {
  const problems: ProcessProblem[] = [];
  const report = (code: ProcessProblem['code'], path: readonly string[], message: string, fix: string): void =>
    void problems.push({ code, path, message, fix });

  /** The fields of a map of declarations; what is none is reported. */
  function declared(field: string, kinds: readonly string[], made: string, needed: boolean): string[] {
    const value = rule[field];
    if (value === undefined && !needed) return [];
    if (!isMap(value)) {
      report('PROCESS_FIELD', [field], `\`${field}\` is no map of names`, `write \`${field}: { name: ${made} }\``);
      return [];
    }
    for (const [name, one] of Object.entries(value)) {
      // Those of references are names of the configuration, which are checked there.
      if (field !== 'references' && !NAME.test(name))
        report(
          'PROCESS_NAME',
          [field, name],
          `\`${name}\` cannot be a name`,
          'take a letter, then letters, digits or _',
        );
      if (!isMap(one) || !kinds.includes(one.kind as string))
        report('PROCESS_DECLARATION', [field, name], `\`${name}\` is not what belongs here`, `make it with ${made}`);
      else if (field === 'state') checkState([field, name], one);
      else if (field === 'outputs' && name === LATE)
        report(
          'PROCESS_NAME',
          [field, name],
          `\`${LATE}\` is the output of events that come too late`,
          'name it otherwise',
        );
    }
    return Object.keys(value);
  }

  function checkState(path: readonly string[], spec: Readonly<Record<string, unknown>>): void {
    const { kind, ttl, ttlClock } = spec;
    for (const part of PARTS[kind as string] ?? []) {
      if (typeof spec[part] !== 'function')
        report('PROCESS_FUNCTION_MISSING', [...path, part], `${kind} needs it`, `write a function \`${part}\``);
    }
    const lack = kind === 'reducing' ? lackOf(spec.initial) : undefined;
    if (lack !== undefined) report('PROCESS_FIELD', [...path, 'initial'], lack, 'give plain data');
    const fits =
      ttl === undefined || (typeof ttl === 'string' ? parseDuration(ttl) !== undefined : (ttl as number) >= 0);
    if (!fits) report('PROCESS_FIELD', [...path, 'ttl'], 'it is no length of time', `give ${DURATION_FORM}`);
    if (![undefined, 'event', 'processing'].includes(ttlClock as string | undefined))
      report('PROCESS_FIELD', [...path, 'ttlClock'], 'there is no such clock', "give 'event' or 'processing'");
  }

  /** Every name has its function, and every function is for a name. */
  function matched(field: string, names: readonly string[], needed: boolean): void {
    const value = rule[field];
    if (value !== undefined && !isMap(value)) {
      report('PROCESS_FIELD', [field], `\`${field}\` is no map of functions`, `write \`${field}: { name(…) { … } }\``);
      return;
    }
    const functions = value ?? {};
    for (const name of names) {
      if (typeof functions[name] === 'function' && Object.hasOwn(functions, name)) continue;
      const message = needed
        ? `nothing is done with the events of \`${name}\``
        : `nothing is done when \`${name}\` fires`;
      report('PROCESS_FUNCTION_MISSING', [field, name], message, `write a function \`${field}.${name}\``);
    }
    for (const name of Object.keys(functions)) {
      if (names.includes(name)) continue;
      const fix = suggestion(name, names, 'remove it, or declare what it is for');
      report('PROCESS_FUNCTION_UNKNOWN', [field, name], `it is never called: there is no \`${name}\``, fix);
    }
  }

  matched('on', declared('from', ['source'], 'source(…)', true), true);
  declared('state', STATES, 'value(), list(), map(), reducing(…) or aggregating(…)', false);
  matched('onTimer', declared('timers', ['timer'], 'eventTimer() or processingTimer()', false), false);
  declared('outputs', ['output'], 'output()', false);
  declared('references', ['reference'], 'reference()', false);
  if (rule.limits !== undefined && !isMap(rule.limits))
    report('PROCESS_FIELD', ['limits'], '`limits` is no map', 'write `limits: { timers: 1000 }`');
  for (const [name, limit] of Object.entries(isMap(rule.limits) ? rule.limits : {})) {
    if (!LIMITS.includes(name))
      report('PROCESS_FIELD', ['limits', name], 'there is no such limit', suggestion(name, LIMITS, 'remove it'));
    else if (!(Number.isInteger(limit) && (limit as number) > 0))
      report('PROCESS_FIELD', ['limits', name], 'a limit is a whole number above 0', 'give such a number');
  }
  return problems;
}

/** Names of outputs are parts of subjects. */
const NAME = /^[A-Za-z][A-Za-z0-9_]{0,63}$/;
const STATES = ['value', 'list', 'map', 'reducing', 'aggregating'];
const LIMITS = ['stateBytes', 'timers'];
/** The functions of a state that is computed. */
const PARTS: Readonly<Record<string, readonly string[]>> = {
  reducing: ['add'],
  aggregating: ['create', 'add', 'result'],
};
/** The side output that every kind of rule can have. */
const LATE = 'late';

/** Why a value cannot be stored; undefined when it can. */
function lackOf(value: unknown): string | undefined {
  try {
    packValue(value);
    return undefined;
  } catch (error) {
    if (error instanceof WrongCall) return error.message;
    throw error;
  }
}

const isMap = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);
