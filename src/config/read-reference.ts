import {
  ENTRY_BYTES_MAX,
  REFERENCE_BYTES_MAX,
  REFERENCE_FORMATS,
  type ReferenceSettings,
} from '../core/references/reference-settings.ts';
import { readExtract } from '../core/rules/compile-source.ts';
import type { DocumentField, Problems } from '../core/rules/document.ts';
import { FieldReader, nodeName } from '../core/rules/field-reader.ts';
import { NAME_FORM } from './name-forms.ts';

const FIELDS = [
  'bucket',
  'stream',
  'subject',
  'key',
  'format',
  'value',
  'remove',
  'onStreamChanged',
  'entryBytesMax',
  'bytesMax',
];

/** What a bucket's name may be, as the server has it. */
const BUCKET_FORM = /^[A-Za-z0-9_-]+$/;

/** Reads `references`: data that rules look up, by the name by which they do. */
export function readReferences(reader: FieldReader, problems: Problems): readonly ReferenceSettings[] {
  const node = reader.get('references');
  if (node === undefined) return [];
  if (node.kind !== 'map') {
    reader.wrong(node, 'references', 'a map', 'write `references:` and below it `name: {bucket: NAME}`');
    return [];
  }
  return node.fields.flatMap((field) => readReference(field, problems) ?? []);
}

/** Reads one entry of `references`; undefined when too little is there to go on. Its expressions are compiled here. */
function readReference({ name, namePlace, value }: DocumentField, problems: Problems): ReferenceSettings | undefined {
  if (value.kind === 'broken') return undefined;
  if (value.kind !== 'map') {
    const fix = `write \`${name}: {bucket: NAME}\``;
    problems.add('CONFIG_TYPE', value.place, `the reference \`${name}\` is ${nodeName(value)}, not a map`, fix);
    return undefined;
  }
  if (!new RegExp(NAME_FORM).test(name)) {
    const message = `\`${name}\` cannot be a reference's name: it becomes part of names in NATS`;
    problems.add('CONFIG_NAME', namePlace, message, 'use letters, digits, - and _');
  }
  const reader = new FieldReader(value, `the reference \`${name}\``, problems);
  const where = readWhere(name, reader, problems);
  const settings = {
    name,
    ...where,
    format: reader.oneOf('format', REFERENCE_FORMATS) ?? ('auto' as const),
    key: readExtract(reader, 'key', 'any', problems),
    value: readExtract(reader, 'value', 'any', problems),
    remove: readExtract(reader, 'remove', 'boolean', problems),
    onStreamChanged: reader.oneOf('onStreamChanged', ['stop', 'continue']) ?? ('stop' as const),
    entryBytesMax: reader.integer('entryBytesMax', 1) ?? ENTRY_BYTES_MAX,
    bytesMax: reader.integer('bytesMax', 1) ?? REFERENCE_BYTES_MAX,
  };
  reader.rest(FIELDS);
  return settings;
}

type Where = Pick<ReferenceSettings, 'stream' | 'subject' | 'keyPrefix'>;

/** A bucket is a stream whose subjects end with the keys; of any other stream it must be said what the key is. */
function readWhere(name: string, reader: FieldReader, problems: Problems): Where {
  const bucket = reader.text('bucket');
  const stream = reader.text('stream');
  const subject = reader.text('subject');
  const wrong = (place: string, message: string, fix: string): void =>
    problems.add('CONFIG_REFERENCE', reader.placeOf(place), message, fix);
  if (reader.has('bucket') === reader.has('stream')) {
    const what = reader.has('bucket') ? 'says both a bucket and a stream' : 'says neither a bucket nor a stream';
    wrong('bucket', `the reference \`${name}\` ${what}`, 'write either `bucket: NAME`, or `stream: NAME` and `key:`');
  } else if (bucket !== undefined) {
    if (!BUCKET_FORM.test(bucket))
      wrong('bucket', `\`${bucket}\` is no name of a bucket`, "write the name that 'nats kv ls' shows");
    for (const field of ['subject', 'key'])
      if (reader.has(field)) wrong(field, `a bucket has its own \`${field}\``, `take \`${field}\` out`);
    const keyPrefix = `$KV.${bucket}.`;
    return { stream: `KV_${bucket}`, subject: `${keyPrefix}>`, keyPrefix };
  } else if (!reader.has('key')) {
    const fix = 'write `key: event.id`, or what else names the entry that a message is about';
    wrong('stream', `the reference \`${name}\` does not say which key a message has`, fix);
  }
  return { stream: stream ?? '', subject, keyPrefix: undefined };
}
