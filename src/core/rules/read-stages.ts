import { BINDING_NAME, RESERVED_NAMES } from './binding-name.ts';
import { type Definitions, readFor } from './definitions.ts';
import { listed } from './did-you-mean.ts';
import type { DocumentNode, MapNode, Problems } from './document.ts';
import { FieldReader, nodeName } from './field-reader.ts';
import { readExpression } from './read-expression.ts';
import { readTimes } from './read-times.ts';
import { readTypes } from './read-types.ts';
import type { StageContent, StageSource, StepContent, UseSource, Verb } from './rule-source.ts';

const VERBS: readonly Verb[] = ['begin', 'next', 'followedBy', 'followedByAny', 'notNext', 'notFollowedBy'];
const CONDITION_FIELDS = ['from', 'type', 'where'];
const QUANTIFIER_FIELDS = ['times', 'optional', 'greedy', 'consecutive', 'allowCombinations', 'until'];
const LIMIT_FIELDS = ['withinPrevious', 'span'];
const STAGE_FIELDS = [...VERBS, ...CONDITION_FIELDS, ...QUANTIFIER_FIELDS, ...LIMIT_FIELDS];

/** Deepest nesting of groups. */
const GROUP_DEPTH_MAX = 8;
/** Most stages of one list. */
export const STAGES_MAX = 100;
/** Most stages of one rule, those of the definitions it uses included. */
const ALL_STAGES_MAX = 1_000;

/** Reads the pattern of one rule. Stages that cannot be read are left out, their problems reported. */
export class StageReader {
  /** Digests of the definitions used that have functions. */
  readonly digests = new Set<string>();
  private readonly definitions: Definitions;
  private readonly problems: Problems;
  private left = ALL_STAGES_MAX;

  constructor(definitions: Definitions, problems: Problems) {
    this.definitions = definitions;
    this.problems = problems;
  }

  /**
   * Reads `pattern:`, `steps:` and the lists inside groups.
   * @param use the use of a definition that the list is read for
   */
  stages(node: DocumentNode, use?: UseSource, depth = 0): readonly StageSource[] {
    if (node.kind !== 'list' || node.items.length === 0) {
      if (node.kind !== 'broken')
        this.problems.add(
          'RULE_TYPE',
          node.place,
          `a pattern is ${nodeName(node)}, not a list of steps`,
          'write a list that starts with `- begin: name`',
        );
      return [];
    }
    if (depth > GROUP_DEPTH_MAX || node.items.length > STAGES_MAX) {
      this.problems.add(
        'RULE_TOO_LARGE',
        node.place,
        `a pattern has at most ${STAGES_MAX} stages and groups ${GROUP_DEPTH_MAX} deep`,
        'make it smaller',
      );
      return [];
    }
    return node.items.flatMap((item, index) => {
      if (item.kind === 'broken') return [];
      if (this.left-- <= 0) {
        if (this.left === -1)
          this.problems.add(
            'RULE_TOO_LARGE',
            item.place,
            `a rule has at most ${ALL_STAGES_MAX} steps and groups, those of definitions counted for each use`,
            'make it smaller',
          );
        else this.problems.added++;
        return [];
      }
      if (item.kind !== 'map') {
        this.problems.add(
          'RULE_TYPE',
          item.place,
          `a step is ${nodeName(item)}, not a map`,
          'write `begin: name`, `next: name`, `followedBy: name` …',
        );
        return [];
      }
      const stage = this.stage(item, index === 0, use, depth);
      return stage === undefined ? [] : [stage];
    });
  }

  private stage(node: MapNode, first: boolean, use: UseSource | undefined, depth: number): StageSource | undefined {
    const { problems } = this;
    const reader = new FieldReader(node, 'a step', problems);
    const verbs = VERBS.filter((verb) => reader.has(verb));
    const [verb] = verbs;
    if (verb === undefined || verbs.length > 1) {
      const what =
        verb === undefined ? 'the step does not say how it follows' : `the step says ${listed(verbs, 'and')}`;
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
    const content = verb === undefined || verbs.length > 1 ? undefined : this.content(reader, verb, use, depth);
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
      use,
      times: readTimes(reader, problems),
      optional: reader.flag('optional'),
      greedy: reader.flag('greedy'),
      inner: consecutive ? ('consecutive' as const) : combinations ? ('allowCombinations' as const) : undefined,
      until: readExpression(reader, 'until'),
      withinPrevious: reader.duration('withinPrevious'),
      span: reader.duration('span'),
    };
    reader.rest(STAGE_FIELDS, (name) => ELSEWHERE[name]);
    if (verb === undefined || content === undefined) return undefined;
    return { verb, content, ...stage };
  }

  /** The step or group under the verb, with the fields that belong to steps alone. */
  private content(
    reader: FieldReader,
    verb: Verb,
    use: UseSource | undefined,
    depth: number,
  ): StageContent | undefined {
    const node = reader.get(verb);
    if (node === undefined) return undefined;
    if (node.kind !== 'map') return this.step(reader, node, verb, use);
    for (const field of CONDITION_FIELDS) {
      if (!reader.has(field)) continue;
      reader.get(field);
      this.problems.add(
        'STEP_GROUP',
        reader.placeOf(field),
        `\`${field}\` cannot stand on a group`,
        `write \`${field}\` on the steps inside it`,
      );
    }
    if (verb === 'notNext' || verb === 'notFollowedBy') {
      this.problems.add(
        'STEP_GROUP',
        node.place,
        `\`${verb}\` forbids one event, not a group`,
        'name one step, with `type` and `where`',
      );
      return undefined;
    }
    return this.group(node, use, depth);
  }

  private step(
    reader: FieldReader,
    node: DocumentNode,
    verb: Verb,
    use: UseSource | undefined,
  ): StageContent | undefined {
    const from = readAlias(reader);
    const types = readTypes(reader);
    const where = readExpression(reader, 'where');
    const name = node.kind === 'scalar' ? node.text : '';
    const whole = `${use?.prefix ?? ''}${name}`;
    if (BINDING_NAME.test(name) && !RESERVED_NAMES.has(name) && !RESERVED_NAMES.has(whole)) {
      return { kind: 'step', name: whole, namePlace: node.place, from, types, where };
    }
    const message = BINDING_NAME.test(name)
      ? `a step cannot be named \`${RESERVED_NAMES.has(name) ? name : whole}\`, which means something else in expressions`
      : `\`${verb}\` is ${nodeName(node)}, not the name of a step`;
    this.problems.add(
      'STEP_NAME',
      node.place,
      message,
      'name it with letters, digits and _, as expressions will call it',
    );
    return undefined;
  }

  private group(node: MapNode, use: UseSource | undefined, depth: number): StageContent | undefined {
    const used = this.used(node, use, depth);
    if (used !== undefined) return { kind: 'group', stages: used };
    const reader = new FieldReader(node, 'a group', this.problems);
    const steps = reader.get('steps');
    const anyOf = reader.get('anyOf');
    const allOf = reader.get('allOf');
    reader.rest(['steps', 'anyOf', 'allOf', 'use', 'as']);
    if (steps !== undefined) return { kind: 'group', stages: this.stages(steps, use, depth + 1) };
    const members = anyOf ?? allOf;
    if (members?.kind !== 'list' || members.items.length === 0) {
      this.problems.add(
        'STEP_GROUP',
        node.place,
        'a group needs a list of steps',
        'write `steps:`, `anyOf:` or `allOf:` with a list under it, or `use:` with the name of a definition',
      );
      return undefined;
    }
    const alternatives = members.items.map((item) => this.alternative(item, use, depth + 1));
    return anyOf === undefined ? { kind: 'allOf', members: alternatives.flat() } : { kind: 'anyOf', alternatives };
  }

  /** A member of `anyOf` or `allOf`: `{begin: name, …}`, or `{steps: […]}` or `{use: name}` for several in a row. */
  private alternative(item: DocumentNode, use: UseSource | undefined, depth: number): readonly StageSource[] {
    if (item.kind === 'map') {
      const used = this.used(item, use, depth);
      if (used !== undefined) return used;
      const steps = item.fields.find((field) => field.name === 'steps')?.value;
      if (steps !== undefined) return this.stages(steps, use, depth);
    }
    return this.stages({ kind: 'list', place: item.place, items: [item] }, use, depth);
  }

  /** The stages that `{use: name, as: prefix}` stands for; undefined when the map is no use. */
  private used(node: MapNode, around: UseSource | undefined, depth: number): readonly StageSource[] | undefined {
    const reader = new FieldReader(node, 'a use', this.problems);
    if (!reader.has('use')) return undefined;
    const name = reader.text('use');
    const as = reader.text('as');
    reader.rest(['use', 'as'], (field) =>
      STAGE_FIELDS.includes(field)
        ? {
            code: 'STEP_GROUP',
            message: `\`${field}\` does not stand beside \`use\``,
            fix: 'write it beside the word that opens the step, as in `- followedBy: {use: name}`',
          }
        : undefined,
    );
    if (as !== undefined && !BINDING_NAME.test(as)) {
      this.problems.add(
        'STEP_NAME',
        reader.get('as')?.place ?? node.place,
        `\`as\` is \`${as}\`, which cannot begin the names of steps`,
        'name it with letters, digits and _',
      );
      return [];
    }
    const place = reader.get('use')?.place;
    if (name === undefined || place === undefined) return [];
    const definition = this.definitions.find(name, place, this.problems);
    if (definition?.steps === undefined) return [];
    if (definition.digest !== undefined) this.digests.add(definition.digest);
    const prefix = `${around?.prefix ?? ''}${as === undefined ? '' : `${as}_`}`;
    return this.stages(readFor(place, definition.steps), { prefix, around, place }, depth + 1);
  }
}

/** `from` of a step: an alias of the rule. */
function readAlias(reader: FieldReader): StepContent['from'] {
  const name = reader.text('from');
  return name === undefined ? undefined : { name, place: reader.get('from')!.place };
}

const ELSEWHERE: Readonly<Record<string, { code: string; message: string; fix: string }>> = {
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
  use: {
    code: 'STEP_GROUP',
    message: '`use` stands in the place of a step, so it needs a word before it',
    fix: 'write `- followedBy: {use: name, as: prefix}`',
  },
};
