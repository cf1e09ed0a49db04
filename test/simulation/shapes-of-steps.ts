import { closed, many, n, one, opened, type PatternShape, tried } from './shape.ts';

/** How events follow one another. */
export const SHAPES_OF_STEPS: readonly PatternShape[] = [
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
      steps: [many('Try', 'tried', 2), one('Close', 'closed', (value, taken) => value.n > taken('tried').at(-1)!.n)],
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
];
