import type { PlainPattern, PlainStep, Taken } from './plain-pattern.ts';
import type { Meaning, PlainRule } from './plain-rule.ts';

/** A rule as a user would write it, and once more, as plainly as can be said, for the checker. */
export type Shape = {
  readonly name: string;
  readonly meaning: Meaning;
} & (
  | {
      readonly kind: 'pattern' | 'window' | 'join';
      /** What stands below `key` in the rule. */
      readonly yaml: (saysLate: boolean) => string;
    }
  /** What a module gives by default. */
  | { readonly kind: 'process'; readonly module: (rule: PlainRule) => unknown }
);

/** A pattern. */
export interface PatternShape {
  readonly name: string;
  /** What stands below `key` in the rule. */
  readonly yaml: string;
  readonly plain: PlainPattern;
}

export const one = (type: string, name: string, where?: PlainStep['where']): PlainStep => ({
  names: { [type]: name },
  min: 1,
  max: 1,
  ...(where && { where }),
});

/** A loop without end. */
export const many = (type: string, name: string, min: number): PlainStep => ({
  names: { [type]: name },
  min,
  max: Number.POSITIVE_INFINITY,
});

export const opened = one('Open', 'opened');
export const tried = one('Try', 'tried');
export const closed = one('Close', 'closed');

/** `n` of the first event that a step took; null when it took none. */
export const n = (taken: Taken, step: string): number | null => taken(step)[0]?.n ?? null;
