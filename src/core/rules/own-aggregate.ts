import { packValue, unpackValue } from '../process/storable.ts';
import { ownAggregate } from '../windows/aggregates/own.ts';
import type { CompiledAggregate } from './compile-aggregate.ts';
import type { FunctionNode, MapNode } from './document.ts';
import { Failure } from './expressions/failure.ts';
import { callFunction, dataOf, eventMeta } from './function-values.ts';
import type { RuleContext } from './rule-context.ts';

/**
 * An aggregate that a module's author wrote: `create`, `add`, `merge` and `result`. What it has is kept packed and
 * unpacked for each call. So a call that throws has changed nothing, nothing is shared with what the functions hold on
 * to, and what cannot be stored is noticed at once.
 */
const PARTS = ['create', 'add', 'merge', 'result'] as const;

type Functions = Readonly<Record<(typeof PARTS)[number], FunctionNode['run']>>;

/** Whether a map in the place of an aggregate is meant to be one of the author's own. */
export const isOwnAggregate = (node: MapNode): boolean =>
  node.fields.some(({ name }) => PARTS.some((part) => part === name));

export function compileOwnAggregate(
  name: string,
  node: MapNode,
  { sink, problems }: RuleContext,
): CompiledAggregate | undefined {
  const functions = functionsOf(node);
  if (functions === undefined) {
    const message = `\`${name}\` is an aggregate of its own and lacks some of its functions`;
    problems.add('AGGREGATE_OWN', node.place, message, 'give it exactly the functions create, add, merge and result');
    return undefined;
  }
  const { create, add, merge, result } = functions;
  const first = packed(() => create());
  if (first instanceof Failure) {
    const message = `\`create\` of \`${name}\` fails: ${first.message}`;
    problems.add('AGGREGATE_OWN', node.place, message, 'let it give plain data: texts, numbers, lists, objects');
    return undefined;
  }
  const where = `aggregate \`${name}\``;
  const unlessFailed = (next: Uint8Array | Failure, before: Uint8Array): Uint8Array => {
    if (!(next instanceof Failure)) return next;
    sink.report(where, next.message);
    return before;
  };
  return {
    aggregate: ownAggregate<Uint8Array, unknown>(name, {
      create: () => first,
      add: (acc, event) =>
        unlessFailed(
          packed(() => add(unpackValue(acc), dataOf(event), eventMeta(event))),
          acc,
        ),
      merge: (into, from) =>
        unlessFailed(
          packed(() => merge(unpackValue(into), unpackValue(from))),
          into,
        ),
      result: (acc) =>
        sink.value(
          callFunction(() => result(unpackValue(acc)), []),
          where,
        ),
    }),
    meaning: { own: PARTS.map((part) => functions[part].toString()) },
  };
}

function functionsOf(node: MapNode): Functions | undefined {
  const found = PARTS.flatMap((part) => {
    const value = node.fields.find(({ name }) => name === part)?.value;
    return value?.kind === 'function' ? [[part, value.run] as const] : [];
  });
  if (found.length < PARTS.length || node.fields.length > PARTS.length) return undefined;
  return Object.fromEntries(found) as unknown as Functions;
}

/** What a function gives, packed; a `Failure` when it throws, gives nothing, or gives what cannot be stored. */
function packed(run: () => unknown): Uint8Array | Failure {
  const bytes = callFunction(() => {
    const value = run();
    return value === undefined ? new Failure('the function gave nothing: let it return what it has') : packValue(value);
  }, []);
  return bytes as Uint8Array | Failure;
}
