import type { Edge, GraphState } from './graph.ts';
import type { Logic, Term } from './logic.ts';

// Whether an event that makes every condition of a pattern false can still matter to it. Most events of a key are of
// that kind, and where they cannot matter they need not be brought to it at all.
//
// Such an event is passed over wherever passing over is possible. That changes nothing where a run stays in its state.
// Where the run goes on as two, one waiting in the twin and one in what follows, it mostly takes the same events later
// whether it was split or not; but the two have limits of their own, and time out each by itself. And a greedy loop
// blinds only the state that directly follows it, not that state's twin.

/**
 * @param waiting every state in which a run can wait
 * @param timed whether gap limits, or what times out, can tell one state from another
 */
export function noticesUnfitEvents(waiting: readonly GraphState[], logic: Logic, timed: boolean): boolean {
  return waiting.some((state) => isChanged(state, logic, timed));
}

function isChanged(state: GraphState, logic: Logic, timed: boolean): boolean {
  const stack = [state];
  const targets: GraphState[] = [];
  for (let at = stack.pop(); at !== undefined; at = stack.pop()) {
    let passesOver = false;
    for (const edge of at.edges) {
      const holds = valueForUnfit(edge.when, logic);
      if (holds === false) continue;
      // It would be taken or stop the run after all, or it depends on the time what happens.
      if (holds === undefined || edge.kind === 'take' || edge.kind === 'stop') return true;
      if (edge.kind === 'proceed') stack.push(edge.to);
      else if (edge.to.kind === 'final') return true;
      else {
        passesOver = true;
        targets.push(edge.to);
      }
    }
    // What looks at the next event only does not stay: it waits strictly, or judges once.
    if (!passesOver && at.edges.some((edge) => edge.kind === 'take' || edge.kind === 'stop')) return true;
  }
  if (targets.every((target) => target === state)) return false;
  return timed || !sameTakes([state], targets);
}

/** Whether runs in the one set of states take the same events, to the same ends, as runs in the other. */
function sameTakes(some: readonly GraphState[], others: readonly GraphState[]): boolean {
  const own = takesOf(some);
  const theirs = takesOf(others);
  const isIn = (takes: readonly TakeEdge[]) => (take: TakeEdge) =>
    takes.some(({ when, to, step }) => when === take.when && to === take.to && step === take.step);
  return own.every(isIn(theirs)) && theirs.every(isIn(own));
}

function takesOf(states: readonly GraphState[]): TakeEdge[] {
  const takes: TakeEdge[] = [];
  const seen = new Set(states);
  for (const state of seen) {
    for (const edge of state.edges) {
      if (edge.kind === 'take') takes.push(edge);
      // A Set iterates over what is added meanwhile.
      else if (edge.kind === 'proceed') seen.add(edge.to);
    }
  }
  return takes;
}

type TakeEdge = Extract<Edge, { kind: 'take' }>;

/** The term's value when all conditions are false; undefined when it depends on the time. */
function valueForUnfit(term: Term, logic: Logic): boolean | undefined {
  const shape = logic.shapes[term]!;
  switch (shape.kind) {
    case 'constant':
      return shape.value;
    case 'condition':
      return false;
    case 'not': {
      const value = valueForUnfit(shape.of, logic);
      return value === undefined ? undefined : !value;
    }
    case 'and':
    case 'or': {
      const decides = shape.kind === 'or';
      const values = shape.parts.map((part) => valueForUnfit(part, logic));
      if (values.includes(decides)) return decides;
      return values.includes(undefined) ? undefined : !decides;
    }
    case 'gapBelow':
    case 'spanBelow':
      return undefined;
  }
}
