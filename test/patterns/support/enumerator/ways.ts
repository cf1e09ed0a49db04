import type {
  Condition,
  Contiguity,
  NotStage,
  Pattern,
  Stage,
  StepStage,
} from '../../../../src/core/patterns/pattern.ts';

// A pattern without its choices: every way of deciding how often each loop goes round, what is absent, which alternative
// and which order is taken gives one plain sequence of places, each of which takes one event.

/** One event to be taken, and what must hold between the event taken before and it. */
export interface Place {
  readonly step: number;
  readonly where: Condition | undefined;
  /** No event that fits any of these is passed over on the way, when `contiguity` is relaxed. */
  readonly waitsFor: readonly (Condition | undefined)[];
  readonly contiguity: Contiguity;
  /** Bans and `notNext` that stand between. */
  readonly nots: readonly NotStage[];
  /** Limit on the gap; undefined = none. */
  readonly within: number | undefined;
  /** Ends the loop, so it fits neither this event nor, after the loop's first, one passed over. */
  readonly until: Condition | undefined;
  readonly firstOfLoop: boolean;
}

export interface Way {
  readonly places: readonly Place[];
  /** Nots behind the last place. */
  readonly trailing: readonly NotStage[];
}

/** More ways than a test is worth. */
export class TooManyWays extends Error {}

const most = 600;

/** What the ways of a stage depend on. */
interface Around {
  /** Undefined: the stage's own. */
  readonly contiguity: Contiguity | undefined;
  readonly inner: Contiguity | undefined;
  /** `notFollowedBy` that directly follow. */
  readonly following: readonly NotStage[];
}

/** Every way through the pattern with 1 to `longest` events. */
export function waysThrough(pattern: Pattern, longest: number): Way[] {
  const ways = waysOfAll(pattern.stages, { contiguity: undefined, inner: undefined, following: [] }, longest);
  return ways.filter((way) => way.places.length > 0);
}

const nothing: Way = { places: [], trailing: [] };

function waysOfAll(stages: readonly Stage[], around: Around, longest: number): Way[] {
  let ways: Way[] = [nothing];
  stages.forEach((stage, at) => {
    const following = followingOf(stages, at, around);
    const here: Around = at === 0 ? { ...around, following } : { contiguity: undefined, inner: undefined, following };
    ways = joinAll(ways, (left) => waysOf(stage, here, left), longest);
  });
  return ways;
}

function followingOf(stages: readonly Stage[], at: number, around: Around): readonly NotStage[] {
  const following: NotStage[] = [];
  for (let next = at + 1; next < stages.length; next++) {
    const stage = stages[next]!;
    if (stage.kind !== 'not' || stage.contiguity === 'strict') return following;
    following.push(stage);
  }
  return [...following, ...around.following];
}

function joinAll(ways: readonly Way[], more: (left: number) => readonly Way[], longest: number): Way[] {
  const joined: Way[] = [];
  for (const way of ways) {
    for (const next of more(longest - way.places.length)) {
      if (way.places.length + next.places.length > longest) continue;
      joined.push(join(way, next));
      if (joined.length > most) throw new TooManyWays();
    }
  }
  return joined;
}

/** What stands behind the one way stands before the first place of the other. */
function join(way: Way, next: Way): Way {
  const [first, ...rest] = next.places;
  if (first === undefined) return { places: way.places, trailing: [...way.trailing, ...next.trailing] };
  const reached: Place = { ...first, nots: [...way.trailing, ...first.nots] };
  return { places: [...way.places, reached, ...rest], trailing: next.trailing };
}

function waysOf(stage: Stage, around: Around, longest: number): Way[] {
  const contiguity = around.contiguity ?? stage.contiguity ?? 'relaxed';
  switch (stage.kind) {
    case 'not':
      return [{ places: [], trailing: [stage] }];
    case 'step': {
      const { min, max, optional, inner, until, within } = stage.quantifier;
      const once = (first: boolean): Way => {
        const place: Place = {
          step: stage.step,
          where: stage.where,
          waitsFor: [stage.where],
          contiguity: first ? contiguity : (around.inner ?? inner),
          nots: first ? [] : around.following,
          within: max > 1 ? within : stage.withinPrevious,
          until,
          firstOfLoop: first,
        };
        return { places: [place], trailing: [] };
      };
      return repeated(min, max, optional, (first) => [once(first)], longest);
    }
    case 'group': {
      const { min, max, optional, inner } = stage.quantifier;
      // A group that begins a group follows strictly.
      const outer = around.inner === undefined ? contiguity : 'strict';
      const round = (first: boolean, left: number): Way[] => {
        const ways = waysOfAll(
          stage.stages,
          { contiguity: first ? outer : inner, inner, following: around.following },
          left,
        );
        if (first) return ways;
        return ways.map((way) => join({ places: [], trailing: around.following }, way));
      };
      return repeated(min, max, optional, round, longest);
    }
    case 'anyOf': {
      const waitsFor = stage.alternatives.map((alternative) => (alternative[0] as StepStage).where);
      return stage.alternatives.flatMap((alternative) =>
        waysOfAll(alternative, { contiguity, inner: undefined, following: around.following }, longest).map((way) => ({
          ...way,
          places: way.places.map((place, at) => (at === 0 ? { ...place, waitsFor } : place)),
        })),
      );
    }
    case 'allOf':
      return orders(stage.members).map((order): Way => {
        const places = order.map((member, at): Place => {
          const missing = order.slice(at);
          return {
            step: member.step,
            where: member.where,
            waitsFor: missing.map((other) => other.where),
            contiguity: at === 0 ? contiguity : (stage.contiguity ?? 'relaxed'),
            nots: at === 0 ? [] : around.following,
            within: member.withinPrevious,
            until: undefined,
            firstOfLoop: true,
          };
        });
        return { places, trailing: [] };
      });
  }
}

function repeated(
  min: number,
  max: number,
  optional: boolean,
  once: (first: boolean, left: number) => readonly Way[],
  longest: number,
): Way[] {
  const found: Way[] = optional ? [nothing] : [];
  let ways: Way[] = [nothing];
  for (let count = 1; count <= max && ways.length > 0; count++) {
    ways = joinAll(ways, (left) => once(count === 1, left), longest);
    if (count >= min) found.push(...ways);
    if (found.length > most) throw new TooManyWays();
    if (max === Number.POSITIVE_INFINITY) ways = ways.filter((way) => way.places.length > 0);
    // Rounds without an event, of a loop that has to end by itself, are all the same after the first few.
    if (count >= min && count > longest) break;
  }
  return found;
}

function orders<Item>(items: readonly Item[]): Item[][] {
  if (items.length === 0) return [[]];
  return items.flatMap((first, at) => orders(items.filter((_, other) => other !== at)).map((rest) => [first, ...rest]));
}
