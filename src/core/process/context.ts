import type { EventRef } from '../behaviours/behaviour.ts';
import type { Event } from '../events/event.ts';
import { referenceKey } from '../references/reference-key.ts';
import { eventMeta } from '../rules/function-values.ts';
import type { Call } from './call.ts';
import type { AnyProcessRule, EventContext, Outputs, References, States, Timers } from './process-rule.ts';
import { WrongCall } from './rule-failed.ts';
import type { Slots } from './slots.ts';
import { stateHandle } from './state-handles.ts';
import { packValue, unpackValue } from './storable.ts';
import { timerHandle } from './timer-handle.ts';

type AnyContext = EventContext<States, Timers, Outputs, References>;

/** What all functions of a rule get: it shows the call that is under way. */
export function contextOf(
  rule: AnyProcessRule,
  slots: Slots,
  call: Call,
  lookup: (reference: string, key: string) => unknown,
): AnyContext {
  const { state: states = {}, timers = {}, outputs = {}, references = {} } = rule;
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
    lookup(reference, key) {
      if (!Object.hasOwn(references, reference))
        throw new WrongCall(`the rule declares no reference ${JSON.stringify(reference)}`);
      // Outside of a call this throws: the data are lent for its duration.
      void call.cause;
      const text = referenceKey(key);
      if (text === undefined) throw new WrongCall('the key of an entry is a text, a number or a boolean');
      const value = text === null ? null : lookup(reference, text);
      // A copy: what is kept is shared by all that look it up.
      return value === null ? undefined : (unpackValue(packValue(value)) as never);
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
