/** What a node knows when it decides under which version of the rules it runs. */
export interface RuleSituation {
  /** Hash of the rules and sources that the node was given. */
  readonly own: string;
  /** The newest version that is stored; undefined when there is none. */
  readonly newest: { readonly number: number; readonly hash: string } | undefined;
  /** Hashes of all versions that were stored before. */
  readonly earlier: readonly string[];
  /** The operator wants this node's rules to be the newest, whatever others run. */
  readonly activate: boolean;
  /** For how long no living node was seen that runs the newest version, in ms. */
  readonly unusedMs: number;
  /** After how long without such a node an older version may come back. */
  readonly patienceMs: number;
}

export type RuleDecision =
  /** Its rules are the newest version. */
  | { readonly kind: 'run'; readonly number: number }
  /** Its rules become the next version. */
  | { readonly kind: 'register'; readonly number: number }
  /** Newer rules are active. */
  | { readonly kind: 'wait'; readonly active: number };

/**
 * Whether a node runs, makes its rules the newest version, or waits; the same question when it starts and ever after. A
 * pure decision. Rules that were never there before are new. Rules that were are old, and whether they are to come back
 * is not for one straggler to say: only when nobody runs the newest any more, or the operator says so.
 */
export function decideRules({ own, newest, earlier, activate, unusedMs, patienceMs }: RuleSituation): RuleDecision {
  if (newest === undefined) return { kind: 'register', number: 1 };
  if (newest.hash === own) return { kind: 'run', number: newest.number };
  const isOld = earlier.includes(own);
  if (!isOld || activate || unusedMs >= patienceMs) return { kind: 'register', number: newest.number + 1 };
  return { kind: 'wait', active: newest.number };
}
