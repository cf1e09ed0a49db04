/** One thing wrong with a rule or configuration file: where, what, and the way out. */
export interface Problem {
  /** Stable; documented in docs/errors.md. Callers branch on it, never on the text. */
  readonly code: string;
  readonly at: Place;
  /** What is wrong, in terms of the file: "`within` is 0 ms, so no two events can fall inside it". */
  readonly message: string;
  /** What to write instead. */
  readonly fix: string;
  /** Where the definition is used in which the problem lies; absent when it lies in none. */
  readonly usedAt?: readonly Place[];
}

export interface Place {
  readonly file: string;
  /** From 1. */
  readonly line: number;
  /** From 1. */
  readonly column: number;
  /** Inside a definition that is being read for a use of it: where that use stands. */
  readonly use?: Place;
}
