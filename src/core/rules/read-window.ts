import { type DurationMs, duration } from '../time/units.ts';
import type { EmitWhen, WindowShape } from '../windows/window.ts';
import { listed } from './did-you-mean.ts';
import type { DocumentNode, MapNode, Problems } from './document.ts';
import { FieldReader } from './field-reader.ts';
import type { Place } from './problem.ts';
import { type AggregateSource, readAggregates } from './read-aggregates.ts';
import { readExpression } from './read-expression.ts';
import type { OnLate } from './rule-set.ts';
import type { ExpressionSource } from './rule-source.ts';

/** The fields that only window rules have. */
export const WINDOW_FIELDS: readonly string[] = ['window', 'aggregate', 'having', 'emitWhen'];

/** What window rules alone say. */
export interface WindowBody {
  readonly kind: 'window';
  readonly place: Place;
  /** Undefined when it could not be read, which is reported. */
  readonly shape: WindowShape | undefined;
  readonly allowedLateness: DurationMs;
  /** As `window` says it; undefined = the rule says it, or nobody. */
  readonly onLate: OnLate | undefined;
  readonly aggregates: readonly AggregateSource[];
  /** True when some aggregate could not be read. */
  readonly incomplete: boolean;
  readonly having: ExpressionSource | undefined;
  readonly emitWhen: EmitWhen;
  readonly emitWhenPlace: Place;
}

const SHAPES = ['tumbling', 'sliding', 'perEvent', 'session', 'count', 'global'] as const;

type ShapeName = (typeof SHAPES)[number];

/** What each kind of window has besides its length. */
const BESIDE: Readonly<Record<ShapeName, readonly string[]>> = {
  tumbling: ['offset'],
  sliding: ['every', 'offset'],
  perEvent: [],
  session: ['maxSize'],
  count: ['every'],
  global: [],
};

const FORMS =
  'write {tumbling: 1h}, {sliding: 1h, every: 1m}, {perEvent: 10m} (ending at each event), {session: 30m}, ' +
  '{count: 100}, {count: 100, every: 10} or global';

/** Reads what window rules alone have; undefined when too little is there to go on. */
export function readWindow(reader: FieldReader, problems: Problems): WindowBody | undefined {
  const node = reader.get('window');
  const before = problems.added;
  const aggregates = readAggregates(reader, problems);
  const incomplete = problems.added > before;
  const { emitWhen, written } = readEmitWhen(reader, problems);
  const having = readExpression(reader, 'having');
  if (node === undefined) return undefined;
  const place = reader.placeOf('window');
  const rest = { kind: 'window' as const, place, aggregates, incomplete, having, emitWhenPlace: written ?? place };
  if (node.kind === 'scalar' && node.value === 'global') {
    const shape: WindowShape = { kind: 'global' };
    return { ...rest, shape, allowedLateness: duration(0), onLate: undefined, emitWhen: resolved(emitWhen, shape) };
  }
  if (node.kind !== 'map') return reader.wrong(node, 'window', 'a window', FORMS);
  const inner = new FieldReader(node, '`window`', problems);
  const shape = readShape(node, inner, problems);
  const onLate = inner.oneOf<OnLate>('onLate', ['drop', 'sideOutput']);
  if (inner.has('onLate') && reader.has('onLate')) {
    const message = '`onLate` stands at the rule and at its window';
    problems.add('RULE_FIELD_TWICE', inner.placeOf('onLate'), message, 'write one of them');
  }
  const allowedLateness = inner.signedDuration('allowedLateness') ?? duration(0);
  inner.rest([...SHAPES, ...Object.values(BESIDE).flat(), 'allowedLateness', 'onLate']);
  return {
    ...rest,
    shape,
    allowedLateness,
    onLate,
    emitWhen: resolved(emitWhen, shape),
  };
}

function readShape(node: MapNode, reader: FieldReader, problems: Problems): WindowShape | undefined {
  const given = SHAPES.filter((one) => reader.has(one));
  const [name] = given;
  if (name === undefined || given.length > 1) {
    const message =
      name === undefined
        ? 'the window does not say of which kind it is'
        : `the window is ${listed(given, 'and')} at once`;
    problems.add('WINDOW_SHAPE', node.place, message, FORMS);
    for (const field of [...given, ...Object.values(BESIDE).flat()]) reader.get(field);
    return undefined;
  }
  checkBeside(name, reader, problems);
  const offset = reader.signedDuration('offset') ?? duration(0);
  switch (name) {
    case 'tumbling': {
      const size = reader.duration(name);
      return size && { kind: 'tumbling', size, offset };
    }
    case 'sliding': {
      const size = reader.duration(name);
      const slide = reader.duration('every');
      if (!reader.has('every')) {
        const message = 'the sliding window does not say how often one begins';
        problems.add(
          'WINDOW_SHAPE',
          node.place,
          message,
          'write {sliding: 1h, every: 1m}, or {perEvent: 1h} for one at each event',
        );
      }
      return size && slide && { kind: 'sliding', size, slide, offset };
    }
    case 'perEvent': {
      const size = reader.duration(name);
      return size && { kind: 'perEvent', size };
    }
    case 'session': {
      const gap = reader.duration(name);
      const maxSize = reader.duration('maxSize');
      return gap && { kind: 'session', gap, ...(maxSize !== undefined && { maxSize }) };
    }
    case 'count': {
      const size = reader.integer(name, 1);
      const slide = reader.integer('every', 1);
      if (size === undefined || (slide === undefined && reader.has('every'))) return undefined;
      return slide === undefined ? { kind: 'count', size } : { kind: 'countSliding', size, slide };
    }
    case 'global':
      return readGlobal(reader);
  }
}

function readGlobal(reader: FieldReader): WindowShape | undefined {
  const node = reader.get('global');
  if (node === undefined) return undefined;
  if (node.kind === 'scalar' && node.value === true) return { kind: 'global' };
  return reader.wrong(node, 'global', 'true', 'write `window: global`, or {global: true, allowedLateness: 1m}');
}

/** Reports fields that belong to another kind of window. */
function checkBeside(name: ShapeName, reader: FieldReader, problems: Problems): void {
  for (const field of new Set(Object.values(BESIDE).flat())) {
    if (!reader.has(field) || BESIDE[name].includes(field)) continue;
    reader.get(field);
    const owners = SHAPES.filter((one) => BESIDE[one].includes(field));
    const message = `\`${field}\` belongs to ${listed(owners, 'and')} windows, and this one is \`${name}\``;
    problems.add('WINDOW_SHAPE', reader.placeOf(field), message, 'take it out');
  }
}

const WHENS = ['onClose', 'risingEdge', 'once'] as const;
const WHEN_FORMS = 'write onClose, risingEdge, once, {everyEvents: 100} or {every: 10m}';

type WhenSource = EmitWhen | 'risingEdge' | undefined;

function readEmitWhen(
  reader: FieldReader,
  problems: Problems,
): { readonly emitWhen: WhenSource; readonly written: Place | undefined } {
  const node = reader.get('emitWhen');
  if (node === undefined) return { emitWhen: undefined, written: undefined };
  return { emitWhen: whenIn(node, reader, problems), written: node.place };
}

function whenIn(node: DocumentNode, outer: FieldReader, problems: Problems): WhenSource {
  if (node.kind === 'scalar') {
    const name = WHENS.find((one) => one === node.value);
    if (name !== undefined) return name === 'risingEdge' ? name : { kind: name };
  }
  if (node.kind !== 'map' || node.fields.length !== 1)
    return outer.wrong(node, 'emitWhen', 'a time to emit', WHEN_FORMS);
  const reader = new FieldReader(node, '`emitWhen`', problems);
  const events = reader.integer('everyEvents', 1);
  const every = reader.duration('every');
  const across = reader.oneOf('risingEdge', ['events', 'windows']);
  reader.rest(['everyEvents', 'every', 'risingEdge']);
  if (events !== undefined) return { kind: 'everyEvents', events };
  if (every !== undefined) return { kind: 'every', every };
  return across === undefined ? undefined : { kind: 'risingEdge', across };
}

/**
 * Where a rule says nothing, windows speak when they close; where it says `risingEdge` alone, windows of which one follows
 * another as time passes have their edge between them.
 */
function resolved(when: WhenSource, shape: WindowShape | undefined): EmitWhen {
  if (when === undefined) return { kind: 'onClose' };
  if (when !== 'risingEdge') return when;
  const windows = shape?.kind === 'sliding' || shape?.kind === 'countSliding';
  return { kind: 'risingEdge', across: windows ? 'windows' : 'events' };
}
