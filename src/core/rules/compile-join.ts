import type { Event } from '../events/event.ts';
import type { JoinDefinition, JoinLimits, Side, Together } from '../joins/join.ts';
import { joinBehaviour } from '../joins/join-behaviour.ts';
import { picker } from '../patterns/projection.ts';
import { formatDuration } from '../time/parse-duration.ts';
import { type CompiledInput, inputOf } from './compile-inputs.ts';
import { compileJoinEmit } from './compile-join-emit.ts';
import { compileJoinWhere } from './compile-join-where.ts';
import { Pair, STEP_OF } from './join-pair.ts';
import { keptPaths } from './kept-paths.ts';
import type { JoinBody, TogetherSource } from './read-join.ts';
import type { CompiledBody, RuleContext } from './rule-context.ts';
import type { KeyValue, RuleBound } from './rule-set.ts';

/** Most events that one key may buffer, when neither the rule nor the configuration says anything. */
const EVENTS_DEFAULT = 100_000;

type Sides = Readonly<Record<Side, CompiledInput>>;
type Names = Readonly<Record<Side, string>>;

/** Compiles what joins alone have; undefined when something is wrong with it, which is reported. */
export function compileJoin(body: JoinBody, context: RuleContext): CompiledBody | undefined {
  const { source, defaults, problems } = context;
  const sides = sidesOf(body, context);
  if (sides === undefined || body.together === undefined) return undefined;
  const names = { left: sides.left.alias ?? '', right: sides.right.alias ?? '' };
  const together = togetherOf(body.together);
  const pair = new Pair();
  const unmatched = unmatchedOf(body, names, together, context);
  const where = compileJoinWhere(body.where, names, pair, context);
  const window = together.kind === 'window';
  if (window && (names.left === 'window' || names.right === 'window')) {
    const place = source.from.find(({ alias }) => alias?.name === 'window')?.place ?? body.place;
    const message = 'the alias `window` means something else in a join of windows';
    problems.add('RULE_FROM_ALIAS', place, message, 'name it otherwise');
  }
  const emit = compileJoinEmit(names, unmatched, window, pair, context);
  const keep = keepOf([STEP_OF.left, STEP_OF.right].map((step) => keptPaths(step, [where], emit)));
  const limits: JoinLimits = {
    events: source.limits.count ?? EVENTS_DEFAULT,
    stateBytes: source.limits.stateBytes ?? defaults.limits.stateBytes,
    onLimit: source.limits.onLimit ?? defaults.limits.onLimit,
  };
  const definition: JoinDefinition = {
    names,
    sideOf: sideOf(sides),
    together,
    pairs: body.pairs,
    where: where.where,
    equal: where.equal,
    unmatched,
    keep,
    limits,
    emitPair: emit.emitPair,
    emitUnmatched: emit.emitUnmatched,
  };
  return {
    behaviour: joinBehaviour(definition),
    conditions: [sides.left.condition, sides.right.condition],
    meaning: {
      join: { names, together, pairs: body.pairs, where: where.text, unmatched, limits },
      emit: emit.meaning,
    },
    bound: boundOf(names, together, limits),
    asksInputs: true,
  };
}

/** The two inputs. Of an interval, the right one is that which is `after` the left; else they are in the order written. */
function sidesOf({ together, place }: JoinBody, { inputs, problems }: RuleContext): Sides | undefined {
  const [first, second, ...others] = inputs.all;
  if (!inputs.aliased || first === undefined || second === undefined || others.length > 0) {
    const has = inputs.aliased ? `has ${inputs.all.length} of them` : 'names sources only';
    problems.add(
      'JOIN_SIDES',
      place,
      `a join has two sides, each with an alias in \`from\`, and this rule ${has}`,
      'write `from: {created: {source: bookings, type: Created}, confirmed: {source: payments, type: Confirmed}}`',
    );
    return undefined;
  }
  if (together === undefined) return undefined;
  if (together.kind !== 'interval') return { left: first, right: second };
  const left = inputOf(inputs, together.after, problems);
  const right = inputOf(inputs, together.of, problems);
  if (left === undefined || right === undefined) return undefined;
  if (left === right) {
    const message = `\`${together.of.name}\` cannot come after itself`;
    problems.add('JOIN_SIDES', together.after.place, message, 'name the other alias after `after:`');
    return undefined;
  }
  return { left, right };
}

function togetherOf(source: TogetherSource): Together {
  return source.kind === 'interval' ? { kind: 'interval', from: source.from, to: source.to } : source;
}

function unmatchedOf(
  body: JoinBody,
  names: Names,
  together: Together,
  { inputs, problems }: RuleContext,
): readonly Side[] {
  const sides = new Set<Side>();
  for (const named of body.unmatched) {
    if (inputOf(inputs, named, problems) === undefined) continue;
    const side = named.name === names.left ? 'left' : 'right';
    sides.add(side);
    if (together.kind !== 'interval' || Number.isFinite(side === 'left' ? together.to : together.from)) continue;
    problems.add(
      'JOIN_TIMES',
      named.place,
      `a partner of \`${named.name}\` may always still come, so it is never known to have none`,
      `give \`${side === 'left' ? 'to' : 'from'}\` a bound, or take \`${named.name}\` out of \`unmatched\``,
    );
  }
  return [...sides].sort();
}

function sideOf({ left, right }: Sides): JoinDefinition['sideOf'] {
  return (event: Event, key: KeyValue) => {
    const isLeft = left.fits(event, key);
    if (right.fits(event, key)) return isLeft ? 'both' : 'right';
    return isLeft ? 'left' : undefined;
  };
}

/** What a buffered event keeps: what is read of either side, since one event may be on both. */
function keepOf(sides: readonly ReturnType<typeof keptPaths>[]): JoinDefinition['keep'] {
  const kept = sides.filter((paths) => paths !== undefined);
  const all = kept.some((paths) => paths.length === 0);
  const pick = picker(kept.length === 0 ? undefined : all ? [] : kept.flat());
  return (event) => pick(event.data);
}

function boundOf(names: Names, together: Together, limits: JoinLimits): RuleBound {
  const answer = {
    dropOldest: 'the oldest event is dropped',
    dropNewest: 'the newest event is dropped',
    deadLetter: 'the newest event becomes a dead letter',
  }[limits.onLimit];
  const sentence =
    `${waiting(names, together)} A key keeps at most ${limits.events} events and ${limits.stateBytes} bytes; ` +
    `beyond that ${answer}.`;
  return { stateBytes: limits.stateBytes, onLimit: limits.onLimit, sentence };
}

function waiting({ left, right }: Names, together: Together): string {
  switch (together.kind) {
    case 'interval': {
      const of = (name: string, ms: number): string =>
        ms === Number.POSITIVE_INFINITY
          ? `each \`${name}\` waits without end`
          : ms < 0
            ? `no \`${name}\` waits`
            : `each \`${name}\` waits for ${formatDuration(ms)}`;
      const sentence = `${of(left, together.to)}, ${of(right, -together.from)}.`;
      return sentence.charAt(0).toUpperCase() + sentence.slice(1);
    }
    case 'window':
      return `Each event waits for the end of its last window, at most ${formatDuration(together.size)}.`;
    case 'session':
      return `Each event waits until its session ends, ${formatDuration(together.gap)} after the session's last event; a session can be of any length.`;
  }
}
