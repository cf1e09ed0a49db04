import type { Problems } from './document.ts';
import { FieldReader } from './field-reader.ts';
import type { TimesSource } from './rule-source.ts';

/** `times: 3`, `times: {min: 2, max: 5, within: 10s}`, `times: oneOrMore`. */
export function readTimes(reader: FieldReader, problems: Problems): TimesSource | undefined {
  const node = reader.get('times');
  if (node === undefined) return undefined;
  if (node.kind === 'scalar' && node.value === 'oneOrMore')
    return { min: 1, max: Number.POSITIVE_INFINITY, within: undefined };
  if (node.kind !== 'map') {
    const count = reader.integer('times', 1);
    return count === undefined ? undefined : { min: count, max: count, within: undefined };
  }
  const inner = new FieldReader(node, '`times`', problems);
  const min = inner.integer('min', 0);
  const max = inner.integer('max', 1);
  const within = inner.duration('within');
  inner.rest(['min', 'max', 'within']);
  if (max !== undefined && max < (min ?? 0)) {
    problems.add(
      'STEP_QUANTIFIER',
      inner.placeOf('max'),
      `\`max\` is ${max}, less than \`min\` ${min}`,
      'make max at least min',
    );
    return undefined;
  }
  return { min: min ?? 0, max: max ?? Number.POSITIVE_INFINITY, within };
}
