import type { Behaviour, EmissionKind, EventRef, Output, StepEvents } from '../behaviours/behaviour.ts';
import type { KeyValue } from '../rules/rule-set.ts';
import type { InstantMs } from '../time/units.ts';
import type { Automaton } from './automaton.ts';
import type { Listener } from './listener.ts';
import { Matcher } from './matcher.ts';
import { type PathNode, PathView } from './path.ts';
import type { Taken } from './pattern.ts';
import { PatternState } from './pattern-state.ts';
import { loadState, saveState } from './state-cells.ts';

/** Most references one step's events are reported with; the count is always the true one. */
export const refsPerStep = 100;

export interface PatternBehaviourOptions {
  readonly automaton: Automaton;
  /** The value of the rule's `emit`. `taken` is valid during the call only. Must not throw. */
  readonly emit: (taken: Taken, key: KeyValue, kind: EmissionKind) => unknown;
}

/**
 * A compiled pattern as the behaviour of one rule. Matches go to the rule's own stream, timed-out partial matches to
 * the side output `timeout` when the pattern wants them. A partial match dropped by a limit is an incident
 * `limitReached`, whose answer is the pattern's `onLimit`; with `deadLetter` the incident has its events.
 * @throws {SkipTargetMissing} from `onEvent` and `onTime`, when `throwOnMiss` is set and there is nothing to skip to;
 *   the state is then to be loaded again.
 * @throws {PatternStateUnreadable} from `load`
 */
export function patternBehaviour({ automaton, emit }: PatternBehaviourOptions): Behaviour<PatternState> {
  const matcher = new Matcher(automaton);
  const view = new PathView();
  const { steps, limits } = automaton.pattern;
  // One listener serves all keys: nothing is allocated for an event that changes nothing.
  let key: KeyValue = '';
  let output: Output;
  const report = (kind: 'match' | 'timeout', path: PathNode, time: InstantMs): void => {
    output.emit({
      kind,
      side: kind === 'timeout' ? 'timeout' : undefined,
      time,
      first: path.root.event.time,
      last: path.event.time,
      events: stepEvents(path, steps),
      emit: emit(view.show(path), key, kind),
    });
  };
  const listener: Listener = {
    matched: (path, time) => report('match', path, time),
    timedOut: (path, deadline) => report('timeout', path, deadline),
    lost: (path, limit) => {
      const incident = { kind: 'limitReached', limit, answer: limits.onLimit } as const;
      output.incident(limits.onLimit === 'deadLetter' ? { ...incident, events: stepEvents(path, steps) } : incident);
    },
  };
  return {
    create: (value) => new PatternState(value as KeyValue, matcher.variants),
    load(cells, value) {
      const state = loadState(cells, value as KeyValue, matcher.variants);
      matcher.restore(state);
      return state;
    },
    save: saveState,
    isEmpty: (state) => state.isEmpty,
    onEvent(state, event, out) {
      key = state.key;
      output = out;
      matcher.onEvent(state, event, listener);
    },
    onTime(state, now, out) {
      if (state.due > now) return;
      key = state.key;
      output = out;
      matcher.onTime(state, now, listener);
    },
    wakeAt: (state) => state.due,
  };
}

/** What each step took, in order of first use: at most `refsPerStep` references, the earliest, and the true count. */
function stepEvents(path: PathNode, steps: readonly string[]): StepEvents[] {
  let length = 0;
  for (let node: PathNode | undefined = path; node !== undefined; node = node.parent) length++;
  const nodes = new Array<PathNode>(length);
  for (let node: PathNode | undefined = path; node !== undefined; node = node.parent) nodes[--length] = node;
  const found: { step: string; count: number; refs: EventRef[] }[] = [];
  for (let at = 0; at < nodes.length; at++) {
    const { step: number, event } = nodes[at]!;
    const step = steps[number]!;
    const { source, seq, index, id, time } = event;
    const ref = { source, seq, index, id, time };
    const entry = found.find((other) => other.step === step);
    // Lists begin with what is in them, because mostly that is all.
    if (entry === undefined) found.push({ step, count: 1, refs: [ref] });
    else if (entry.count++ < refsPerStep) entry.refs.push(ref);
  }
  return found;
}
