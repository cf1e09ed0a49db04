import fc from 'fast-check';
import t from 'tap';
import type { Event } from '../../src/core/events/event.ts';
import { compilePattern } from '../../src/core/patterns/automaton.ts';
import type { Pattern, Stage } from '../../src/core/patterns/pattern.ts';
import { patternBehaviour } from '../../src/core/patterns/pattern-behaviour.ts';
import { canBeEmpty } from '../../src/core/patterns/stages.ts';
import { instant } from '../../src/core/time/units.ts';
import { conformanceCases, eventsOfCase, patternOfCase } from './support/cases.ts';
import { collector, describe } from './support/collect.ts';
import { Oracle, type OracleMatch } from './support/oracle.ts';
import { describeDraft, eventsOf, patternDraft, patternOfDraft, stream } from './support/random.ts';

interface Result {
  readonly matches: readonly string[];
  readonly timeouts: readonly string[];
  readonly live: number;
}

function byEngine(pattern: Pattern, events: readonly Event[], end: number): Result | undefined {
  const compiled = compilePattern(pattern);
  if (!compiled.ok) return undefined;
  const behaviour = patternBehaviour({ automaton: compiled.automaton, emit: () => undefined });
  const state = behaviour.create('key');
  const output = collector();
  for (const event of events) behaviour.onEvent(state, event, output);
  behaviour.onTime(state, instant(end), output);
  const of = (kind: string) => output.emissions.filter((emission) => emission.kind === kind);
  return {
    matches: of('match').map(describe),
    timeouts: of('timeout')
      .map((emission) => `${describe(emission)} @${emission.time}`)
      .sort(),
    live: state.runCount,
  };
}

/**
 * A ban behind a group whose last step may be absent. When that step is greedy it blinds the ban on the way past it, as
 * it blinds all that follows; the oracle, whose bans are carried by runs, does not model that.
 */
function bansAfterNothing(stages: readonly Stage[]): boolean {
  return stages.some((stage, at) => {
    const before = stages[at - 1];
    return (
      (stage.kind === 'group' && bansAfterNothing(stage.stages)) ||
      (stage.kind === 'not' && before !== undefined && endsAbsent(before))
    );
  });
}

function endsAbsent(stage: Stage): boolean {
  return (
    stage.kind === 'group' &&
    stage.stages.length > 0 &&
    (canBeEmpty(stage.stages.at(-1)!) || endsAbsent(stage.stages.at(-1)!))
  );
}

function byOracle(pattern: Pattern, events: readonly Event[], end: number): Result {
  const oracle = new Oracle(pattern);
  const matches: string[] = [];
  const timeouts: string[] = [];
  const text = ({ list }: OracleMatch) => {
    const steps = [...new Set(list.map((item) => item.step))];
    return steps
      .map(
        (step) =>
          `${pattern.steps[step]}: ${list
            .filter((item) => item.step === step)
            .map((item) => item.event.id)
            .join(' ')}`,
      )
      .join(', ');
  };
  const advance = (now: number) => {
    const got = oracle.time(now);
    matches.push(...got.matches.map(text));
    timeouts.push(...got.timeouts.map((timeout) => `${text(timeout)} @${timeout.deadline}`));
  };
  for (const event of events) {
    advance(event.time);
    matches.push(...oracle.event(event).map(text));
  }
  advance(end);
  return { matches, timeouts: timeouts.sort(), live: oracle.liveRuns };
}

t.test('the literal interpreter itself agrees with the conformance cases', async (t) => {
  for (const given of conformanceCases()) {
    if (given.expectedError !== undefined) continue;
    const pattern = patternOfCase(given);
    const events = eventsOfCase(given);
    const end = given.advanceTimeTo ?? Number.NEGATIVE_INFINITY;
    t.same(byEngine(pattern, events, end), byOracle(pattern, events, end), given.id);
  }
});

t.test('engine and literal interpreter agree on random patterns and streams', async (t) => {
  const cases = Number(process.env.PATTERN_CASES ?? 4000);
  let patterns = 0;
  let matching = 0;
  for (const seed of [20_261_122, Number(process.env.SEED ?? Date.now() % 1_000_000_000)]) {
    t.comment(`seed ${seed}`);
    fc.assert(
      fc.property(patternDraft, stream, fc.nat(30), (draft, letters, rest) => {
        const pattern = patternOfDraft(draft);
        fc.pre(!bansAfterNothing(pattern.stages));
        const events = eventsOf(letters);
        const end = events.at(-1)!.time + rest;
        const got = byEngine(pattern, events, end);
        fc.pre(got !== undefined);
        patterns++;
        if (got.matches.length > 0) matching++;
        const expected = byOracle(pattern, events, end);
        if (JSON.stringify(got) !== JSON.stringify(expected)) {
          throw new Error(
            `${describeDraft(draft)}\non ${events.map((event) => `${event.id}@${event.time}`).join(' ')} end ${end}\nengine ${JSON.stringify(got)}\noracle ${JSON.stringify(expected)}`,
          );
        }
      }),
      { seed, numRuns: cases / 2, maxSkipsPerRun: 100 },
    );
  }
  t.comment(`${patterns} cases, ${Math.round((100 * matching) / patterns)} % with a match`);
  t.ok(matching > 0.4 * patterns, 'most cases say something: at least 40 % have a match');
});
