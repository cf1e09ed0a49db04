import type { Event } from '../events/event.ts';
import type { Extract, Extraction } from '../events/extraction.ts';
import type { Taken } from '../patterns/pattern.ts';
import type { Problems, ScalarNode } from './document.ts';
import { compileScalar } from './expression-place.ts';
import { Failure } from './expressions/failure.ts';
import type { StaticType } from './expressions/term.ts';
import { type FieldReader, nodeName } from './field-reader.ts';
import type { Place } from './problem.ts';

/** The fields of a source that hold expressions. */
export const SOURCE_EXPRESSIONS = ['each', 'let', 'where', 'id', 'type', 'time'] as const;

const SCOPE = { event: true, key: false, steps: new Map() };
const NOTHING_TAKEN: Taken = { events: () => [], count: () => 0, first: () => undefined, last: () => undefined };

/**
 * Reads and compiles a source's `each`, `let`, `where`, `id`, `type` and `time`. In them `event` is the data as far as
 * it is made (after `each`, with the derived fields before this one), `meta` what is known of the message.
 * Problems are reported at their places; a field with a problem counts as absent.
 */
export function readExtraction(reader: FieldReader, problems: Problems): Extraction {
  const derived = readDerived(reader, problems);
  const one = (name: string, wants: StaticType = 'any') => readExtract(reader, name, wants, problems);
  return {
    each: one('each', 'list'),
    derived,
    where: one('where', 'boolean'),
    id: one('id'),
    type: one('type'),
    time: one('time'),
  };
}

/** Reads and compiles one expression over an event of a stream; undefined when it is absent or has a problem. */
export function readExtract(
  reader: FieldReader,
  name: string,
  wants: StaticType,
  problems: Problems,
): Extract | undefined {
  const node = reader.get(name);
  if (node === undefined) return undefined;
  if (node.kind === 'scalar' && node.value !== null) return extract(node, wants, problems);
  return reader.wrong(node, name, 'an expression', 'write a CEL expression, such as event.time');
}

/** Reads and compiles `watermarkPer`: an expression over an event whose value names the clock that its time is by. */
export function readPublisher(reader: FieldReader, problems: Problems): Extract | undefined {
  const node = reader.get('watermarkPer');
  if (node === undefined) return undefined;
  if (node.kind === 'scalar' && node.value !== null) return extract(node, 'any', problems);
  return reader.wrong(
    node,
    'watermarkPer',
    'an expression',
    'write a CEL expression, such as meta.subject or event.host',
  );
}

function readDerived(reader: FieldReader, problems: Problems): Extraction['derived'] {
  const node = reader.get('let');
  if (node === undefined) return [];
  if (node.kind !== 'map') {
    reader.wrong(node, 'let', 'a map', 'write `let: {name: expression}`');
    return [];
  }
  return node.fields.flatMap(({ name, value }) => {
    if (value.kind === 'broken') return [];
    if (value.kind !== 'scalar' || value.value === null) {
      problems.add(
        'RULE_TYPE',
        value.place,
        `the derived field \`${name}\` is ${nodeName(value)}, not an expression`,
        'write a CEL expression',
      );
      return [];
    }
    const compiled = extract(value, 'any', problems);
    return compiled === undefined ? [] : [{ name, value: compiled }];
  });
}

function extract(node: ScalarNode, wants: StaticType, problems: Problems): Extract | undefined {
  const expression = compileScalar(node, SCOPE, wants, problems);
  if (expression === undefined) return undefined;
  const { run } = expression;
  return (event: Event) => {
    const value = run(event, NOTHING_TAKEN, '');
    return value instanceof Failure ? { ok: false, message: value.message } : { ok: true, value: value ?? null };
  };
}

/** Makes the node of an expression that stands in no file, such as a flag's value. */
export function expressionNode(text: string, place: Place): ScalarNode {
  return {
    kind: 'scalar',
    place,
    value: text,
    text,
    commented: false,
    placeAt: (offset) => ({ ...place, column: place.column + offset }),
  };
}
