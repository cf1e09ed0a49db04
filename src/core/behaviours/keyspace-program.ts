import type { CompiledRule, Keyspace } from '../rules/rule-set.ts';

/** A rule of a keyspace as one shard runs it. */
export interface ProgramRule {
  readonly rule: CompiledRule;
  /** The shard's number for this version of the rule; names its cells. */
  readonly slot: number;
  /** The shard's number for the rule's clock: the set of sources whose least watermark it goes by. */
  readonly scope: number;
  /** Whether its events wait until the clock has passed them; false when they come in order of time anyway. */
  readonly sorted: boolean;
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
  /** The shard's number for processing time; undefined when no rule goes by it. */
  readonly processing: number | undefined;
  /** Where the events wait that rules of one clock have yet to see, by scope. */
  readonly rooms: ReadonlyMap<number, WaitingRoom>;
}

/** The cells of a key's waiting events, for one clock. */
export interface WaitingRoom {
  readonly scope: number;
  /** The shard's number that names the cells. */
  readonly slot: number;
  readonly severalSources: boolean;
}

/**
 * @param numberOf gives the shard's number of a name, defining it when it is new
 * @param orderOf a rule's place among all rules
 * @param inOrder whether no event of a source can be older than one before it and still be on time
 */
export function keyspaceProgram(
  keyspace: Keyspace,
  numberOf: (name: string) => number,
  orderOf: (rule: CompiledRule) => number,
  inOrder: (source: string) => boolean,
): KeyspaceProgram {
  const rules = keyspace.rules.map((rule) => ({
    rule,
    slot: numberOf(ruleName(rule)),
    scope: numberOf(scopeName(rule.sources)),
    sorted: rule.sources.length > 1 || !rule.sources.every(inOrder),
    order: orderOf(rule),
  }));
  // Also for clocks whose events need not wait: some may, from before the configuration was changed.
  const rooms = new Map<number, WaitingRoom>();
  for (const { rule, scope } of rules) {
    if (rooms.has(scope)) continue;
    rooms.set(scope, { scope, slot: numberOf(roomName(rule.sources)), severalSources: rule.sources.length > 1 });
  }
  const known = new Map<string, Map<string, readonly number[]>>();
  return {
    keyspace: numberOf(keyspaceName(keyspace.id)),
    rules,
    bySlot: new Map(rules.map(({ slot }, index) => [slot, index])),
    rooms,
    processing: rules.some(({ rule }) => rule.behaviour.onProcessingTime !== undefined)
      ? numberOf(PROCESSING_NAME)
      : undefined,
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
const PROCESSING_NAME = 'processing time';
const roomName = (sources: readonly string[]): string => `waiting ${[...sources].sort().join(' ')}`;
