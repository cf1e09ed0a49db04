import {
  isRuleName,
  isRulesName,
  type KeyspaceProgram,
  keyspaceProgram,
  ruleName,
} from '../core/behaviours/keyspace-program.ts';
import type { Event } from '../core/events/event.ts';
import type { ReferenceTables } from '../core/references/lookups.ts';
import { type RuleVersion, ruleId } from '../core/rules/rule-version.ts';
import { NO_RULES, type RunningRule, type RunningRules, runningRules } from '../core/rules/running-rules.ts';
import type { KeyChange, LaneState } from '../core/shards/commit.ts';
import { comparePositions } from '../core/shards/position.ts';
import type { LaneRecord } from '../core/shards/record.ts';
import type { ShardState } from '../core/shards/shard-state.ts';
import type { Logger } from '../ports/logger.ts';
import type { Measures } from '../ports/measures.ts';
import { Chains } from './chains.ts';
import { ruleMeasures } from './create-measures.ts';
import { StateSweep } from './state-sweep.ts';

/** Where the definitions of rule versions come from. */
export interface RuleVersions {
  /**
   * A version that stands in records. Waits as long as NATS does not answer.
   * @throws {RuleVersionMissing} when it is not stored
   */
  load(number: number): Promise<RuleVersion>;
}

/**
 * The rules that run in one shard, and how they change: at a record by which another set of them runs (see
 * `runningRules`), never within a batch.
 *
 *   V1. Which rules run after a record is a function of the versions of the lanes up to it. They are part of every
 *       commit, so whoever takes the shard over goes on with the same rules.
 *   V2. A rule that starts has a slot that no rule ever had: what an earlier run of it has left is never found again.
 *   V3. What rules that are gone have left is removed: by the turn of a key that is reached before, else by a sweep over
 *       the table, a piece with each commit. It has no effect before either.
 */
export class ShardRules {
  private readonly options: ShardRulesOptions;
  private readonly state: ShardState;
  private readonly known = new Map<number, RuleVersion>();
  private running: RunningRules = NO_RULES;
  /** By keyspace id. */
  programs: ReadonlyMap<string, KeyspaceProgram> = new Map();
  /** By the shard's number of the keyspace. */
  byNumber: ReadonlyMap<number, KeyspaceProgram> = new Map();
  /** Sources of every clock. */
  scopes: ReadonlyMap<number, readonly string[]> = new Map();
  /** The shard's number for processing time; undefined when no rule goes by it. */
  processing: number | undefined;
  chains: Chains;
  /** Names the next commit must define. */
  readonly names: string[] = [];
  private tables: ReferenceTables | undefined;
  private missing: readonly RunningRule[] = [];
  private readonly told = new Set<string>();
  private readonly swept = new Set<number>();
  private sweeping: StateSweep | undefined;
  private mixed: { keyspace: number; key: string }[] = [];

  constructor(options: ShardRulesOptions) {
    this.options = options;
    this.state = options.state;
    this.chains = new Chains(options.shard, options.state, NO_RULES, this.numberOf);
  }

  /**
   * Puts the rules to work that ran when the shard was last committed.
   * @param tables the shard's reference data
   * @throws {RuleVersionMissing}
   */
  async begin(tables?: ReferenceTables): Promise<void> {
    const { state } = this;
    this.tables = tables;
    for (let number = 0, name = state.nameOf(0); name !== undefined; name = state.nameOf(++number)) {
      if (name.startsWith(SWEPT)) this.swept.add(Number(name.slice(SWEPT.length)));
    }
    const versions = versionsOf(state.lanes);
    for (const version of versions.values()) await this.load(version);
    const running = runningRules(versions, this.version);
    for (const rule of running.rules) {
      const slot = state.numberOf(ruleName(rule));
      // Without its code the rule goes on unseen events, so what it held goes as a whole, whoever finishes the removal.
      const isLost = slot === undefined || this.swept.has(slot) || rule.compiled === undefined;
      if (isLost) this.define(ruleName(rule));
    }
    this.build(running);
  }

  /**
   * Follows records, each once, and tells which of them the rules at work are for.
   * @param lanes as they are before the first
   */
  walk(lanes: ReadonlyMap<string, LaneState>): { passes(lane: string, record: LaneRecord): boolean } {
    const versions = versionsOf(lanes);
    const reached = new Map<string, LaneRecord['upto']>();
    return {
      passes: (lane, { upto, ruleVersion }) => {
        const before = reached.get(lane) ?? lanes.get(lane)?.upto;
        // After a lost tail; such a record says nothing of its lane.
        if (before !== undefined && comparePositions(upto, before) < 0) return true;
        reached.set(lane, upto);
        if (versions.get(lane) === ruleVersion) return true;
        if (!this.known.has(ruleVersion)) return false;
        const after = new Map(versions).set(lane, ruleVersion);
        if (runningRules(after, this.version).text !== this.running.text) return false;
        versions.set(lane, ruleVersion);
        return true;
      },
    };
  }

  /**
   * Puts the rules to work that run from a record on. No actor may be active.
   * @param lanes as they are before it
   * @throws {RuleVersionMissing}
   */
  async switchTo(lanes: ReadonlyMap<string, LaneState>, lane: string, { ruleVersion }: LaneRecord): Promise<void> {
    await this.load(ruleVersion);
    const running = runningRules(versionsOf(lanes).set(lane, ruleVersion), this.version);
    if (running.text === this.running.text) return;
    const before = new Set(this.running.rules.map(ruleId));
    const after = new Set(running.rules.map(ruleId));
    const starts = running.rules.filter((rule) => !before.has(ruleId(rule)));
    const stops = this.running.rules.filter((rule) => !after.has(ruleId(rule)));
    for (const rule of starts) this.define(ruleName(rule));
    const { logger, shard } = this.options;
    const names = (rules: readonly RunningRule[]) => rules.map(({ name }) => name);
    if (before.size > 0)
      logger.info({ shard, lane, ruleVersion, starts: names(starts), stops: names(stops) }, 'other rules run');
    this.build(running);
  }

  /** Whether some rule that should run is not here. */
  get hasMissing(): boolean {
    return this.missing.length > 0;
  }

  /** Whether the rules to be put to work with a record include some that are not here. @throws {RuleVersionMissing} */
  async lacksFor(lanes: ReadonlyMap<string, LaneState>, lane: string, { ruleVersion }: LaneRecord): Promise<boolean> {
    await this.load(ruleVersion);
    const { rules } = runningRules(versionsOf(lanes).set(lane, ruleVersion), this.version);
    return rules.some(({ compiled }) => compiled === undefined);
  }

  /** An event that rules which are not here should see: counted, and said once for each. */
  noteUnseen(keyspace: string, { source }: Event): void {
    const { logger, shard, measures } = this.options;
    for (const rule of this.missing) {
      if (rule.keyspace !== keyspace || !rule.sources.includes(source)) continue;
      measures.node.ruleEventsUnseen += 1;
      if (this.told.has(ruleId(rule))) continue;
      this.told.add(ruleId(rule));
      logger.error(
        { code: 'RULE_CODE_MISSING', shard, rule: rule.name, version: rule.version },
        `shard ${shard}: rule ${rule.name} in the form that events were routed by is a module that this node does not have; ` +
          'it does not see them, and what it held is dropped. See docs/errors.md#rule_code_missing.',
      );
    }
  }

  /** Keys that need a turn of their own to let go of what rules have left there. Taken once. */
  takeMixed(): readonly { keyspace: number; key: string }[] {
    return this.mixed.length === 0 ? this.mixed : this.mixed.splice(0);
  }

  /** The next piece of the sweep, applied to the table: what the commit in preparation must hold of it. */
  sweep(): readonly KeyChange[] {
    const { sweeping } = this;
    if (sweeping === undefined) return [];
    const { changes, mixed, done } = sweeping.piece(this.byNumber);
    this.mixed.push(...mixed);
    this.options.measures.node.ruleStateDroppedKeys += changes.length;
    if (done && mixed.length === 0) {
      for (const slot of sweeping.slots) {
        this.define(`${SWEPT}${slot}`);
        this.swept.add(slot);
      }
      this.sweeping = undefined;
    }
    return changes;
  }

  private build(running: RunningRules): void {
    const { shard, state, measures } = this.options;
    this.running = running;
    const keyspaces = new Map<
      string,
      { rule: NonNullable<RunningRule['compiled']>; sorted: boolean; order: number }[]
    >();
    running.rules.forEach(({ keyspace, compiled, sorted }, order) => {
      if (compiled === undefined) return;
      const members = keyspaces.get(keyspace) ?? [];
      members.push({ rule: compiled, sorted, order });
      keyspaces.set(keyspace, members);
    });
    const numbers = { numberOf: this.numberOf, nameOf: (number: number) => state.nameOf(number) };
    const programs = [...keyspaces].map(([id, members]) => keyspaceProgram(id, members, numbers, this.tables));
    this.programs = new Map([...keyspaces.keys()].map((id, at) => [id, programs[at]!]));
    this.byNumber = new Map(programs.map((program) => [program.keyspace, program]));
    this.processing = programs.find(({ processing }) => processing !== undefined)?.processing;
    const all = programs.flatMap(({ rules }) => rules);
    this.scopes = new Map(all.map(({ rule, scope }) => [scope, rule.sources]));
    this.chains = new Chains(shard, state, running, this.numberOf);
    this.missing = running.rules.filter(({ compiled }) => compiled === undefined);
    for (const { name } of running.rules) if (!measures.rules.has(name)) measures.rules.set(name, ruleMeasures());
    this.sweepFor(new Set(all.map(({ slot }) => slot)));
  }

  /** @param live slots of the rules that run */
  private sweepFor(live: ReadonlySet<number>): void {
    const { state, swept } = this;
    const gone: number[] = [];
    for (let slot = 0, name = state.nameOf(0); name !== undefined; name = state.nameOf(++slot)) {
      if (isRuleName(name) && !live.has(slot) && !swept.has(slot)) gone.push(slot);
    }
    this.mixed = [];
    this.sweeping =
      gone.length === 0 ? undefined : new StateSweep(state, gone, (slot) => isRulesName(state.nameOf(slot)));
  }

  private async load(number: number): Promise<void> {
    if (!this.known.has(number)) this.known.set(number, await this.options.versions.load(number));
  }

  private readonly version = (number: number): RuleVersion => this.known.get(number)!;

  /** The shard's number of a name, which is defined when it is new. */
  readonly numberOf = (name: string): number => this.state.numberOf(name) ?? this.define(name);

  private define(name: string): number {
    this.names.push(name);
    return this.state.define(name);
  }
}

/** What the name of a slot's mark begins with that says that nothing is left of it. */
const SWEPT = 'swept ';

const versionsOf = (lanes: ReadonlyMap<string, LaneState>): Map<string, number> =>
  new Map([...lanes.values()].map(({ lane, ruleVersion }) => [lane, ruleVersion]));

export interface ShardRulesOptions {
  readonly shard: number;
  readonly state: ShardState;
  readonly versions: RuleVersions;
  readonly logger: Logger;
  readonly measures: Measures;
}
