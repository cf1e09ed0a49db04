import { checkPattern } from './check-pattern.ts';
import type { GraphState } from './graph.ts';
import { buildGraph } from './graph-builder.ts';
import { type Logic, NO, type Term, type TermShape, YES } from './logic.ts';
import { noticesUnfitEvents } from './notice.ts';
import type { Pattern } from './pattern.ts';
import type { PatternProblem } from './pattern-problem.ts';
import { allStages, canBeEmpty } from './stages.ts';

// The automaton as it runs: flat arrays, one row per state and one per action.
//
// PROCEED edges are resolved here, once, instead of at every event: each state gets the list of all TAKE and IGNORE
// actions that a run in it may perform, its own and those of the states it may proceed to, each guarded by the
// conditions along the way, in the order in which a depth-first walk with a stack meets them.

export const TAKE = 1;
export const IGNORE = 2;

/** `to` of an action that completes the match and leaves no partial match behind. */
export const COMPLETE = -1;

export interface Automaton {
  readonly pattern: Pattern;
  readonly terms: readonly TermShape[];
  /** The state in which every match begins. */
  readonly start: number;
  readonly stateCount: number;
  /** The step a run waits for; -1 where it has just closed a round of a looping group. */
  readonly stateStep: Int32Array;
  /** Infinity, or how long after the last taken event a run here times out, in ms. */
  readonly stateGapLimit: Float64Array;
  /** 1 where timing out is a match, because only a trailing ban is left. */
  readonly statePending: Uint8Array;
  /** When true, the run is discarded with all it would have become. */
  readonly stateStop: Int32Array;
  /** 1 where no condition looks at what the run has taken. */
  readonly stateStateless: Uint8Array;
  /** Actions of state s: rows from `actionsFrom[s]` to before `actionsFrom[s + 1]`. */
  readonly actionsFrom: Int32Array;
  readonly actionKind: Uint8Array;
  readonly actionWhen: Int32Array;
  /** A state, or `COMPLETE`. */
  readonly actionTo: Int32Array;
  /** The step that takes the event; -1 for IGNORE. */
  readonly actionStep: Int32Array;
  /** Whether the match is complete with this event, besides a run going on in `actionTo`. */
  readonly actionCompletes: Int32Array;
  /** First to last event, exclusive, in ms; Infinity = no limit. */
  readonly within: number;
  readonly hasGapLimits: boolean;
  /**
   * True when no two partial matches can begin with the same event, so that their beginnings order them fully and the
   * order in which Flink's queues keep equal ones does not matter.
   */
  readonly ordered: boolean;
  /** True when several ways through the pattern can yield the same match, so that doubles must be looked for. */
  readonly mayRepeat: boolean;
  /** True when an event that makes every condition of the pattern false can still change something. */
  readonly noticesUnfitEvents: boolean;
  /** What was accepted but does not do what one may expect. */
  readonly warnings: readonly PatternProblem[];
}

export type CompiledPattern =
  | { readonly ok: true; readonly automaton: Automaton }
  | { readonly ok: false; readonly problems: readonly PatternProblem[] };

/** Compiles a pattern, or says everything that is wrong with it. Codes are documented with `PatternProblemCode`. */
export function compilePattern(pattern: Pattern): CompiledPattern {
  const { problems, warnings } = checkPattern(pattern);
  if (problems.length > 0) return { ok: false, problems };
  const { logic, start } = buildGraph(pattern);
  return { ok: true, automaton: flatten(pattern, logic, start, warnings) };
}

interface Action {
  readonly kind: number;
  readonly when: Term;
  readonly to: GraphState;
  readonly step: number;
}

interface Row {
  readonly state: GraphState;
  readonly stop: Term;
  readonly actions: readonly Action[];
}

function flatten(pattern: Pattern, logic: Logic, start: GraphState, warnings: readonly PatternProblem[]): Automaton {
  const numbers = new Map<GraphState, number>([[start, 0]]);
  const rows: Row[] = [];
  for (const state of numbers.keys()) {
    const row = rowOf(state, logic);
    rows.push(row);
    // A Map iterates over what is added meanwhile, so this reaches every state a run can wait in.
    for (const { to } of row.actions) if (to.kind !== 'final' && !numbers.has(to)) numbers.set(to, numbers.size);
  }
  const actions = rows.flatMap((row) => row.actions);
  const completes = actions.map((action) => (action.kind === TAKE ? completesAfter(action.to, logic) : NO));
  const isLive = (action: Action) => action.to.kind !== 'final';
  const actionsFrom = new Int32Array(rows.length + 1);
  rows.forEach((row, index) => {
    actionsFrom[index + 1] = actionsFrom[index]! + row.actions.length;
  });
  const gaps = rows.map((row) => row.state.gapLimit);
  const hasGapLimits = gaps.some((gap) => gap !== Number.POSITIVE_INFINITY);
  return {
    pattern,
    terms: logic.shapes,
    start: 0,
    stateCount: rows.length,
    stateStep: Int32Array.from(rows, (row) => row.state.step),
    stateGapLimit: Float64Array.from(gaps),
    statePending: Uint8Array.from(rows, (row) => (reachesPending(row.state) ? 1 : 0)),
    stateStop: Int32Array.from(rows, (row) => row.stop),
    stateStateless: Uint8Array.from(rows, (row, index) => {
      const terms = [
        row.stop,
        ...row.actions.map((action) => action.when),
        ...completes.slice(actionsFrom[index], actionsFrom[index + 1]),
      ];
      return terms.every((term) => logic.isStateless(term)) ? 1 : 0;
    }),
    actionsFrom,
    actionKind: Uint8Array.from(actions, (action) => action.kind),
    actionWhen: Int32Array.from(actions, (action) => action.when),
    actionTo: Int32Array.from(actions, (action) => (isLive(action) ? numbers.get(action.to)! : COMPLETE)),
    actionStep: Int32Array.from(actions, (action) => action.step),
    actionCompletes: Int32Array.from(completes),
    within: positive(pattern.within),
    hasGapLimits,
    ordered: rows.every((row, index) =>
      neverForks(row, completes.slice(actionsFrom[index], actionsFrom[index + 1]), pattern, logic),
    ),
    mayRepeat: [...allStages(pattern.stages)].some(
      (stage) => stage.kind === 'group' && (stage.quantifier.max > 1 || stage.stages.every(canBeEmpty)),
    ),
    // In the start state nothing is passed over: what fits nothing begins nothing.
    noticesUnfitEvents: noticesUnfitEvents([...numbers.keys()].slice(1), logic, hasGapLimits || pattern.emitTimeouts),
    warnings,
  };
}

/** Zero means no limit, as in Flink. */
function positive(limit: number | undefined): number {
  return limit === undefined || limit <= 0 ? Number.POSITIVE_INFINITY : limit;
}

function rowOf(state: GraphState, logic: Logic): Row {
  const actions: Action[] = [];
  let stop: Term = NO;
  const stack: { readonly at: GraphState; readonly guard: Term }[] = [{ at: state, guard: YES }];
  for (let next = stack.pop(); next !== undefined; next = stack.pop()) {
    for (const edge of next.at.edges) {
      const when = logic.and(next.guard, edge.when);
      if (when === NO) continue;
      switch (edge.kind) {
        case 'stop':
          stop = logic.or(stop, when);
          break;
        case 'proceed':
          stack.push({ at: edge.to, guard: when });
          break;
        case 'take':
          actions.push({ kind: TAKE, when, to: edge.to, step: edge.step });
          break;
        case 'ignore':
          actions.push({ kind: IGNORE, when, to: edge.to, step: -1 });
          break;
      }
    }
  }
  return { state, stop, actions };
}

/** Whether the match is complete once a run stands in `state`, judged with the event that brought it there. */
function completesAfter(state: GraphState, logic: Logic): Term {
  if (state.kind === 'final') return YES;
  let found: Term = NO;
  for (const edge of state.edges) {
    if (edge.kind === 'proceed') found = logic.or(found, logic.and(edge.when, completesAfter(edge.to, logic)));
  }
  return found;
}

function reachesPending(state: GraphState): boolean {
  return state.kind === 'pending' || state.edges.some((edge) => edge.kind === 'proceed' && reachesPending(edge.to));
}

function neverForks(row: Row, completes: readonly Term[], pattern: Pattern, logic: Logic): boolean {
  const live = row.actions.filter((action) => action.to.kind !== 'final').map((action) => action.when);
  const completing = row.actions.flatMap((action, index) => {
    if (action.to.kind === 'final') return [action.when];
    const both = logic.and(action.when, completes[index]!);
    return both === NO ? [] : [both];
  });
  const exclusive = (terms: readonly Term[]) =>
    terms.every((term, index) => terms.slice(index + 1).every((other) => logic.exclude(term, other)));
  if (!exclusive(live) || !exclusive(completing)) return false;
  // Matches that are held back may meet later ones of the same beginning.
  return (
    pattern.afterMatch.kind === 'noSkip' ||
    completing.every((done) => live.every((going) => logic.exclude(done, going)))
  );
}
