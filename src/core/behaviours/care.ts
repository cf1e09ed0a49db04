/**
 * How a turn is run when one of its calls is suspected of ending the process (docs/decisions/0020). A call is one time
 * that a turn lets a rule see an event, a time or the end of input; a turn makes the same calls in the same order
 * whenever it is run on the same state.
 */
export interface Care {
  /** Only so many calls are made, and then the turn is given up; Infinity = all. */
  readonly upto: number;
  /** Numbers of calls that are not made. */
  readonly parked: ReadonlySet<number>;
}

/** The turn has made as many calls as it was to make. */
export class TrialOver extends Error {}

/** Stands for a call that is not made. */
export class CallParked extends Error {
  /** An event is left out; a time cannot be, so the rule that it is for begins afresh for the key. */
  readonly stateKept: boolean;

  constructor(stateKept: boolean) {
    super('the call ended the process twice, so it is not made any more');
    this.stateKept = stateKept;
  }
}
