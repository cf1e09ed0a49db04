import { BINDING_NAME, RESERVED_NAMES } from './binding-name.ts';
import type { DocumentField, DocumentNode, Problems } from './document.ts';
import { FieldReader, nodeName } from './field-reader.ts';
import { readExpression } from './read-expression.ts';
import { readKey } from './read-key.ts';
import { readTypes } from './read-types.ts';
import type { InputSource } from './rule-source.ts';

/** What a rule reads. */
export interface FromSource {
  readonly inputs: readonly InputSource[];
  readonly aliased: boolean;
}

/** Most inputs of one rule. */
const INPUTS_MAX = 32;

const FORMS =
  'name a source of the configuration, a list of sources, {rule: name} for the matches of a rule, ' +
  'or a map such as {created: {source: bookings, type: BookingCreated}}';

/** Reads `from`: a source, a list of sources, `{rule: name}`, or a map of aliases. */
export function readFrom(reader: FieldReader, problems: Problems): FromSource {
  const node = reader.get('from');
  if (node === undefined) {
    if (!reader.has('from')) {
      const message = 'the rule does not say which source it reads';
      problems.add('RULE_FROM_MISSING', reader.place, message, 'write `from: source`');
    }
    return { inputs: [], aliased: false };
  }
  const size = node.kind === 'list' ? node.items.length : node.kind === 'map' ? node.fields.length : 1;
  if (size > INPUTS_MAX) {
    const message = `the rule reads ${size} things, at most ${INPUTS_MAX} are taken`;
    problems.add('RULE_TOO_LARGE', node.place, message, 'read fewer, or let a rule read the matches of others');
    return { inputs: [], aliased: false };
  }
  if (node.kind === 'map' && !isRule(node)) {
    const inputs = node.fields.flatMap((field) => readAlias(field, problems));
    if (node.fields.length === 0) reader.wrong(node, 'from', 'a source', FORMS);
    return { inputs, aliased: true };
  }
  const items = node.kind === 'list' ? node.items : [node];
  const inputs = items.flatMap((item) => readPlain(item, problems));
  const broken = items.some((item) => item.kind === 'broken');
  if (!broken && (inputs.length < items.length || items.length === 0)) reader.wrong(node, 'from', 'a source', FORMS);
  return { inputs, aliased: false };
}

/** `{rule: name}`, which an alias called `rule` is not: that is a map in a map. */
const isRule = (node: DocumentNode): boolean =>
  node.kind === 'map' && node.fields.some(({ name, value }) => name === 'rule' && value.kind === 'scalar');

const WHOLE = { alias: undefined, types: undefined, where: undefined, key: undefined, keyWritten: false };

function readPlain(node: DocumentNode, problems: Problems): readonly InputSource[] {
  if (node.kind === 'scalar' && node.value !== null && node.text !== '')
    return [{ kind: 'source', name: node.text, place: node.place, ...WHOLE }];
  if (node.kind !== 'map' || !isRule(node)) return [];
  const reader = new FieldReader(node, '`from` with a rule', problems);
  const name = reader.text('rule');
  const place = reader.get('rule')?.place ?? node.place;
  reader.rest(['rule'], (field) =>
    ['type', 'where', 'key', 'keyEach'].includes(field)
      ? {
          code: 'RULE_FROM_ALIAS',
          message: `\`${field}\` stands beside \`rule\` without an alias`,
          fix: `give it a name: \`from: {name: {rule: other, ${field}: …}}\``,
        }
      : undefined,
  );
  return name === undefined ? [] : [{ kind: 'rule', name, place, ...WHOLE }];
}

function readAlias({ name: alias, namePlace, value }: DocumentField, problems: Problems): readonly InputSource[] {
  if (!BINDING_NAME.test(alias) || RESERVED_NAMES.has(alias)) {
    const why = BINDING_NAME.test(alias) ? 'means something else in expressions' : 'cannot be a name in expressions';
    const fix = 'name it with letters, digits and _, as expressions will call it';
    problems.add('RULE_FROM_ALIAS', namePlace, `the alias \`${alias}\` ${why}`, fix);
  }
  if (value.kind === 'broken') return [];
  if (value.kind === 'scalar' && value.value !== null && value.text !== '') {
    const input = { kind: 'source' as const, name: value.text, place: value.place, ...WHOLE };
    return [{ ...input, alias: { name: alias, place: namePlace } }];
  }
  if (value.kind !== 'map') {
    const message = `the alias \`${alias}\` is ${nodeName(value)}, not a source`;
    problems.add('RULE_TYPE', value.place, message, `write \`${alias}: {source: name}\``);
    return [];
  }
  const reader = new FieldReader(value, 'an alias', problems);
  const from = reader.has('rule') ? 'rule' : 'source';
  const name = reader.text(from);
  const place = reader.get(from)?.place ?? value.place;
  const rest = {
    types: readTypes(reader),
    where: readExpression(reader, 'where'),
    key: readKey(reader, problems),
    keyWritten: reader.has('key') || reader.has('keyEach'),
  };
  // A module's `source(…)` says what it is; a file need not.
  reader.oneOf('kind', ['source']);
  reader.rest(['source', 'rule', 'type', 'where', 'key', 'keyEach']);
  if (!reader.has(from)) {
    const message = `the alias \`${alias}\` does not say what it reads`;
    problems.add('RULE_FROM_ALIAS', namePlace, message, `write \`${alias}: {source: name}\``);
  }
  if (name === undefined) return [];
  return [{ kind: from, name, place, alias: { name: alias, place: namePlace }, ...rest }];
}
