import type { Event } from '../events/event.ts';
import type { Condition } from '../patterns/pattern.ts';
import type { RuleLookups } from '../references/lookups.ts';
import { type CompiledCondition, compileCondition } from './compile-condition.ts';
import { ofInput, type Routing, sourceName } from './compile-routing.ts';
import { suggestion } from './did-you-mean.ts';
import type { Problems } from './document.ts';
import type { FailureSink } from './failure-sink.ts';
import type { Place } from './problem.ts';
import type { KeyValue } from './rule-set.ts';
import type { RuleSource } from './rule-source.ts';
import type { SharedPredicates } from './shared-predicates.ts';

/** One of the things that a rule reads, compiled. */
export interface CompiledInput {
  /** Undefined where `from` has no aliases. */
  readonly alias: string | undefined;
  /** The source's name. */
  readonly source: string;
  /** Whether an event is one of this input, whatever its key. Reports what fails. */
  readonly takes: (event: Event) => boolean;
  /** The same in the actor of a key, to which an event may have come as another input. */
  readonly fits: (event: Event, key: KeyValue) => boolean;
  /** The same as a condition of its own, for what the rule's events can be; its text does not name the alias. */
  readonly condition: CompiledCondition;
}

/** What a rule reads, in the order written. */
export interface RuleInputs {
  readonly all: readonly CompiledInput[];
  readonly aliased: boolean;
  /** What the rule's version says of it; undefined where there are no aliases, since the sources say it all. */
  readonly meaning: unknown;
}

/** Compiles the conditions of a rule's inputs; what is wrong with them is reported. */
export function compileInputs(
  source: RuleSource,
  routing: Routing,
  shared: SharedPredicates,
  lookups: RuleLookups,
  sink: FailureSink,
  problems: Problems,
): RuleInputs {
  const scope = { event: true, key: false, steps: new Map(), lookups };
  const context = { scope, steps: [], shared, sink, problems, known: new Map() };
  const all = source.from.map((input, index): CompiledInput => {
    const alias = input.alias?.name;
    const name = sourceName(input);
    const own = compileCondition(input.types, ofInput(input.where), context, `where of ${alias ?? name}`);
    const { leadsTo } = routing.inputs[index]!;
    const asked = own.condition;
    const takes = (event: Event): boolean =>
      event.source === name && (asked === undefined || asked(event, NOTHING_TAKEN, ''));
    const fits = leadsTo === undefined ? takes : (event: Event, key: KeyValue) => takes(event) && leadsTo(event, key);
    const from = shared.share(`source ${JSON.stringify(name)}`, (event) => event.source === name);
    const condition: CompiledCondition = {
      ...own,
      condition: Object.assign((event: Event, _: unknown, key: KeyValue) => fits(event, key), { stateless: true }),
      possible: (event) => from(event) === true && own.possible(event),
      text: `from ${JSON.stringify([name, routing.inputs[index]!.keyText])} ${own.text}`,
    };
    return { alias, source: name, takes, fits, condition };
  });
  const meaning = source.aliased
    ? all.map(({ alias, condition }) => ({ alias, condition: condition.text }))
    : undefined;
  return { all, aliased: source.aliased, meaning };
}

const NOTHING_TAKEN = { events: () => [], count: () => 0, first: () => undefined, last: () => undefined };

/** The input that an alias names; reported when there is none. */
export function inputOf(
  inputs: RuleInputs,
  alias: { readonly name: string; readonly place: Place },
  problems: Problems,
): CompiledInput | undefined {
  const found = inputs.all.find((input) => input.alias === alias.name);
  if (found !== undefined) return found;
  const names = inputs.all.flatMap((input) => (input.alias === undefined ? [] : [input.alias]));
  const otherwise =
    names.length === 0 ? 'write `from` of the rule as a map: {name: {source: …}}' : `name one of: ${names.join(', ')}`;
  const message = `the rule reads nothing that it calls \`${alias.name}\``;
  problems.add('RULE_ALIAS_UNKNOWN', alias.place, message, suggestion(alias.name, names, otherwise));
  return undefined;
}

/** The condition that both hold; the first is one of an input, which looks at the event and its key alone. */
export function joinedConditions(input: CompiledCondition, own: CompiledCondition): CompiledCondition {
  const [first, second] = [input.condition, own.condition];
  const stateless = second === undefined || second.stateless === true;
  const condition: Condition = (event, taken, key) =>
    (first === undefined || first(event, taken, key)) && (second === undefined || second(event, taken, key));
  return {
    ...own,
    condition: Object.assign(condition, { stateless }),
    types: own.types ?? input.types,
    possible: (event) => input.possible(event) && own.possible(event),
    text: `${input.text} and ${own.text}`,
  };
}
