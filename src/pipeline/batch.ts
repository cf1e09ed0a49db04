import type { KeyspaceProgram } from '../core/behaviours/keyspace-program.ts';
import type { TurnItem } from '../core/behaviours/turn.ts';
import type { RefusedEntry, ShardReferences } from '../core/references/shard-references.ts';
import type { ClockReading, CommitOutput, LaneState } from '../core/shards/commit.ts';
import { comparePositions, covers, showPosition } from '../core/shards/position.ts';
import { decodeRecord, type LaneRecord } from '../core/shards/record.ts';
import type { ShardState } from '../core/shards/shard-state.ts';
import { isReferenceLane } from '../core/shards/subjects.ts';
import type { LogMessage } from '../ports/log.ts';
import { BatchClocks } from './batch-clocks.ts';
import { laneOf } from './batch-length.ts';
import type { ShardRules } from './shard-rules.ts';

/** What the messages of one read hold for the actors of a shard. */
export interface Batch {
  readonly turns: readonly BatchTurn[];
  readonly clocks: BatchClocks;
  readonly events: number;
  /** Entries of reference data that a limit kept out. */
  readonly refused: readonly RefusedEntry[];
}

export interface BatchTurn {
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
  private readonly rules: ShardRules;
  private readonly references: ShardReferences;
  /** Records that were looked at before they are taken, by sequence. */
  private readonly decoded = new Map<number, LaneRecord>();

  /**
   * @param rules those that run in the shard
   * @param references what they look up: the first record of a batch alone may change it (see `batchLength`)
   */
  constructor(shard: number, state: ShardState, rules: ShardRules, references: ShardReferences) {
    this.shard = shard;
    this.state = state;
    this.rules = rules;
    this.references = references;
  }

  /**
   * How many of some messages come before the first by which other rules run. When that is the very first one, its rules
   * must be put to work (`ShardRules.switchTo`) before it is taken.
   * @throws {ShardLogCorrupt}
   */
  untilSwitch(messages: readonly LogMessage[]): number {
    const walk = this.rules.walk(this.state.lanes);
    for (let count = 0; count < messages.length; count += 1) {
      const message = messages[count]!;
      const record = this.recordOf(message);
      this.decoded.set(message.sequence, record);
      if (!walk.passes(laneOf(message), record)) return count;
    }
    return messages.length;
  }

  /** Puts the rules to work that run with a message. @throws {ShardLogCorrupt} */
  async switchTo(message: LogMessage): Promise<void> {
    await this.rules.switchTo(this.state.lanes, laneOf(message), this.recordOf(message));
  }

  /** Whether this node lacks some of the rules that run with a message. @throws {ShardLogCorrupt} */
  lacksFor(message: LogMessage): Promise<boolean> {
    return this.rules.lacksFor(this.state.lanes, laneOf(message), this.recordOf(message));
  }

  /**
   * Takes messages by all of which the same rules run.
   * @throws {ShardLogGap} {ShardLogCorrupt}
   */
  next(messages: readonly LogMessage[]): Batch {
    const { state, rules } = this;
    const clocks = new BatchClocks(messages.length, rules.scopes, state.clocks);
    const turns: BatchTurn[] = [];
    const known = new Map<KeyspaceProgram, Map<string, BatchTurn>>();
    const refused: RefusedEntry[] = [];
    let events = 0;
    clocks.begin(state.lanes);
    for (let record = 0; record < messages.length; record += 1) {
      const message = messages[record]!;
      const lane = laneOf(message);
      const content = this.recordOf(message);
      this.decoded.delete(message.sequence);
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
        if (isReferenceLane(lane)) {
          refused.push(...this.references.take(routed));
          continue;
        }
        events += 1;
        for (let route = 0; route < routed.routes.length; route += 1) {
          const { keyspace, key } = routed.routes[route]!;
          if (rules.hasMissing) rules.noteUnseen(keyspace, routed.event);
          const program = rules.programs.get(keyspace);
          // A keyspace none of whose rules runs in this shard yet, or any more.
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
    return { turns, clocks, events, refused };
  }

  /** What a batch's outputs are followed by, for rules that read those of others. */
  chained(outputs: readonly CommitOutput[], { clocks }: Batch): CommitOutput[] {
    return this.rules.chains.outputs(outputs, clocks);
  }

  /** Keys that no event of the batch touches, but whose timers fall due in it, or whose input has ended. */
  private addDue(
    turns: BatchTurn[],
    known: ReadonlyMap<KeyspaceProgram, ReadonlyMap<string, BatchTurn>>,
    clocks: BatchClocks,
  ): void {
    const due = new Set<string>();
    const add = (keyspace: number, key: string): void => {
      const program = this.rules.byNumber.get(keyspace);
      const name = `${keyspace} ${key}`;
      if (program === undefined || known.get(program)?.has(key) || due.has(name)) return;
      due.add(name);
      turns.push({ program, key, items: [] });
    };
    for (const { keyspace, key } of this.rules.takeMixed()) add(keyspace, key);
    for (const scope of this.rules.scopes.keys()) {
      // At the end of input every key has its turn.
      if (clocks.closesAt(scope) !== undefined) {
        for (const { keyspace, key } of this.state.table.names()) add(keyspace, key);
      }
      for (const { keyspace, key } of this.state.table.takeDue(scope, clocks.last(scope))) add(keyspace, key);
    }
    const { processing } = this.rules;
    if (processing !== undefined) {
      const { processingTime } = this.state;
      for (const { keyspace, key } of this.state.table.takeDue(processing, processingTime)) add(keyspace, key);
    }
  }

  /** Readings of the clocks of several sources, for the next commit. */
  get clocks(): ClockReading[] {
    return [...this.state.clocks].map(([scope, reading]) => ({ scope, reading }));
  }

  private recordOf(message: LogMessage): LaneRecord {
    const known = this.decoded.get(message.sequence);
    if (known !== undefined) return known;
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
