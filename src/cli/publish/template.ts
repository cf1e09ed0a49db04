/**
 * Text with `${event.field}` in it, for subjects and message ids: `auth.${event.type}`, `${event.meta.region}.orders`.
 * Only paths of field names; for anything more, an event belongs into a rule or a source's `let`.
 */
export interface Template {
  /** The text for one event's data, or what stands against it. */
  fill(data: unknown): { readonly ok: true; readonly text: string } | { readonly ok: false; readonly message: string };
  /** True when no field is used, so that every event gives the same text. */
  readonly constant: boolean;
  /** The text with `*` for every dot-separated part that holds a field: the subjects a stream must listen to. */
  readonly wildcard: string;
}

export type ParsedTemplate =
  | { readonly ok: true; readonly template: Template }
  | { readonly ok: false; readonly message: string };

const FIELD = /\$\{\s*event((?:\.[A-Za-z_][\w-]*)+)\s*\}/g;

/** Stands for a field that is absent or empty, since a subject has no empty tokens. */
const ABSENT = '_';

/**
 * Parses a subject. A field's value is one token of it or part of one: what NATS forbids in a token (blanks, control
 * characters, `.`, `*`, `>`), and `%` itself, is written percent-encoded as in a URL. Absent and empty values become `_`.
 */
export function parseSubject(text: string): ParsedTemplate {
  const parsed = parse(text, subjectToken);
  if (!parsed.ok) return parsed;
  const bare = parsed.template.wildcard;
  if (bare === '' || bare.split('.').includes('') || /[\s>]/.test(bare) || hasWildcardOfItsOwn(text)) {
    return { ok: false, message: `'${text}' is no subject: write tokens joined by dots, without blanks, * or >` };
  }
  return parsed;
}

/** Parses a text whose fields are put in as they are; an absent field stands against the event. */
export function parseText(text: string): ParsedTemplate {
  return parse(text, (value, path) =>
    value === '' ? { ok: false, message: `${path} is absent or empty` } : { ok: true, text: value },
  );
}

const hasWildcardOfItsOwn = (text: string): boolean => text.replaceAll(FIELD, '').includes('*');

/** A value as (part of) one token of a subject. */
export function subjectToken(value: string): { readonly ok: true; readonly text: string } {
  if (value === '') return { ok: true, text: ABSENT };
  // biome-ignore lint/suspicious/noControlCharactersInRegex: exactly the characters that a token must not hold
  return { ok: true, text: value.replace(/[\x00-\x20\x7f%.*>]/g, percent) };
}

const percent = (character: string): string =>
  `%${character.charCodeAt(0).toString(16).toUpperCase().padStart(2, '0')}`;

type Encode = (value: string, path: string) => ReturnType<Template['fill']>;

function parse(text: string, encode: Encode): ParsedTemplate {
  const literals: string[] = [];
  const paths: string[][] = [];
  let at = 0;
  for (const match of text.matchAll(FIELD)) {
    literals.push(text.slice(at, match.index));
    paths.push(match[1]!.slice(1).split('.'));
    at = match.index + match[0].length;
  }
  const tail = text.slice(at);
  const stray = [...literals, tail].find((literal) => literal.includes('${'));
  if (stray !== undefined) {
    return {
      ok: false,
      message: `'${text}' cannot be read at '${stray.slice(stray.indexOf('${'))}': write \${event.field}`,
    };
  }
  const fill: Template['fill'] = (data) => {
    let filled = '';
    for (let i = 0; i < paths.length; i++) {
      const value = valueAt(data, paths[i]!);
      const path = `event.${paths[i]!.join('.')}`;
      if (typeof value === 'object')
        return { ok: false, message: `${path} is a ${Array.isArray(value) ? 'list' : 'map'}` };
      const part = encode(value === undefined ? '' : String(value), path);
      if (!part.ok) return part;
      filled += literals[i]! + part.text;
    }
    return { ok: true, text: filled + tail };
  };
  return { ok: true, template: { fill, constant: paths.length === 0, wildcard: wildcardOf(text) } };
}

function wildcardOf(text: string): string {
  const marked = text.replaceAll(FIELD, '\u0000');
  return marked
    .split('.')
    .map((token) => (token.includes('\u0000') ? '*' : token))
    .join('.');
}

/** The value at a path of own fields; undefined when it is absent or null. */
function valueAt(data: unknown, path: readonly string[]): unknown {
  let value = data;
  for (const name of path) {
    if (typeof value !== 'object' || value === null || !Object.hasOwn(value, name)) return undefined;
    value = (value as Readonly<Record<string, unknown>>)[name];
  }
  return value ?? undefined;
}
