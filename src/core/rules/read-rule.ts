import { parseInstant } from '../time/parse-instant.ts';
import { type InstantMs, instant } from '../time/units.ts';
import { type Definitions, hasFunctions } from './definitions.ts';
import { listed } from './did-you-mean.ts';
import type { Problems, RuleDocument } from './document.ts';
import { FieldReader, nodeName } from './field-reader.ts';
import { readExpression } from './read-expression.ts';
import { type FromSource, readFrom } from './read-from.ts';
import { readJoin } from './read-join.ts';
import { readKey } from './read-key.ts';
import { NO_LIMITS, readLimits } from './read-limits.ts';
import { readPattern } from './read-pattern.ts';
import { readProcess } from './read-process.ts';
import { readTo, type ToSource } from './read-to.ts';
import { readWindow } from './read-window.ts';
import { COMMON_FIELDS, KINDS, LATER_FIELDS, ownerOf, RULE_KINDS, type RuleKind } from './rule-kinds.ts';
import type { KeySource, RuleBody, RuleSource } from './rule-source.ts';

/**
 * Reads one document into a rule; undefined when too little is there to go on. What all rules have is read here; what
 * those of one kind have, by its own reader, which gives the rule's body.
 */
export function readRule(document: RuleDocument, definitions: Definitions, problems: Problems): RuleSource | undefined {
  const { root } = document;
  if (root.kind !== 'map') {
    if (root.kind !== 'broken')
      problems.add('RULE_TYPE', root.place, `a rule is ${nodeName(root)}, not a map`, 'begin with `rule: name`');
    return undefined;
  }
  const reader = new FieldReader(root, 'a rule', problems);
  const kind = readKind(reader, problems);
  const name = readName(reader, problems);
  const from = readFrom(reader, problems);
  const key = readKey(reader, problems);
  requireKey(reader, from, key, problems);
  const body = kind === undefined ? undefined : readBody(kind, reader, document, definitions, problems);
  const common = {
    place: root.place,
    namePlace: reader.get('rule')?.place ?? root.place,
    description: reader.text('description'),
    severity: reader.text('severity'),
    labels: readLabels(reader, problems),
    from: from.inputs,
    aliased: from.aliased,
    key,
    where: readExpression(reader, 'where'),
    onLate:
      reader.oneOf('onLate', ['drop', 'sideOutput']) ?? (body?.kind === 'window' ? body.onLate : undefined) ?? 'drop',
    // Process rules limit other things, which their own reader looks at.
    limits:
      kind === 'process'
        ? NO_LIMITS
        : readLimits(reader, kind === undefined ? 'partialMatches' : KINDS[kind].counts, problems),
    emit: reader.get('emit'),
    to: readToOf(reader, problems),
    emitFrom: readEmitFrom(reader, problems),
    throttle: reader.get('throttle'),
    dedupe: reader.get('dedupe'),
    digest: hasFunctions(root) ? document.digest : undefined,
  };
  const own = kind === undefined ? RULE_KINDS.flatMap((one) => KINDS[one].fields) : KINDS[kind].fields;
  // Where there is no body, no one has read what it would be made of.
  if (body === undefined) for (const field of own) reader.get(field);
  reader.rest([...COMMON_FIELDS, ...own], (field) => elsewhere(field, kind));
  return name === undefined || body === undefined ? undefined : { name, ...common, body };
}

function readToOf(reader: FieldReader, problems: Problems): ToSource | undefined {
  const node = reader.get('to');
  return node && readTo(node, problems);
}

function readEmitFrom(reader: FieldReader, problems: Problems): InstantMs | undefined {
  const node = reader.get('emitFrom');
  if (node === undefined) return undefined;
  const time = node.kind === 'scalar' ? parseInstant(node.text) : undefined;
  if (time !== undefined) return instant(time);
  const fix = 'write a time such as 2026-01-31T00:00:00Z';
  problems.add('RULE_TIME', node.place, `\`emitFrom\` is ${nodeName(node)}, not a time`, fix);
  return undefined;
}

/** The kind of a rule is said by the one field that only rules of that kind have, and must have. */
function readKind(reader: FieldReader, problems: Problems): RuleKind | undefined {
  const [kind, ...others] = RULE_KINDS.filter((one) => reader.has(KINDS[one].opens));
  if (kind === undefined) {
    problems.add(
      'RULE_KIND_MISSING',
      reader.place,
      'the rule does not say what to look for',
      'write `pattern:` (steps), `window:` (aggregates) or `join:` (pairs); a rule that is code is made by `processRule` in a module',
    );
    return undefined;
  }
  const [other] = others;
  if (other === undefined) return kind;
  problems.add(
    'RULE_KIND_TWICE',
    reader.placeOf(KINDS[other].opens),
    `\`${KINDS[kind].opens}\` and \`${KINDS[other].opens}\` make two rules`,
    'write two rules; one can read the matches of the other with `from: {rule: name}`',
  );
  return undefined;
}

function readBody(
  kind: RuleKind,
  reader: FieldReader,
  document: RuleDocument,
  definitions: Definitions,
  problems: Problems,
): RuleBody | undefined {
  switch (kind) {
    case 'pattern':
      return readPattern(reader, definitions, problems);
    case 'window':
      return readWindow(reader, problems);
    case 'join':
      return readJoin(reader, problems);
    case 'process':
      return readProcess(reader, document, problems);
  }
}

/** What to say of a field that was not read, when it has a meaning in another place. */
function elsewhere(
  field: string,
  kind: RuleKind | undefined,
): { readonly code: string; readonly message: string; readonly fix: string } | undefined {
  if (LATER_FIELDS.includes(field))
    return { code: 'RULE_FIELD_NOT_BUILT', message: `\`${field}\` does nothing in this version`, fix: 'take it out' };
  const owner = ownerOf(field);
  if (owner === undefined || kind === undefined) return undefined;
  return {
    code: 'RULE_FIELD_KIND',
    message: `\`${field}\` belongs to ${owner} rules, and this is a ${kind} rule`,
    fix: 'take it out',
  };
}

/** A rule's name is a token of subjects and metrics' labels. */
function readName(reader: FieldReader, problems: Problems): string | undefined {
  const name = reader.text('rule');
  if (name === undefined) {
    if (!reader.has('rule'))
      problems.add('RULE_NAME', reader.place, 'the rule has no name', 'write `rule: name` first');
    return undefined;
  }
  if (/^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$/.test(name) && name !== 'dead') return name;
  const message = name === 'dead' ? 'the name `dead` belongs to dead letters' : `\`${name}\` cannot be a rule's name`;
  problems.add(
    'RULE_NAME',
    reader.get('rule')?.place ?? reader.place,
    message,
    'take 1 to 64 letters, digits, - and _, starting with a letter or digit',
  );
  return undefined;
}

/** Each input needs a key: its own, or the rule's. What is there and cannot be read has its problem already. */
function requireKey(reader: FieldReader, from: FromSource, key: KeySource | undefined, problems: Problems): void {
  if (key !== undefined || reader.has('key') || reader.has('keyEach')) return;
  const without = from.inputs.filter((input) => input.key === undefined && !input.keyWritten);
  if (from.aliased && (without.length === 0 || from.inputs.length === 0)) return;
  const names = without.flatMap(({ alias }) => (alias === undefined ? [] : [alias.name]));
  const some = from.aliased && without.length < from.inputs.length;
  problems.add(
    'RULE_KEY_MISSING',
    reader.place,
    some
      ? `neither the rule nor ${listed(names)} has a \`key\``
      : 'the rule has no `key`, so it does not say which events belong together',
    'write `key: event.field`, a list of expressions, or `key: global` for one key over all events',
  );
}

function readLabels(reader: FieldReader, problems: Problems): Readonly<Record<string, string>> {
  const node = reader.get('labels');
  if (node === undefined) return {};
  if (node.kind !== 'map') {
    reader.wrong(node, 'labels', 'a map', 'write `labels: {team: payments}`');
    return {};
  }
  const labels = node.fields.flatMap((field): [string, string][] => {
    if (field.value.kind === 'scalar' && field.value.value !== null) return [[field.name, field.value.text]];
    if (field.value.kind !== 'broken')
      problems.add(
        'RULE_TYPE',
        field.value.place,
        `the label \`${field.name}\` is ${nodeName(field.value)}, not a text`,
        'give it a text',
      );
    return [];
  });
  return Object.fromEntries(labels);
}
