import t from 'tap';
import { compilePattern } from '../../src/core/patterns/automaton.ts';
import { patternBehaviour } from '../../src/core/patterns/pattern-behaviour.ts';
import { instant } from '../../src/core/time/units.ts';
import {
  type ConformanceCase,
  conformanceCases,
  derivedResults,
  eventsOfCase,
  patternOfCase,
  type StepMap,
} from './support/cases.ts';
import { collector, stepMap } from './support/collect.ts';

/**
 * Where a documented difference shows in what is derived, though not in what is asserted upstream: here a partial match
 * whose loop can no longer go on in time ends at the gap limit, and would live on in Flink.
 */
const differsFromDerived = new Set(['TimesOrMoreITCase.testTimesOrMore[time=3ms]']);

const cases = conformanceCases();
const derived = derivedResults();

function run(given: ConformanceCase) {
  const pattern = patternOfCase(given);
  const compiled = compilePattern(pattern);
  if (!compiled.ok) throw new Error(JSON.stringify(compiled.problems));
  const { automaton } = compiled;
  const behaviour = patternBehaviour({ automaton, emit: () => undefined });
  const state = behaviour.create('key');
  const output = collector();
  for (const event of eventsOfCase(given)) {
    behaviour.onTime(state, event.time, output);
    behaviour.onEvent(state, event, output);
  }
  if (given.advanceTimeTo !== undefined) behaviour.onTime(state, instant(given.advanceTimeTo), output);
  const runs = state.runs.slice(state.head);
  const events = new Set<string>();
  for (const held of [...runs, ...state.held]) {
    for (let node: typeof held.node | undefined = held.node; node !== undefined; node = node.parent)
      events.add(node.event.id);
  }
  return {
    matches: output.emissions.filter(({ kind }) => kind === 'match').map(stepMap),
    timeouts: output.emissions
      .filter(({ kind }) => kind === 'timeout')
      .map((emission) => ({ ...stepMap(emission), timeoutTs: emission.time })),
    // The permanent start run is not among ours; every case counts it.
    active: [
      ...runs.map((held) => pattern.steps[automaton.stateStep[held.state]!]!),
      pattern.steps[automaton.stateStep[0]!]!,
    ],
    buffered: events.size,
    incidents: output.incidents,
  };
}

const flat = (match: StepMap) => Object.values(match).flat().sort().join(' ');
const text = (match: object) => JSON.stringify(match);
const sorted = (items: readonly string[]) => [...items].sort();

t.equal(cases.length, 134, 'there are 134 cases');
for (const given of cases) {
  t.test(given.id, async (t) => {
    if (given.expectedError === 'runtime') {
      t.throws(() => run(given), { code: 'SKIP_TARGET_MISSING' });
      return;
    }
    const got = run(given);
    if (given.expected !== null) {
      const isFlat = given.expected.some((match) => '_flat' in match);
      const form = isFlat ? flat : text;
      const [expected, matches] = [given.expected.map(form), got.matches.map(form)];
      if (given.orderAsserted === true) t.same(matches, expected);
      else t.same(sorted(matches), sorted(expected));
    }
    if (given.expectedTimeouts !== undefined)
      t.same(sorted(got.timeouts.map(text)), sorted(given.expectedTimeouts.map(text)));
    if (given.expectedActive !== undefined) t.same(sorted(got.active), sorted(given.expectedActive));
    if (given.expectedBufferedEvents !== undefined) t.equal(got.buffered, given.expectedBufferedEvents);
    t.same(got.incidents, []);
    const also = derived.get(given.id);
    if (also?.matches) t.same(got.matches.map(text), also.matches.map(text), 'in order of emission, as derived');
    if (differsFromDerived.has(given.id)) return;
    if (also?.timeouts) t.same(got.timeouts.map(text), also.timeouts.map(text), 'timeouts as derived');
    if (also?.active) t.same(sorted(got.active), sorted(also.active), 'partial matches as derived');
    if (also) t.equal(got.buffered, also.bufferedEvents, 'events held as derived');
  });
}
