import type { Appended } from './log.ts';
import type { NodeMeasures } from './measures.ts';

/** Counts the answer to a fenced append and, when there was none to rely on, why. */
export function noteAppend({ appends, appendsUnknown }: NodeMeasures, answer: Appended): void {
  appends[answer.kind] += 1;
  if (answer.kind === 'unknown') appendsUnknown[answer.reason ?? 'other'] += 1;
}
