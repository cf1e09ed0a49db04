/** What steps and aliases may be named, since expressions call them by these names. */
export const BINDING_NAME = /^[A-Za-z_][A-Za-z0-9_]*$/;

/** Names that mean something else in expressions, or that CEL reserves. */
export const RESERVED_NAMES: ReadonlySet<string> = new Set(
  'event meta key math true false null in as break const continue else for function if import let loop package namespace return var void while __proto__ prototype'.split(
    ' ',
  ),
);
