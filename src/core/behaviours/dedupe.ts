import type { Event } from '../events/event.ts';
import type { KeyValue } from '../rules/rule-set.ts';
import type { InstantMs } from '../time/units.ts';
import { type Token, tokenOf } from '../windows/aggregates/values.ts';
import type { Behaviour, Emission, Output } from './behaviour.ts';
import { DEDUPE_EVENTS, DEDUPE_MATCHES } from './extra-cells.ts';
import { RecentIds, type RecentIdsOptions } from './recent-ids.ts';
import { type Memory, type WrappedState, wrapped } from './wrapped.ts';

/**
 * Leaves out what came before: events whose id another event had, and matches whose id another match had, less than
 * `within` earlier. What is left out does not count as having come. Ids compare by value and type; what has none (null)
 * is never left out.
 */
export type DedupeOptions = RecentIdsOptions;

/**
 * Keeps events from a behaviour that it has seen.
 * @param idOf the id of an event; null or undefined = it has none
 * @throws {WrapperStateUnreadable} from `load`
 */
export function withoutRepeatedEvents(
  inner: Behaviour,
  idOf: (event: Event, key: KeyValue) => unknown,
  options: DedupeOptions,
): Behaviour<WrappedState<Memory>> {
  return wrapped<RecentIds>(inner, {
    number: DEDUPE_EVENTS,
    create: () => new RecentIds(options),
    load: (cells) => RecentIds.load(cells, options),
    onEvent(ids, event, show, output, key) {
      const token = tokenOf(idOf(event, key));
      if (token !== undefined && ids.has(token, event.time)) {
        output.incident({ kind: 'heldBack', by: 'dedupeEvents' });
        return;
      }
      // Noted when it was taken: one on which the rule fails may be sent again.
      show();
      note(ids, token, event.time, output);
    },
  });
}

/**
 * Keeps matches from the output that it has had. Side outputs and updates pass.
 * @param idOf the id of a match; null or undefined = it has none
 * @throws {WrapperStateUnreadable} from `load`
 */
export function withoutRepeatedMatches(
  inner: Behaviour,
  idOf: (match: Emission, key: KeyValue) => unknown,
  options: DedupeOptions,
): Behaviour<WrappedState<Memory>> {
  return wrapped<RecentIds>(inner, {
    number: DEDUPE_MATCHES,
    create: () => new RecentIds(options),
    load: (cells) => RecentIds.load(cells, options),
    output: (ids, output, key) => ({
      emit(emission) {
        const applies = emission.side === undefined && emission.kind !== 'update';
        const token = applies ? tokenOf(idOf(emission, key)) : undefined;
        if (token !== undefined && ids.has(token, emission.time)) {
          output.incident({ kind: 'heldBack', by: 'dedupeMatches' });
          return;
        }
        note(ids, token, emission.time, output);
        output.emit(emission);
      },
      incident: (incident) => output.incident(incident),
    }),
  });
}

function note(ids: RecentIds, token: Token | undefined, time: InstantMs, output: Output): void {
  if (token === undefined || !ids.add(token, time)) return;
  output.incident({ kind: 'limitReached', limit: 'dedupeIds', answer: 'dropOldest' });
}
