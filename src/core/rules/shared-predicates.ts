import type { Event } from '../events/event.ts';
import { Failure } from './expressions/failure.ts';

/** A predicate over an event alone. Its answer may be a `Failure`. */
export type EventPredicate = (event: Event) => unknown;

/**
 * The distinct predicates of one keyspace, by canonical text. A predicate that several conditions ask is evaluated
 * once per event: the rules of a keyspace look at the same event one after another, so remembering the last is enough.
 */
export class SharedPredicates {
  private readonly byText = new Map<string, Shared>();

  /** @param text the same for predicates of the same meaning */
  share(text: string, predicate: EventPredicate): EventPredicate {
    let shared = this.byText.get(text);
    if (shared === undefined) this.byText.set(text, (shared = new Shared(predicate)));
    shared.users++;
    const found = shared;
    return (event) => found.of(event);
  }
}

class Shared {
  users = 0;
  private readonly predicate: EventPredicate;
  private event: Event | undefined;
  private answer: unknown;

  constructor(predicate: EventPredicate) {
    this.predicate = predicate;
  }

  of(event: Event): unknown {
    if (this.users === 1) return this.predicate(event);
    if (this.event !== event) {
      this.answer = this.predicate(event);
      this.event = event;
    }
    return this.answer;
  }
}

/** Whether an event could pass: a failure passes, so that it is evaluated and reported where the rule runs. */
export const mayPass = (answer: unknown): boolean => answer === true || answer instanceof Failure;
