/**
 * What an expression gives instead of a value when it cannot give one: `null + 1`, a list index out of range. It is
 * returned, not thrown: on the hot path a throw costs some 7 µs. `&&` and `||` may absorb it; everything else passes
 * it on.
 */
export class Failure {
  readonly message: string;

  constructor(message: string) {
    this.message = message;
  }
}

export const failure = (message: string): Failure => new Failure(message);
