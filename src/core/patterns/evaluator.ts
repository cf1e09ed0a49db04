import type { Event } from '../events/event.ts';
import type { KeyValue } from '../rules/rule-set.ts';
import type { Automaton } from './automaton.ts';
import { NO, type Term, type TermShape, YES } from './logic.ts';
import { type PathNode, PathView } from './path.ts';

/**
 * Answers terms for the current event. A condition is asked once per event when it is stateless, and once per event
 * and path otherwise, however many edges contain it.
 */
export class Evaluator {
  readonly #terms: readonly TermShape[];
  readonly #view = new PathView();
  readonly #stateless: Uint8Array;
  /** Per condition, the question it was last asked: the event, and the path unless it is stateless. */
  readonly #askedEvent: Float64Array;
  readonly #askedNode: (PathNode | undefined)[];
  readonly #answer: Uint8Array;
  #event: Event | undefined;
  #key: KeyValue = '';
  /** Counts events, so that answers about another one are not mistaken for current. */
  #turn = 0;

  constructor(automaton: Automaton) {
    const { terms } = automaton;
    this.#terms = terms;
    this.#stateless = Uint8Array.from(terms, (shape) => (shape.kind === 'condition' && shape.condition.stateless === true ? 1 : 0));
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
    const shape = this.#terms[term]!;
    switch (shape.kind) {
      case 'constant':
        return shape.value;
      case 'condition': {
        if (this.#askedEvent[term] === this.#turn && (this.#stateless[term] === 1 || this.#askedNode[term] === node)) {
          return this.#answer[term] === 1;
        }
        const answer = shape.condition(this.#event!, this.#view.show(node), this.#key);
        this.#askedEvent[term] = this.#turn;
        this.#askedNode[term] = node;
        this.#answer[term] = answer ? 1 : 0;
        return answer;
      }
      case 'not':
        return !this.holds(shape.of, node);
      case 'and': {
        const { parts } = shape;
        for (let at = 0; at < parts.length; at++) if (!this.holds(parts[at]!, node)) return false;
        return true;
      }
      case 'or': {
        const { parts } = shape;
        for (let at = 0; at < parts.length; at++) if (this.holds(parts[at]!, node)) return true;
        return false;
      }
      case 'gapBelow':
        return node === undefined || this.#event!.time - node.event.time < shape.limit;
      case 'spanBelow': {
        let first = Number.POSITIVE_INFINITY;
        for (let at = node; at !== undefined; at = at.parent) if (shape.steps.includes(at.step)) first = at.event.time;
        return this.#event!.time - first < shape.limit;
      }
    }
  }
}
