import type { EventRef } from '../behaviours/behaviour.ts';
import type { Event } from '../events/event.ts';
import { eventMeta } from '../rules/function-values.ts';
import type { Call } from './call.ts';
import type { AnyProcessRule, EventContext, Outputs, States, Timers } from './process-rule.ts';
import { WrongCall } from './rule-failed.ts';
import type { Slots } from './slots.ts';
import { stateHandle } from './state-handles.ts';
import { packValue, unpackValue } from './storable.ts';
import { timerHandle } from './timer-handle.ts';

type AnyContext = EventContext<States, Timers, Outputs>;

/** What all functions of a rule get: it shows the call that is under way. */
export function contextOf(rule: AnyProcessRule, slots: Slots, call: Call): AnyContext {
  const { state: states = {}, timers = {}, outputs = {} } = rule;
  const state = Object.fromEntries(
    Object.entries(states).map(([name, spec]) => [name, stateHandle(spec, slots.byName.get(`state.${name}`)!, call)]),
  );
  const armed = Object.fromEntries(
    Object.keys(timers).map((name) => [name, timerHandle(slots.byName.get(`timers.${name}`)!, call)]),
  );
  return {
    state: state as AnyContext['state'],
    timers: armed as AnyContext['timers'],
    get key() {
      return call.state.key;
    },
    get time() {
      return call.time('event');
    },
    get processingTime() {
      return call.time('processing');
    },
    get meta() {
      const { cause } = call;
      if (cause.kind === 'timer') throw new WrongCall('a timer has no event, so it has no meta');
      return eventMeta(cause.event);
    },
    random: () => call.random(),
    emit(output, value) {
      if (!Object.hasOwn(outputs, output)) throw new WrongCall(`the rule declares no output ${JSON.stringify(output)}`);
      const { cause } = call;
      const event = cause.kind === 'event' ? cause.event : undefined;
      call.emissions.push({
        kind: 'match',
        side: output,
        time: call.time('event'),
        first: event?.time,
        last: event?.time,
        events: event === undefined ? [] : [{ step: call.alias, count: 1, refs: [reference(event)] }],
        // A copy: the function may go on changing what it has said.
        emit: unpackValue(packValue(value)),
      });
    },
    clear() {
      for (const slot of slots.all) call.state.clear(slot);
    },
  };
}

const reference = ({ source, seq, index, id, time }: Event): EventRef => ({ source, seq, index, id, time });
