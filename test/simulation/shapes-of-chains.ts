import { duration } from '../../src/core/time/units.ts';
import { patternMeaning } from './plain-pattern.ts';
import type { Meaning, Value } from './plain-rule.ts';
import { windowMeaning } from './plain-window.ts';
import type { Shape } from './shape.ts';

const any = (name: string) => ({ names: { [CHAINED]: name }, min: 1, max: 1 });
const time = (values: readonly Value[]) => values[0]!.ts as number;

/** The type under which the plain meaning of a rule has the matches of another one. */
export const CHAINED = 'Match';

/** Rules over what another rule has said. */
export const SHAPES_OF_CHAINS: readonly Shape[] = [
  {
    name: 'again',
    kind: 'pattern',
    yaml: () => `
pattern:
  - begin: first
  - followedBy: second
within: 3s
afterMatch: skipPastLastEvent
emit: {took: "\${timeOf(second) - timeOf(first)}"}
`,
    meaning: patternMeaning({
      steps: [any('first'), any('second')],
      withinMs: 3000,
      afterMatch: 'pastLast',
      emit: (taken) => ({ took: time(taken('second')) - time(taken('first')) }),
    }),
  },
  {
    name: 'never-again',
    kind: 'pattern',
    yaml: () => `
pattern:
  - begin: first
  - notFollowedBy: second
within: 1200ms
emit: {at: "\${timeOf(first)}"}
`,
    meaning: patternMeaning({
      steps: [any('first')],
      absent: CHAINED,
      withinMs: 1200,
      afterMatch: 'noSkip',
      emit: (taken) => ({ at: time(taken('first')) }),
    }),
  },
  {
    name: 'how-many',
    kind: 'window',
    yaml: (saysLate) => `
window: {tumbling: 1s${saysLate ? ', onLate: sideOutput' : ''}}
aggregate: {count: count()}
emit: {start: "\${window.start}", end: "\${window.end}", count: "\${count}"}
`,
    meaning: counting(
      windowMeaning({
        window: { kind: 'tumbling', size: duration(1000), offset: duration(0) },
        emitWhen: { kind: 'onClose' },
        having: undefined,
        allowedLateness: 0,
        settlesMs: 1000,
      }),
    ),
  },
];

/** What a match holds has no numbers: only how many there are is said. */
function counting(meaning: Meaning): Meaning {
  return {
    ...meaning,
    said(moments, rule) {
      const said = meaning.said(moments, rule);
      const outcomes = said.outcomes.map((outcome) => {
        if (outcome.kind === 'late') return outcome;
        const { start, end, count } = outcome.emit as Record<string, unknown>;
        return { ...outcome, emit: { start, end, count } };
      });
      return { ...said, outcomes };
    },
  };
}
