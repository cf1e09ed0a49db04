import { greatestCommonDivisor } from './divisor.ts';
import type { EmitWhen, WindowShape } from './window.ts';

/** Something that makes a window impossible, or without effect. */
export interface WindowProblem {
  readonly code:
    | 'WINDOW_LENGTH'
    | 'WINDOW_TOO_MANY_PANES'
    | 'WINDOW_EMIT_WHEN'
    | 'WINDOW_NEVER_EMITS'
    | 'WINDOW_EDGE_WITHOUT_HAVING'
    | 'WINDOW_LATENESS'
    | 'AGGREGATE_MISSING'
    | 'AGGREGATE_NAME_TWICE';
  readonly severity: 'error' | 'warning';
  readonly message: string;
  readonly fix: string;
}

/** Most panes one window may be cut into: size divided by what divides both size and slide. */
export const PANES_MAX = 100_000;

/** What a window is checked by; expressions are checked elsewhere. */
export interface WindowOutline {
  readonly window: WindowShape;
  readonly emitWhen: EmitWhen;
  readonly allowedLateness: number;
  readonly hasHaving: boolean;
  readonly aggregates: readonly string[];
}

/** Everything that is wrong with a window. */
export function windowProblems(outline: WindowOutline): WindowProblem[] {
  return [...lengths(outline), ...emission(outline), ...lateness(outline), ...names(outline)];
}

function lengths({ window, emitWhen }: WindowOutline): WindowProblem[] {
  const problems: WindowProblem[] = [];
  const check = (name: string, length: number | undefined, least: number, unit: string): void => {
    if (length === undefined || (Number.isSafeInteger(length) && length >= least)) return;
    problems.push({
      code: 'WINDOW_LENGTH',
      severity: 'error',
      message: `${name} is ${length}, and must be a whole number of ${unit}, at least ${least}`,
      fix: `give ${name} a whole number of ${unit}`,
    });
  };
  const ms = 'milliseconds';
  if ('size' in window) check('size', window.size, 1, window.kind.startsWith('count') ? 'events' : ms);
  if ('slide' in window) check('slide', window.slide, 1, window.kind === 'countSliding' ? 'events' : ms);
  if ('offset' in window) check('offset', window.offset, Number.MIN_SAFE_INTEGER, ms);
  if (window.kind === 'session') {
    check('gap', window.gap, 1, ms);
    check('maxSize', window.maxSize, 1, ms);
  }
  if (emitWhen.kind === 'every') check('every', emitWhen.every, 1, ms);
  if (emitWhen.kind === 'everyEvents') check('everyEvents', emitWhen.events, 1, 'events');
  if (problems.length > 0 || !('slide' in window)) return problems;
  const panes = window.size / greatestCommonDivisor(window.size, window.slide);
  if (panes <= PANES_MAX) return problems;
  problems.push({
    code: 'WINDOW_TOO_MANY_PANES',
    severity: 'error',
    message: `a window of ${window.size} that slides by ${window.slide} is cut into ${panes} panes, over ${PANES_MAX}`,
    fix: 'choose a slide that divides the size, or a longer one',
  });
  return problems;
}

/** When each window can speak. */
const POSSIBLE: Readonly<Record<WindowShape['kind'], readonly string[]>> = {
  tumbling: ['onClose', 'everyEvents', 'every', 'once', 'risingEdge of events', 'risingEdge of windows'],
  sliding: ['onClose', 'everyEvents', 'every', 'once', 'risingEdge of events', 'risingEdge of windows'],
  session: ['onClose', 'everyEvents', 'every', 'once', 'risingEdge of events'],
  count: ['onClose', 'everyEvents', 'every', 'once', 'risingEdge of events'],
  global: ['onClose', 'everyEvents', 'every', 'once', 'risingEdge of events'],
  perEvent: ['onClose', 'risingEdge of events'],
  countSliding: ['onClose', 'risingEdge of windows'],
};

function emission({ window, emitWhen, hasHaving }: WindowOutline): WindowProblem[] {
  const problems: WindowProblem[] = [];
  const wanted = emitWhen.kind === 'risingEdge' ? `risingEdge of ${emitWhen.across}` : emitWhen.kind;
  if (!POSSIBLE[window.kind].includes(wanted)) {
    problems.push({
      code: 'WINDOW_EMIT_WHEN',
      severity: 'error',
      message: `a ${window.kind} window cannot emit ${wanted}`,
      fix: `use one of ${POSSIBLE[window.kind].join(', ')}`,
    });
  }
  if (emitWhen.kind === 'risingEdge' && !hasHaving) {
    problems.push({
      code: 'WINDOW_EDGE_WITHOUT_HAVING',
      severity: 'error',
      message: 'risingEdge emits when `having` begins to hold, and there is no `having`',
      fix: 'add `having`, or emit onClose',
    });
  }
  if (window.kind === 'global' && emitWhen.kind === 'onClose') {
    problems.push({
      code: 'WINDOW_NEVER_EMITS',
      severity: 'warning',
      message: 'a global window closes only when its input ends, as at the end of a replay; live it never does',
      fix: 'say when it is to emit, such as {everyEvents: 100} or {every: 10m}',
    });
  }
  return problems;
}

function lateness({ window, allowedLateness }: WindowOutline): WindowProblem[] {
  const isPossible = Number.isSafeInteger(allowedLateness) && allowedLateness >= 0;
  if (isPossible && (window.kind !== 'perEvent' || allowedLateness === 0)) return [];
  return [
    {
      code: 'WINDOW_LATENESS',
      severity: 'error',
      message: isPossible
        ? 'a window per event cannot take late events: they would change every window after them'
        : `allowedLateness is ${allowedLateness}, and must be a whole number of milliseconds, not negative`,
      fix: isPossible
        ? 'leave allowedLateness out and give the source a `disorder`, which sorts events before they are seen'
        : 'give allowedLateness a length of time',
    },
  ];
}

function names({ aggregates }: WindowOutline): WindowProblem[] {
  if (aggregates.length === 0) {
    return [
      {
        code: 'AGGREGATE_MISSING',
        severity: 'error',
        message: 'the window computes nothing',
        fix: 'add an aggregate, such as events: count()',
      },
    ];
  }
  const twice = aggregates.filter((name, index) => aggregates.indexOf(name) !== index);
  return twice.map((name) => ({
    code: 'AGGREGATE_NAME_TWICE',
    severity: 'error',
    message: `two aggregates are called ${name}`,
    fix: 'give each its own name',
  }));
}
