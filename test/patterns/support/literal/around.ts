import type { Condition, Contiguity } from '../../../../src/core/patterns/pattern.ts';
import { always, both, not, type Test, takenOf } from './states.ts';

/** Where a stage stands. */
export interface Around {
  /** Towards the event taken before. */
  readonly contiguity: Contiguity;
  /** For the stage that begins a group: the contiguity between the group's rounds, which replaces its own inner one. */
  readonly headInner: Contiguity | undefined;
  /** It begins a group that may be left out here. */
  readonly headLeavable: boolean;
  /** It begins a later round of an open loop: the run waits in the loop's closing state, which has no limit. */
  readonly afterClosing: boolean;
  /** A ban stands before it, with nothing but optional stages between. */
  readonly afterBan: boolean;
  /** The `until` of the group directly around is not reached. */
  readonly notUntil: Test;
  /** The spans of all groups around are not over. */
  readonly inSpan: Test;
  /** Bans that directly follow. */
  readonly following: readonly Test[];
}

export function testOf(condition: Condition | undefined): Test {
  return condition === undefined ? always : (event, list) => condition(event, takenOf(list), 'key');
}

/** Undefined: nothing can be passed over. */
export function ignoring(contiguity: Contiguity, where: Test, around: Around): Test | undefined {
  switch (contiguity) {
    case 'strict':
      return undefined;
    case 'relaxed':
      return both(around.notUntil, not(where), around.inSpan);
    case 'nonDeterministic':
      return both(around.notUntil, around.inSpan);
  }
}
