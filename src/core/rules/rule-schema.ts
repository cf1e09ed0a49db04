import Type from 'typebox';
import { from, keyFields } from './from-schema.ts';
import { join } from './join-schema.ts';
import { STAGES_MAX } from './read-stages.ts';
import { KINDS, RULE_KINDS } from './rule-kinds.ts';
import { bindingPattern, Duration, described, Expression, oneOf, Types } from './schema-parts.ts';
import { windowFields, wrapperFields } from './window-schema.ts';

const step = Type.String({
  pattern: bindingPattern,
  description: 'Name of the step, as expressions call it.',
});

const stages = Type.Array(Type.Ref('#/definitions/stage'), { minItems: 1, maxItems: STAGES_MAX });

const use = Type.Object(
  {
    use: Type.String({ description: 'Name of a definition, whose steps stand here as a group.' }),
    as: Type.Optional(
      Type.String({
        pattern: bindingPattern,
        description: 'What the names of its steps begin with: as: attempt makes attempt_login of login.',
      }),
    ),
  },
  { additionalProperties: false, description: 'The steps of a definition.' },
);

const steps = Type.Object(
  { steps: stages },
  { additionalProperties: false, description: 'A group: its steps loop or are optional together.' },
);

const members = Type.Array(Type.Union([Type.Ref('#/definitions/stage'), steps, use]), {
  minItems: 1,
  maxItems: STAGES_MAX,
});

const group = Type.Union([
  steps,
  use,
  Type.Object({ anyOf: members }, { additionalProperties: false, description: 'One of several ways to go on.' }),
  Type.Object({ allOf: members }, { additionalProperties: false, description: 'All of several steps, in any order.' }),
]);

const verb = (description: string) => Type.Optional(Type.Union([step, group], described(description)));
const ban = (description: string) => Type.Optional(Type.String({ pattern: bindingPattern, description }));

const times = Type.Union(
  [
    Type.Integer({ minimum: 1 }),
    Type.Literal('oneOrMore'),
    Type.Object(
      {
        min: Type.Optional(Type.Integer({ minimum: 0 })),
        max: Type.Optional(Type.Integer({ minimum: 1 })),
        within: Type.Optional(Duration('Longest gap between two events of the loop.')),
      },
      { additionalProperties: false },
    ),
  ],
  described('How often: a number, or {min, max}; without max the loop is open.'),
);

const stage = Type.Object(
  {
    begin: verb('The first step.'),
    next: verb('The very next event.'),
    followedBy: verb('The next event that fits; others may lie between.'),
    followedByAny: verb('Any later event that fits; each makes a match of its own.'),
    notNext: ban('The very next event must not fit.'),
    notFollowedBy: ban('No event that fits may come before the next step, or before the time limit.'),
    from: Type.Optional(Type.String({ pattern: bindingPattern, description: 'The alias whose events it takes.' })),
    type: Type.Optional(Types),
    where: Type.Optional(Expression('The event must fit this.')),
    times: Type.Optional(times),
    optional: Type.Optional(Type.Boolean(described('The step may be absent.'))),
    greedy: Type.Optional(Type.Boolean(described('The loop takes all events that fit before the next step may.'))),
    consecutive: Type.Optional(Type.Boolean(described('No other event may lie between the events of the loop.'))),
    allowCombinations: Type.Optional(Type.Boolean(described('The loop may leave out events that fit.'))),
    until: Type.Optional(Expression('Ends an open loop.')),
    withinPrevious: Type.Optional(Duration('Longest gap to the event taken before, exclusive.')),
    span: Type.Optional(Duration("From the step's own first to its own last event, exclusive.")),
  },
  { additionalProperties: false },
);

const skipTo = (name: string) =>
  Type.Object({ [name]: Type.String(), throwOnMiss: Type.Optional(Type.Boolean()) }, { additionalProperties: false });

const label = Type.Union([Type.String(), Type.Number(), Type.Boolean()]);

const rule = Type.Object(
  {
    rule: Type.String({
      pattern: '^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$',
      description: 'Name of the rule, unique in the deployment.',
    }),
    description: Type.Optional(Type.String()),
    severity: Type.Optional(Type.String()),
    labels: Type.Optional(Type.Record(Type.String(), label)),
    from,
    ...keyFields,
    where: Type.Optional(Expression('What the rule sees at all.')),
    pattern: Type.Optional(stages),
    join: Type.Optional(join),
    ...windowFields,
    within: Type.Optional(Duration('From the first to the last event, exclusive.')),
    afterMatch: Type.Optional(
      Type.Union(
        [
          oneOf(['noSkip', 'skipToNext', 'skipPastLastEvent'], 'Where the search goes on.'),
          skipTo('skipToFirst'),
          skipTo('skipToLast'),
        ],
        described('Where the search goes on after a match.'),
      ),
    ),
    onTimeout: Type.Optional(
      oneOf(['emit', 'drop'], 'Whether partial matches that time out go to the side output "timeout".'),
    ),
    onLate: Type.Optional(
      oneOf(['drop', 'sideOutput'], 'Whether events that come too late go to the side output "late".'),
    ),
    limits: Type.Optional(
      Type.Object(
        {
          partialMatches: Type.Optional(Type.Integer({ minimum: 1, description: 'Most partial matches of one key.' })),
          events: Type.Optional(
            Type.Integer({ minimum: 1, description: 'Most events that a join keeps for one key.' }),
          ),
          entries: Type.Optional(
            Type.Integer({
              minimum: 1,
              description: 'Most panes, sessions or events that a window keeps for one key.',
            }),
          ),
          stateBytes: Type.Optional(Type.Integer({ minimum: 1024, description: 'Most bytes of state of one key.' })),
          onLimit: Type.Optional(oneOf(['dropOldest', 'dropNewest', 'deadLetter'], 'What happens then.')),
        },
        { additionalProperties: false },
      ),
    ),
    ...wrapperFields,
    to: Type.Optional(
      Type.Object(
        {
          subject: Type.String({
            minLength: 1,
            description: 'Subject, with expressions in dollar braces over key, emit, rule, severity and kind.',
          }),
          ack: Type.Optional(
            Type.Boolean({ default: true, description: 'Whether a stream has to say that it has each match.' }),
          ),
        },
        { additionalProperties: false, description: 'Where matches go beside the match stream.' },
      ),
    ),
    emitFrom: Type.Optional(
      Type.String({ description: 'An RFC 3339 time: what the rule says of earlier times is not emitted.' }),
    ),
    emit: Type.Optional(
      Type.Unknown(described('What a match says: JSON whose texts may hold expressions in dollar braces.')),
    ),
  },
  { additionalProperties: false },
);

const definition = {
  define: Type.String({
    pattern: '^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$',
    description: 'Name of steps that several rules use.',
  }),
  description: rule.properties.description,
  steps: stages,
};

/** The fields of one kind ask for the field that opens it; a rule is of one kind. */
const dependencies = Object.fromEntries(
  RULE_KINDS.flatMap((kind) => KINDS[kind].fields.map((field) => [field, [KINDS[kind].opens]])),
);

/** JSON Schema (draft-07) of a document of a rule file, for `corral schema rule` and editors: a rule, or a definition. */
export const ruleSchema = {
  title: 'Rule of Corral',
  type: 'object',
  properties: { ...rule.properties, ...definition },
  additionalProperties: false,
  if: { required: ['define'] },
  // biome-ignore lint/suspicious/noThenProperty: a keyword of JSON Schema
  then: { required: ['define', 'steps'], propertyNames: { enum: Object.keys(definition) } },
  else: {
    required: rule.required,
    propertyNames: { enum: Object.keys(rule.properties) },
    oneOf: RULE_KINDS.map((kind) => ({ required: [KINDS[kind].opens] })),
    anyOf: [{ required: ['key'] }, { required: ['keyEach'] }, { properties: { from: { type: 'object' } } }],
    dependencies,
  },
  definitions: { stage },
};
