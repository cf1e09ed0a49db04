/**
 * A function of a process rule failed: it threw, used its context wrongly, or went past a limit. What the call did is
 * undone, so the state is as it was before it and goes on being used. A timer that failed counts as fired.
 */
export class RuleFailed extends Error {
  readonly code = 'RULE_FAILED';
  /** What was called, such as `on.created` or `onTimer.deadline`. */
  readonly place: string;
  /** Whether the rule's state for the key can be used as it is. */
  readonly stateKept = true;

  constructor(rule: string, place: string, cause: unknown) {
    const what = cause instanceof Error ? `${cause.name}: ${cause.message}` : String(cause);
    super(`${place} of rule ${rule} failed, and what it did was undone. ${what}`, { cause });
    this.name = 'RuleFailed';
    this.place = place;
  }
}

/** A function of a process rule asked for something that cannot be done. Becomes the cause of a `RuleFailed`. */
export class WrongCall extends Error {
  readonly code = 'RULE_CALL_WRONG';

  constructor(message: string) {
    super(message);
    this.name = 'WrongCall';
  }
}
