import type { Event } from '../../../../src/core/events/event.ts';
import type { Condition, Pattern, Stage, Taken } from '../../../../src/core/patterns/pattern.ts';
import { type Place, type Way, waysThrough } from './ways.ts';

// The second oracle: every way through the pattern, every choice of events for its places, and of these the ones that
// fit the definition. Knows no automaton, no partial match and no state; it only looks at finished matches.

export interface Found {
  /** When the match is known: with its last event, with the event that a last `notNext` judged, or at the deadline. */
  readonly time: number;
  readonly items: readonly { readonly step: number; readonly event: Event }[];
}

/**
 * All matches of a declarative pattern (`isDeclarative`), each once.
 * @param end time goes on up to here after the last event
 * @throws {TooManyWays}
 */
export function enumerateMatches(pattern: Pattern, events: readonly Event[], end: number): Found[] {
  const found = new Map<string, Found>();
  const spans = spansOf(pattern.stages);
  for (const way of waysThrough(pattern, events.length)) {
    for (const chosen of choices(way, pattern, events)) {
      const items = chosen.map((at, place) => ({ step: way.places[place]!.step, event: events[at]! }));
      if (!spans.every((span) => isInside(span, items))) continue;
      const time = knownAt(way, pattern, events, chosen, end);
      if (time === undefined) continue;
      found.set(items.map(({ step, event }) => `${step}:${event.seq}`).join(), { time, items });
    }
  }
  return [...found.values()];
}

/** Every choice of events, in order, that fits place by place. */
function* choices(
  way: Way,
  pattern: Pattern,
  events: readonly Event[],
  chosen: readonly number[] = [],
): Generator<readonly number[]> {
  const place = way.places[chosen.length];
  if (place === undefined) {
    yield chosen;
    return;
  }
  for (let at = (chosen.at(-1) ?? -1) + 1; at < events.length; at++) {
    if (fits(place, way, pattern, events, chosen, at)) yield* choices(way, pattern, events, [...chosen, at]);
  }
}

/** Whether event `at` may take the next place. */
function fits(
  place: Place,
  way: Way,
  { within }: Pattern,
  events: readonly Event[],
  chosen: readonly number[],
  at: number,
): boolean {
  const event = events[at]!;
  const taken = takenOf(way, events, chosen);
  const holds = (condition: Condition | undefined, of: Event) => condition === undefined || condition(of, taken, 'key');
  if (!holds(place.where, event)) return false;
  if (place.until !== undefined && holds(place.until, event)) return false;
  const last = chosen.at(-1);
  if (last === undefined) return true;
  if (isOver(within, events[chosen[0]!]!, event) || isOver(place.within, events[last]!, event)) return false;
  const passed = events.slice(last + 1, at);
  if (place.contiguity === 'strict' && passed.length > 0) return false;
  if (place.contiguity === 'relaxed' && passed.some((other) => place.waitsFor.some((where) => holds(where, other))))
    return false;
  const { until } = place;
  if (until !== undefined && !place.firstOfLoop && passed.some((other) => holds(until, other))) return false;
  return place.nots.every((not) =>
    not.contiguity === 'strict'
      ? !holds(not.where, events[last + 1]!)
      : ![...passed, event].some((other) => holds(not.where, other)),
  );
}

/** When what stands behind the last event is decided in favour of the match; undefined when it is not. */
function knownAt(
  way: Way,
  { within }: Pattern,
  events: readonly Event[],
  chosen: readonly number[],
  end: number,
): number | undefined {
  const first = events[chosen[0]!]!;
  const at = chosen.at(-1)!;
  const last = events[at]!;
  if (way.trailing.length === 0) return last.time;
  const taken = takenOf(way, events, chosen);
  const atTheEnd = way.trailing.slice(way.trailing.findLastIndex((not) => not.contiguity === 'strict') + 1);
  const deadline = Math.min(
    first.time + (within ?? Number.POSITIVE_INFINITY),
    ...atTheEnd.map(({ withinPrevious }) => last.time + (withinPrevious ?? Number.POSITIVE_INFINITY)),
  );
  const rest = events.slice(at + 1).filter((event) => event.time < deadline);
  const [judged] = rest;
  const endsWithBan = atTheEnd.length > 0;
  for (const not of way.trailing) {
    // A ban before a last `notNext` holds up to the event that is judged.
    const looked = not.contiguity === 'relaxed' && endsWithBan ? rest : rest.slice(0, 1);
    if (looked.some((event) => not.where === undefined || not.where(event, taken, 'key'))) return undefined;
  }
  if (!endsWithBan) return judged?.time;
  return deadline <= Math.max(end, events.at(-1)!.time) ? deadline : undefined;
}

interface Span {
  readonly limit: number;
  readonly steps: ReadonlySet<number>;
}

function spansOf(stages: readonly Stage[]): Span[] {
  return stages.flatMap((stage): Span[] => {
    const own = 'span' in stage && stage.span !== undefined ? [{ limit: stage.span, steps: stepsOf(stage) }] : [];
    return [...own, ...insideOf(stage).flatMap((inner) => spansOf([inner]))];
  });
}

function stepsOf(stage: Stage): ReadonlySet<number> {
  if (stage.kind === 'step') return new Set([stage.step]);
  return new Set(insideOf(stage).flatMap((inner) => [...stepsOf(inner)]));
}

function insideOf(stage: Stage): readonly Stage[] {
  switch (stage.kind) {
    case 'group':
      return stage.stages;
    case 'anyOf':
      return stage.alternatives.flat();
    case 'allOf':
      return stage.members;
    case 'step':
    case 'not':
      return [];
  }
}

function isInside({ limit, steps }: Span, items: Found['items']): boolean {
  const own = items.filter(({ step }) => steps.has(step));
  return own.length === 0 || own.at(-1)!.event.time - own[0]!.event.time < limit;
}

function isOver(limit: number | undefined, from: Event, to: Event): boolean {
  return limit !== undefined && to.time - from.time >= limit;
}

function takenOf({ places }: Way, events: readonly Event[], chosen: readonly number[]): Taken {
  const of = (step: number) => chosen.filter((_, place) => places[place]!.step === step).map((at) => events[at]!);
  return {
    events: of,
    count: (step) => of(step).length,
    first: (step) => of(step)[0],
    last: (step) => of(step).at(-1),
  };
}
