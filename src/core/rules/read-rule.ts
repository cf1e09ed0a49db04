import { type Definitions, hasFunctions } from './definitions.ts';
import { listed } from './did-you-mean.ts';
import type { MapNode, Problems, RuleDocument } from './document.ts';
import { FieldReader, nodeName } from './field-reader.ts';
import { readExpression } from './read-expression.ts';
import { readLimits } from './read-limits.ts';
import { StageReader } from './read-stages.ts';
import type { AfterMatchSource, ExpressionSource, KeySource, RuleSource } from './rule-source.ts';

const FIELDS = [
  'rule',
  'description',
  'severity',
  'labels',
  'from',
  'key',
  'where',
  'pattern',
  'within',
  'afterMatch',
  'onTimeout',
  'onLate',
  'limits',
  'emit',
];

/** Fields that make a rule one of another kind, which does not run yet. */
const OTHER_KINDS: Readonly<Record<string, string>> = {
  window: 'window',
  aggregate: 'window',
  having: 'window',
  emitWhen: 'window',
  join: 'join',
  on: 'process',
  onTimer: 'process',
};

/** Fields that have a meaning in the language and do nothing yet: refused rather than passed over. */
const LATER = ['keyEach', 'start', 'emitFrom', 'to', 'outputs', 'state', 'timers'];

/** The strategies, as `afterMatch` names them. */
export const PLAIN_STRATEGIES = ['noSkip', 'skipToNext', 'skipPastLastEvent'] as const;

/** Reads one document into a rule; undefined when too little is there to go on. */
export function readRule(document: RuleDocument, definitions: Definitions, problems: Problems): RuleSource | undefined {
  const { root } = document;
  if (root.kind !== 'map') {
    if (root.kind !== 'broken')
      problems.add('RULE_TYPE', root.place, `a rule is ${nodeName(root)}, not a map`, 'begin with `rule: name`');
    return undefined;
  }
  const reader = new FieldReader(root, 'a rule', problems);
  const kind = Object.keys(OTHER_KINDS).find((field) => reader.has(field));
  if (kind !== undefined) {
    problems.add(
      'RULE_KIND_NOT_BUILT',
      reader.placeOf(kind),
      `rules of kind ${OTHER_KINDS[kind]} do not run in this version`,
      'write it as a pattern, or take the rule out',
    );
    return undefined;
  }
  const name = readName(reader, problems);
  const from = readFrom(reader, problems);
  const key = readKey(reader, problems);
  const patternNode = reader.get('pattern');
  const before = problems.added;
  const stageReader = new StageReader(definitions, problems);
  const stages = patternNode === undefined ? [] : stageReader.stages(patternNode);
  const incomplete = problems.added > before;
  if (!reader.has('pattern')) {
    problems.add(
      'RULE_PATTERN_MISSING',
      root.place,
      'the rule has no `pattern`',
      'write `pattern:` and a list that starts with `- begin: name`',
    );
  }
  const source: RuleSource = {
    name: name ?? '',
    place: root.place,
    namePlace: reader.get('rule')?.place ?? root.place,
    description: reader.text('description'),
    severity: reader.text('severity'),
    labels: readLabels(reader, problems),
    from,
    key,
    where: readExpression(reader, 'where'),
    stages,
    incomplete,
    within: reader.duration('within'),
    afterMatch: readAfterMatch(reader, problems),
    afterMatchWritten: reader.has('afterMatch'),
    emitTimeouts: reader.oneOf('onTimeout', ['emit', 'drop']) === 'emit',
    onLate: reader.oneOf('onLate', ['drop', 'sideOutput']) ?? 'drop',
    limits: readLimits(reader, problems),
    emit: reader.get('emit'),
    digest: hasFunctions(root) ? document.digest : undefined,
    definitionDigests: [...stageReader.digests],
  };
  reader.rest(FIELDS, (field) => {
    if (!LATER.includes(field)) return undefined;
    return { code: 'RULE_FIELD_NOT_BUILT', message: `\`${field}\` does nothing in this version`, fix: 'take it out' };
  });
  return name === undefined ? undefined : source;
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

function readFrom(reader: FieldReader, problems: Problems): RuleSource['from'] {
  const node = reader.get('from');
  if (node === undefined) {
    if (!reader.has('from'))
      problems.add(
        'RULE_FROM_MISSING',
        reader.place,
        'the rule does not say which source it reads',
        'write `from: source`',
      );
    return [];
  }
  if (node.kind === 'map') {
    problems.add(
      'RULE_FROM_NOT_BUILT',
      node.place,
      '`from` with aliases, keys per source or another rule does not run in this version',
      'name a source, or a list of sources',
    );
    return [];
  }
  const items = node.kind === 'list' ? node.items : [node];
  const names = items.flatMap((item) =>
    item.kind === 'scalar' && item.text !== '' ? [{ name: item.text, place: item.place }] : [],
  );
  if (names.length === items.length && names.length > 0) return names;
  reader.wrong(node, 'from', 'a source', 'name a source of the configuration, or a list of sources');
  return [];
}

function readKey(reader: FieldReader, problems: Problems): KeySource | undefined {
  const node = reader.get('key');
  if (node === undefined) {
    if (!reader.has('key') && !reader.has('keyEach')) {
      problems.add(
        'RULE_KEY_MISSING',
        reader.place,
        'the rule has no `key`, so it does not say which events belong together',
        'write `key: event.field`, a list of expressions, or `key: global` for one key over all events',
      );
    }
    return undefined;
  }
  if (node.kind === 'scalar' && node.text === 'global') return { kind: 'global' };
  const items = node.kind === 'list' ? node.items : [node];
  const parts = items.filter(
    (item): item is ExpressionSource => item.kind === 'function' || (item.kind === 'scalar' && item.value !== null),
  );
  if (parts.length === items.length && parts.length > 0 && parts.length <= 16)
    return { kind: 'parts', parts, list: node.kind === 'list' };
  if (items.some((item) => item.kind === 'broken')) return undefined;
  return reader.wrong(node, 'key', 'an expression', 'write an expression, or a list of 1 to 16 expressions');
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

function readAfterMatch(reader: FieldReader, problems: Problems): AfterMatchSource | undefined {
  const node = reader.get('afterMatch');
  if (node === undefined) return undefined;
  if (node.kind === 'scalar') {
    const kind = PLAIN_STRATEGIES.find((one) => one === node.value);
    if (kind !== undefined) return { kind };
  }
  if (node.kind === 'map') return readSkipTo(node, problems);
  return reader.wrong(
    node,
    'afterMatch',
    'a strategy',
    `write ${listed(PLAIN_STRATEGIES)}, or {skipToFirst: step} or {skipToLast: step}`,
  );
}

function readSkipTo(node: MapNode, problems: Problems): AfterMatchSource | undefined {
  const reader = new FieldReader(node, '`afterMatch`', problems);
  const kind = reader.has('skipToLast') ? 'skipToLast' : 'skipToFirst';
  const step = reader.text(kind);
  const stepPlace = reader.get(kind)?.place ?? node.place;
  const throwOnMiss = reader.flag('throwOnMiss');
  reader.rest(['skipToFirst', 'skipToLast', 'throwOnMiss']);
  if (step !== undefined) return { kind, step, stepPlace, throwOnMiss };
  if (!reader.has(kind))
    problems.add(
      'RULE_TYPE',
      node.place,
      '`afterMatch` does not say where to',
      'write {skipToFirst: step} or {skipToLast: step}',
    );
  return undefined;
}
