import { listed } from './did-you-mean.ts';
import type { DocumentNode, MapNode, Problems } from './document.ts';
import { FieldReader, nodeName } from './field-reader.ts';
import { readExpression } from './read-expression.ts';
import type { StageContent, StageSource, TimesSource, Verb } from './rule-source.ts';

const VERBS: readonly Verb[] = ['begin', 'next', 'followedBy', 'followedByAny', 'notNext', 'notFollowedBy'];
const CONDITION_FIELDS = ['type', 'where'];
const QUANTIFIER_FIELDS = ['times', 'optional', 'greedy', 'consecutive', 'allowCombinations', 'until'];
const LIMIT_FIELDS = ['withinPrevious', 'span'];
const STAGE_FIELDS = [...VERBS, ...CONDITION_FIELDS, ...QUANTIFIER_FIELDS, ...LIMIT_FIELDS];

/** Deepest nesting of groups. */
const GROUP_DEPTH_MAX = 8;
/** Most stages of one rule. */
export const STAGES_MAX = 100;

/** Names that a step cannot have: they mean something else in expressions, or CEL reserves them. */
const RESERVED = new Set(
  'event meta key math true false null in as break const continue else for function if import let loop package namespace return var void while __proto__ prototype'.split(
    ' ',
  ),
);

/** Reads `pattern:` and the lists inside groups. Stages that cannot be read are left out, their problems reported. */
export function readStages(node: DocumentNode, problems: Problems, depth = 0): readonly StageSource[] {
  if (node.kind !== 'list' || node.items.length === 0) {
    if (node.kind !== 'broken')
      problems.add(
        'RULE_TYPE',
        node.place,
        `a pattern is ${nodeName(node)}, not a list of steps`,
        'write a list that starts with `- begin: name`',
      );
    return [];
  }
  if (depth > GROUP_DEPTH_MAX || node.items.length > STAGES_MAX) {
    problems.add(
      'RULE_TOO_LARGE',
      node.place,
      `a pattern has at most ${STAGES_MAX} stages and groups ${GROUP_DEPTH_MAX} deep`,
      'make it smaller',
    );
    return [];
  }
  return node.items.flatMap((item, index) => {
    if (item.kind === 'broken') return [];
    if (item.kind !== 'map') {
      problems.add(
        'RULE_TYPE',
        item.place,
        `a step is ${nodeName(item)}, not a map`,
        'write `begin: name`, `next: name`, `followedBy: name` …',
      );
      return [];
    }
    const stage = readStage(item, index === 0, problems, depth);
    return stage === undefined ? [] : [stage];
  });
}

function readStage(node: MapNode, first: boolean, problems: Problems, depth: number): StageSource | undefined {
  const reader = new FieldReader(node, 'a step', problems);
  const verbs = VERBS.filter((verb) => reader.has(verb));
  const [verb] = verbs;
  if (verb === undefined || verbs.length > 1) {
    const what = verb === undefined ? 'the step does not say how it follows' : `the step says ${listed(verbs, 'and')}`;
    problems.add('STEP_VERB', node.place, what, `give it one of ${listed(VERBS)}, with its name`);
    for (const one of [...verbs, ...CONDITION_FIELDS]) reader.get(one);
  } else if (first !== (verb === 'begin')) {
    problems.add(
      'STEP_VERB',
      reader.placeOf(verb),
      first
        ? `the first step begins, so \`${verb}\` has nothing to follow`
        : '`begin` opens a pattern or group, and this is not its first step',
      first ? 'write `begin`' : `write ${listed(VERBS.slice(1))}`,
    );
  }
  const content = verb === undefined || verbs.length > 1 ? undefined : readContent(reader, verb, problems, depth);
  const consecutive = reader.flag('consecutive');
  const combinations = reader.flag('allowCombinations');
  if (consecutive && combinations) {
    problems.add(
      'STEP_QUANTIFIER',
      reader.placeOf('allowCombinations'),
      '`consecutive` and `allowCombinations` exclude each other',
      'keep one of them',
    );
  }
  const stage = {
    place: verb === undefined ? node.place : reader.placeOf(verb),
    times: readTimes(reader, problems),
    optional: reader.flag('optional'),
    greedy: reader.flag('greedy'),
    inner: consecutive ? ('consecutive' as const) : combinations ? ('allowCombinations' as const) : undefined,
    until: readExpression(reader, 'until'),
    withinPrevious: reader.duration('withinPrevious'),
    span: reader.duration('span'),
  };
  reader.rest(STAGE_FIELDS, (name) => RULE_LEVEL[name]);
  if (verb === undefined || content === undefined) return undefined;
  return { verb, content, ...stage };
}

const RULE_LEVEL: Readonly<Record<string, { code: string; message: string; fix: string }>> = {
  within: {
    code: 'RULE_FIELD_UNKNOWN',
    message: 'a step has no field `within`',
    fix: 'for the whole pattern write `within` on the rule; from one event to the next `withinPrevious`; over a step of its own `span`',
  },
  oneOrMore: { code: 'RULE_FIELD_UNKNOWN', message: 'a step has no field `oneOrMore`', fix: 'write `times: {min: 1}`' },
  timesOrMore: {
    code: 'RULE_FIELD_UNKNOWN',
    message: 'a step has no field `timesOrMore`',
    fix: 'write `times: {min: 3}`',
  },
};

/** The step or group under the verb, with the fields that belong to steps alone. */
function readContent(reader: FieldReader, verb: Verb, problems: Problems, depth: number): StageContent | undefined {
  const node = reader.get(verb);
  if (node === undefined) return undefined;
  if (node.kind !== 'map') return readStep(reader, node, verb, problems);
  for (const field of CONDITION_FIELDS) {
    if (!reader.has(field)) continue;
    reader.get(field);
    problems.add(
      'STEP_GROUP',
      reader.placeOf(field),
      `\`${field}\` cannot stand on a group`,
      `write \`${field}\` on the steps inside it`,
    );
  }
  if (verb === 'notNext' || verb === 'notFollowedBy') {
    problems.add(
      'STEP_GROUP',
      node.place,
      `\`${verb}\` forbids one event, not a group`,
      'name one step, with `type` and `where`',
    );
    return undefined;
  }
  return readGroup(node, problems, depth);
}

function readStep(reader: FieldReader, node: DocumentNode, verb: Verb, problems: Problems): StageContent | undefined {
  const types = readTypes(reader, problems);
  const where = readExpression(reader, 'where');
  const name = node.kind === 'scalar' ? node.text : '';
  if (/^[A-Za-z_][A-Za-z0-9_]*$/.test(name) && !RESERVED.has(name)) {
    return { kind: 'step', name, namePlace: node.place, types, where };
  }
  const message = RESERVED.has(name)
    ? `a step cannot be named \`${name}\`, which means something else in expressions`
    : `\`${verb}\` is ${nodeName(node)}, not the name of a step`;
  problems.add('STEP_NAME', node.place, message, 'name it with letters, digits and _, as expressions will call it');
  return undefined;
}

function readTypes(reader: FieldReader, problems: Problems): readonly string[] | undefined {
  const node = reader.get('type');
  if (node === undefined) return undefined;
  const items = node.kind === 'list' ? node.items : [node];
  const types = items.flatMap((item) => (item.kind === 'scalar' && item.text !== '' ? [item.text] : []));
  if (types.length === items.length && types.length > 0) return types;
  problems.add(
    'RULE_TYPE',
    node.place,
    `\`type\` is ${nodeName(node)}, not an event type`,
    'write one type, or a list of types',
  );
  return undefined;
}

function readGroup(node: MapNode, problems: Problems, depth: number): StageContent | undefined {
  const reader = new FieldReader(node, 'a group', problems);
  const steps = reader.get('steps');
  const anyOf = reader.get('anyOf');
  const allOf = reader.get('allOf');
  reader.rest(['steps', 'anyOf', 'allOf']);
  if (steps !== undefined) return { kind: 'group', stages: readStages(steps, problems, depth + 1) };
  const members = anyOf ?? allOf;
  if (members?.kind !== 'list' || members.items.length === 0) {
    problems.add(
      'STEP_GROUP',
      node.place,
      'a group needs a list of steps',
      'write `steps:`, `anyOf:` or `allOf:` with a list under it',
    );
    return undefined;
  }
  const alternatives = members.items.map((item) => readAlternative(item, problems, depth + 1));
  return anyOf === undefined ? { kind: 'allOf', members: alternatives.flat() } : { kind: 'anyOf', alternatives };
}

/** A member of `anyOf` or `allOf`: `{begin: name, …}`, or `{steps: […]}` for several in a row. */
function readAlternative(item: DocumentNode, problems: Problems, depth: number): readonly StageSource[] {
  const steps = item.kind === 'map' ? item.fields.find((field) => field.name === 'steps')?.value : undefined;
  if (steps !== undefined) return readStages(steps, problems, depth);
  return readStages({ kind: 'list', place: item.place, items: [item] }, problems, depth);
}

/** `times: 3`, `times: {min: 2, max: 5, within: 10s}`, `times: oneOrMore`. */
function readTimes(reader: FieldReader, problems: Problems): TimesSource | undefined {
  const node = reader.get('times');
  if (node === undefined) return undefined;
  if (node.kind === 'scalar' && node.value === 'oneOrMore')
    return { min: 1, max: Number.POSITIVE_INFINITY, within: undefined };
  if (node.kind !== 'map') {
    const count = reader.integer('times', 1);
    return count === undefined ? undefined : { min: count, max: count, within: undefined };
  }
  const inner = new FieldReader(node, '`times`', problems);
  const min = inner.integer('min', 0);
  const max = inner.integer('max', 1);
  const within = inner.duration('within');
  inner.rest(['min', 'max', 'within']);
  if (max !== undefined && max < (min ?? 0)) {
    problems.add(
      'STEP_QUANTIFIER',
      inner.placeOf('max'),
      `\`max\` is ${max}, less than \`min\` ${min}`,
      'make max at least min',
    );
    return undefined;
  }
  return { min: min ?? 0, max: max ?? Number.POSITIVE_INFINITY, within };
}
