import type { Emission } from '../behaviours/behaviour.ts';
import type { Event } from '../events/event.ts';
import type { Taken } from '../patterns/pattern.ts';
import type { Problems } from './document.ts';
import { compilePart } from './expression-place.ts';
import type { Expression } from './expressions/compile.ts';
import { Failure } from './expressions/failure.ts';
import type { Scope, ScopeValue } from './expressions/term.ts';
import { textOf } from './expressions/values.ts';
import type { ToSource } from './read-to.ts';
import type { KeyValue } from './rule-set.ts';
import { splitTemplate } from './split-template.ts';

/** What a match is sent by. */
export interface Addressed {
  readonly rule: string;
  readonly severity: string | undefined;
  readonly emission: Emission;
  readonly key: KeyValue;
}

/** Where a rule's matches go beside the match stream. */
export interface CompiledTo {
  /** The subject for one match. An expression that fails stands there as `null`, and is told. */
  readonly subjectOf: (match: Addressed) => { readonly subject: string; readonly failures: readonly string[] };
  /** Its form as a filter: `*` where an expression is. */
  readonly form: string;
  readonly acknowledged: boolean;
}

/** Longest part of a subject that one expression gives; what is longer is cut. */
const TOKEN_MAX = 128;

/** What cannot stand in one token of a subject. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: these are what is replaced
const NOT_IN_TOKEN = /[\s.*>\u0000-\u001f\u007f]/g;

/**
 * Compiles `to`. Its expressions know `key`, `emit`, `rule`, `severity` and `kind`. What one gives is one token of the
 * subject, or a part of one: characters that would end or widen it become `_`, so a value cannot lead a match elsewhere.
 * @returns undefined when it has problems
 */
export function compileTo({ subject: node, acknowledged }: ToSource, problems: Problems): CompiledTo | undefined {
  const split = splitTemplate(node.text);
  if (!split.ok) {
    const fix = `close it with \`}\`, or write \`$\${\` for the characters \`\${\``;
    problems.add('TEMPLATE_SYNTAX', node.placeAt(split.offset), `\`\${\` is not closed`, fix);
    return undefined;
  }
  const before = problems.added;
  const parts = split.parts.map((part) =>
    typeof part === 'string' ? part : compilePart(node, part.text, part.offset, SCOPE, problems),
  );
  const known = parts.filter((part) => part !== undefined);
  const form = formOf(known);
  const wrong = wrongWith(form, known);
  if (wrong !== undefined && problems.added === before) {
    const fix = `write tokens separated by dots, the first of them without an expression: alerts.\${rule}.\${key}`;
    problems.add('RULE_TO_SUBJECT', node.place, `\`${node.text}\` cannot be a subject: ${wrong}`, fix);
  }
  if (problems.added > before) return undefined;
  return { subjectOf: (match) => subjectOf(known, match), form, acknowledged };
}

/** A token that an expression is part of is any token, to be on the safe side of who reads it. */
function formOf(parts: readonly (string | Expression)[]): string {
  const marked = parts.map((part) => (typeof part === 'string' ? part : '\u0001')).join('');
  return marked
    .split('.')
    .map((token) => (token.includes('\u0001') ? '*' : token))
    .join('.');
}

function wrongWith(form: string, parts: readonly (string | Expression)[]): string | undefined {
  const [first = ''] = form.split('.');
  if (first === '*') return 'its first token is not fixed';
  if (first.startsWith('$') || first.startsWith('_INBOX')) return `\`${first}\` belongs to NATS`;
  if (form.split('.').includes('')) return 'a token of it is empty';
  if (parts.some((part) => typeof part === 'string' && /[\s*>]/.test(part))) return 'it holds a space, a `*` or a `>`';
  return undefined;
}

function subjectOf(parts: readonly (string | Expression)[], match: Addressed) {
  const taken = new AddressedMatch(match);
  const failures: string[] = [];
  let subject = '';
  for (const part of parts) {
    if (typeof part === 'string') subject += part;
    else {
      const value = part.run(NO_EVENT, taken, match.key);
      if (value instanceof Failure) failures.push(value.message);
      subject += token(value instanceof Failure ? undefined : textOf(value));
    }
  }
  return { subject, failures };
}

const token = (text = 'null'): string => text.slice(0, TOKEN_MAX).replace(NOT_IN_TOKEN, '_') || '_';

/** There is no event in a match's address; this stands in its place and is never read. */
const NO_EVENT = undefined as unknown as Event;
const NOTHING_TAKEN = { events: () => [], count: () => 0, first: () => undefined, last: () => undefined };

/** What the expressions are run with. */
class AddressedMatch implements Taken {
  readonly match: Addressed;
  readonly first = NOTHING_TAKEN.first;
  readonly last = NOTHING_TAKEN.last;
  readonly events = NOTHING_TAKEN.events;
  readonly count = NOTHING_TAKEN.count;

  constructor(match: Addressed) {
    this.match = match;
  }
}

const value = (type: ScopeValue['type'], read: (match: Addressed) => unknown): ScopeValue => ({
  type,
  read: (taken) => read((taken as AddressedMatch).match),
});

const SCOPE: Scope = {
  event: false,
  key: true,
  steps: new Map(),
  values: new Map([
    ['emit', value('any', ({ emission }) => emission.emit ?? null)],
    ['kind', value('string', ({ emission }) => emission.kind)],
    ['rule', value('string', ({ rule }) => rule)],
    ['severity', value('any', ({ severity }) => severity ?? null)],
  ]),
};
