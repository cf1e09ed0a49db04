import { type KeyspaceProgram, keyspaceProgram } from '../core/behaviours/keyspace-program.ts';
import type { TurnItem } from '../core/behaviours/turn.ts';
import type { RuleSet } from '../core/rules/rule-set.ts';
import type { ClockReading, CommitOutput, LaneState } from '../core/shards/commit.ts';
import { comparePositions, covers, showPosition } from '../core/shards/position.ts';
import { decodeRecord, type LaneRecord } from '../core/shards/record.ts';
import type { ShardState } from '../core/shards/shard-state.ts';
import type { LogMessage } from '../ports/log.ts';
import { BatchClocks } from './batch-clocks.ts';
import { Chains } from './chains.ts';

/** What the messages of one read hold for the actors of a shard. */
export interface Batch {
  readonly turns: readonly BatchTurn[];
  readonly clocks: BatchClocks;
  readonly events: number;
}

interface BatchTurn {
  readonly program: KeyspaceProgram;
  readonly key: string;
  readonly items: TurnItem[];
}

/** A record that does not begin where the one before it ended: something is missing in the shard log (C2). */
export class ShardLogGap extends Error {
  readonly code = 'SHARD_LOG_GAP';
  readonly shard: number;

  constructor(shard: number, record: LaneRecord, known: LaneState, sequence: number) {
    super(
      `shard ${shard}: record ${sequence} of lane ${known.lane} begins after ${showPosition(record.from)}, but only what is up to ` +
        `${showPosition(known.upto)} has been seen; records between are missing. See docs/errors.md#shard_log_gap.`,
    );
    this.shard = shard;
  }
}

/** The shard log holds something that is no record, or one of a newer format. */
export class ShardLogCorrupt extends Error {
  readonly code = 'SHARD_LOG_CORRUPT';
}

/** Turns messages of a shard log into batches, in stream order, and moves the shard's cursor, lanes and clocks on. */
export class Batcher {
  private readonly shard: number;
  private readonly state: ShardState;
  private readonly programs = new Map<string, KeyspaceProgram>();
  private readonly scopes = new Map<number, readonly string[]>();
  /** The shard's number for processing time; undefined when no rule goes by it. */
  private readonly processing: number | undefined;
  private readonly chains: Chains;
  /** Names the next commit must define. */
  readonly names: string[] = [];

  /** @param inOrder see `keyspaceProgram` */
  constructor(shard: number, state: ShardState, rules: RuleSet, inOrder: (source: string) => boolean) {
    this.shard = shard;
    this.state = state;
    const numberOf = (name: string): number => {
      const known = state.numberOf(name);
      if (known !== undefined) return known;
      this.names.push(name);
      return state.define(name);
    };
    for (const keyspace of rules.keyspaces) {
      const program = keyspaceProgram(keyspace, numberOf, (rule) => rules.rules.indexOf(rule), inOrder);
      this.programs.set(keyspace.id, program);
      this.processing ??= program.processing;
      for (const { rule, scope } of program.rules) this.scopes.set(scope, rule.sources);
    }
    this.chains = new Chains(shard, state, rules, numberOf);
  }

  /** @throws {ShardLogGap} {ShardLogCorrupt} */
  next(messages: readonly LogMessage[]): Batch {
    const { state } = this;
    const clocks = new BatchClocks(messages.length, this.scopes, state.clocks);
    const turns: BatchTurn[] = [];
    const known = new Map<KeyspaceProgram, Map<string, BatchTurn>>();
    let events = 0;
    clocks.begin(state.lanes);
    for (let record = 0; record < messages.length; record += 1) {
      const message = messages[record]!;
      const lane = message.subject.slice(message.subject.lastIndexOf('.') + 1);
      const content = this.decode(message);
      const before = state.lanes.get(lane);
      if (before !== undefined && comparePositions(content.from, before.upto) > 0) {
        throw new ShardLogGap(this.shard, content, before, message.sequence);
      }
      for (let index = 0; index < content.events.length; index += 1) {
        const routed = content.events[index]!;
        // Only after the log lost its tail does a record reach back over what was read (C2).
        if (
          before !== undefined &&
          covers(before.upto, routed.replay?.sequence ?? routed.event.seq, routed.event.index)
        )
          continue;
        events += 1;
        for (let route = 0; route < routed.routes.length; route += 1) {
          const { keyspace, key } = routed.routes[route]!;
          const program = this.programs.get(keyspace);
          // A keyspace whose rules were all removed since the lane wrote the record.
          if (program === undefined) continue;
          const item = { record, index, route, routed };
          let keys = known.get(program);
          if (keys === undefined) known.set(program, (keys = new Map()));
          let turn = keys.get(key);
          if (turn === undefined) {
            turn = { program, key, items: [] };
            keys.set(key, turn);
            turns.push(turn);
          }
          turn.items.push(item);
        }
      }
      const { upto, watermark, standing, created, ruleVersion } = content;
      const reachesBack = before !== undefined && comparePositions(upto, before.upto) < 0;
      if (!reachesBack) state.lanes.set(lane, { lane, upto, watermark, standing, created, ruleVersion });
      state.cursor = message.sequence;
      if (message.stamp > state.processingTime) state.processingTime = message.stamp;
      clocks.read(record, state.lanes, state.processingTime);
    }
    this.addDue(turns, known, clocks);
    return { turns, clocks, events };
  }

  /** What a batch's outputs are followed by, for rules that read those of others. */
  chained(outputs: readonly CommitOutput[], { clocks }: Batch): CommitOutput[] {
    return this.chains.outputs(outputs, clocks);
  }

  /** Keys that no event of the batch touches, but whose timers fall due in it, or whose input has ended. */
  private addDue(
    turns: BatchTurn[],
    known: ReadonlyMap<KeyspaceProgram, ReadonlyMap<string, BatchTurn>>,
    clocks: BatchClocks,
  ): void {
    const due = new Set<string>();
    const add = (keyspace: number, key: string): void => {
      const program = this.programOf(keyspace);
      const name = `${keyspace} ${key}`;
      if (program === undefined || known.get(program)?.has(key) || due.has(name)) return;
      due.add(name);
      turns.push({ program, key, items: [] });
    };
    for (const scope of this.scopes.keys()) {
      // At the end of input every key has its turn.
      if (clocks.closesAt(scope) !== undefined) {
        for (const { keyspace, key } of this.state.table.names()) add(keyspace, key);
      }
      for (const { keyspace, key } of this.state.table.takeDue(scope, clocks.last(scope))) add(keyspace, key);
    }
    if (this.processing !== undefined) {
      const { processingTime } = this.state;
      for (const { keyspace, key } of this.state.table.takeDue(this.processing, processingTime)) add(keyspace, key);
    }
  }

  /** Readings of the clocks of several sources, for the next commit. */
  get clocks(): ClockReading[] {
    return [...this.state.clocks].map(([scope, reading]) => ({ scope, reading }));
  }

  private programOf(keyspace: number): KeyspaceProgram | undefined {
    for (const program of this.programs.values()) if (program.keyspace === keyspace) return program;
    return undefined;
  }

  private decode(message: LogMessage): LaneRecord {
    try {
      return decodeRecord(message.body);
    } catch (cause) {
      throw new ShardLogCorrupt(
        `shard ${this.shard}: message ${message.sequence} of the shard log cannot be read. See docs/errors.md#shard_log_corrupt.`,
        { cause },
      );
    }
  }
}
