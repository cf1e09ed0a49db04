import { existsSync } from 'node:fs';
import {
  ENTRY_BYTES_MAX,
  REFERENCE_BYTES_MAX,
  type ReferenceSettings,
} from '../../core/references/reference-settings.ts';
import type { Problem } from '../../core/rules/problem.ts';
import { type InstantMs, instant } from '../../core/time/units.ts';
import { iterableSource } from '../../memory/iterable-source.ts';
import type { NewMessage } from '../../memory/memory-source.ts';
import type { EventSource } from '../../ports/log.ts';
import { readLines } from '../publish/read-lines.ts';

/** A reference that rules look up in a run over files, and its file. */
export interface ReferenceInput {
  readonly settings: ReferenceSettings;
  readonly file: string;
}

/** Lines have no stored time, and nothing depends on one. */
const STAMP: InstantMs = instant(0);

const AT = { file: '--reference', line: 1, column: 1 };

/**
 * Says which file is which reference's.
 * @param given what --reference says: `name=file`
 * @param needed names of the references that the rules look up
 * @param configured those of the configuration, when there is one
 */
export function assignReferences(
  given: readonly string[],
  needed: readonly string[],
  configured: readonly ReferenceSettings[],
): { readonly references: readonly ReferenceInput[]; readonly problems: readonly Problem[] } {
  const problems: Problem[] = [];
  const wrong = (message: string, fix: string): void =>
    void problems.push({ code: 'REPLAY_REFERENCE', at: AT, message, fix });
  const files = new Map<string, string>();
  for (const text of given) {
    const split = text.indexOf('=');
    const [name, file] = [text.slice(0, split), text.slice(split + 1)];
    const example = needed[0] ?? 'customers';
    if (split < 1) wrong(`${text} does not say whose data it has`, `write --reference ${example}=FILE`);
    else if (!needed.includes(name)) {
      const what = needed.length === 0 ? 'they look up nothing' : `they look up ${needed.join(', ')}`;
      wrong(`the rules do not look up the reference ${name}`, `take it out: ${what}`);
    } else if (files.has(name)) wrong(`there are two files for the reference ${name}`, 'put them into one file');
    else if (!existsSync(file)) wrong(`there is no file ${file}`, 'name a file of NDJSON, plain or gzip');
    files.set(name, file);
  }
  for (const name of needed) {
    if (!files.has(name))
      wrong(`the rules look up the reference ${name}, of which there are no entries`, `add --reference ${name}=FILE`);
  }
  const references = needed.map((name) => ({
    settings: settingsOf(configured.find((reference) => reference.name === name) ?? bucket(name)),
    file: files.get(name) ?? '',
  }));
  return { references, problems };
}

/** Without a configuration a reference is taken for a bucket. */
const bucket = (name: string): ReferenceSettings => ({
  name,
  stream: name,
  subject: undefined,
  keyPrefix: '',
  format: 'json',
  key: undefined,
  value: undefined,
  remove: undefined,
  onStreamChanged: 'stop',
  entryBytesMax: ENTRY_BYTES_MAX,
  bytesMax: REFERENCE_BYTES_MAX,
});

/** The values of a bucket stand in the lines as JSON, however they are encoded in the bucket. */
const settingsOf = (reference: ReferenceSettings): ReferenceSettings =>
  reference.keyPrefix === undefined ? reference : { ...reference, format: 'json' };

/**
 * Lines of a file as the messages of a reference. Of a stream, a line is a message. Of a bucket, it is an entry:
 * `{"key": "c1", "value": {…}}`, where no value removes the key.
 * @param failed called with what the file system says, and for a line that is no entry
 */
export function referenceSourceOf({ settings, file }: ReferenceInput, failed: (error: unknown) => void): EventSource {
  async function* chunks(): AsyncGenerator<readonly NewMessage[]> {
    let number = 0;
    try {
      for await (const lines of readLines(file)) {
        const messages: NewMessage[] = [];
        for (const line of lines) {
          number += 1;
          if (line.toString().trim() === '') continue;
          const { keyPrefix } = settings;
          if (keyPrefix === undefined) messages.push({ subject: settings.name, body: line, stamp: STAMP });
          else messages.push({ ...entryOf(line, `${file}:${number}`, keyPrefix), stamp: STAMP });
        }
        yield messages;
      }
    } catch (error) {
      failed(error);
      throw error;
    }
  }
  return iterableSource(chunks(), () => STAMP);
}

/** @throws {RangeError} when the line is no entry */
function entryOf(line: Buffer, place: string, prefix: string): Pick<NewMessage, 'subject' | 'body'> {
  let entry: unknown;
  try {
    entry = JSON.parse(line.toString('utf8'));
  } catch (cause) {
    throw new RangeError(`${place} is not JSON: ${(cause as Error).message}`, { cause });
  }
  const { key, value } = (entry ?? {}) as { key?: unknown; value?: unknown };
  if (typeof key !== 'string' && typeof key !== 'number')
    throw new RangeError(`${place} is no entry of a reference: write {"key": "c1", "value": {…}}`);
  return { subject: `${prefix}${key}`, body: Buffer.from(value === undefined ? '' : JSON.stringify(value)) };
}
