import type { Behaviour, Output } from '../behaviours/behaviour.ts';
import type { Event } from '../events/event.ts';
import { dataOf } from '../rules/function-values.ts';
import type { KeyValue } from '../rules/rule-set.ts';
import { justAfter } from '../time/just-after.ts';
import { type InstantMs, NEVER } from '../time/units.ts';
import { Call } from './call.ts';
import { contextOf } from './context.ts';
import type { DueHeap } from './due-heap.ts';
import { loadState, saveState } from './process-cells.ts';
import type { AnyProcessRule, ProcessLimits } from './process-rule.ts';
import { ProcessState } from './process-state.ts';
import { RuleFailed, WrongCall } from './rule-failed.ts';
import { slotsOf } from './slots.ts';

export interface ProcessDefinition {
  readonly rule: AnyProcessRule;
  /** Names in the rule's `from` that the event is for where this is the key, in the order written there. */
  readonly aliasesOf: (event: Event, key: KeyValue) => readonly string[];
  readonly limits: Required<ProcessLimits>;
  /** The value of an entry of a reference; null when there is none. Absent: the rule looks nothing up. */
  readonly lookup?: (reference: string, key: string) => unknown;
}

/** A behaviour that always goes by processing time, too. */
export type ProcessBehaviour = Behaviour<ProcessState> &
  Required<Pick<Behaviour<ProcessState>, 'wakeAtProcessing' | 'onProcessingTime'>>;

/**
 * A process rule as the behaviour of one rule.
 *
 * An event or timer makes one call, which is all or nothing: emissions wait until it has succeeded, and the state
 * takes back what a call that failed has changed. A failure is thrown as `RuleFailed`; the state is then as before the
 * event, or as if the timer had fired and done nothing, and is to be used on. After a failure of `onTime` or
 * `onProcessingTime` others may still be due: call it again until it returns.
 *
 * A moment is decided once time has passed it, after everything of that moment; at one moment timers come before what
 * is forgotten, so a timer still sees a value whose `ttl` ends with it.
 * @throws {WrongCall} when a duration in the rule is none
 * @throws {RuleFailed} from `onEvent`, `onTime` and `onProcessingTime`
 * @throws {ProcessStateUnreadable} from `load`
 */
export function processBehaviour({ rule, aliasesOf, limits, lookup }: ProcessDefinition): ProcessBehaviour {
  const slots = slotsOf(rule);
  const call = new Call(rule.rule);
  const context = contextOf(rule, slots, call, lookup ?? (() => null));

  function run(state: ProcessState, place: string, work: () => void, output: Output): void {
    try {
      work();
      checkLimits(state, limits);
      state.keep();
    } catch (error) {
      state.undo();
      throw new RuleFailed(rule.rule, place, error);
    } finally {
      call.end();
    }
    for (const emission of call.emissions) output.emit(emission);
  }

  /** Fires what is due before `now` by one clock, in order. */
  function fire(state: ProcessState, heap: DueHeap, now: InstantMs, output: Output): void {
    for (let item = heap.first; item !== undefined && item.due < now; item = heap.first) {
      const { slot, name: id, due, depth } = item;
      state.remove(item);
      if (slot.clock === 'event') state.eventTime = due;
      if (slot.kind !== 'timer') continue;
      const { name, clock } = slot;
      call.begin(state, { kind: 'timer', name, id, clock, due, depth });
      run(state, `onTimer.${name}`, () => expectNothing(rule.onTimer?.[name]?.(context, id)), output);
    }
  }

  const wakeOf = ({ first }: DueHeap): InstantMs => (first === undefined ? NEVER : justAfter(first.due));

  return {
    create: (key) => new ProcessState(key as KeyValue, slots),
    load: (cells, key) => loadState(cells, key as KeyValue, slots),
    save: saveState,
    isEmpty: (state) => state.isEmpty,
    onEvent(state, event, output) {
      const aliases = aliasesOf(event, state.key);
      if (aliases.length === 0) return;
      state.eventTime = event.time;
      call.begin(state, { kind: 'event', event });
      const work = (): void => {
        for (const alias of aliases) {
          call.alias = alias;
          expectNothing(rule.on[alias]!(dataOf(event), context));
        }
      };
      run(state, aliases.map((alias) => `on.${alias}`).join(' and '), work, output);
    },
    onTime: (state, now, output) => fire(state, state.byEvent, now, output),
    wakeAt: (state) => wakeOf(state.byEvent),
    onProcessingTime(state, now, output) {
      if (now > state.processingTime) state.processingTime = now;
      fire(state, state.byProcessing, now, output);
    },
    wakeAtProcessing: (state) => wakeOf(state.byProcessing),
  };
}

/** What a function does must be done when it returns. */
function expectNothing(result: unknown): void {
  if (!(result instanceof Promise)) return;
  // It is refused as a whole, so how it ends is of no interest to anyone.
  result.catch(() => undefined);
  throw new WrongCall('it is async: a function of a process rule must do all it does before it returns');
}

function checkLimits({ bytes, timers }: ProcessState, limits: Required<ProcessLimits>): void {
  if (timers > limits.timers)
    throw new WrongCall(`it would leave ${timers} timers armed for the key; limits.timers allows ${limits.timers}`);
  if (bytes > limits.stateBytes)
    throw new WrongCall(`the key's state would have ${bytes} bytes; limits.stateBytes allows ${limits.stateBytes}`);
}
