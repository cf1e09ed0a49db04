import type { ActorPool } from '../actors/actor-pool.ts';
import { KeyActors } from '../actors/key-actors.ts';
import { ShardReferences } from '../core/references/shard-references.ts';
import type { CommitOutput, KeyChange, LaneState } from '../core/shards/commit.ts';
import { comparePositions } from '../core/shards/position.ts';
import type { ShardState } from '../core/shards/shard-state.ts';
import type { Subjects } from '../core/shards/subjects.ts';
import type { InstantMs } from '../core/time/units.ts';
import { type Journal, openJournal } from '../journal/journal.ts';
import { JournalError } from '../journal/journal-error.ts';
import type { LogMessage, LogReader } from '../ports/log.ts';
import type { Measures } from '../ports/measures.ts';
import { observeSeconds } from '../ports/observe-seconds.ts';
import { pause } from '../ports/pause.ts';
import { type Batch, Batcher } from './batch.ts';
import { batchLength, laneOf } from './batch-length.ts';
import { type Careful, carefulIfNeeded } from './careful.ts';
import { CommitLine, type ShardSnapshots } from './commit-line.ts';
import { gather } from './gather.ts';
import type { LaneProgress } from './lane-output.ts';
import { type OwnerPorts, shardForwards } from './shard-forwards.ts';
import { type RuleVersions, ShardRules } from './shard-rules.ts';

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
  /** Set while the shard works carefully. */
  private careful: Careful | undefined;
  private references: ShardReferences | undefined;
  private committed = new Map<string, LaneState>();
  private stopped = false;
  private isWaiting = false;
  private handsOver = false;
  private endWork: () => void = () => undefined;
  private hasEnded: () => void = () => undefined;
  private readonly ended = new Promise<void>((resolve) => (this.hasEnded = resolve));
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
    const { ports, subjects, shard, measures, versions } = this.options;
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
        forwards: shardForwards(this.options),
        failed: (error) => this.failed(error),
      });
      this.actors = new KeyActors(
        this.options.pool,
        shard,
        (keyspace, key) => state.table.packed(keyspace, key),
        () => ports.clock.monotonic(),
      );
      const rules = new ShardRules({ shard, state, versions, logger: ports.logger, measures });
      const references = new ShardReferences(state, rules.numberOf, (name) => this.options.references?.get(name));
      this.references = references;
      await Promise.race([rules.begin(references), failure]);
      const { line, actors } = this;
      this.careful = await carefulIfNeeded({ ...this.options, journal, incarnation, line, actors });
      if (this.stopped) return;
      this.reader = ports.log.read(subjects.shardLogOfAllLanes(shard), state.cursor + 1);
      measures.node.recoveries += 1;
      observeSeconds(measures.node.recoverySeconds, (ports.clock.monotonic() - started) / 1000);
      ready();
      await Promise.race([
        this.work(journal, rules, new Batcher(shard, state, rules, references), incarnation),
        failure,
      ]);
    } finally {
      this.stop();
      await this.reader?.close();
      await this.line?.closed();
      this.hasEnded();
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
   * For a shard that another node will have with newer rules: works on up to the end of the shard log, but not beyond a
   * record by which rules run that are not here; commits all of it and relays what it implies. Then `run` resolves.
   */
  async handOver(): Promise<void> {
    this.handsOver = true;
    const { clock } = this.options.ports;
    while (!this.stopped && !(this.isWaiting && (await this.isCaughtUp()) && this.isWaiting)) await pause(clock, 20);
    this.endWork();
    await this.ended;
  }

  private async isCaughtUp(): Promise<boolean> {
    return (await this.reader?.caughtUp?.()) ?? true;
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
  get holdings() {
    const table = this.journal?.recovered.state.table;
    const { journalTailBytes = 0, forwardsWaiting = 0, relayBytes = 0 } = this.line ?? {};
    const waiting = { journalTailBytes, forwardsWaiting, relayBytes, references: this.references?.holdings() };
    // Entries of references are no keys.
    const keys = (table?.size ?? 0) - (this.references?.entries ?? 0);
    return table && { keys, stateBytes: table.bytes, timers: table.timersPending, ...waiting };
  }

  /** Whether it works carefully (see careful). */
  get isCareful(): boolean {
    return this.careful !== undefined;
  }

  /** Stops one key's actor in the middle of everything. For tests of recovery from packed state. */
  killActor(key: string): boolean {
    return this.actors?.kill(key) ?? false;
  }

  private async work(journal: Journal, rules: ShardRules, batcher: Batcher, incarnation: string): Promise<void> {
    const { state } = journal.recovered;
    const line = this.line!;
    let quiet = 0;
    let events = 0;
    let logBytes = 0;
    let records = new Map<string, number>();
    let sweptAt = state.processingTime;
    let held: readonly LogMessage[] = [];
    const commit = async (changes: KeyChange[], outputs: CommitOutput[]): Promise<void> => {
      const lanes = [...records.keys()].map((lane) => state.lanes.get(lane)!);
      const { cursor, processingTime } = state;
      const names = rules.names.splice(0);
      const number = ++state.commitNumber;
      const head = { incarnation, number, opening: false, cursor, processingTime };
      const included = { events, logBytes, records };
      quiet = 0;
      events = 0;
      logBytes = 0;
      records = new Map();
      await line.send({ ...head, lanes, clocks: batcher.clocks, names, changes, outputs }, included, () =>
        this.noteCommitted(lanes),
      );
    };
    for (;;) {
      if (held.length === 0) held = await this.nextMessages();
      if (this.stopped) return;
      if (held.length === 0) break;
      const atHand = held.slice(0, batchLength(held));
      let length = batcher.untilSwitch(atHand);
      if (length === 0) {
        if (this.handsOver && (await batcher.lacksFor(held[0]!))) break;
        if (this.stopped) return;
        await this.switchRules(batcher, held[0]!);
        if (this.stopped) return;
        length = batcher.untilSwitch(atHand);
      }
      const { careful } = this;
      const messages = atHand.slice(0, careful?.batchLength(atHand, length) ?? length);
      held = held.slice(messages.length);
      const batch = this.read(batcher, messages);
      const results = (await careful?.run(batch, messages)) ?? (await this.actors!.run(batch.turns, batch.clocks));
      if (this.stopped) return;
      const { changes, outputs } = gather(this.options, state, this.references!, batch, results);
      outputs.push(...batcher.chained(outputs, batch));
      changes.push(...rules.sweep());
      for (const message of messages) {
        records.set(laneOf(message), message.sequence);
        logBytes += message.body.length;
      }
      quiet += 1;
      events += batch.events;
      const isQuiet = changes.length === 0 && outputs.length === 0 && rules.names.length === 0;
      if (isQuiet && quiet < QUIET_MAX && !line.wantsCommit && careful === undefined) {
        const lanes = [...records.keys()].map((lane) => state.lanes.get(lane)!);
        line.pass(events, () => this.noteCommitted(lanes));
        events = 0;
      } else {
        await commit(changes, outputs);
        if (this.stopped) return;
      }
      if (careful !== undefined) {
        await careful.stored();
        if (this.stopped) return;
        if (careful.isOver) this.careful = undefined;
      }
      sweptAt = this.sweep(state, sweptAt);
    }
    // The next owner need not see again what this one has worked off.
    if (quiet > 0) await commit([], []);
    await line.settled();
  }

  /** What comes next in the shard log; nothing when there never will be more, or the shard is handed over. */
  private async nextMessages(): Promise<readonly LogMessage[]> {
    this.isWaiting = true;
    const messages = await new Promise<readonly LogMessage[] | undefined>((resolve, reject) => {
      this.endWork = () => resolve(undefined);
      this.reader!.next().then(resolve, reject);
    });
    this.isWaiting = false;
    return messages ?? [];
  }

  /** From this message on other rules run. Their actors load what the table has for them. */
  private async switchRules(batcher: Batcher, message: LogMessage): Promise<void> {
    const actors = this.actors!;
    // All of them: one sweep takes what the last has left.
    actors.sweep(false);
    actors.sweep(false);
    await batcher.switchTo(message);
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
/** An actor that no event reached for one to two times this long is passivated. */
const IDLE_MS = 10_000;

export interface ShardOwnerOptions {
  readonly ports: OwnerPorts;
  readonly shard: number;
  readonly prefix: string;
  readonly subjects: Subjects;
  readonly versions: RuleVersions;
  /** Most bytes that the entries of each configured reference may have in the shard, by its name. */
  readonly references?: ReadonlyMap<string, number>;
  readonly pool: ActorPool;
  /** Whether an incarnation ended without its process; absent: none did. */
  readonly survived?: (incarnation: string) => boolean;
  /** Undefined: the shard is not snapshotted. */
  readonly snapshots: ShardSnapshots | undefined;
  readonly measures: Measures;
}
