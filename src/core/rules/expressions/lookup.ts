import { referenceKey } from '../../references/reference-key.ts';
import { listed, suggestion } from '../did-you-mean.ts';
import { Failure, failure } from './failure.ts';
import type { ASTNode } from './syntax.ts';
import type { Context, Run, Term } from './term.ts';
import { typeOf } from './values.ts';

/** `lookup("customers", event.customer)`: the value of an entry; null when there is none, or the key is null. */
export function compileLookup(context: Context, node: ASTNode, args: readonly ASTNode[]): Term {
  const { lookups } = context.scope;
  if (lookups === undefined) {
    return context.problem(
      'LOOKUP_PLACE',
      node,
      'nothing can be looked up here: keys, sources and `to` are computed where the data are not at hand',
      "look it up in the rule's `where`, in a step, an aggregate, `having` or `emit`",
    );
  }
  const [name, key] = args;
  if (args.length !== 2 || name === undefined || key === undefined) {
    const message = `\`lookup\` takes 2 arguments, not ${args.length}`;
    return context.problem('EXPRESSION_ARGUMENTS', node, message, 'write lookup("customers", event.customer)');
  }
  if (name.op !== 'value' || typeof name.args !== 'string') {
    const message = 'which reference is looked up must be known before any event';
    return context.problem('LOOKUP_NAME', name, message, 'write its name as a text, as in lookup("customers", …)');
  }
  const reference = name.args;
  const { names } = lookups;
  if (names?.includes(reference) === false) {
    const message = `the configuration has no reference \`${reference}\``;
    return context.problem('REFERENCE_UNKNOWN', name, message, unknownReferenceFix(reference, names));
  }
  lookups.used.add(reference);
  context.uses.lookups = true;
  const by = context.value(key);
  const run: Run = (event, taken, of) => {
    const value = by.run(event, taken, of);
    if (value instanceof Failure) return value;
    const text = referenceKey(value);
    if (text === undefined)
      return failure(`lookup takes a text, a number or a boolean as key, and got ${typeOf(value)}`);
    return text === null ? null : lookups.valueOf(reference, text);
  };
  return { node, type: 'any', mayFail: true, run };
}

/** What to do about a reference that the configuration does not have. */
export function unknownReferenceFix(reference: string, names: readonly string[]): string {
  return names.length === 0
    ? 'add it to `references` of the configuration'
    : suggestion(reference, names, `name one of ${listed(names)}, or add it to \`references\` of the configuration`);
}
