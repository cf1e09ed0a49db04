import type { SourceSettings, Start } from '../core/events/source-settings.ts';
import { readExtraction, readPublisher, SOURCE_EXPRESSIONS } from '../core/rules/compile-source.ts';
import type { DocumentField, MapNode, Problems } from '../core/rules/document.ts';
import { documentToJson } from '../core/rules/document-json.ts';
import { FieldReader, nodeName } from '../core/rules/field-reader.ts';
import { hashText } from '../core/rules/hash.ts';
import { DURATION_FORM, parseDuration } from '../core/time/parse-duration.ts';
import { parseInstant } from '../core/time/parse-instant.ts';
import { type DurationMs, duration } from '../core/time/units.ts';
import { NAME_FORM } from './name-forms.ts';

export const EVENT_BYTES_MAX = 1_048_576;
export const FORMATS = ['auto', 'json', 'cloudevents', 'msgpack'] as const;

/** Default of `idleAfter`. */
export const IDLE_AFTER = duration(2000);

const PLAIN_FIELDS = [
  'stream',
  'subject',
  'format',
  'start',
  'onStreamChanged',
  'disorder',
  'idleAfter',
  'watermarkPer',
  'eventBytesMax',
];

/** Reads one entry of `sources`; undefined when it has not even a stream. Its expressions are compiled here. */
export function readSource({ name, namePlace, value }: DocumentField, problems: Problems): SourceSettings | undefined {
  if (value.kind === 'broken') return undefined;
  if (value.kind !== 'map') {
    const fix = `write \`${name}: {stream: NAME}\``;
    problems.add('CONFIG_TYPE', value.place, `the source \`${name}\` is ${nodeName(value)}, not a map`, fix);
    return undefined;
  }
  if (!new RegExp(NAME_FORM).test(name)) {
    const message = `\`${name}\` cannot be a source's name: it becomes part of names in NATS`;
    problems.add('CONFIG_NAME', namePlace, message, 'use letters, digits, - and _');
  }
  const reader = new FieldReader(value, `the source \`${name}\``, problems);
  const stream = reader.text('stream');
  if (!reader.has('stream')) {
    const message = `the source \`${name}\` does not say which stream it reads`;
    problems.add('CONFIG_STREAM', value.place, message, 'write `stream: NAME`');
  }
  const source: SourceSettings = {
    name,
    stream: stream ?? '',
    subject: reader.text('subject'),
    format: reader.oneOf('format', FORMATS) ?? 'auto',
    start: readStart(reader, problems),
    onStreamChanged: reader.oneOf('onStreamChanged', ['stop', 'continue']) ?? 'stop',
    disorder: readLength(reader, 'disorder', duration(0), problems),
    idleAfter: readIdleAfter(reader, problems),
    publisher: readPublisher(reader, problems),
    extraction: readExtraction(reader, problems),
    eventBytesMax: reader.integer('eventBytesMax', 1) ?? EVENT_BYTES_MAX,
    meaning: sourceMeaning(value),
  };
  reader.rest([...PLAIN_FIELDS, ...SOURCE_EXPRESSIONS]);
  return source;
}

/** What says nothing about how events are read once they are. */
const WITHOUT_MEANING = ['start', 'onStreamChanged'];

function sourceMeaning({ fields, ...rest }: MapNode): string {
  const told = fields.filter(({ name }) => !WITHOUT_MEANING.includes(name)).sort((a, b) => (a.name < b.name ? -1 : 1));
  const json = documentToJson({ root: { ...rest, fields: told }, digest: undefined });
  return hashText(JSON.stringify(json ?? null));
}

function readStart(reader: FieldReader, problems: Problems): Start {
  const node = reader.get('start');
  if (node === undefined) return { kind: 'now' };
  const text = node.kind === 'scalar' ? node.text : '';
  if (text === 'now' || text === 'beginning') return { kind: text };
  const ms = parseInstant(text);
  if (ms !== undefined) return { kind: 'time', ms };
  problems.add(
    'CONFIG_START',
    node.place,
    `\`start\` is ${nodeName(node)}, which is no place in a stream`,
    'write now, beginning, or a time such as 2026-01-31T00:00:00Z',
  );
  return { kind: 'now' };
}

function readIdleAfter(reader: FieldReader, problems: Problems): DurationMs {
  const node = reader.get('idleAfter');
  if (node?.kind === 'scalar' && node.text === 'never') return duration(Number.POSITIVE_INFINITY);
  return readLength(reader, 'idleAfter', IDLE_AFTER, problems, 'never, ');
}

/** Zero needs no unit. */
function readLength(
  reader: FieldReader,
  name: string,
  absent: DurationMs,
  problems: Problems,
  alsoTakes = '',
): DurationMs {
  const node = reader.get(name);
  if (node === undefined) return absent;
  if (node.kind === 'scalar' && node.value === 0) return duration(0);
  const length = node.kind === 'scalar' ? parseDuration(node.text) : undefined;
  if (length !== undefined) return length;
  const message = `\`${name}\` is ${nodeName(node)}, not a duration`;
  problems.add('CONFIG_DURATION', node.place, message, `give 0, ${alsoTakes}or ${DURATION_FORM}`);
  return absent;
}
