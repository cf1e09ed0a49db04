/** Stable; callers branch on it, never on the text. */
export type PatternProblemCode =
  | 'PATTERN_EMPTY'
  | 'PATTERN_TOO_LARGE'
  | 'STEP_REPEATED'
  | 'QUANTIFIER_INVALID'
  | 'GREEDY_WITHOUT_LOOP'
  | 'UNTIL_WITHOUT_LOOP'
  | 'LOOP_OVER_NOTHING'
  | 'BAN_FIRST'
  | 'BAN_AFTER_OPTIONAL'
  | 'BAN_ENDS_GROUP'
  | 'BAN_WITHOUT_LIMIT'
  | 'BAN_LIMITS_DIFFER'
  | 'WITHIN_PREVIOUS_TOO_LONG'
  | 'SKIP_STEP_UNKNOWN'
  | 'CHOICE_INVALID'
  | 'SPAN_EMPTY'
  /** Warnings: accepted, but without the effect one may expect. */
  | 'LIMIT_WITHOUT_EFFECT'
  | 'GREEDY_WITHOUT_EFFECT'
  | 'INNER_CONTIGUITY_OF_GROUP'
  | 'GROUP_BEGINS_GROUP';

export interface PatternProblem {
  readonly code: PatternProblemCode;
  /** What is wrong, in terms of the pattern. */
  readonly message: string;
  /** What to write instead. */
  readonly fix: string;
  /** The step or group concerned: a step's name, or the names inside a group in parentheses. */
  readonly stage: string | undefined;
}
