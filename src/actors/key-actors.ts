import { dispatch, type Ref, spawn, start, stop } from 'nact';
import { type Clocks, Desk, KeyStep, type TurnItem, type TurnResult } from '../core/behaviours/key-step.ts';
import type { KeyspaceProgram } from '../core/behaviours/keyspace-program.ts';
import { keyValue } from '../core/rules/key-text.ts';
import type { NodeMeasures } from '../ports/measures.ts';

/**
 * The actors of one shard: one per active key, spawned when its first event or timer comes, all under one parent that
 * never gets a message itself (nact copies the children map of whoever does).
 *
 *   A1. A turn carries all that a batch holds for a key as one message, since a message costs nact some microseconds.
 *   A2. nact has no completion and drops the messages of a stopped actor. So every turn is settled through its round:
 *       answered, failed, or given to a fresh actor when the first was stopped before it got to it.
 *   A3. An actor is a cache. Its memory is in the shard's table, written after every turn; stopping it at any time
 *       between turns loses nothing.
 *   A4. Actors that no turn touched for one to two sweeps are passivated: two generations instead of a timer per actor.
 *   A5. A passivated actor forgets its key and may serve another, since making one costs nact ten times what a turn
 *       does. Such spare actors are kept up to half the allowed number, and fewer when little happens.
 */
export class KeyActors {
  private readonly system: Ref<unknown>;
  private readonly parent: Ref<unknown>;
  private readonly packed: PackedOf;
  private readonly monotonic: () => number;
  private readonly actorsMax: number;
  private readonly measures: NodeMeasures;
  private readonly desk = new Desk();
  private young = new Generation();
  private old = new Generation();
  private readonly spare: Entry[] = [];
  private spawned = 0;
  private stopped = false;

  /**
   * @param packed the key's cells in the shard's table
   * @param actorsMax actors to keep between rounds, at least 2; a round itself may need more
   * @param monotonic milliseconds, for measuring how long turns take
   */
  constructor(packed: PackedOf, actorsMax: number, monotonic: () => number, measures: NodeMeasures) {
    this.actorsMax = actorsMax;
    this.system = start() as Ref<unknown>;
    this.parent = spawn(this.system, () => undefined, 'shard') as Ref<unknown>;
    this.packed = packed;
    this.monotonic = monotonic;
    this.measures = measures;
  }

  get active(): number {
    return this.young.size + this.old.size;
  }

  /**
   * Lets every key take its turn; resolves when all have answered, in the order given.
   * @throws what a turn threw: a fault of Corral itself, since rules' own failures are incidents.
   */
  run(turns: readonly KeyTurn[], clocks: Clocks): Promise<readonly TurnResult[]> {
    if (turns.length === 0) return Promise.resolve([]);
    return new Promise((resolve, reject) => {
      const round: Round = { clocks, results: new Array(turns.length), waiting: turns.length, resolve, reject };
      for (let number = 0; number < turns.length; number += 1)
        this.send(turns[number]!, { round, number, items: turns[number]!.items });
    });
  }

  private send(turn: KeyTurn, message: TurnMessage): void {
    const entry = this.entryOf(turn);
    entry.pending = message;
    dispatch(entry.ref, message);
  }

  private entryOf({ program, key }: KeyTurn): Entry {
    let entry = this.young.get(program, key);
    if (entry !== undefined) return entry;
    entry = this.old.get(program, key);
    if (entry === undefined) entry = this.activate(program, key);
    else this.old.delete(entry);
    this.young.add(entry);
    return entry;
  }

  private activate(program: KeyspaceProgram, key: string): Entry {
    this.measures.actorsSpawned += 1;
    this.measures.actorsActive += 1;
    const entry = this.spare.pop();
    if (entry === undefined) return this.spawn(program, key);
    entry.program = program;
    entry.key = key;
    return entry;
  }

  private spawn(program: KeyspaceProgram, key: string): Entry {
    this.spawned += 1;
    const entry: Entry = { program, key, host: this, ref: undefined as never, step: undefined, pending: undefined };
    entry.ref = spawn(this.parent, takeTurn, `k${this.spawned}`, {
      initialState: entry,
      onCrash: (message, error, context) => {
        this.measures.actorsFailed += 1;
        entry.pending = undefined;
        (message as TurnMessage | undefined)?.round.reject(error);
        return context.stop;
      },
      afterStop: () => this.gone(entry),
    }) as Ref<TurnMessage>;
    return entry;
  }

  /** An actor is gone; a turn it still owed goes to a fresh one (A2). */
  private gone(entry: Entry): void {
    this.forget(entry);
    const { pending } = entry;
    if (pending !== undefined && !this.stopped)
      this.send({ program: entry.program, key: entry.key, items: pending.items }, pending);
  }

  private forget(entry: Entry): void {
    if (this.young.delete(entry) || this.old.delete(entry)) this.measures.actorsActive -= 1;
  }

  /** Makes the actor's state, from the shard's table when it has any. */
  stepFor(entry: Entry): KeyStep {
    const { program, key } = entry;
    return new KeyStep(program, key, keyValue(key), this.packed(program.keyspace, key));
  }

  settle(entry: Entry, { round, number, items }: TurnMessage): void {
    const started = this.monotonic();
    const result = entry.step!.turn(items, round.clocks, this.desk);
    this.measures.busySeconds.turn += (this.monotonic() - started) / 1000;
    entry.pending = undefined;
    round.results[number] = result;
    round.waiting -= 1;
    if (round.waiting === 0) round.resolve(round.results);
  }

  /**
   * Passivates what no turn has touched since the sweep before the last. Call between rounds only.
   * @param idle the sweep comes from time passing, not from crowding: spare actors beyond those in use are stopped
   */
  sweep(idle: boolean): void {
    for (const entry of this.old.values()) this.passivate(entry);
    this.old = this.young;
    this.young = new Generation();
    while (idle && this.spare.length > this.old.size) stop(this.spare.pop()!.ref);
  }

  /** True when sweeping is due because of the number of actors alone. */
  get isCrowded(): boolean {
    return this.young.size > this.actorsMax / 2;
  }

  /**
   * Stops a key's actors, in whatever keyspaces, as a failure would: with no chance to do anything. For tests of A3.
   * @returns whether there was one
   */
  kill(key: string): boolean {
    const found = [...this.young.values(), ...this.old.values()].filter((entry) => entry.key === key);
    for (const entry of found) stop(entry.ref);
    return found.length > 0;
  }

  private passivate(entry: Entry): void {
    entry.step = undefined;
    if (this.spare.length < this.actorsMax / 2) this.spare.push(entry);
    else stop(entry.ref);
    this.measures.actorsPassivated += 1;
    this.measures.actorsActive -= 1;
  }

  /** Stops all actors; turns under way are never answered. */
  stop(): void {
    this.stopped = true;
    this.measures.actorsActive -= this.active;
    this.young = new Generation();
    this.old = new Generation();
    stop(this.system as never);
  }
}

export interface KeyTurn {
  readonly program: KeyspaceProgram;
  readonly key: string;
  /** In the order of the log; empty when only timers are due. */
  readonly items: readonly TurnItem[];
}

type PackedOf = (keyspace: number, key: string) => Uint8Array | undefined;

interface Entry {
  program: KeyspaceProgram;
  key: string;
  readonly host: KeyActors;
  ref: Ref<TurnMessage>;
  step: KeyStep | undefined;
  pending: TurnMessage | undefined;
}

interface Round {
  readonly clocks: Clocks;
  readonly results: TurnResult[];
  waiting: number;
  readonly resolve: (results: readonly TurnResult[]) => void;
  readonly reject: (error: unknown) => void;
}

interface TurnMessage {
  readonly round: Round;
  readonly number: number;
  readonly items: readonly TurnItem[];
}

/** Active actors by keyspace and key. */
class Generation {
  size = 0;
  private readonly programs = new Map<KeyspaceProgram, Map<string, Entry>>();

  get(program: KeyspaceProgram, key: string): Entry | undefined {
    return this.programs.get(program)?.get(key);
  }

  add(entry: Entry): void {
    let keys = this.programs.get(entry.program);
    if (keys === undefined) this.programs.set(entry.program, (keys = new Map()));
    keys.set(entry.key, entry);
    this.size += 1;
  }

  /** False when this very actor is not in it. */
  delete(entry: Entry): boolean {
    const keys = this.programs.get(entry.program);
    if (keys?.get(entry.key) !== entry) return false;
    keys.delete(entry.key);
    this.size -= 1;
    return true;
  }

  *values(): Generator<Entry> {
    for (const keys of this.programs.values()) yield* keys.values();
  }
}

/** The one actor function: its state is the entry, so an actor needs no closure of its own. */
function takeTurn(entry: Entry, message: TurnMessage): Entry {
  entry.step ??= entry.host.stepFor(entry);
  entry.host.settle(entry, message);
  return entry;
}
