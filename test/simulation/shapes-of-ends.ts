import { closed, many, n, one, opened, type PatternShape, tried } from './shape.ts';

/** How patterns end: by time, by limits, and by other matches. */
export const SHAPES_OF_ENDS: readonly PatternShape[] = [
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
    name: 'newest-two',
    yaml: `
pattern:
  - begin: opened
    type: Open
  - followedBy: closed
    type: Close
within: 2500ms
afterMatch: noSkip
limits: {partialMatches: 2, onLimit: dropOldest}
emit: {n: "\${opened.n}"}
`,
    plain: {
      steps: [opened, closed],
      withinMs: 2500,
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
within: 2500ms
afterMatch: noSkip
limits: {partialMatches: 2, onLimit: deadLetter}
emit: {n: "\${opened.n}"}
`,
    plain: {
      steps: [opened, tried, closed],
      withinMs: 2500,
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
      steps: [many('Try', 'tried', 1), closed],
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
      steps: [opened, many('Try', 'tried', 1), closed],
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
