import Type from 'typebox';
import { bindingPattern, Duration, described, Expression, oneOf, Signed } from './schema-parts.ts';

const Bound = (description: string) =>
  Type.Union([...Signed('').anyOf, Type.Literal('unlimited')], described(description));

const interval = {
  type: 'object',
  minProperties: 1,
  maxProperties: 1,
  propertyNames: { pattern: bindingPattern },
  additionalProperties: Type.Object(
    {
      after: Type.String(described('The other alias, from whose time the bounds count.')),
      from: Bound('Earliest, inclusive; negative is before.'),
      to: Bound('Latest, inclusive.'),
    },
    { additionalProperties: false },
  ),
  description: 'How far apart in time the events of a pair are: {confirmed: {after: created, from: -5m, to: 15m}}.',
};

const window = Type.Union(
  [
    Type.Object(
      { tumbling: Duration('Length of each window.'), offset: Type.Optional(Signed('Shifts where windows begin.')) },
      { additionalProperties: false },
    ),
    Type.Object(
      {
        sliding: Duration('Length of each window.'),
        every: Duration('How often a window begins.'),
        offset: Type.Optional(Signed('Shifts where windows begin.')),
      },
      { additionalProperties: false },
    ),
    Type.Object(
      { session: Duration('Longest gap between two events of a session, inclusive.') },
      { additionalProperties: false },
    ),
  ],
  described('The events of a pair lie in one window.'),
);

const unmatched = Type.Union(
  [Type.String(), Type.Array(Type.String(), { minItems: 1, maxItems: 2 })],
  described('Aliases whose events are told when no partner came.'),
);

/** `join` of a rule. */
export const join = Type.Object(
  {
    interval: Type.Optional(Type.Unsafe<Readonly<Record<string, unknown>>>(interval)),
    window: Type.Optional(window),
    pairs: Type.Optional(oneOf(['all', 'oneToOne'], 'Whether an event is in every pair that fits, or in one at most.')),
    where: Type.Optional(Expression('What the events of a pair have in common beside the key.')),
    unmatched: Type.Optional(unmatched),
  },
  { additionalProperties: false, description: 'Pairs of events of two aliases.' },
);
