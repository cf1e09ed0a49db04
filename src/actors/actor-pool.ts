import { type Ref, spawn, start, stop } from 'nact';
import type { KeyspaceProgram } from '../core/behaviours/keyspace-program.ts';
import type { NodeMeasures } from '../ports/measures.ts';
import { NO_WATCH, type TurnWatch } from '../ports/turn-watch.ts';
import type { KeyActors, TurnMessage } from './key-actors.ts';
import { TurnGate } from './turn-gate.ts';

/** A nact actor and the key it serves for the time being. */
export interface KeyActor {
  /** Undefined while it waits for a key, so that it keeps no shard's table alive. */
  host: KeyActors | undefined;
  program: KeyspaceProgram;
  key: string;
  readonly ref: Ref<TurnMessage>;
  /** The message it was sent and has not answered. */
  pending: TurnMessage | undefined;
  /** Failed or stopped: nact drops what is sent to it, so it must serve no other key. */
  spent: boolean;
  /** Its memory: undefined until its first turn, and again once it is passive. */
  step: ReturnType<KeyActors['stepFor']> | undefined;
}

/**
 * The nact actors of one node. All key actors are children of one actor that never gets a message itself, since nact
 * copies the children map of whoever does.
 *
 * Making and stopping an actor costs nact ten times what a turn does, so one whose key was passivated forgets it and
 * waits here for another, of whatever shard.
 */
export class ActorPool {
  readonly gate = new TurnGate();
  readonly measures: NodeMeasures;
  readonly watch: TurnWatch;
  private readonly actorsMax: number;
  private readonly system: Ref<unknown>;
  private readonly parent: Ref<unknown>;
  private readonly spare: KeyActor[] = [];
  private spawned = 0;

  /** @param actorsMax actors that may be active between turns; half as many may wait for a key */
  constructor(actorsMax: number, measures: NodeMeasures, watch: TurnWatch = NO_WATCH) {
    this.actorsMax = actorsMax;
    this.measures = measures;
    this.watch = watch;
    this.system = start() as Ref<unknown>;
    this.parent = spawn(this.system, () => undefined, 'keys') as Ref<unknown>;
  }

  /** True when more actors are active than may be: shards should sweep. */
  get isCrowded(): boolean {
    return this.measures.actorsActive > this.actorsMax;
  }

  /** An actor for a key that has none. */
  activate(host: KeyActors, program: KeyspaceProgram, key: string): KeyActor {
    this.measures.actorsSpawned += 1;
    this.measures.actorsActive += 1;
    const actor = this.spare.pop();
    if (actor === undefined) return this.spawn(host, program, key);
    actor.host = host;
    actor.program = program;
    actor.key = key;
    return actor;
  }

  /** Takes an actor back whose key is passive now. */
  passivate(actor: KeyActor): void {
    this.measures.actorsPassivated += 1;
    this.measures.actorsActive -= 1;
    actor.step = undefined;
    actor.host = undefined;
    if (actor.spent) return;
    if (actor.pending === undefined && this.spare.length < this.actorsMax / 2) this.spare.push(actor);
    else stop(actor.ref);
  }

  /** Stops the actors in waiting beyond those that are active: little happens. */
  trim(): void {
    while (this.spare.length > this.measures.actorsActive) stop(this.spare.pop()!.ref);
  }

  stop(): void {
    stop(this.system as never);
  }

  private spawn(host: KeyActors, program: KeyspaceProgram, key: string): KeyActor {
    this.spawned += 1;
    const actor: { -readonly [Field in keyof KeyActor]: KeyActor[Field] } = {
      host,
      program,
      key,
      ref: undefined as never,
      pending: undefined,
      spent: false,
      step: undefined,
    };
    actor.ref = spawn(this.parent, takeTurn, `k${this.spawned}`, {
      initialState: actor,
      onCrash: (message, error, context) => {
        this.measures.actorsFailed += 1;
        actor.pending = undefined;
        actor.spent = true;
        (message as TurnMessage | undefined)?.round.reject(error);
        return context.stop;
      },
      afterStop: () => actor.host?.gone(actor),
    }) as Ref<TurnMessage>;
    return actor;
  }
}

/** The one actor function: its state says which key it serves, so an actor needs no closure of its own. */
function takeTurn(actor: KeyActor, message: TurnMessage): KeyActor {
  // Passivated with the message still on its way: whoever sent it has given it up.
  const { host } = actor;
  if (actor.pending !== message || host === undefined) return actor;
  actor.step ??= host.stepFor(actor);
  host.settle(actor, message);
  return actor;
}
