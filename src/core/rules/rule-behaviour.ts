import type { Behaviour, Output } from '../behaviours/behaviour.ts';
import type { Event } from '../events/event.ts';
import type { InstantMs } from '../time/units.ts';
import type { FailureSink } from './failure-sink.ts';

/**
 * A rule's behaviour as the shell sees it: what fails in its expressions while it works becomes incidents, and events
 * that the rule's own `where` keeps out never reach its pattern.
 * @param sees false for events that the rule does not see; undefined = it sees all
 */
export function ruleBehaviour(
  inner: Behaviour,
  sink: FailureSink,
  sees: ((event: Event) => boolean) | undefined,
): Behaviour {
  const close = inner.close?.bind(inner);
  const wakeAtProcessing = inner.wakeAtProcessing?.bind(inner);
  const onProcessingTime = inner.onProcessingTime?.bind(inner);
  return {
    create: (key) => inner.create(key),
    load: (cells, key) => inner.load(cells, key),
    save: (state, cells) => inner.save(state, cells),
    isEmpty: (state) => inner.isEmpty(state),
    wakeAt: (state) => inner.wakeAt(state),
    ...(inner.takesLate === undefined ? {} : { takesLate: inner.takesLate }),
    ...(wakeAtProcessing === undefined ? {} : { wakeAtProcessing }),
    ...(onProcessingTime === undefined
      ? {}
      : {
          onProcessingTime(state: unknown, now: InstantMs, output: Output) {
            try {
              onProcessingTime(state, now, output);
            } finally {
              sink.drain(output);
            }
          },
        }),
    ...(close === undefined
      ? {}
      : {
          close(state: unknown, output: Output) {
            try {
              close(state, output);
            } finally {
              sink.drain(output);
            }
          },
        }),
    onEvent(state: unknown, event: Event, output: Output) {
      try {
        if (sees === undefined || sees(event)) inner.onEvent(state, event, output);
      } finally {
        sink.drain(output);
      }
    },
    onTime(state, now, output) {
      try {
        inner.onTime(state, now, output);
      } finally {
        sink.drain(output);
      }
    },
  };
}
