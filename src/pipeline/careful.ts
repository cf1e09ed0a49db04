import type { KeyActors } from '../actors/key-actors.ts';
import type { TurnResult } from '../core/behaviours/desk.ts';
import { type Attempt, compareTurnNames, type TurnName } from '../core/shards/attempt.ts';
import { emptyCommit } from '../core/shards/commit.ts';
import type { ShardState } from '../core/shards/shard-state.ts';
import type { Subjects } from '../core/shards/subjects.ts';
import type { Journal } from '../journal/journal.ts';
import type { FencedLog, LogMessage } from '../ports/log.ts';
import type { Logger } from '../ports/logger.ts';
import { type Caution, callsToRun, decideCaution, recordsToRun, turnsToRun } from '../supervision/caution.ts';
import type { Batch, BatchTurn } from './batch.ts';
import type { CommitLine } from './commit-line.ts';

/**
 * Decides by what the journal says of the owners before whether an owner is to work carefully, and how.
 */
export async function carefulIfNeeded(options: {
  readonly ports: { readonly log: FencedLog; readonly logger: Logger };
  readonly subjects: Subjects;
  readonly shard: number;
  readonly survived?: (incarnation: string) => boolean;
  readonly journal: Journal;
  readonly incarnation: string;
  readonly line: CommitLine;
  readonly actors: KeyActors;
}): Promise<Careful | undefined> {
  const { ports, subjects, shard, survived = () => false, incarnation, line, actors } = options;
  const { state, trials } = options.journal.recovered;
  const caution = decideCaution(trials, survived);
  if (!caution.careful) return undefined;
  const { lastSequence: until } = await ports.log.facts(subjects.shardLogOfAllLanes(shard));
  if (state.cursor >= until) return undefined;
  return new Careful({ shard, caution, until, incarnation, state, actors, line, logger: ports.logger });
}

/**
 * How an owner works whose predecessors ended without bringing the shard on (see supervision/caution): it stores what it
 * is about to run before it runs it, so that the next one knows what the process died of.
 *
 *   K1. From before an attempt is stored until what came of it is, no turn of another shard is run by this process. So
 *       whatever it dies of meanwhile, the attempt names it.
 *   K2. What is run in pieces gives what it gives as a whole: keys know nothing of each other, and what they say is put
 *       in order afterwards. A single turn is only ever run whole; its first calls are tried, and the result thrown away.
 *   K3. It ends once the shard is past all that its predecessors can have read.
 */
export class Careful {
  private readonly options: CarefulOptions;

  constructor(options: CarefulOptions) {
    this.options = options;
    const { shard, logger, caution, until } = options;
    const about = { shard, blamed: caution.blamed, parked: caution.parked, until };
    logger.warn(about, `shard ${shard}: its last owners ended without getting on; working carefully up to ${until}`);
  }

  /** Whether the shard has come past what its predecessors can have read. */
  get isOver(): boolean {
    return this.options.state.cursor >= this.options.until;
  }

  /** How many of the messages at hand make the next batch. @param fit how many can at most */
  batchLength(messages: readonly LogMessage[], fit: number): number {
    return recordsToRun(
      this.options.caution.blamed,
      messages.map(({ sequence }) => sequence),
      fit,
    );
  }

  /** Runs a batch; call `stored` when its commit is sent. Results are in the order of its turns. */
  async run(batch: Batch, messages: readonly LogMessage[]): Promise<readonly TurnResult[]> {
    const { actors, line } = this.options;
    // What its own commit has to wait for, nobody else may have to.
    await line.room();
    await actors.enterAlone();
    const from = messages[0]!.sequence;
    const upto = messages.at(-1)!.sequence;
    const whole: Attempt = { from, upto, records: messages.length };
    if (messages.length === 1) return this.runRecord(batch, whole);
    await this.attempt(whole);
    return actors.runAlone(batch.turns, batch.clocks);
  }

  /** Resolves when all that was sent is acknowledged; other shards may go on then. */
  async stored(): Promise<void> {
    await this.options.line.stored();
    this.options.actors.leave();
  }

  private async runRecord({ turns, clocks }: Batch, record: Attempt): Promise<readonly TurnResult[]> {
    const { actors, caution } = this.options;
    const named = turns.map((turn, place) => ({ turn, place, ...this.nameOf(turn) })).sort(compareTurnNames);
    const { blamed } = caution;
    const isBlamed = blamed?.keys !== undefined && blamed.from === record.from;
    const results = new Array<TurnResult>(turns.length);
    let done = 0;
    for (const count of turnsToRun(isBlamed ? blamed.keys : undefined, named)) {
      const piece = named.slice(done, done + count);
      done += count;
      const [{ keyspace, key, turn }, last] = [piece[0]!, piece.at(-1)!];
      const first = { keyspace, key };
      const keys = { first, last: { keyspace: last.keyspace, key: last.key }, count };
      const about: Attempt = { ...record, keys };
      const single = count === 1 && isBlamed && isSame(blamed.keys!.first, first) && isSame(blamed.keys!.last, first);
      if (single) await this.tryCalls(turn, about, this.parkedOf(record, first), clocks);
      await this.attempt(about);
      const given = await actors.runAlone(
        piece.map((one) => {
          const parked = this.parkedOf(record, one);
          return parked.size === 0 ? one.turn : { ...one.turn, care: { upto: Number.POSITIVE_INFINITY, parked } };
        }),
        clocks,
      );
      given.forEach((result, at) => {
        results[piece[at]!.place] = result;
      });
    }
    return results;
  }

  /** Makes more and more of a turn's calls, until all have been seen to end or the process does. */
  private async tryCalls(
    turn: BatchTurn,
    about: Attempt,
    parked: ReadonlySet<number>,
    clocks: Batch['clocks'],
  ): Promise<void> {
    const blamed = this.options.caution.blamed?.calls;
    for (let ended = 0, isWhole = false; !isWhole; ) {
      const upto = callsToRun(blamed, ended);
      await this.attempt({ ...about, calls: { from: ended, upto } });
      isWhole = await this.options.actors.tryAlone({ ...turn, care: { upto, parked } }, clocks);
      ended = upto;
    }
  }

  /** Numbers of the calls of a turn that are not made. */
  private parkedOf({ from }: Attempt, turn: TurnName): ReadonlySet<number> {
    const { parked } = this.options.caution;
    return new Set(parked.filter((call) => call.record === from && isSame(call, turn)).map(({ call }) => call));
  }

  private nameOf({ program, key }: BatchTurn): TurnName {
    return { keyspace: this.options.state.nameOf(program.keyspace)!, key };
  }

  private attempt(attempt: Attempt): Promise<void> {
    const { line, state, incarnation } = this.options;
    state.commitNumber += 1;
    return line.announce({ ...emptyCommit(incarnation, state.commitNumber), attempt });
  }
}

const isSame = (a: TurnName, b: TurnName): boolean => compareTurnNames(a, b) === 0;

export interface CarefulOptions {
  readonly shard: number;
  readonly caution: Caution;
  /** Shard-log sequence up to which to be careful. */
  readonly until: number;
  readonly incarnation: string;
  readonly state: ShardState;
  readonly actors: KeyActors;
  readonly line: CommitLine;
  readonly logger: Logger;
}
