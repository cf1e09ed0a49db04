import Type from 'typebox';

/** What the schemas of rules have in common. */

export const described = (description: string) => ({ description });

export const Duration = (description: string) =>
  Type.String({
    pattern: '^([0-9]+(\\.[0-9]+)?(ms|s|m|h|d|w))+$',
    description,
    examples: ['500ms', '30s', '10m', '1h30m', '2d'],
  });

export const Expression = (description: string) =>
  Type.Union([Type.String(), Type.Boolean()], {
    description: `${description} A CEL expression; quote it, or use |, when YAML takes it for something else.`,
  });

export const oneOf = (names: readonly string[], description: string) =>
  Type.Union(
    names.map((name) => Type.Literal(name)),
    described(description),
  );

/** A name as expressions call it. */
export const bindingPattern = '^[A-Za-z_][A-Za-z0-9_]*$';

export const Types = Type.Union(
  [Type.String(), Type.Array(Type.String(), { minItems: 1 })],
  described('Event type, or a list of types.'),
);

/** A length of time that may be 0 and negative. */
export const Signed = (description: string) =>
  Type.Union(
    [Type.String({ pattern: '^[-+]?([0-9]+(\\.[0-9]+)?(ms|s|m|h|d|w))+$', examples: ['-5m', '15m'] }), Type.Literal(0)],
    described(description),
  );
