import type { OnLimit, PatternLimits } from '../patterns/pattern.ts';
import type { Problems } from './document.ts';
import { FieldReader } from './field-reader.ts';

/** `limits`, with what it leaves open undefined. */
export interface LimitsSource {
  /** Most of what a rule of this kind counts: partial matches, buffered events. */
  readonly count: number | undefined;
  readonly stateBytes: number | undefined;
  readonly onLimit: OnLimit | undefined;
}

export const NO_LIMITS: LimitsSource = { count: undefined, stateBytes: undefined, onLimit: undefined };

/**
 * Reads `limits` of a rule.
 * @param counts what a rule of its kind counts; undefined when it counts nothing
 */
export function readLimits(reader: FieldReader, counts: string | undefined, problems: Problems): LimitsSource {
  const node = reader.get('limits');
  if (node === undefined) return NO_LIMITS;
  if (node.kind !== 'map') {
    reader.wrong(node, 'limits', 'a map', `write \`limits: {${counts ?? 'stateBytes'}: 2000, onLimit: dropOldest}\``);
    return NO_LIMITS;
  }
  const inner = new FieldReader(node, '`limits`', problems);
  const limits = {
    count: counts === undefined ? undefined : inner.integer(counts, 1),
    stateBytes: inner.integer('stateBytes', 1_024),
    onLimit: inner.oneOf<OnLimit>('onLimit', ['dropOldest', 'dropNewest', 'deadLetter']),
  };
  inner.rest([...(counts === undefined ? [] : [counts]), 'stateBytes', 'onLimit']);
  return limits;
}

/** What a pattern's limits say, and the defaults for the rest. */
export function withDefaults(given: LimitsSource, defaults: PatternLimits): PatternLimits {
  return {
    partialMatches: given.count ?? defaults.partialMatches,
    stateBytes: given.stateBytes ?? defaults.stateBytes,
    onLimit: given.onLimit ?? defaults.onLimit,
  };
}
