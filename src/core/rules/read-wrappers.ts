import { IDS_LEAST } from '../behaviours/recent-ids.ts';
import { THROTTLE_COUNT_MAX, type ThrottleOptions } from '../behaviours/throttle.ts';
import type { DurationMs } from '../time/units.ts';
import type { DocumentNode, Problems } from './document.ts';
import { FieldReader, nodeName } from './field-reader.ts';
import type { Place } from './problem.ts';
import { readExpression } from './read-expression.ts';
import type { ExpressionSource } from './rule-source.ts';

const THROTTLE_FORM = 'write `throttle: {per: 10m}`, or {per: 10m, count: 3}';

/** Reads `throttle`; undefined when it cannot be read, which is reported. */
export function readThrottle(node: DocumentNode, problems: Problems): ThrottleOptions | undefined {
  const reader = mapReader(node, 'throttle', THROTTLE_FORM, problems);
  if (reader === undefined) return undefined;
  const per = reader.duration('per');
  const count = reader.integer('count', 1) ?? 1;
  reader.rest(['per', 'count']);
  if (!reader.has('per')) {
    problems.add('RULE_TYPE', node.place, '`throttle` does not say in which time', THROTTLE_FORM);
  }
  if (count > THROTTLE_COUNT_MAX) {
    const message = `\`count\` is ${count}, and at most ${THROTTLE_COUNT_MAX} are counted`;
    problems.add('RULE_TOO_LARGE', reader.get('count')!.place, message, 'take a smaller count in a shorter time');
  }
  return per === undefined ? undefined : { per, count };
}

export interface DedupeSource {
  readonly place: Place;
  readonly within: DurationMs;
  /** Most ids of one key. */
  readonly ids: number;
  readonly events: ExpressionSource | undefined;
  readonly matches: ExpressionSource | undefined;
}

const DEDUPE_FORM = 'write `dedupe: {events: event.id, within: 1h}`, or {matches: emit.user, within: 1h}';
const IDS_DEFAULT = 10_000;
const IDS_MAX = 1_000_000;

/** Reads `dedupe`; undefined when it cannot be read, which is reported. */
export function readDedupe(node: DocumentNode, problems: Problems): DedupeSource | undefined {
  const reader = mapReader(node, 'dedupe', DEDUPE_FORM, problems);
  if (reader === undefined) return undefined;
  const within = reader.duration('within');
  const ids = reader.integer('ids', IDS_LEAST) ?? IDS_DEFAULT;
  const events = readExpression(reader, 'events');
  const matches = readExpression(reader, 'matches');
  reader.rest(['events', 'matches', 'within', 'ids']);
  if (!reader.has('events') && !reader.has('matches')) {
    const message = '`dedupe` does not say what tells events or matches apart';
    problems.add('RULE_TYPE', node.place, message, DEDUPE_FORM);
  }
  if (!reader.has('within')) {
    problems.add('RULE_TYPE', node.place, '`dedupe` does not say for how long an id is remembered', DEDUPE_FORM);
  }
  if (ids > IDS_MAX) {
    const message = `\`ids\` is ${ids}, and a key remembers at most ${IDS_MAX}`;
    problems.add('RULE_TOO_LARGE', reader.get('ids')!.place, message, 'remember fewer, or shorten `within`');
  }
  return within === undefined ? undefined : { place: node.place, within, ids, events, matches };
}

function mapReader(node: DocumentNode, name: string, form: string, problems: Problems): FieldReader | undefined {
  if (node.kind === 'map') return new FieldReader(node, `\`${name}\``, problems);
  if (node.kind !== 'broken')
    problems.add('RULE_TYPE', node.place, `\`${name}\` is ${nodeName(node)}, not a map`, form);
  return undefined;
}
