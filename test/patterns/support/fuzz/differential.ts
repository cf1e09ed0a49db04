import type { Behaviour, Output } from '../../../../src/core/behaviours/behaviour.ts';
import type { Event } from '../../../../src/core/events/event.ts';
import { type Automaton, compilePattern } from '../../../../src/core/patterns/automaton.ts';
import type { Pattern, Taken } from '../../../../src/core/patterns/pattern.ts';
import { patternBehaviour } from '../../../../src/core/patterns/pattern-behaviour.ts';
import type { PatternState } from '../../../../src/core/patterns/pattern-state.ts';
import { SkipTargetMissing } from '../../../../src/core/patterns/release.ts';
import { allStages } from '../../../../src/core/patterns/stages.ts';
import { instant } from '../../../../src/core/time/units.ts';
import { describe } from '../collect.ts';
import { enumerateMatches } from '../enumerator/enumerate.ts';
import { isDeclarative } from '../enumerator/subset.ts';
import { TooManyWays } from '../enumerator/ways.ts';
import { Interpreter, NothingToSkipTo, TooManyRuns } from '../literal/interpreter.ts';

// One pattern and one stream, put to the engine (straight through, and stopped and resumed) and to both oracles.

/** What one of them says. */
export interface Answer {
  /** Matches and timeouts as text, in order: `match s0: a1 a2, s1: b3 @107`. */
  readonly said: readonly string[];
  /** Partial matches alive at the end. */
  readonly live: number;
}

export type Verdict =
  | { readonly kind: 'agreed'; readonly answer: Answer; readonly enumerated: boolean }
  /** The pattern was refused, or the case is too large for an oracle. */
  | { readonly kind: 'unfit'; readonly reason: string }
  | { readonly kind: 'disagreed'; readonly between: string; readonly expected: unknown; readonly got: unknown };

/** Most partial and completed matches a case may have at a time. */
const mostRuns = 150;

const missing = 'nothing to skip to';

/** @param stop the event after which the engine is stopped and resumed, besides once after every event */
export function judge(pattern: Pattern, events: readonly Event[], end: number, stop: number): Verdict {
  const compiled = compilePattern(pattern);
  if (!compiled.ok) return { kind: 'unfit', reason: compiled.problems.map(({ code }) => code).join() };
  const behaviour = behaviourOf(compiled);
  let literal: Answer;
  try {
    literal = byInterpreter(pattern, events, end);
  } catch (error) {
    if (error instanceof TooManyRuns) return { kind: 'unfit', reason: 'too many partial matches' };
    throw error;
  }
  const engine = byEngine(behaviour, events, end, () => false);
  const different = (between: string, expected: unknown, got: unknown): Verdict | undefined =>
    JSON.stringify(expected) === JSON.stringify(got) ? undefined : { kind: 'disagreed', between, expected, got };
  const once = byEngine(behaviour, events, end, (at) => at === stop);
  const always = byEngine(behaviour, events, end, () => true);
  const fitting = compiled.automaton.noticesUnfitEvents ? events : events.filter((event) => fitsAny(pattern, event));
  const without = fitting.length < events.length ? byEngine(behaviour, fitting, end, () => false).said : engine.said;
  const enumerated = isDeclarative(pattern) ? byEnumerator(pattern, events, end) : undefined;
  const withoutSkipping = enumerated && matchesWithoutSkipping(pattern, events, end);
  return (
    different('literal interpreter and engine', literal, engine) ??
    different(`engine and engine resumed after event ${stop}`, engine, once) ??
    different('engine and engine resumed after every event', engine, always) ??
    different('engine and engine without events that it takes no notice of', engine.said, without) ??
    (enumerated && different('enumerator and engine without skipping', enumerated, withoutSkipping)) ?? {
      kind: 'agreed',
      answer: engine,
      enumerated: enumerated !== undefined,
    }
  );
}

/** Whether the event by itself lets any condition of the pattern be true. */
function fitsAny({ stages }: Pattern, event: Event): boolean {
  return [...allStages(stages)].some((stage) => {
    const where = stage.kind === 'step' || stage.kind === 'not' ? [stage.where] : [];
    const until = 'quantifier' in stage && stage.quantifier.until !== undefined ? [stage.quantifier.until] : [];
    return [...where, ...until].some((one) => one?.stateless !== true || one(event, nothingTaken, 'key'));
  });
}

const nothingTaken: Taken = { events: () => [], count: () => 0, first: () => undefined, last: () => undefined };

function behaviourOf({ automaton }: { readonly automaton: Automaton }): Behaviour<PatternState> {
  return patternBehaviour({ automaton, emit: () => undefined });
}

function matchesWithoutSkipping(pattern: Pattern, events: readonly Event[], end: number): string[] {
  const compiled = compilePattern({ ...pattern, afterMatch: { kind: 'noSkip' } });
  if (!compiled.ok) throw new Error(JSON.stringify(compiled.problems));
  const { said } = byEngine(behaviourOf(compiled), events, end, () => false);
  return said.filter((one) => one.startsWith('match')).sort();
}

export function byInterpreter(pattern: Pattern, events: readonly Event[], end: number): Answer {
  const oracle = new Interpreter(pattern, mostRuns);
  const said = () => oracle.said.map((one) => textOf(pattern, one));
  try {
    for (const event of events) oracle.event(event);
    oracle.time(end);
  } catch (error) {
    if (!(error instanceof NothingToSkipTo)) throw error;
    return { said: [...said(), missing], live: 0 };
  }
  return { said: said(), live: oracle.liveRuns };
}

/** Undefined when there are more ways through the pattern than a test is worth. */
function byEnumerator(pattern: Pattern, events: readonly Event[], end: number): string[] | undefined {
  try {
    return enumerateMatches(pattern, events, end)
      .map(({ time, items }) => textOf(pattern, { kind: 'match', time, list: items }))
      .sort();
  } catch (error) {
    if (error instanceof TooManyWays) return undefined;
    throw error;
  }
}

interface Reported {
  readonly kind: string;
  readonly time: number;
  readonly list: readonly { readonly step: number; readonly event: Event }[];
}

function textOf({ steps }: Pattern, { kind, time, list }: Reported): string {
  const taken = new Map<number, string[]>();
  for (const { step, event } of list) taken.set(step, [...(taken.get(step) ?? []), event.id]);
  const parts = [...taken].map(([step, ids]) => `${steps[step]}: ${ids.join(' ')}`);
  return `${kind} ${parts.join(', ')} @${time}`;
}

/**
 * Plays the events; after each, what changed is saved, and where `stops` says so the state is rebuilt from the cells. Before
 * an event at which it stops, it wakes at each deadline as a shard's timers would, instead of jumping to the event's time.
 */
export function byEngine(
  behaviour: Behaviour<PatternState>,
  events: readonly Event[],
  end: number,
  stops: (at: number) => boolean,
): Answer {
  const said: string[] = [];
  const cells = new Map<number, Uint8Array>();
  let state = behaviour.create('key');
  const output: Output = {
    emit: (one) => void said.push(`${one.kind} ${describe(one)} @${one.time}`),
    incident: (incident) => {
      throw new Error(`incident: ${JSON.stringify(incident)}`);
    },
  };
  const settle = (stop: boolean): void => {
    behaviour.save(state, {
      put: (cell, bytes) => void cells.set(cell, Uint8Array.from(bytes)),
      remove: (cell) => void cells.delete(cell),
    });
    if (behaviour.isEmpty(state) !== (cells.size === 0)) throw new Error('cells without a state, or a state without');
    if (!stop) return;
    const due = behaviour.wakeAt(state);
    state = cells.size === 0 ? behaviour.create('key') : behaviour.load(cells, 'key');
    if (behaviour.wakeAt(state) !== due) throw new Error(`wakes at ${behaviour.wakeAt(state)}, not at ${due}`);
  };
  try {
    events.forEach((event, at) => {
      while (stops(at) && behaviour.wakeAt(state) <= event.time) {
        const due = behaviour.wakeAt(state);
        behaviour.onTime(state, due, output);
        settle(true);
      }
      behaviour.onEvent(state, event, output);
      settle(stops(at));
    });
    behaviour.onTime(state, instant(end), output);
    settle(false);
  } catch (error) {
    if (!(error instanceof SkipTargetMissing)) throw error;
    // The rule fails for this key.
    return { said: [...said, missing], live: 0 };
  }
  return { said, live: state.runCount };
}
