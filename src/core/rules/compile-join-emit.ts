import type { Event } from '../events/event.ts';
import type { JoinDefinition, Side } from '../joins/join.ts';
import { type CompiledEmit, compileEmit } from './compile-emit.ts';
import { suggestion } from './did-you-mean.ts';
import type { DocumentNode } from './document.ts';
import { PAIR_WINDOW, type Pair, sideNames, sideSteps } from './join-pair.ts';
import type { RuleContext } from './rule-context.ts';

/** `emit` of a join, compiled. */
export interface CompiledJoinEmit extends Pick<JoinDefinition, 'emitPair' | 'emitUnmatched'> {
  /** What it reads of the sides' data. */
  readonly reads: CompiledEmit['reads'];
  readonly readsAll: boolean;
  readonly meaning: unknown;
}

const PARTS = ['pair', 'unmatched'];

/** @param window whether a pair has a window */
export function compileJoinEmit(
  names: Readonly<Record<Side, string>>,
  unmatched: readonly Side[],
  window: boolean,
  pair: Pair,
  context: RuleContext,
): CompiledJoinEmit {
  const { lookups, sink, problems } = context;
  const nodes = partsOf(context, unmatched.length > 0);
  const steps = sideSteps(names);
  const scope = { event: false, key: true, steps: sideNames(names), lookups };
  const values = window ? { values: new Map([['window', PAIR_WINDOW]]) } : {};
  const forPair = nodes.pair && compileEmit(nodes.pair, { ...scope, ...values }, steps, sink, problems);
  const alone = { ...scope, steps: sideNames(names, never(names, unmatched)) };
  const forUnmatched = nodes.unmatched && compileEmit(nodes.unmatched, alone, steps, sink, problems);
  const both = [forPair, forUnmatched].filter((one) => one !== undefined);
  return {
    emitPair: (left, right, key, of) => forPair?.build(pair.of(left, right, of), key),
    emitUnmatched(side: Side, event: Event, key) {
      const [left, right] = side === 'left' ? [event, undefined] : [undefined, event];
      return forUnmatched?.build(pair.of(left, right), key);
    },
    reads: both.flatMap(({ reads }) => reads),
    readsAll: both.some(({ readsAll }) => readsAll),
    meaning: { pair: forPair?.meaning, unmatched: forUnmatched?.meaning },
  };
}

interface Parts {
  readonly pair: DocumentNode | undefined;
  readonly unmatched: DocumentNode | undefined;
}

/**
 * What a pair says and what an event without one says. Without `unmatched`, all of `emit` is what a pair says; a map of
 * `pair` alone says the same. A function is asked for both.
 */
function partsOf({ source, problems }: RuleContext, hasUnmatched: boolean): Parts {
  const { emit } = source;
  if (emit === undefined || emit.kind === 'broken') return { pair: undefined, unmatched: undefined };
  if (emit.kind === 'function') return { pair: emit, unmatched: hasUnmatched ? emit : undefined };
  const fields = emit.kind === 'map' ? emit.fields : [];
  const others = fields.filter(({ name }) => !PARTS.includes(name));
  const find = (name: string): DocumentNode | undefined => fields.find((field) => field.name === name)?.value;
  const parts = { pair: find('pair'), unmatched: find('unmatched') };
  const inParts = fields.length > 0 && others.length === 0;
  if (!hasUnmatched) {
    if (!inParts) return { pair: emit, unmatched: undefined };
    if (parts.unmatched !== undefined) {
      const message = '`emit` says something for events without a partner, and the join tells none';
      problems.add('JOIN_EMIT', parts.unmatched.place, message, 'write `unmatched: [alias]` under `join`');
    }
    return parts;
  }
  if (inParts) return parts;
  const [other] = others;
  const fix = 'write `emit: {pair: {…}, unmatched: {…}}`; a part that is left out says nothing';
  if (other === undefined) {
    problems.add('JOIN_EMIT', emit.place, '`emit` does not say what is for pairs and what for unmatched events', fix);
  }
  for (const { name, namePlace } of others) {
    const message = `\`emit\` of a join with \`unmatched\` has two parts, and \`${name}\` is none of them`;
    problems.add('JOIN_EMIT', namePlace, message, suggestion(name, PARTS, fix));
  }
  return parts;
}

/** Of a side that is never told alone, nothing can be said there. */
function never(names: Readonly<Record<Side, string>>, unmatched: readonly Side[]): Parameters<typeof sideNames>[1] {
  const [only] = unmatched;
  if (only === undefined || unmatched.length > 1) return {};
  const other = only === 'left' ? 'right' : 'left';
  const message = `\`${names[other]}\` is not there: this is said of a \`${names[only]}\` without one`;
  return { [other]: { message, fix: `name \`${names[only]}\`` } };
}
