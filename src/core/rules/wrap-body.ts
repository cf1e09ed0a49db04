import type { Behaviour, Emission } from '../behaviours/behaviour.ts';
import { withoutRepeatedEvents, withoutRepeatedMatches } from '../behaviours/dedupe.ts';
import { throttled } from '../behaviours/throttle.ts';
import type { Event } from '../events/event.ts';
import { counted } from '../patterns/bound.ts';
import type { Taken } from '../patterns/pattern.ts';
import { formatDuration } from '../time/parse-duration.ts';
import { compileScalar } from './expression-place.ts';
import { Failure } from './expressions/failure.ts';
import type { Scope, ScopeValue } from './expressions/term.ts';
import { textOf } from './expressions/values.ts';
import { callFunction, dataOf, eventMeta } from './function-values.ts';
import { type DedupeSource, readDedupe, readThrottle } from './read-wrappers.ts';
import type { CompiledBody, RuleContext } from './rule-context.ts';
import type { KeyValue } from './rule-set.ts';
import type { ExpressionSource } from './rule-source.ts';

/**
 * Puts around a rule's behaviour what rules of every kind may ask for: `throttle` and `dedupe`. Matches that were told
 * already are left out before the throttle counts, events that came already before the rule sees them.
 */
export function wrapBody(body: CompiledBody, context: RuleContext): CompiledBody | undefined {
  const { source, problems } = context;
  const before = problems.added;
  const throttle = source.throttle && readThrottle(source.throttle, problems);
  const dedupe = source.dedupe && readDedupe(source.dedupe, problems);
  const events = dedupe && eventId(dedupe, context);
  const matches = dedupe && matchId(dedupe, context);
  if (problems.added > before) return undefined;
  let { behaviour } = body;
  if (dedupe !== undefined && matches !== undefined)
    behaviour = withoutRepeatedMatches(behaviour, matches.idOf, dedupe) as Behaviour;
  if (throttle !== undefined) behaviour = throttled(behaviour, throttle) as Behaviour;
  if (dedupe !== undefined && events !== undefined)
    behaviour = withoutRepeatedEvents(behaviour, events.idOf, dedupe) as Behaviour;
  const { within, ids } = dedupe ?? {};
  const meaning = {
    ...body.meaning,
    throttle,
    dedupe: dedupe && { within, ids, events: events?.text, matches: matches?.text },
  };
  const remembered = [...(events === undefined ? [] : ['events']), ...(matches === undefined ? [] : ['matches'])].map(
    (what) => ` Of ${what}, at most ${counted(ids ?? 0, 'id')} are remembered for ${formatDuration(within ?? 0)}.`,
  );
  const bound = { ...body.bound, sentence: body.bound.sentence + remembered.join('') };
  return { ...body, behaviour, meaning, bound };
}

interface CompiledId<Of> {
  readonly idOf: (of: Of, key: KeyValue) => unknown;
  readonly text: string;
}

/** Longest text that is taken for an id, since ids are kept. */
const ID_LENGTH_MAX = 512;

const NOTHING_TAKEN = { events: () => [], count: () => 0, first: () => undefined, last: () => undefined };

/** Expressions over a match have no event of their own; this stands in its place and is never read. */
const NO_EVENT = undefined as unknown as Event;

function eventId({ events: source }: DedupeSource, context: RuleContext): CompiledId<Event> | undefined {
  if (source === undefined) return undefined;
  const { lookups, sink, problems } = context;
  const where = 'dedupe.events';
  if (source.kind === 'function') {
    const { run } = source;
    const idOf = (event: Event, key: KeyValue): unknown =>
      usable(callFunction(run, [dataOf(event), eventMeta(event), key]), where, context);
    return { idOf, text: `function ${run.toString()}` };
  }
  const scope: Scope = { event: true, key: true, steps: new Map(), lookups };
  const compiled = compileScalar(source, scope, 'any', problems);
  if (compiled === undefined) return undefined;
  return {
    idOf: (event, key) => usable(compiled.run(event, NOTHING_TAKEN, key), where, { sink }),
    text: compiled.text,
  };
}

/** What an expression over a match is run with. */
class TakenMatch implements Taken {
  emit: unknown = null;

  of({ emit }: Emission): this {
    this.emit = emit ?? null;
    return this;
  }

  first = NOTHING_TAKEN.first;
  last = NOTHING_TAKEN.last;
  events = NOTHING_TAKEN.events;
  count = NOTHING_TAKEN.count;
}

const EMIT: ScopeValue = { type: 'any', read: (taken) => (taken as TakenMatch).emit };

function matchId({ matches: source }: DedupeSource, context: RuleContext): CompiledId<Emission> | undefined {
  if (source === undefined) return undefined;
  const { lookups, sink, problems } = context;
  const where = 'dedupe.matches';
  if (source.kind === 'function') {
    const { run } = source;
    const idOf = ({ emit }: Emission, key: KeyValue): unknown =>
      usable(callFunction(run, [emit ?? null, key]), where, context);
    return { idOf, text: `function ${run.toString()}` };
  }
  const scope: Scope = { event: false, key: true, steps: new Map(), values: new Map([['emit', EMIT]]), lookups };
  const compiled = compileScalar(source, scope, 'any', problems);
  if (compiled === undefined) return undefined;
  requireEmit(source, compiled.uses.values.has('emit'), context);
  const taken = new TakenMatch();
  const idOf = (match: Emission, key: KeyValue): unknown =>
    usable(compiled.run(NO_EVENT, taken.of(match), key), where, { sink });
  return { idOf, text: compiled.text };
}

/** Windows have something to say without `emit`, and process rules say what they want. */
function requireEmit(source: ExpressionSource, reads: boolean, { source: rule, problems }: RuleContext): void {
  const { kind } = rule.body;
  if (!reads || rule.emit !== undefined || kind === 'window' || kind === 'process') return;
  const message = '`dedupe.matches` reads `emit`, and the rule has none';
  problems.add('DEDUPE_EMIT', source.place, message, 'write `emit:`, or tell matches apart by `key`');
}

/** An id as it is kept; undefined, which is reported, for what cannot be one. */
function usable(id: unknown, where: string, { sink }: Pick<RuleContext, 'sink'>): unknown {
  if (id instanceof Failure) {
    sink.report(where, id.message);
    return undefined;
  }
  if (id === null || id === undefined) return undefined;
  const text = textOf(id);
  if (text !== undefined && text.length <= ID_LENGTH_MAX) return id;
  const message =
    text === undefined
      ? 'the id has no text, so it cannot be remembered'
      : `an id of ${text.length} characters is too long to be remembered, at most ${ID_LENGTH_MAX} are`;
  sink.report(where, message);
  return undefined;
}
