import { type DurationMs, duration } from '../time/units.ts';
import { listed } from './did-you-mean.ts';
import type { DocumentNode, Problems } from './document.ts';
import { FieldReader } from './field-reader.ts';
import type { Place } from './problem.ts';
import { readExpression } from './read-expression.ts';
import type { ExpressionSource } from './rule-source.ts';

/** What join rules alone say. */
export interface JoinBody {
  readonly kind: 'join';
  readonly place: Place;
  /** Undefined when it could not be read, which is reported. */
  readonly together: TogetherSource | undefined;
  readonly pairs: 'all' | 'oneToOne';
  readonly where: ExpressionSource | undefined;
  /** Aliases whose events are told when no partner came. */
  readonly unmatched: readonly Named[];
}

/** An alias, as it is named somewhere. */
export interface Named {
  readonly name: string;
  readonly place: Place;
}

/** Which times make a pair. */
export type TogetherSource =
  /** The time of `of` minus that of `after` is from `from` to `to`, inclusive; infinite when unlimited. */
  | {
      readonly kind: 'interval';
      readonly of: Named;
      readonly after: Named;
      readonly from: DurationMs;
      readonly to: DurationMs;
    }
  | {
      readonly kind: 'window';
      readonly size: DurationMs;
      readonly slide: DurationMs;
      readonly offset: DurationMs;
    }
  | { readonly kind: 'session'; readonly gap: DurationMs };

const FIELDS = ['interval', 'window', 'pairs', 'where', 'unmatched'];
const INTERVAL = 'write `interval: {confirmed: {after: created, from: -5m, to: 15m}}`';
const WINDOW = 'write `window: {tumbling: 10m}`, {sliding: 1h, every: 10m} or {session: 30m}';

/** The word for a bound that there is none of. */
const UNLIMITED = 'unlimited';

/** Reads what joins alone have; undefined when too little is there to go on. */
export function readJoin(reader: FieldReader, problems: Problems): JoinBody | undefined {
  const node = reader.get('join');
  if (node === undefined) return undefined;
  if (node.kind !== 'map') {
    return reader.wrong(node, 'join', 'a map', 'write `join:`, and under it `interval:` or `window:`');
  }
  const inner = new FieldReader(node, '`join`', problems);
  const body: JoinBody = {
    kind: 'join',
    place: reader.placeOf('join'),
    together: readTogether(inner, problems),
    pairs: inner.oneOf('pairs', ['all', 'oneToOne']) ?? 'all',
    where: readExpression(inner, 'where'),
    unmatched: readUnmatched(inner),
  };
  inner.rest(FIELDS);
  return body;
}

function readTogether(reader: FieldReader, problems: Problems): TogetherSource | undefined {
  const interval = reader.get('interval');
  const window = reader.get('window');
  if (reader.has('interval') === reader.has('window')) {
    const message = reader.has('interval')
      ? '`interval` and `window` both say which times make a pair'
      : 'the join does not say which times make a pair';
    problems.add('JOIN_TIMES', reader.place, message, `${INTERVAL}, or a window: ${WINDOW}`);
    return undefined;
  }
  if (interval !== undefined) return readInterval(interval, reader, problems);
  return window === undefined ? undefined : readWindow(window, reader, problems);
}

function readInterval(node: DocumentNode, reader: FieldReader, problems: Problems): TogetherSource | undefined {
  const [field, ...others] = node.kind === 'map' ? node.fields : [];
  if (field?.value.kind === 'broken') return undefined;
  if (field?.value.kind !== 'map' || others.length > 0) {
    return reader.wrong(node, 'interval', 'one alias with its bounds', INTERVAL);
  }
  const inner = new FieldReader(field.value, '`interval`', problems);
  const after = inner.text('after');
  const from = bound(inner, 'from', -1);
  const to = bound(inner, 'to', 1);
  inner.rest(['after', 'from', 'to']);
  const missing = ['after', 'from', 'to'].filter((name) => !inner.has(name));
  if (missing.length > 0) {
    problems.add('JOIN_TIMES', field.namePlace, `the interval has no ${listed(missing, 'and no')}`, INTERVAL);
  }
  if (from !== undefined && to !== undefined && from > to) {
    problems.add(
      'JOIN_TIMES',
      inner.placeOf('from'),
      '`from` is greater than `to`, so no two events can be a pair',
      'exchange them; a negative time is before',
    );
    return undefined;
  }
  if (after === undefined || from === undefined || to === undefined) return undefined;
  const of = { name: field.name, place: field.namePlace };
  return { kind: 'interval', of, after: { name: after, place: inner.get('after')!.place }, from, to };
}

function bound(reader: FieldReader, name: string, sign: 1 | -1): DurationMs | undefined {
  const node = reader.get(name);
  if (node?.kind === 'scalar' && node.value === UNLIMITED) return duration(sign * Number.POSITIVE_INFINITY);
  return reader.signedDuration(name);
}

function readWindow(node: DocumentNode, outer: FieldReader, problems: Problems): TogetherSource | undefined {
  if (node.kind !== 'map') return outer.wrong(node, 'window', 'a map', WINDOW);
  const reader = new FieldReader(node, '`window` of a join', problems);
  const shapes = ['tumbling', 'sliding', 'session'] as const;
  const given = shapes.filter((one) => reader.has(one));
  const sizes = given.map((one) => reader.duration(one));
  const [shape] = given;
  const [size] = sizes;
  if (given.length !== 1) {
    const message =
      given.length === 0 ? 'the window does not say how long it is' : `the window is ${listed(given, 'and')}`;
    problems.add('JOIN_TIMES', node.place, message, WINDOW);
  }
  const every = shape === 'sliding' ? reader.duration('every') : undefined;
  const offset = shape === 'session' ? undefined : reader.signedDuration('offset');
  reader.rest(
    shape === 'session' ? ['session'] : shape === 'sliding' ? ['sliding', 'every', 'offset'] : ['tumbling', 'offset'],
  );
  if (shape === 'sliding' && !reader.has('every')) {
    problems.add('JOIN_TIMES', node.place, 'the sliding window does not say how often one begins', WINDOW);
  }
  if (size === undefined || given.length !== 1) return undefined;
  if (shape === 'session') return { kind: 'session', gap: size };
  const slide = shape === 'sliding' ? every : size;
  return slide === undefined ? undefined : { kind: 'window', size, slide, offset: offset ?? duration(0) };
}

function readUnmatched(reader: FieldReader): readonly Named[] {
  const node = reader.get('unmatched');
  if (node === undefined) return [];
  const items = node.kind === 'list' ? node.items : [node];
  const names = items.flatMap((item) =>
    item.kind === 'scalar' && item.value !== null && item.text !== '' ? [{ name: item.text, place: item.place }] : [],
  );
  if (names.length === items.length) return names;
  reader.wrong(node, 'unmatched', 'an alias', 'write an alias of `from`, or a list of them');
  return [];
}
