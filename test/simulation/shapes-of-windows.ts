import { duration } from '../../src/core/time/units.ts';
import type { NaiveRule } from '../windows/support/naive-windows.ts';
import { type PlainWindow, windowMeaning } from './plain-window.ts';
import type { Shape } from './shape.ts';

/** Windows of every kind, over events of all types but Noise. */
export const SHAPES_OF_WINDOWS: readonly Shape[] = [
  aWindow('seconds', 'tumbling: 1s, allowedLateness: 2s', '', {
    window: { kind: 'tumbling', size: duration(1000), offset: duration(0) },
    allowedLateness: 2000,
    settlesMs: 1000,
  }),
  aWindow('shifted', 'tumbling: 2s, offset: 300ms', 'emitWhen: {every: 500ms}\n', {
    window: { kind: 'tumbling', size: duration(2000), offset: duration(300) },
    emitWhen: { kind: 'every', every: duration(500) },
    settlesMs: 2000,
  }),
  aWindow('crowds', 'sliding: 2s, every: 500ms', 'having: count >= 2\nemitWhen: risingEdge\n', {
    window: { kind: 'sliding', size: duration(2000), slide: duration(500), offset: duration(0) },
    emitWhen: { kind: 'risingEdge', across: 'windows' },
    having: ({ count }) => (count as number) >= 2,
    settlesMs: 2000,
  }),
  aWindow('sliding', 'sliding: 1500ms, every: 500ms, allowedLateness: 1s', '', {
    window: { kind: 'sliding', size: duration(1500), slide: duration(500), offset: duration(0) },
    allowedLateness: 1000,
    settlesMs: 1500,
  }),
  aWindow('sessions', 'session: 700ms, maxSize: 4s, allowedLateness: 1500ms', '', {
    window: { kind: 'session', gap: duration(700), maxSize: duration(4000) },
    allowedLateness: 1500,
    settlesMs: 701,
  }),
  aWindow('visits', 'session: 1s, allowedLateness: 1s', 'emitWhen: {everyEvents: 2}\n', {
    window: { kind: 'session', gap: duration(1000) },
    emitWhen: { kind: 'everyEvents', events: 2 },
    allowedLateness: 1000,
    settlesMs: 1001,
  }),
  aWindow('triples', 'count: 3', '', { window: { kind: 'count', size: 3 }, settlesMs: 1 }),
  aWindow('last-five', 'count: 5, every: 2, allowedLateness: 1s', '', {
    window: { kind: 'countSliding', size: 5, slide: 2 },
    allowedLateness: 1000,
    settlesMs: 1,
  }),
  aWindow('rushes', 'perEvent: 1500ms', 'having: count >= 3\nemitWhen: risingEdge\n', {
    window: { kind: 'perEvent', size: duration(1500) },
    emitWhen: { kind: 'risingEdge', across: 'events' },
    having: ({ count }) => (count as number) >= 3,
    settlesMs: 1,
  }),
  aWindow('sums', 'global: true', 'having: sum >= 20\nemitWhen: once\n', {
    window: { kind: 'global' },
    emitWhen: { kind: 'once' },
    having: ({ sum }) => (sum as number) >= 20,
    settlesMs: 1,
  }),
];

function aWindow(
  name: string,
  fields: string,
  more: string,
  plain: Pick<PlainWindow, 'window' | 'settlesMs'> & Partial<NaiveRule>,
): Shape {
  const meaning = windowMeaning({ emitWhen: { kind: 'onClose' }, having: undefined, allowedLateness: 0, ...plain });
  const yaml = (saysLate: boolean) => `
where: meta.type != "Noise"
window: {${fields}${saysLate ? ', onLate: sideOutput' : ''}}
aggregate:
  count: count()
  sum: sum(event.n)
  firsts: collect(event.u, 4)
  lasts: collect(event.n, 3, "last")
  median: percentile(event.n, 50)
${more}emit:
  start: "\${window.start}"
  end: "\${window.end}"
  count: "\${count}"
  sum: "\${sum}"
  firsts: "\${firsts}"
  lasts: "\${lasts}"
  median: "\${median}"
`;
  return { name, kind: 'window', yaml, meaning };
}
