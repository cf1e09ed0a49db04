import { dispatch, stop } from 'nact';
import { type Care, TrialOver } from '../core/behaviours/care.ts';
import { Desk, type PackedOf, type TurnResult } from '../core/behaviours/desk.ts';
import { KeyStep } from '../core/behaviours/key-step.ts';
import type { KeyspaceProgram } from '../core/behaviours/keyspace-program.ts';
import type { Clocks, TurnItem } from '../core/behaviours/turn.ts';
import { keyValue } from '../core/rules/key-text.ts';
import type { ActorPool, KeyActor } from './actor-pool.ts';
import { ALONE } from './turn-gate.ts';

/**
 * The actors of one shard: one per active key, spawned when its first event or timer comes.
 *
 *   A1. A turn carries all that a batch holds for a key as one message, since a message costs nact some microseconds.
 *   A2. nact has no completion and drops the messages of a stopped actor. So every turn is settled through its round:
 *       answered, failed, or given to a fresh actor when the first was stopped before it got to it.
 *   A3. An actor is a cache. Its memory is in the shard's table, written after every turn; stopping it at any time
 *       between turns loses nothing.
 *   A4. Actors that no turn touched for one to two sweeps are passivated: two generations instead of a timer per actor.
 */
export class KeyActors {
  private readonly pool: ActorPool;
  private readonly packed: PackedOf;
  private readonly monotonic: () => number;
  private readonly desk: Desk;
  private young = new Generation();
  private old = new Generation();
  private entered = 0;
  private stopped = false;

  /** Says for the watch what turn is under way. */
  private readonly where: () => string;
  private taking: KeyActor | undefined;

  /**
   * @param packed the key's cells in the shard's table
   * @param monotonic milliseconds, for measuring how long turns take
   */
  constructor(pool: ActorPool, shard: number, packed: PackedOf, monotonic: () => number) {
    this.pool = pool;
    this.packed = packed;
    this.desk = new Desk(packed);
    this.monotonic = monotonic;
    this.where = () => {
      const { rule, event } = this.desk.at;
      const what = event === undefined ? 'a timer or the end of input' : `event ${event.id} of ${event.source}`;
      return `shard ${shard}, rule ${rule}, key ${JSON.stringify(this.taking?.key)}, ${what}`;
    };
  }

  get active(): number {
    return this.young.size + this.old.size;
  }

  /**
   * Lets every key take its turn; resolves when all have answered, in the order given. Never resolves once stopped.
   * @throws what a turn threw: a fault of Corral itself, since rules' own failures are incidents.
   */
  async run(turns: readonly KeyTurn[], clocks: Clocks): Promise<readonly TurnResult[]> {
    if (turns.length === 0) return [];
    await this.enter(turns.length);
    try {
      return await this.round(turns, clocks);
    } finally {
      this.leave();
    }
  }

  /** Waits until no turn of any shard is under way; from then on no other shard's begins, until `leave` or `stop`. */
  enterAlone(): Promise<void> {
    return this.enter(ALONE);
  }

  /** Between `enterAlone` and `leave`: as `run`. */
  async runAlone(turns: readonly KeyTurn[], clocks: Clocks): Promise<readonly TurnResult[]> {
    return turns.length === 0 ? [] : await this.round(turns, clocks);
  }

  /**
   * Between `enterAlone` and `leave`: makes the first calls of a turn and forgets what came of it.
   * @returns whether the turn has no more calls than that
   */
  async tryAlone(turn: KeyTurn, clocks: Clocks): Promise<boolean> {
    const [result] = await this.round([turn], clocks);
    const actor = this.actorOf(turn);
    // Its memory is ahead of the table now; it makes itself anew from there (A3).
    actor.step = undefined;
    return result !== undefined;
  }

  /** Idempotent. */
  leave(): void {
    if (this.entered > 0) this.pool.gate.leave(this.entered);
    this.entered = 0;
  }

  private async enter(turns: number): Promise<void> {
    await this.pool.gate.enter(turns);
    this.entered = turns;
    if (this.stopped) this.leave();
  }

  private round(turns: readonly KeyTurn[], clocks: Clocks): Promise<readonly TurnResult[]> {
    return new Promise((resolve, reject) => {
      const round: Round = { clocks, results: new Array(turns.length), waiting: turns.length, resolve, reject };
      if (this.stopped) return;
      for (let number = 0; number < turns.length; number += 1) {
        const { items, care } = turns[number]!;
        this.send(turns[number]!, { round, number, items, care });
      }
    });
  }

  private send(turn: KeyTurn, message: TurnMessage): void {
    const actor = this.actorOf(turn);
    actor.pending = message;
    dispatch(actor.ref, message);
  }

  private actorOf({ program, key }: KeyTurn): KeyActor {
    let actor = this.young.get(program, key);
    if (actor !== undefined) return actor;
    actor = this.old.get(program, key);
    if (actor === undefined) actor = this.pool.activate(this, program, key);
    else this.old.delete(actor);
    this.young.add(actor);
    return actor;
  }

  /** An actor is gone; a turn it still owed goes to a fresh one (A2). */
  gone(actor: KeyActor): void {
    if (!this.young.delete(actor) && !this.old.delete(actor)) return;
    this.pool.measures.actorsActive -= 1;
    const { pending } = actor;
    if (pending !== undefined) this.send({ program: actor.program, key: actor.key, items: pending.items }, pending);
  }

  /** Makes the actor's memory, from the shard's table when the key has any state. */
  stepFor({ program, key }: KeyActor): KeyStep {
    return new KeyStep(program, key, keyValue(key), this.packed(program.keyspace, key));
  }

  settle(actor: KeyActor, { round, number, items, care }: TurnMessage): void {
    const { desk, pool } = this;
    const started = this.monotonic();
    this.taking = actor;
    desk.care = care;
    pool.watch.begin(this.where);
    let result: TurnResult | undefined;
    try {
      result = actor.step!.turn(items, round.clocks, desk);
    } catch (error) {
      if (!(error instanceof TrialOver)) throw error;
    } finally {
      pool.watch.end();
    }
    pool.measures.busySeconds.turn += (this.monotonic() - started) / 1000;
    actor.pending = undefined;
    // Undefined only in a trial, which looks at nothing else.
    round.results[number] = result as TurnResult;
    round.waiting -= 1;
    if (round.waiting === 0) round.resolve(round.results);
  }

  /**
   * Passivates what no turn has touched since the sweep before the last. Call between rounds only.
   * @param idle the sweep comes from time passing, not from crowding
   */
  sweep(idle: boolean): void {
    for (const actor of this.old.values()) this.pool.passivate(actor);
    this.old = this.young;
    this.young = new Generation();
    if (idle) this.pool.trim();
  }

  /**
   * Stops a key's actors, in whatever keyspaces, as a failure would: with no chance to do anything. For tests of A3.
   * @returns whether there was one
   */
  kill(key: string): boolean {
    const found = [...this.young.values(), ...this.old.values()].filter((actor) => actor.key === key);
    for (const actor of found) {
      actor.spent = true;
      stop(actor.ref);
    }
    return found.length > 0;
  }

  /** Gives all actors back; turns under way are never answered. Idempotent. */
  stop(): void {
    if (this.stopped) return;
    this.stopped = true;
    this.leave();
    const actors = [...this.young.values(), ...this.old.values()];
    this.young = new Generation();
    this.old = new Generation();
    for (const actor of actors) this.pool.passivate(actor);
  }
}

export interface KeyTurn {
  readonly program: KeyspaceProgram;
  readonly key: string;
  /** In the order of the log; empty when only timers are due. */
  readonly items: readonly TurnItem[];
  /** Set when its calls are suspected of ending the process. */
  readonly care?: Care | undefined;
}

export interface TurnMessage {
  readonly round: Round;
  /** Which turn of the round. */
  readonly number: number;
  readonly items: readonly TurnItem[];
  readonly care: Care | undefined;
}

interface Round {
  readonly clocks: Clocks;
  readonly results: TurnResult[];
  waiting: number;
  readonly resolve: (results: readonly TurnResult[]) => void;
  readonly reject: (error: unknown) => void;
}

/** Active actors by keyspace and key. */
class Generation {
  size = 0;
  private readonly programs = new Map<KeyspaceProgram, Map<string, KeyActor>>();

  get(program: KeyspaceProgram, key: string): KeyActor | undefined {
    return this.programs.get(program)?.get(key);
  }

  add(actor: KeyActor): void {
    let keys = this.programs.get(actor.program);
    if (keys === undefined) this.programs.set(actor.program, (keys = new Map()));
    keys.set(actor.key, actor);
    this.size += 1;
  }

  /** False when this very actor is not in it. */
  delete(actor: KeyActor): boolean {
    const keys = this.programs.get(actor.program);
    if (keys?.get(actor.key) !== actor) return false;
    keys.delete(actor.key);
    this.size -= 1;
    return true;
  }

  *values(): Generator<KeyActor> {
    for (const keys of this.programs.values()) yield* keys.values();
  }
}
