import type { ActorPool } from '../actors/actor-pool.ts';
import { KeyActors } from '../actors/key-actors.ts';
import type { TurnResult } from '../core/behaviours/desk.ts';
import { compareSaid, type Said } from '../core/behaviours/said.ts';
import type { RuleSet } from '../core/rules/rule-set.ts';
import type { CommitOutput, KeyChange, LaneState } from '../core/shards/commit.ts';
import { comparePositions } from '../core/shards/position.ts';
import type { ShardState } from '../core/shards/shard-state.ts';
import type { Subjects } from '../core/shards/subjects.ts';
import type { Wake } from '../core/shards/wake.ts';
import type { InstantMs } from '../core/time/units.ts';
import { type Journal, openJournal } from '../journal/journal.ts';
import { JournalError } from '../journal/journal-error.ts';
import type { Clock } from '../ports/clock.ts';
import type { FencedLog, LogMessage, LogReader } from '../ports/log.ts';
import type { Logger } from '../ports/logger.ts';
import type { Measures } from '../ports/measures.ts';
import { observeSeconds } from '../ports/observe-seconds.ts';
import { type Batch, Batcher } from './batch.ts';
import { CommitLine, type ShardSnapshots } from './commit-line.ts';
import type { LaneProgress } from './lane-output.ts';
import { noteIncident, outputOf, withIdentities } from './outputs.ts';

/**
 * The owner of one shard: reads its shard log in stream order, lets the keys' actors take their turns, writes one
 * commit per batch and relays what it holds (protocol.md §3).
 *
 *   O1. It opens the journal before it reads anything (C1).
 *   O2. While a commit is under way the next batch is computed on top of it, and sent only after the acknowledgement.
 *   O3. Anything refused or found broken ends the owner: actors and tables are dropped with it, and whoever owns the
 *       shard next starts from the journal. There is no undo.
 *   O4. A batch that changed nothing is not committed by itself: its cursor goes with the next commit that has
 *       something to say, or after `QUIET_MAX` such batches.
 */
export class ShardOwner {
  private readonly options: ShardOwnerOptions;
  private actors: KeyActors | undefined;
  private journal: Journal | undefined;
  private line: CommitLine | undefined;
  private reader: LogReader | undefined;
  private committed = new Map<string, LaneState>();
  private stopped = false;
  private watchers: (() => void)[] = [];
  private failed: (error: unknown) => void = () => undefined;

  constructor(options: ShardOwnerOptions) {
    this.options = options;
  }

  /**
   * Takes the shard over and works until `stop` is called.
   * @param incarnation a name no owner of this shard ever had
   * @param ready called when the shard is recovered and reading begins
   * @throws {JournalError} SUPERSEDED when another owner took the shard, STOPPED after `stop`; others when it cannot go on
   */
  async run(incarnation: string, ready: () => void): Promise<void> {
    const { ports, subjects, shard, measures, rules } = this.options;
    const failure = new Promise<never>((_, reject) => (this.failed = reject));
    failure.catch(() => undefined); // observed by the race below; not by anyone when work ends first
    const started = ports.clock.monotonic();
    try {
      const journalPorts = { log: ports.log, clock: ports.clock, measures: measures.node };
      const names = {
        shard,
        journal: subjects.journal(shard),
        shardLog: (lane: string) => subjects.shardLog(shard, lane),
        page: (page: number) => subjects.page(shard, page),
      };
      const journal = await Promise.race([openJournal(journalPorts, names, incarnation, () => this.stopped), failure]);
      if (this.stopped) return;
      this.journal = journal;
      const { state } = journal.recovered;
      this.noteCommitted(state.lanes.values());
      this.line = new CommitLine({
        ports: journalPorts,
        names,
        journal,
        outputSubject: subjects.output,
        snapshots: this.options.snapshots,
        failed: (error) => this.failed(error),
      });
      this.actors = new KeyActors(
        this.options.pool,
        (keyspace, key) => state.table.packed(keyspace, key),
        () => ports.clock.monotonic(),
      );
      this.reader = ports.log.read(subjects.shardLogOfAllLanes(shard), state.cursor + 1);
      measures.node.recoveries += 1;
      observeSeconds(measures.node.recoverySeconds, (ports.clock.monotonic() - started) / 1000);
      ready();
      await Promise.race([
        this.work(journal, new Batcher(shard, state, rules, this.options.inOrder), incarnation),
        failure,
      ]);
    } finally {
      this.stop();
      await this.reader?.close();
    }
  }

  /** Ends at once. What is not committed was never promised. Idempotent. */
  stop(): void {
    if (this.stopped) return;
    this.stopped = true;
    // Whatever `run` waits for (a journal that cannot be opened, a turn that will not come), it waits no longer.
    const { shard } = this.options;
    this.failed(new JournalError('STOPPED', shard, `shard ${shard}: stopped`));
    this.line?.stop();
    this.actors?.stop();
    this.actors = undefined;
    void this.reader?.close();
    this.tellWatchers();
  }

  /**
   * Resolves when a lane's records up to a position and watermark are committed and everything they imply is relayed.
   * @returns false when the owner was stopped before
   */
  async settled(lane: string, { position, watermark, standing }: LaneProgress): Promise<boolean> {
    for (;;) {
      const done = this.committed.get(lane);
      if (this.stopped) return false;
      if (
        done !== undefined &&
        comparePositions(done.upto, position) >= 0 &&
        done.watermark >= watermark &&
        done.standing === standing
      )
        break;
      await new Promise<void>((resolve) => this.watchers.push(resolve));
    }
    await this.line?.relayedAll();
    return !this.stopped;
  }

  /** What the shard holds now, for metrics; undefined before it is recovered. */
  get holdings(): { keys: number; stateBytes: number; timers: number; journalTailBytes: number } | undefined {
    const table = this.journal?.recovered.state.table;
    const journalTailBytes = this.line?.journalTailBytes ?? 0;
    return table && { keys: table.size, stateBytes: table.bytes, timers: table.timersPending, journalTailBytes };
  }

  /** Stops one key's actor in the middle of everything. For tests of recovery from packed state. */
  killActor(key: string): boolean {
    return this.actors?.kill(key) ?? false;
  }

  private async work(journal: Journal, batcher: Batcher, incarnation: string): Promise<void> {
    const { state } = journal.recovered;
    const line = this.line!;
    let quiet = 0;
    let events = 0;
    let logBytes = 0;
    let records = new Map<string, number>();
    let sweptAt = state.processingTime;
    let held: readonly LogMessage[] = [];
    for (;;) {
      if (held.length === 0) held = (await this.reader!.next()) ?? [];
      if (held.length === 0 || this.stopped) return;
      const messages = held.slice(0, batchLength(held));
      held = held.slice(messages.length);
      const batch = this.read(batcher, messages);
      const results = await this.actors!.run(batch.turns, batch.clocks);
      if (this.stopped) return;
      const { changes, outputs } = this.gather(state, batch, results);
      outputs.push(...batcher.chained(outputs, batch));
      for (const message of messages) {
        records.set(message.subject.slice(message.subject.lastIndexOf('.') + 1), message.sequence);
        logBytes += message.body.length;
      }
      quiet += 1;
      events += batch.events;
      const lanes = [...records.keys()].map((lane) => state.lanes.get(lane)!);
      const isQuiet = changes.length === 0 && outputs.length === 0 && batcher.names.length === 0;
      if (isQuiet && quiet < QUIET_MAX && !line.wantsCommit) {
        line.pass(events, () => this.noteCommitted(lanes));
        events = 0;
      } else {
        const commit = {
          incarnation,
          number: state.commitNumber + 1,
          opening: false,
          cursor: state.cursor,
          processingTime: state.processingTime,
          lanes,
          clocks: batcher.clocks,
          names: batcher.names.splice(0),
          changes,
          outputs,
        };
        state.commitNumber = commit.number;
        await line.send(commit, { events, logBytes, records }, () => this.noteCommitted(lanes));
        if (this.stopped) return;
        quiet = 0;
        events = 0;
        logBytes = 0;
        records = new Map();
      }
      sweptAt = this.sweep(state, sweptAt);
    }
  }

  private read(batcher: Batcher, messages: readonly LogMessage[]): Batch {
    const { ports, measures } = this.options;
    const started = ports.clock.monotonic();
    const batch = batcher.next(messages);
    measures.node.busySeconds.read += (ports.clock.monotonic() - started) / 1000;
    measures.node.batches += 1;
    measures.node.batchEvents += batch.events;
    return batch;
  }

  /** Applies what the turns changed and puts what they said in order. */
  private gather(
    state: ShardState,
    batch: Batch,
    results: readonly TurnResult[],
  ): { changes: KeyChange[]; outputs: CommitOutput[] } {
    const started = this.options.ports.clock.monotonic();
    const said: Said[] = [];
    for (const { said: spoken } of results) for (const one of spoken) said.push(one);
    said.sort(compareSaid);
    // Numbered before changes are taken: some states keep the number of what they said first.
    const outputs = said.map((one) => outputOf(this.options, state, one));
    const changes: KeyChange[] = [];
    for (let i = 0; i < results.length; i += 1) {
      const { program, key } = batch.turns[i]!;
      const { changed, fired, wakes, incidents } = results[i]!;
      this.options.measures.node.timersFired += fired;
      for (const incident of incidents) noteIncident(this.options, incident, key);
      if (!changed) continue;
      const change = withIdentities(results[i]!);
      if (change.length === 0 && sameWakes(wakes, state.table.wakes(program.keyspace, key))) continue;
      state.table.apply(program.keyspace, key, change, wakes);
      changes.push({ keyspace: program.keyspace, key, change, wakes });
    }
    this.options.measures.node.busySeconds.commit += (this.options.ports.clock.monotonic() - started) / 1000;
    return { changes, outputs };
  }

  /** Passivates idle actors, by the shard's processing time: no clock of this node decides what is in memory. */
  private sweep({ processingTime }: ShardState, sweptAt: InstantMs): InstantMs {
    const idle = !(processingTime - sweptAt < IDLE_MS);
    if (!idle && !this.options.pool.isCrowded) return sweptAt;
    this.actors!.sweep(idle);
    return processingTime;
  }

  private noteCommitted(lanes: Iterable<LaneState>): void {
    for (const lane of lanes) this.committed.set(lane.lane, lane);
    this.tellWatchers();
  }

  private tellWatchers(): void {
    const { watchers } = this;
    this.watchers = [];
    for (const resolve of watchers) resolve();
  }
}

/** Batches that changed nothing, after which their cursor is committed all the same. */
const QUIET_MAX = 64;
/** Bytes of records in one batch: some thousands of events, so that a commit stays small and other shards get on. */
const BATCH_BYTES = 256 * 1024;
/** An actor that no event reached for one to two times this long is passivated. */
const IDLE_MS = 10_000;

export interface ShardOwnerOptions {
  readonly ports: { readonly log: FencedLog; readonly clock: Clock; readonly logger: Logger };
  readonly shard: number;
  readonly prefix: string;
  readonly subjects: Subjects;
  readonly rules: RuleSet;
  /** Whether no event of a source can be older than one before it and still be on time. */
  readonly inOrder: (source: string) => boolean;
  readonly pool: ActorPool;
  /** Undefined: the shard is not snapshotted. */
  readonly snapshots: ShardSnapshots | undefined;
  readonly measures: Measures;
}

/** As many messages as make a batch of at most `BATCH_BYTES`, at least one. */
function batchLength(messages: readonly LogMessage[]): number {
  let bytes = 0;
  for (let count = 0; count < messages.length; count += 1) {
    bytes += messages[count]!.body.length;
    if (bytes > BATCH_BYTES && count > 0) return count;
  }
  return messages.length;
}

function sameWakes(a: readonly Wake[], b: readonly Wake[]): boolean {
  return a.length === b.length && a.every((wake) => b.some(({ scope, at }) => scope === wake.scope && at === wake.at));
}
