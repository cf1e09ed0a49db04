import { replayableOf } from '../../core/events/dead-letter-decision.ts';
import type { SourceMessage } from '../../core/events/decoded.ts';
import { formatInstant } from '../../core/time/format-instant.ts';
import type { Paint } from '../paint.ts';
import { type Column, formatTable, printable } from '../table.ts';
import type { Decided, FoundLetter } from './catalog.ts';
import type { Original } from './original.ts';

/** What else there is to say about one letter. */
interface Details {
  readonly decided: Decided | undefined;
  readonly original: Original;
}

const COLUMNS: readonly Column[] = [
  { title: 'id' },
  { title: 'stored' },
  { title: 'cause' },
  { title: 'rule', flexible: true },
  { title: 'key', flexible: true },
  { title: 'message', flexible: true },
];

/** A line for each letter, below titles; a sentence when there are none. */
export function letterTable(found: readonly FoundLetter[], paint: Paint): readonly string[] {
  if (found.length === 0) return ['no dead letters'];
  const rows = found.map(({ id, letter, stored }) => [
    id,
    formatInstant(stored).slice(0, 19).replace('T', ' '),
    letter.cause,
    letter.rule ?? letter.rules?.join(', ') ?? '',
    letter.key === undefined ? '' : keyText(letter.key),
    letter.message.replaceAll(/\s+/g, ' '),
  ]);
  const [titles, ...lines] = formatTable(COLUMNS, rows);
  return [paint.bold(titles!), ...lines];
}

/** A letter as JSON; with details, all that is known of it. */
export function letterJson({ id, letter, stored }: FoundLetter, details?: Details): object {
  const { body: _, time, ...rest } = letter;
  const plain = { id, stored: formatInstant(stored), ...rest, time: formatInstant(time) };
  if (details === undefined) return plain;
  const { decided, original } = details;
  return {
    ...plain,
    decided: decided && { kind: decided.decision.kind, at: formatInstant(decided.at) },
    original:
      original.kind === 'gone'
        ? { gone: original.why }
        : { from: original.from, headers: original.message.headers, ...bodyJson(original.message) },
  };
}

function bodyJson({ body }: SourceMessage): object {
  const text = textOf(body);
  if (text === undefined) return { base64: Buffer.from(body).toString('base64') };
  const data = jsonOf(text);
  return data === undefined ? { text } : { data };
}

/** A letter as a person reads it. */
export function letterText(
  { id, letter, stored }: FoundLetter,
  { decided, original }: Details,
  paint: Paint,
): readonly string[] {
  const lines: string[] = [];
  const add = (label: string, text: string | undefined): void => {
    if (text !== undefined && text !== '') lines.push(`${paint.dim(label.padEnd(LABEL))}${printable(text)}`);
  };
  lines.push(paint.bold(id));
  add('cause', letter.cause);
  const [first = '', ...trace] = letter.message.split('\n');
  add('message', first);
  for (const line of trace) lines.push(`${' '.repeat(LABEL)}${printable(line)}`);
  add('given up', formatInstant(letter.time));
  add('stored', formatInstant(stored));
  add('rule', letter.rule);
  add('not seen by', letter.rules?.join(', '));
  add('key', letter.key === undefined ? undefined : keyText(letter.key));
  add('source', letter.source);
  const event = letter.index === undefined ? '' : `, event ${letter.index}`;
  if (letter.source !== '') add('message no.', `${letter.sequence}${event}${letter.stream && ` of ${letter.stream}`}`);
  add('subject', letter.subject);
  add('replay of', letter.replayed?.id);
  for (const { step, count, refs } of letter.events ?? []) {
    const shown = refs
      .slice(0, REFS_SHOWN)
      .map(({ source, seq, index, time }) => `${source} ${seq}.${index} ${formatInstant(time)}`);
    const more = count > shown.length ? ` and ${count - shown.length} more` : '';
    add(step, `${count} × ${shown.join(', ')}${more}`);
  }
  if (letter.omitted.length > 0) add('left out', letter.omitted.join(', '));
  add(
    'decided',
    decided && `${decided.decision.kind === 'replay' ? 'replayed' : 'dropped'} at ${formatInstant(decided.at)}`,
  );
  const replayable = replayableOf(letter);
  if (decided === undefined) add('replay', replayable.kind === 'not' ? `not possible: ${replayable.why}` : 'possible');
  lines.push(...originalText(original, paint));
  return lines;
}

function originalText(original: Original, paint: Paint): readonly string[] {
  if (original.kind === 'gone') return ['', `${paint.dim('original'.padEnd(LABEL))}${original.why}`];
  const { body, headers } = original.message;
  const lines = ['', paint.dim(`original, ${body.length} bytes, from ${original.from}:`)];
  for (const [name, value] of Object.entries(headers ?? {})) lines.push(`${printable(name)}: ${printable(value)}`);
  if (headers !== undefined) lines.push('');
  const text = textOf(body);
  if (text === undefined) return [...lines, ...hexLines(body)];
  const data = jsonOf(text);
  const shown = data === undefined ? text : JSON.stringify(data, undefined, 2);
  return [...lines, ...shown.split('\n').map(printable)];
}

const LABEL = 13;
const REFS_SHOWN = 5;
const HEX_BYTES_SHOWN = 512;
const HEX_ROW = 16;

/** The first bytes of what is no text, as numbers and letters. */
function hexLines(body: Uint8Array): readonly string[] {
  const lines: string[] = [];
  for (let at = 0; at < Math.min(body.length, HEX_BYTES_SHOWN); at += HEX_ROW) {
    const row = body.subarray(at, at + HEX_ROW);
    const hex = [...row].map((byte) => byte.toString(16).padStart(2, '0')).join(' ');
    const letters = [...row].map((byte) => (byte >= 0x20 && byte < 0x7f ? String.fromCharCode(byte) : '.')).join('');
    lines.push(`${at.toString(16).padStart(6, '0')}  ${hex.padEnd(HEX_ROW * 3)} ${letters}`);
  }
  if (body.length > HEX_BYTES_SHOWN) lines.push(`and ${body.length - HEX_BYTES_SHOWN} bytes more`);
  return lines;
}

function keyText(key: NonNullable<FoundLetter['letter']['key']>): string {
  return typeof key === 'string' ? key : JSON.stringify(key);
}

/** The text that bytes are, undefined when they are none. */
function textOf(body: Uint8Array): string | undefined {
  let text: string;
  try {
    text = new TextDecoder('utf-8', { fatal: true }).decode(body);
  } catch {
    return undefined; // not UTF-8, which is an answer
  }
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what tells binary from text
  return /[\x00-\x08\x0e-\x1a]/.test(text) ? undefined : text;
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined; // text of another kind
  }
}
