import Type from 'typebox';

const instantText = (description: string) => Type.String({ format: 'date-time', description });

const Scalar = Type.Union([Type.String(), Type.Number(), Type.Boolean()]);

const Ref = Type.Object(
  {
    source: Type.String({ description: 'Name of the source in the configuration.' }),
    seq: Type.Integer({ description: 'Stream sequence of the message that held the event.' }),
    index: Type.Integer({ minimum: 0, description: 'Position of the event within that message.' }),
    id: Type.String({ description: "The publisher's id, else `<seq>` or `<seq>.<index>`." }),
    time: Type.Optional(instantText('Event time.')),
  },
  { additionalProperties: false },
);

const Step = Type.Object(
  {
    step: Type.String({ description: 'Name of the step.' }),
    count: Type.Integer({ minimum: 0, description: 'How many events the step took.' }),
    refs: Type.Array(Ref, { maxItems: 100, description: 'The first of them, at most 100.' }),
  },
  { additionalProperties: false },
);

/** JSON Schema (draft-07) of the envelope that `encodeMatch` writes. */
export const matchSchema = Type.Object(
  {
    specversion: Type.Literal('1.0'),
    id: Type.String({
      pattern: '^[^/.]+(\\.[^/]+)?/\\d+/[1-9]\\d*$',
      description: '`<rule>/<shard>/<ordinal>`, or `<rule>.<side>/<shard>/<ordinal>` on a side output.',
    }),
    source: Type.String({ pattern: '^/', description: '`/<prefix>` of the deployment.' }),
    type: Type.String({
      pattern: '^corral\\.(match|side)\\.',
      description: '`corral.match.<rule>`, or `corral.side.<rule>.<side>` on a side output.',
    }),
    time: Type.Optional(instantText('When the match was complete in event time, or the deadline that passed.')),
    datacontenttype: Type.Literal('application/json'),
    data: Type.Object(
      {
        rule: Type.String(),
        ruleVersion: Type.String({ description: "Hash of the rule's meaning." }),
        key: Type.Union([Scalar, Type.Array(Scalar)], { description: 'A list for a composite key.' }),
        kind: Type.Enum(['match', 'timeout', 'update', 'unmatched', 'late']),
        revision: Type.Optional(
          Type.Integer({
            minimum: 1,
            description: 'Of an update: which one it is. Its id is that of the first emission.',
          }),
        ),
        approximate: Type.Optional(
          Type.Array(Type.String(), {
            description: 'Aggregates whose results are estimates, since a limit was passed.',
          }),
        ),
        suppressed: Type.Optional(
          Type.Integer({
            minimum: 1,
            description: 'How many emissions of the key `throttle` has held back since the one before.',
          }),
        ),
        severity: Type.Optional(Type.String()),
        labels: Type.Record(Type.String(), Type.String()),
        first: Type.Optional(instantText('Time of the first event.')),
        last: Type.Optional(instantText('Time of the last event.')),
        events: Type.Array(Step, { description: 'What each step took, in the order of the steps.' }),
        emit: Type.Optional(Type.Unknown({ description: "The value of the rule's `emit`." })),
      },
      { additionalProperties: false },
    ),
  },
  {
    additionalProperties: false,
    $schema: 'http://json-schema.org/draft-07/schema#',
    title: 'Corral match',
    description: 'What a rule emits: a CloudEvent 1.0 in structured mode.',
  },
);
