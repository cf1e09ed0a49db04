import type { CompiledRule, Keyspace } from '../rules/rule-set.ts';

/** A rule of a keyspace as one shard runs it. */
export interface ProgramRule {
  readonly rule: CompiledRule;
  /** The shard's number for this version of the rule; names its cells. */
  readonly slot: number;
  /** The shard's number for the rule's clock: the set of sources whose least watermark it goes by. */
  readonly scope: number;
  /** Place among all rules of the deployment; orders what several rules say about one event. */
  readonly order: number;
}

/** A keyspace as one shard runs it: its rules, and which of them an event can concern. */
export interface KeyspaceProgram {
  /** The shard's number of the keyspace. */
  readonly keyspace: number;
  readonly rules: readonly ProgramRule[];
  /** Indexes into `rules` of those that can take notice of an event of this source and type. */
  concerned(source: string, type: string): readonly number[];
  /** Index into `rules` by slot. */
  readonly bySlot: ReadonlyMap<number, number>;
}

/**
 * @param numberOf gives the shard's number of a name, defining it when it is new
 * @param orderOf a rule's place among all rules
 */
export function keyspaceProgram(
  keyspace: Keyspace,
  numberOf: (name: string) => number,
  orderOf: (rule: CompiledRule) => number,
): KeyspaceProgram {
  const rules = keyspace.rules.map((rule) => ({
    rule,
    slot: numberOf(ruleName(rule)),
    scope: numberOf(scopeName(rule.sources)),
    order: orderOf(rule),
  }));
  const known = new Map<string, Map<string, readonly number[]>>();
  return {
    keyspace: numberOf(keyspaceName(keyspace.id)),
    rules,
    bySlot: new Map(rules.map(({ slot }, index) => [slot, index])),
    concerned(source, type) {
      let types = known.get(source);
      if (types === undefined) known.set(source, (types = new Map()));
      let indexes = types.get(type);
      if (indexes === undefined) {
        indexes = rules.flatMap(({ rule }, index) =>
          rule.sources.includes(source) && (rule.types === undefined || rule.types.includes(type)) ? [index] : [],
        );
        // Types come from outside, so what is remembered about them is bounded.
        if (types.size >= TYPES_REMEMBERED) types.clear();
        types.set(type, indexes);
      }
      return indexes;
    },
  };
}

const TYPES_REMEMBERED = 4096;

export const keyspaceName = (id: string): string => `keyspace ${id}`;
export const ruleName = (rule: CompiledRule): string => `rule ${rule.name} ${rule.version}`;
export const scopeName = (sources: readonly string[]): string => `clock ${[...sources].sort().join(' ')}`;
