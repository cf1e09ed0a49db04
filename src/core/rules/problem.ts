/** One thing wrong with a rule or configuration file: where, what, and the way out. */
export interface Problem {
  /** Stable; documented in docs/errors.md. Callers branch on it, never on the text. */
  readonly code: string;
  readonly at: Place;
  /** What is wrong, in terms of the file: "`within` is 0 ms, so no two events can fall inside it". */
  readonly message: string;
  /** What to write instead. */
  readonly fix: string;
}

export interface Place {
  readonly file: string;
  /** From 1. */
  readonly line: number;
  /** From 1. */
  readonly column: number;
}
