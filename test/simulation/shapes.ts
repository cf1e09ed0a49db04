import type { PlainPattern, PlainStep, Taken } from './plain-rule.ts';

/** A pattern as a user would write it, and once more, as plainly as can be said, for the checker. */
export interface Shape {
  readonly name: string;
  /** What stands below `key` in the rule. */
  readonly yaml: string;
  readonly plain: PlainPattern;
}

const one = (type: string, name: string, where?: PlainStep['where']): PlainStep => ({
  names: { [type]: name },
  min: 1,
  max: 1,
  ...(where && { where }),
});

const opened = one('Open', 'opened');
const tried = one('Try', 'tried');
const closed = one('Close', 'closed');
const OPEN_END = Number.POSITIVE_INFINITY;
/** `n` of the first event that a step took; null when it took none. */
const n = (taken: Taken, step: string): number | null => taken(step)[0]?.n ?? null;

/** Patterns over events of the types Open, Try, Close and Noise. */
export const SHAPES: readonly Shape[] = [
  {
    name: 'tries',
    yaml: `
pattern:
  - begin: tried
    type: Try
    times: {min: 2}
    greedy: true
  - followedBy: closed
    type: Close
    where: event.n > last(tried).n
within: 2s
afterMatch: skipPastLastEvent
emit: {tries: "\${size(tried)}", n: "\${closed.n}"}
`,
    plain: {
      steps: [
        { names: { Try: 'tried' }, min: 2, max: OPEN_END },
        one('Close', 'closed', (value, taken) => value.n > taken('tried').at(-1)!.n),
      ],
      withinMs: 2000,
      afterMatch: 'pastLast',
      emit: (taken) => ({ tries: taken('tried').length, n: n(taken, 'closed') }),
    },
  },
  {
    name: 'at-once',
    yaml: `
pattern:
  - begin: tried
    type: Try
  - next: closed
    type: Close
afterMatch: skipPastLastEvent
emit: {n: "\${closed.n}"}
`,
    plain: {
      steps: [tried, { ...closed, strict: true }],
      withinMs: Number.POSITIVE_INFINITY,
      afterMatch: 'pastLast',
      emit: (taken) => ({ n: n(taken, 'closed') }),
    },
  },
  {
    name: 'three',
    yaml: `
pattern:
  - begin: tried
    type: Try
    times: 3
within: 3s
afterMatch: skipPastLastEvent
emit: {last: "\${last(tried).n}"}
`,
    plain: {
      steps: [{ names: { Try: 'tried' }, min: 3, max: 3 }],
      withinMs: 3000,
      afterMatch: 'pastLast',
      emit: (taken) => ({ last: taken('tried')[2]?.n ?? null }),
    },
  },
  {
    name: 'path',
    yaml: `
pattern:
  - begin: opened
    type: Open
  - followedBy: tried
    type: Try
    where: event.n >= opened.n
  - followedBy: closed
    type: Close
within: 3s
afterMatch: noSkip
emit: {from: "\${opened.n}", to: "\${closed.n}"}
`,
    plain: {
      steps: [opened, one('Try', 'tried', (value, taken) => value.n >= taken('opened')[0]!.n), closed],
      withinMs: 3000,
      afterMatch: 'noSkip',
      emit: (taken) => ({ from: n(taken, 'opened'), to: n(taken, 'closed') }),
    },
  },
  {
    name: 'left',
    yaml: `
pattern:
  - begin: opened
    type: Open
  - followedBy: closed
    type: Close
within: 2s
afterMatch: skipPastLastEvent
onTimeout: emit
emit: {n: "\${opened.n}"}
`,
    plain: {
      steps: [opened, closed],
      withinMs: 2000,
      afterMatch: 'pastLast',
      saysTimeouts: true,
      emit: (taken) => ({ n: n(taken, 'opened') }),
    },
  },
  {
    name: 'unclosed',
    yaml: `
pattern:
  - begin: opened
    type: Open
  - notFollowedBy: closed
    type: Close
within: 1500ms
emit: {n: "\${opened.n}"}
`,
    plain: {
      steps: [opened],
      absent: 'Close',
      withinMs: 1500,
      afterMatch: 'noSkip',
      emit: (taken) => ({ n: n(taken, 'opened') }),
    },
  },
  {
    name: 'abandoned',
    yaml: `
pattern:
  - begin: opened
    type: Open
  - followedBy: tried
    type: Try
  - notFollowedBy: closed
    type: Close
within: 2s
afterMatch: skipPastLastEvent
onTimeout: emit
emit: {opened: "\${opened.n}", tried: "\${tried.n}"}
`,
    plain: {
      steps: [opened, tried],
      absent: 'Close',
      withinMs: 2000,
      afterMatch: 'pastLast',
      saysTimeouts: true,
      emit: (taken) => ({ opened: n(taken, 'opened'), tried: n(taken, 'tried') }),
    },
  },
  {
    name: 'rounds',
    yaml: `
pattern:
  - begin:
      steps:
        - begin: opened
          type: Open
        - followedBy: tried
          type: Try
    times: 2
  - followedBy: closed
    type: Close
within: 3s
afterMatch: skipPastLastEvent
emit: {first: "\${opened[0].n}", n: "\${closed.n}"}
`,
    plain: {
      steps: [opened, tried, opened, tried, closed],
      withinMs: 3000,
      afterMatch: 'pastLast',
      emit: (taken) => ({ first: n(taken, 'opened'), n: n(taken, 'closed') }),
    },
  },
  {
    name: 'either',
    yaml: `
pattern:
  - begin: opened
    type: Open
  - followedBy:
      anyOf:
        - {begin: tried, type: Try}
        - {begin: heard, type: Noise}
  - followedBy: closed
    type: Close
within: 3s
afterMatch: noSkip
emit: {tried: "\${tried.n}", heard: "\${heard.n}"}
`,
    plain: {
      steps: [opened, { names: { Try: 'tried', Noise: 'heard' }, min: 1, max: 1 }, closed],
      withinMs: 3000,
      afterMatch: 'noSkip',
      emit: (taken) => ({ tried: n(taken, 'tried'), heard: n(taken, 'heard') }),
    },
  },
  {
    name: 'any-order',
    yaml: `
pattern:
  - begin:
      allOf:
        - {begin: opened, type: Open}
        - {begin: tried, type: Try}
  - followedBy: closed
    type: Close
within: 3s
afterMatch: skipPastLastEvent
onTimeout: emit
emit: {opened: "\${opened.n}", tried: "\${tried.n}"}
`,
    plain: {
      steps: [{ names: { Open: 'opened', Try: 'tried' }, min: 2, max: 2, each: true }, closed],
      withinMs: 3000,
      afterMatch: 'pastLast',
      saysTimeouts: true,
      emit: (taken) => ({ opened: n(taken, 'opened'), tried: n(taken, 'tried') }),
    },
  },
  {
    name: 'newest-two',
    yaml: `
pattern:
  - begin: opened
    type: Open
  - followedBy: closed
    type: Close
within: 4s
afterMatch: noSkip
limits: {partialMatches: 2, onLimit: dropOldest}
emit: {n: "\${opened.n}"}
`,
    plain: {
      steps: [opened, closed],
      withinMs: 4000,
      afterMatch: 'noSkip',
      limit: { partialMatches: 2, goes: 'oldest' },
      emit: (taken) => ({ n: n(taken, 'opened') }),
    },
  },
  {
    name: 'first-two',
    yaml: `
pattern:
  - begin: opened
    type: Open
  - followedBy: tried
    type: Try
  - followedBy: closed
    type: Close
within: 4s
afterMatch: noSkip
limits: {partialMatches: 2, onLimit: deadLetter}
emit: {n: "\${opened.n}"}
`,
    plain: {
      steps: [opened, tried, closed],
      withinMs: 4000,
      afterMatch: 'noSkip',
      limit: { partialMatches: 2, goes: 'newestAsDeadLetter' },
      emit: (taken) => ({ n: n(taken, 'opened') }),
    },
  },
  {
    name: 'each-first',
    yaml: `
pattern:
  - begin: tried
    type: Try
    times: {min: 1}
    greedy: true
  - followedBy: closed
    type: Close
within: 2s
afterMatch: skipToNext
emit: {tries: "\${size(tried)}"}
`,
    plain: {
      steps: [{ names: { Try: 'tried' }, min: 1, max: OPEN_END }, closed],
      withinMs: 2000,
      afterMatch: 'toNext',
      emit: (taken) => ({ tries: taken('tried').length }),
    },
  },
  {
    name: 'from-last',
    yaml: `
pattern:
  - begin: opened
    type: Open
  - followedBy: tried
    type: Try
    times: {min: 1}
    greedy: true
  - followedBy: closed
    type: Close
within: 3s
afterMatch: {skipToLast: tried}
emit: {n: "\${opened.n}", tries: "\${size(tried)}"}
`,
    plain: {
      steps: [opened, { names: { Try: 'tried' }, min: 1, max: OPEN_END }, closed],
      withinMs: 3000,
      afterMatch: { last: 'tried' },
      emit: (taken) => ({ n: n(taken, 'opened'), tries: taken('tried').length }),
    },
  },
  {
    name: 'in-turn',
    yaml: `
pattern:
  - begin: opened
    type: Open
  - followedBy: closed
    type: Close
    where: (event.n > 4) == (opened.n > 4)
within: 3s
afterMatch: skipPastLastEvent
onTimeout: emit
emit: {from: "\${opened.n}", to: "\${closed.n}"}
`,
    plain: {
      steps: [opened, one('Close', 'closed', (value, taken) => value.n > 4 === taken('opened')[0]!.n > 4)],
      withinMs: 3000,
      afterMatch: 'pastLast',
      saysTimeouts: true,
      emit: (taken) => ({ from: n(taken, 'opened'), to: n(taken, 'closed') }),
    },
  },
];
