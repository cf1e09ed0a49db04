import { duration } from '../../src/core/time/units.ts';
import { joinMeaning, type PlainJoin } from './plain-join.ts';
import type { Placed } from './plain-rule.ts';
import type { Shape } from './shape.ts';

const ALIAS = { left: 'opened', right: 'closed' } as const;

/** Joins of events of the types Open and Close. */
export const SHAPES_OF_JOINS: readonly Shape[] = [
  aJoin('near', 'interval: {closed: {after: opened, from: -500ms, to: 1500ms}}', {
    together: { kind: 'interval', from: duration(-500), to: duration(1500) },
    unmatched: ['left', 'right'],
    settlesMs: 1501,
  }),
  aJoin('couples', 'interval: {closed: {after: opened, from: 0, to: 2s}}\n  pairs: oneToOne', {
    together: { kind: 'interval', from: duration(0), to: duration(2000) },
    pairs: 'oneToOne',
    unmatched: ['left'],
    fits: (opened, closed) => opened.n > 4 === closed.n > 4,
    settlesMs: 2001,
  }),
  aJoin('same-window', 'window: {tumbling: 2s}', {
    together: { kind: 'window', size: duration(2000), slide: duration(2000), offset: duration(0) },
    unmatched: ['left', 'right'],
    settlesMs: 2000,
  }),
  aJoin('same-slide', 'window: {sliding: 1500ms, every: 500ms}\n  pairs: oneToOne', {
    together: { kind: 'window', size: duration(1500), slide: duration(500), offset: duration(0) },
    pairs: 'oneToOne',
    unmatched: ['right'],
    settlesMs: 1500,
  }),
  aJoin('same-session', 'window: {session: 800ms}', {
    together: { kind: 'session', gap: duration(800) },
    unmatched: ['left'],
    settlesMs: 801,
  }),
];

function aJoin(
  name: string,
  fields: string,
  plain: Pick<PlainJoin, 'together' | 'unmatched' | 'settlesMs'> & Partial<PlainJoin>,
): Shape {
  const { fits, unmatched } = plain;
  const said = unmatched.map((side) => ALIAS[side]);
  const meaning = joinMeaning({
    pairs: 'all',
    emitPair: (opened, closed) => ({ from: opened.value.n, to: closed.value.n, took: closed.time - opened.time }),
    emitUnmatched: (opened, closed) =>
      said.map((alias) => ((alias === 'opened' ? opened : closed) as Placed | undefined)?.value.n ?? null),
    ...plain,
    fits: fits ?? (() => true),
  });
  const yaml = () => `
join:
  ${fields}
${fits === undefined ? '' : '  where: (opened.n > 4) == (closed.n > 4)\n'}  unmatched: [${said.join(', ')}]
emit:
  pair: {from: "\${opened.n}", to: "\${closed.n}", took: "\${timeOf(closed) - timeOf(opened)}"}
  unmatched: [${said.map((alias) => `"\${${alias}.n}"`).join(', ')}]
`;
  return { name, kind: 'join', yaml, meaning };
}
