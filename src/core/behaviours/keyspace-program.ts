import { type Lending, lending, type ReferenceTables } from '../references/lookups.ts';
import type { CompiledRule } from '../rules/rule-set.ts';

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
  /** Lends the shard's reference data to the rules for a turn; undefined when none looks anything up. */
  readonly lend: Lending | undefined;
  /** Whether cells of a slot belong to a rule, or to events that wait for one, that does not run here any more. */
  isGone(slot: number): boolean;
}

/** The cells of a key's waiting events, for one clock. */
export interface WaitingRoom {
  readonly scope: number;
  /** The shard's number that names the cells. */
  readonly slot: number;
  readonly severalSources: boolean;
}

/** A rule of a keyspace, and how it runs in a shard. */
export interface ProgramMember {
  readonly rule: CompiledRule;
  readonly sorted: boolean;
  readonly order: number;
}

/**
 * @param id of the keyspace
 * @param numbers the shard's numbers of names
 * @param tables the shard's reference data
 */
export function keyspaceProgram(
  id: string,
  members: readonly ProgramMember[],
  { numberOf, nameOf }: ShardNumbers,
  tables?: ReferenceTables,
): KeyspaceProgram {
  const rules = members.map(({ rule, sorted, order }) => ({
    rule,
    slot: numberOf(ruleName(rule)),
    scope: numberOf(scopeName(rule.sources)),
    sorted,
    order,
  }));
  // Also for clocks whose events need not wait: some may, from before the configuration was changed.
  const rooms = new Map<number, WaitingRoom>();
  for (const { rule, scope } of rules) {
    if (rooms.has(scope)) continue;
    rooms.set(scope, { scope, slot: numberOf(roomName(rule.sources)), severalSources: rule.sources.length > 1 });
  }
  const known = new Map<string, Map<string, readonly number[]>>();
  const live = new Set([...rules, ...rooms.values()].map(({ slot }) => slot));
  return {
    keyspace: numberOf(keyspaceName(id)),
    rules,
    bySlot: new Map(rules.map(({ slot }, index) => [slot, index])),
    rooms,
    lend: lending(
      rules.map(({ rule }) => rule.lookups),
      tables,
    ),
    isGone: (slot) => !live.has(slot) && isRulesName(nameOf(slot)),
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

/** How a shard numbers names. */
export interface ShardNumbers {
  /** The number of a name, which is defined when it is new. */
  numberOf(name: string): number;
  nameOf(number: number): string | undefined;
}

const KEYSPACE = 'keyspace ';
export const keyspaceName = (id: string): string => `${KEYSPACE}${id}`;
export const isKeyspaceName = (name: string | undefined): boolean => name?.startsWith(KEYSPACE) === true;
export const ruleName = ({ name, version }: Pick<CompiledRule, 'name' | 'version'>): string =>
  `${RULE}${name} ${version}`;
const RULE = 'rule ';
export const isRuleName = (name: string | undefined): boolean => name?.startsWith(RULE) === true;
/** Whether a slot with this name holds state of a rule, or events that wait for rules. */
export const isRulesName = (name: string | undefined): boolean =>
  isRuleName(name) || name?.startsWith(WAITING) === true;
export const scopeName = (sources: readonly string[]): string => `clock ${[...sources].sort().join(' ')}`;
const PROCESSING_NAME = 'processing time';
const WAITING = 'waiting ';
const roomName = (sources: readonly string[]): string => `${WAITING}${[...sources].sort().join(' ')}`;
