import type { Event } from '../events/event.ts';
import type { KeyValue } from '../rules/rule-set.ts';
import type { Automaton } from './automaton.ts';
import { NO, type Term, type TermShape, YES } from './logic.ts';
import { type PathNode, PathView } from './path.ts';
import type { Condition } from './pattern.ts';

const CONDITION = 0;
const NOT = 1;
const AND = 2;
const OR = 3;
const GAP = 4;
const SPAN = 5;

const kinds = { constant: CONDITION, condition: CONDITION, not: NOT, and: AND, or: OR, gapBelow: GAP, spanBelow: SPAN };

/**
 * Answers terms for the current event. A condition is asked once per event when it is stateless, and once per event
 * and path otherwise, however many edges contain it. Terms are kept as flat arrays, because this is the innermost loop.
 */
export class Evaluator {
  readonly #kind: Uint8Array;
  readonly #conditions: readonly (Condition | undefined)[];
  /** The terms that a term is made of; for a span, the steps. */
  readonly #parts: readonly (readonly number[])[];
  readonly #limit: Float64Array;
  readonly #stateless: Uint8Array;
  /** Per condition, the question it was last asked: the event, and the path unless it is stateless. */
  readonly #askedEvent: Float64Array;
  readonly #askedNode: (PathNode | undefined)[];
  readonly #answer: Uint8Array;
  readonly #view = new PathView();
  #event: Event | undefined;
  #key: KeyValue = '';
  /** Counts events, so that answers about another one are not mistaken for current. */
  #turn = 0;

  constructor({ terms }: Automaton) {
    this.#kind = Uint8Array.from(terms, (shape) => kinds[shape.kind]);
    this.#conditions = terms.map((shape) => (shape.kind === 'condition' ? shape.condition : undefined));
    this.#parts = terms.map(partsOf);
    this.#limit = Float64Array.from(terms, (shape) => ('limit' in shape ? shape.limit : 0));
    this.#stateless = Uint8Array.from(this.#conditions, (condition) => (condition?.stateless === true ? 1 : 0));
    this.#askedEvent = new Float64Array(terms.length);
    this.#askedNode = terms.map(() => undefined);
    this.#answer = new Uint8Array(terms.length);
  }

  begin(event: Event, key: KeyValue): void {
    this.#event = event;
    this.#key = key;
    this.#turn++;
  }

  /** Changes with every event; names the event in callers' own memories. */
  get turn(): number {
    return this.#turn;
  }

  /** Whether the term holds for the event and a run that has taken `node`'s path. */
  holds(term: Term, node: PathNode | undefined): boolean {
    if (term === YES) return true;
    if (term === NO) return false;
    switch (this.#kind[term]) {
      case CONDITION:
        return this.#ask(term, node);
      case NOT:
        return !this.holds(this.#parts[term]![0]!, node);
      case AND: {
        const parts = this.#parts[term]!;
        for (let at = 0; at < parts.length; at++) if (!this.holds(parts[at]!, node)) return false;
        return true;
      }
      case OR: {
        const parts = this.#parts[term]!;
        for (let at = 0; at < parts.length; at++) if (this.holds(parts[at]!, node)) return true;
        return false;
      }
      case GAP:
        return node === undefined || this.#event!.time - node.event.time < this.#limit[term]!;
      default: {
        const steps = this.#parts[term]!;
        let first = Number.POSITIVE_INFINITY;
        for (let at = node; at !== undefined; at = at.parent) if (steps.includes(at.step)) first = at.event.time;
        return this.#event!.time - first < this.#limit[term]!;
      }
    }
  }

  #ask(term: Term, node: PathNode | undefined): boolean {
    const stateless = this.#stateless[term] === 1;
    if (this.#askedEvent[term] === this.#turn && (stateless || this.#askedNode[term] === node)) {
      return this.#answer[term] === 1;
    }
    const answer = this.#conditions[term]!(this.#event!, this.#view.show(node), this.#key);
    this.#askedEvent[term] = this.#turn;
    if (!stateless) this.#askedNode[term] = node;
    this.#answer[term] = answer ? 1 : 0;
    return answer;
  }
}

function partsOf(shape: TermShape): readonly number[] {
  switch (shape.kind) {
    case 'not':
      return [shape.of];
    case 'and':
    case 'or':
      return shape.parts;
    case 'spanBelow':
      return shape.steps;
    case 'constant':
    case 'condition':
    case 'gapBelow':
      return [];
  }
}
