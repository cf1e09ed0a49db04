import type { Event } from '../events/event.ts';
import { processBehaviour } from '../process/process-behaviour.ts';
import type { AnyProcessRule, Duration, ProcessLimits, StateSpec } from '../process/process-rule.ts';
import { packValue } from '../process/storable.ts';
import { formatDuration, parseDuration } from '../time/parse-duration.ts';
import type { RuleInputs } from './compile-inputs.ts';
import { listed } from './did-you-mean.ts';
import { unknownReferenceFix } from './expressions/lookup.ts';
import type { ProcessBody } from './read-process.ts';
import type { CompiledBody, RuleContext } from './rule-context.ts';
import type { KeyValue, RuleBound } from './rule-set.ts';

/** Most timers that one key may have armed, when the rule says nothing. */
export const TIMERS_DEFAULT = 10_000;

/** Compiles what process rules alone have. A reference that the configuration does not have is reported. */
export function compileProcess({ rule, digest }: ProcessBody, context: RuleContext): CompiledBody {
  const { inputs, defaults, lookups } = context;
  useReferences(rule, context);
  const limits = {
    stateBytes: rule.limits?.stateBytes ?? defaults.limits.stateBytes,
    timers: rule.limits?.timers ?? TIMERS_DEFAULT,
  };
  return {
    behaviour: processBehaviour({
      rule,
      aliasesOf: aliasesOf(inputs),
      limits,
      lookup: (reference, key) => lookups.valueOf(reference, key),
    }),
    conditions: inputs.all.map(({ condition }) => condition),
    meaning: { process: meaningOf(rule), limits },
    bound: boundOf(rule, limits),
    asksInputs: true,
    // All of it is code, whatever the fields that could be expressions are.
    digests: [digest],
  };
}

function useReferences({ rule, references = {} }: AnyProcessRule, { source, lookups, problems }: RuleContext): void {
  for (const reference of Object.keys(references)) {
    const { names } = lookups;
    if (names?.includes(reference) === false) {
      // Places name the file alone, and a module may hold many rules.
      const message = `rule ${rule}: the configuration has no reference \`${reference}\``;
      problems.add('REFERENCE_UNKNOWN', source.place, message, unknownReferenceFix(reference, names));
    }
    lookups.used.add(reference);
  }
}

/** Each alias asks for itself, since an event that several take may have come to this key as one of them only. */
function aliasesOf({ all }: RuleInputs): (event: Event, key: KeyValue) => readonly string[] {
  const [only] = all;
  if (all.length === 1 && only !== undefined) {
    const names = [only.alias ?? ''];
    return (event, key) => (only.fits(event, key) ? names : NO_NAMES);
  }
  return (event, key) => all.flatMap(({ alias = '', fits }) => (fits(event, key) ? [alias] : []));
}

const NO_NAMES: readonly string[] = [];

/**
 * What a rule declares, and the texts of its functions: a module may make rules from what it imports, which its digest
 * does not show. Lists, since the order of states and timers numbers what is stored.
 */
function meaningOf({ state = {}, timers = {}, outputs = {}, references, on, onTimer = {} }: AnyProcessRule): unknown {
  const texts = (functions: object): unknown => Object.entries(functions).map(([name, run]) => [name, String(run)]);
  return {
    state: Object.entries(state).map(([name, spec]) => [name, stateMeaning(spec)]),
    timers: Object.entries(timers).map(([name, { clock }]) => [name, clock]),
    outputs: Object.keys(outputs).sort(),
    // Absent, so that a rule from before there were any keeps its version.
    references: references && Object.keys(references).sort(),
    on: texts(on),
    onTimer: texts(onTimer),
  };
}

function stateMeaning(spec: StateSpec): unknown {
  const { ttl, ttlClock = 'event', ...rest } = spec;
  const parts = Object.entries(rest).map(([name, part]) => [
    name,
    typeof part === 'function' ? String(part) : [...packValue(part)],
  ]);
  return { ttl: lengthOf(ttl), ttlClock, parts };
}

/** In milliseconds. */
const lengthOf = (length: Duration | undefined): number | undefined =>
  typeof length === 'string' ? parseDuration(length) : length;

function boundOf(
  { state = {}, timers = {} }: AnyProcessRule,
  { stateBytes, timers: most }: Required<ProcessLimits>,
): RuleBound {
  const states = Object.entries(state);
  const kept = states.flatMap(([name, { ttl }]) => (ttl === undefined ? [name] : []));
  const forgotten = states.flatMap(([name, { ttl, ttlClock }]) => {
    const length = lengthOf(ttl);
    if (length === undefined) return [];
    const clock = ttlClock === 'processing' ? ' by processing time' : '';
    return [`What is in \`${name}\` is forgotten ${formatDuration(length)} after it was written${clock}.`];
  });
  const sentences = [
    ...forgotten,
    ...(kept.length > 0 ? [`Nothing but the rule itself lets go of ${listed(kept, 'and')}.`] : []),
    `A key keeps at most ${stateBytes} bytes${Object.keys(timers).length > 0 ? ` and ${most} timers` : ''}; ` +
      'a call that would keep more fails and is undone, and its event becomes a dead letter.',
  ];
  return { stateBytes, onLimit: 'deadLetter', sentence: sentences.join(' ') };
}
