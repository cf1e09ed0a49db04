import type { Event } from '../events/event.ts';
import type { Routing } from './compile-routing.ts';
import type { RuleCompilation } from './compile-rule.ts';
import { hashText } from './hash.ts';
import type { Keyspace } from './rule-set.ts';

/** Most tests that `relevant` makes for one event; with more of them it says yes at once. */
const TESTS_MAX = 32;

/** Puts the rules of one routing together. */
export function compileKeyspace({ text, keyOf, sources }: Routing, rules: readonly RuleCompilation[]): Keyspace {
  return {
    id: hashText(text),
    keyOf,
    rules: rules.map(({ rule }) => rule),
    relevant: relevance(new Set(sources), rules),
  };
}

type Test = (event: Event) => boolean;

/**
 * Whether any rule can take notice of an event. Exact is not needed, only never a wrong no: an event is left out when
 * what it says by itself already makes every condition false. A pattern that even such an event can change (it breaks a
 * strict sequence, for one) takes notice of everything.
 */
function relevance(sources: ReadonlySet<string>, rules: readonly RuleCompilation[]): Test {
  const anyType = new Map<string, Test>();
  const byType = new Map<string, Map<string, Test>>();
  for (const { text, types, test } of rules.flatMap(testsOf)) {
    if (types === undefined) anyType.set(text, test);
    for (const type of types ?? []) {
      const tests = byType.get(type) ?? new Map<string, Test>();
      byType.set(type, tests.set(text, test));
    }
  }
  const always = joined([...anyType.values()]);
  const typed = new Map([...byType].map(([type, tests]) => [type, joined([...tests.values()])]));
  return (event) => sources.has(event.source) && (always(event) || typed.get(event.type)?.(event) === true);
}

function testsOf({
  conditions,
  filter,
}: RuleCompilation): { text: string; types: readonly string[] | undefined; test: Test }[] {
  const sees: Test = filter?.possible ?? (() => true);
  if (conditions === undefined) return [{ text: filter?.text ?? '', types: filter?.types, test: sees }];
  return conditions.map(({ possible, types, text }) => ({
    text: `${filter?.text ?? ''} then ${text}`,
    types: types ?? filter?.types,
    test: filter === undefined ? possible : (event) => sees(event) && possible(event),
  }));
}

function joined(tests: readonly Test[]): Test {
  if (tests.length > TESTS_MAX) return () => true;
  return (event) => {
    for (const test of tests) if (test(event)) return true;
    return false;
  };
}
