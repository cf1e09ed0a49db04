import Type from 'typebox';
import { bindingPattern, described, Expression, Types } from './schema-parts.ts';

/** `key` and `keyEach`, of a rule and of an alias. */
export const keyFields = {
  key: Type.Optional(
    Type.Union(
      [Type.String(), Type.Array(Type.String(), { minItems: 1, maxItems: 16 })],
      described('Which events belong together: an expression, a list of them, or global.'),
    ),
  ),
  keyEach: Type.Optional(
    Type.String(described('An expression that gives a list of keys: the event belongs to each of them.')),
  ),
};

const otherRule = Type.String({
  pattern: '^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$',
  description: 'A rule, whose matches are read.',
});
const ofRule = Type.Object({ rule: otherRule }, { additionalProperties: false });

const filter = { type: Type.Optional(Types), where: Type.Optional(Expression('Which of its events.')), ...keyFields };

const alias = Type.Union([
  Type.String(described('A source of the configuration.')),
  Type.Object(
    { source: Type.String(described('A source of the configuration.')), ...filter },
    { additionalProperties: false },
  ),
  Type.Object({ rule: otherRule, ...filter }, { additionalProperties: false }),
]);

const aliases = {
  type: 'object',
  minProperties: 1,
  propertyNames: { pattern: bindingPattern },
  additionalProperties: alias,
  description: 'What it reads, by the names that the rule gives it.',
};

/** `from` of a rule. */
export const from = Type.Union(
  [
    Type.String(),
    Type.Array(Type.Union([Type.String(), ofRule]), { minItems: 1 }),
    ofRule,
    Type.Unsafe<Readonly<Record<string, unknown>>>(aliases),
  ],
  described('The source it reads, or several, or a map that names them.'),
);
