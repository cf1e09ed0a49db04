import type { Event } from '../events/event.ts';
import { Lookups, RuleLookups } from '../references/lookups.ts';
import { type CompiledCondition, compileCondition } from './compile-condition.ts';
import { type CompiledKey, compileKey } from './compile-key.ts';
import { Problems } from './document.ts';
import { FailureSink } from './failure-sink.ts';
import { canonicalJson } from './hash.ts';
import { keyText } from './key-text.ts';
import type { KeyResult, KeyValue } from './rule-set.ts';
import type { ExpressionSource, InputSource, KeySource, RuleSource } from './rule-source.ts';
import { SharedPredicates } from './shared-predicates.ts';

/**
 * Which keys an event has for a rule. A rule may read a source under several aliases with different keys, so one event
 * can belong to several keys of it, as another alias for each.
 *
 * Rules with the same routing are one keyspace. Where a source has one key, whatever its aliases, their conditions do
 * not matter to the routing; where it has several, each condition decides for its own key, and the actor of a key asks
 * again which of them brought an event there.
 */
export interface Routing {
  readonly keyOf: (event: Event) => KeyResult;
  /** Names of the sources, sorted, each once. */
  readonly sources: readonly string[];
  /** The same for routings of the same meaning. */
  readonly text: string;
  /** What a rule's version says of its key; the same for plain rules as the key alone. */
  readonly keyText: string;
  /** Per input of the rule, in order: canonical text of its key, and whether a key is one that it gives for an event. */
  readonly inputs: readonly RoutedInput[];
}

export interface RoutedInput {
  readonly keyText: string;
  /** Undefined when every event of the source comes by the same key, so that nothing is to be asked. */
  readonly leadsTo: ((event: Event, key: KeyValue) => boolean) | undefined;
}

/** The name under which an input is a source: that of the configuration, or `rule:` and a rule's name. */
export const sourceName = ({ kind, name }: InputSource): string => (kind === 'rule' ? `rule:${name}` : name);

export const sourcesOf = (source: RuleSource): readonly string[] => [...new Set(source.from.map(sourceName))].sort();

/** Stands in for a key that has problems, so that the rest of the rule is still checked. */
const NO_KEY: CompiledKey = { keyOf: () => ({ kind: 'none' }), text: '' };

/** Compiles the keys of a rule. What is wrong with them is reported; what stands in for a wrong one gives no key. */
export function compileRouting(source: RuleSource, problems: Problems): Routing {
  const sources = sourcesOf(source);
  const known = new Map<KeySource, CompiledKey>();
  const keyFor = (input: InputSource | undefined): CompiledKey => {
    const key = input?.key ?? source.key;
    if (key === undefined) return NO_KEY;
    let compiled = known.get(key);
    if (compiled === undefined) known.set(key, (compiled = keyOf(key, source.digest, problems)));
    return compiled;
  };
  const routes = source.from.map((input) => ({ source: sourceName(input), input, key: keyFor(input) }));
  const texts = new Set(routes.map(({ key }) => key.text));
  if (texts.size <= 1) {
    const key = routes[0]?.key ?? keyFor(undefined);
    const text = `${key.text} over ${JSON.stringify(sources)}`;
    const inputs = routes.map(() => ({ keyText: key.text, leadsTo: undefined }));
    return { keyOf: key.keyOf, sources, text, keyText: key.text, inputs };
  }
  return severalKeys(routes, sources);
}

/** Functions of different modules are different even when their texts are equal. */
function keyOf(source: KeySource, digest: string | undefined, problems: Problems): CompiledKey {
  const key = compileKey(source, problems);
  if (key === undefined) return NO_KEY;
  const parts = source.kind === 'parts' ? source.parts : source.kind === 'each' ? [source.list] : [];
  const hasFunction = parts.some(({ kind }) => kind === 'function');
  return hasFunction ? { ...key, text: `${key.text} of ${digest}` } : key;
}

interface Route {
  readonly source: string;
  readonly input: InputSource;
  readonly key: CompiledKey;
}

type Way = Pick<CompiledCondition, 'possible'> & { readonly key: CompiledKey };

function severalKeys(routes: readonly Route[], sources: readonly string[]): Routing {
  const bySource = new Map<string, Way>();
  const severalBySource = new Map<string, readonly Way[]>();
  const texts: unknown[] = [];
  for (const name of sources) {
    const own = routes.filter(({ source }) => source === name);
    const [first] = own;
    if (first !== undefined && own.every(({ key }) => key.text === first.key.text)) {
      bySource.set(name, { possible: () => true, key: first.key });
      texts.push([name, first.key.text]);
      continue;
    }
    const ways = new Map<string, Way>();
    for (const { input, key } of own) {
      const { possible, text } = conditionOf(input);
      ways.set(canonicalJson([text, key.text]), { possible, key });
    }
    severalBySource.set(name, [...ways.values()]);
    texts.push([name, [...ways.keys()].sort()]);
  }
  const text = `keys by source ${canonicalJson(texts)}`;
  return {
    keyOf(event) {
      const only = bySource.get(event.source);
      if (only !== undefined) return only.key.keyOf(event);
      return together(severalBySource.get(event.source) ?? [], event);
    },
    sources,
    text,
    keyText: text,
    inputs: routes.map(({ source, key }) => ({
      keyText: key.text,
      leadsTo: severalBySource.has(source) ? (event, value) => gives(key.keyOf(event), value) : undefined,
    })),
  };
}

/** What a condition asks is compiled and reported with the rule; here it only decides, so a failure counts as possible. */
function conditionOf({ types, where }: InputSource): CompiledCondition {
  const scope = { event: true, key: false, steps: new Map(), lookups: new RuleLookups(new Lookups(undefined)) };
  const apart = { shared: new SharedPredicates(), sink: new FailureSink(), problems: new Problems() };
  return compileCondition(types, ofInput(where), { scope, steps: [], ...apart, known: new Map() }, 'where');
}

/** A function of an input gets the event and its envelope: nothing has been taken before it. */
export function ofInput(where: ExpressionSource | undefined): ExpressionSource | undefined {
  if (where?.kind !== 'function' || where.run.length < 2) return where;
  const { run } = where;
  const called = (event: unknown, _taken: unknown, meta: unknown): unknown => run(event, meta);
  return { ...where, run: Object.assign(called, { toString: () => run.toString() }) };
}

const NOWHERE: KeyResult = { kind: 'keys', values: [], failures: [] };

/** The keys of all ways that are open to an event. It has no key only if one is open and none gives one. */
function together(ways: readonly Way[], event: Event): KeyResult {
  const open = ways.filter(({ possible }) => possible(event));
  const [only] = open;
  if (only === undefined) return NOWHERE;
  if (open.length === 1) return only.key.keyOf(event);
  const values = new Map<string, KeyValue>();
  const failures: string[] = [];
  for (const { key } of open) {
    const result = key.keyOf(event);
    if (result.kind === 'key') values.set(keyText(result.value), result.value);
    else if (result.kind === 'keys') for (const value of result.values) values.set(keyText(value), value);
    else if (result.kind === 'failed') failures.push(result.message);
  }
  if (values.size === 0 && failures.length === 0) return { kind: 'none' };
  return { kind: 'keys', values: [...values.values()], failures };
}

function gives(result: KeyResult, key: KeyValue): boolean {
  if (result.kind === 'key') return same(result.value, key);
  return result.kind === 'keys' && result.values.some((value) => same(value, key));
}

const same = (one: KeyValue, other: KeyValue): boolean =>
  typeof one === 'object' || typeof other === 'object' ? keyText(one) === keyText(other) : one === other;
