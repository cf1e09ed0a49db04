import type { OnLimit, PatternLimits } from '../patterns/pattern.ts';
import type { Problems } from './document.ts';
import { FieldReader } from './field-reader.ts';

/** `limits`, with what it leaves open undefined. */
export type LimitsSource = { readonly [Name in keyof PatternLimits]: PatternLimits[Name] | undefined };

const NONE: LimitsSource = { partialMatches: undefined, stateBytes: undefined, onLimit: undefined };
const FIELDS: readonly (keyof PatternLimits)[] = ['partialMatches', 'stateBytes', 'onLimit'];

/** Reads `limits` of a rule, or of the configuration, where they hold for rules that leave them open. */
export function readLimits(reader: FieldReader, problems: Problems): LimitsSource {
  const node = reader.get('limits');
  if (node === undefined) return NONE;
  if (node.kind !== 'map') {
    reader.wrong(node, 'limits', 'a map', 'write `limits: {partialMatches: 200, onLimit: dropOldest}`');
    return NONE;
  }
  const inner = new FieldReader(node, '`limits`', problems);
  const limits = {
    partialMatches: inner.integer('partialMatches', 1),
    stateBytes: inner.integer('stateBytes', 1_024),
    onLimit: inner.oneOf<OnLimit>('onLimit', ['dropOldest', 'dropNewest', 'deadLetter']),
  };
  inner.rest(FIELDS);
  return limits;
}

/** What is given, and the defaults for the rest. */
export function withDefaults(given: LimitsSource, defaults: PatternLimits): PatternLimits {
  return {
    partialMatches: given.partialMatches ?? defaults.partialMatches,
    stateBytes: given.stateBytes ?? defaults.stateBytes,
    onLimit: given.onLimit ?? defaults.onLimit,
  };
}
