import { type DurationMs, instant } from '../../src/core/time/units.ts';
import type { Clock } from '../../src/ports/clock.ts';
import { PortError } from '../../src/ports/port-error.ts';
import type { FaultPlan } from './fault-plan.ts';
import type { SeededRandom } from './random.ts';
import { canFail, type Fault, type Phase, TIMER } from './sites.ts';
import { EPOCH, type Store } from './store.ts';
import type { Trace } from './trace.ts';
import type { VirtualTime } from './virtual-time.ts';

/** What all nodes of a run share. */
export interface World {
  readonly time: VirtualTime;
  readonly random: SeededRandom;
  readonly plan: FaultPlan;
  readonly trace: Trace;
  readonly store: Store;
  readonly leaseTtl: DurationMs;
  /** Until when, in virtual time, nobody reaches the server, and until when its disk is slow. */
  readonly server: { downUntil: number; slowUntil: number };
}

/** A call on its way over the simulated network. */
export interface Call<T> {
  /** What faults know it by. */
  readonly name: string;
  /** For the trace. */
  readonly detail: string;
  /** What the store does. */
  readonly act: () => Promise<T>;
  /** The answer when nobody knows whether the store did it; undefined where no such answer exists. */
  readonly unknown?: (cause: string) => T;
}

/**
 * One life of a node, from its start to its crash or the end of the run, as seen from outside: everything that reaches
 * its code and everything that its code sends passes through here.
 *
 *   - A request takes its time to the store and the answer takes its time back; in between the store acts at once.
 *   - A crash cuts it off for good: nothing reaches its code any more, and what its code still does goes nowhere.
 *     Requests that had left before are on their way and arrive.
 *   - While it is paused, what would reach it waits; what its code had just sent leaves when it goes on.
 */
export class Life implements Clock {
  readonly name: string;
  cut = false;
  /** Set when a drain has ended: nothing may be written after that. */
  drained = false;
  /** Called when a fault crashes it. */
  crashed: () => void = () => undefined;
  /** Called when messages of a shard log have just reached its code, before any of it has run. */
  batchArrives: () => void = () => undefined;
  /** What it did that no node may do. */
  readonly misdeeds: string[] = [];
  readonly world: World;
  private pausedUntil = 0;
  private cutOffUntil = 0;
  private readonly wallOffset: number;
  private readonly begun: number;
  private readonly atEnd = new Set<() => void>();
  private readonly timers = new Set<() => void>();
  private ended = false;

  constructor(world: World, name: string) {
    this.world = world;
    this.name = name;
    this.begun = world.time.now;
    // No two machines agree on the time, and nothing may depend on it.
    this.wallOffset = world.random.integer(-20_000, 20_000);
  }

  now() {
    return instant(EPOCH + this.world.time.now + this.wallOffset);
  }

  monotonic(): number {
    return this.world.time.now - this.begun;
  }

  after(delay: DurationMs, callback: () => void): () => void {
    if (this.ended) return () => undefined;
    this.timers.add(callback);
    const fire = () => {
      if (!this.timers.has(callback)) return;
      this.strike(TIMER, 'answer');
      if (this.holdsBack) this.deliver(0, fire);
      else if (this.timers.delete(callback)) callback();
    };
    this.deliver(delay, fire);
    return () => this.timers.delete(callback);
  }

  /** Cuts the node off. */
  crash(): void {
    this.cut = true;
    this.note('crashes');
    this.crashed();
  }

  send<T>(call: Call<T>): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      if (this.drained && WRITES.test(call.name))
        this.misdeeds.push(`${call.name} ${call.detail} after it has drained`);
      const fail = () => reject(new SimulationEnded());
      if (this.ended) fail();
      else this.atEnd.add(fail);
      if (this.cut) return;
      this.request<T>(
        call,
        (answer) => {
          this.atEnd.delete(fail);
          resolve(answer);
        },
        (error) => {
          this.atEnd.delete(fail);
          reject(error);
        },
      );
    });
  }

  /** The run is over: everything that waits is told so, and the code under test lets go of what it holds. */
  end(): void {
    this.cut = true;
    this.ended = true;
    for (const fail of this.atEnd) fail();
    this.atEnd.clear();
    for (const fire of this.timers) fire();
    this.timers.clear();
  }

  private request<T>(call: Call<T>, resolve: (answer: T) => void, reject: (error: unknown) => void): void {
    const { time, random } = this.world;
    const answer = (delay: number, what: string, give: () => void) =>
      this.deliver(delay, () => {
        this.note(`${call.name} ${call.detail}: ${what}`);
        if (call.name === 'shardLog.next') this.batchArrives();
        give();
      });
    const unknown = (cause: string) =>
      answer(random.between(5, 1500), `unknown (${cause})`, () => resolve(call.unknown!(cause)));
    const fault = this.strike(call.name, 'request');
    if (this.cut) return;
    const underway = this.stillPaused + this.latency() + this.slowness(call.name);
    if (this.unreachable > 0) {
      this.requestLater(call, resolve, reject, answer, unknown);
      return;
    }
    if (fault === 'unavailable') {
      answer(underway, fault, () => reject(new PortError('UNAVAILABLE', `${call.name}: no answer now`)));
      return;
    }
    if (fault === 'neverStored') {
      unknown(fault);
      return;
    }
    if (fault === 'storedLater') {
      unknown(fault);
      const late = underway + (random.chance(0.5) ? random.between(0, 50) : random.between(50, LATE_MOST_MS));
      time.after(late, () => {
        this.note(`${call.name} ${call.detail}: arrives late`);
        void call.act();
      });
      return;
    }
    time.after(underway, () => {
      call.act().then(
        (result) => {
          const struck = this.strike(call.name, 'answer');
          const away = this.unreachable;
          if (fault === 'ackLost' || (away > 0 && call.unknown !== undefined))
            unknown(`${fault ?? 'cut off'}, ${show(result)}`);
          else if (away > 0) answer(away + this.latency(), show(result), () => resolve(result));
          else
            answer(struck === 'delay' ? random.between(50, 2500) : this.latency(), show(result), () => resolve(result));
        },
        (error) => answer(this.latency(), String(error), () => reject(error)),
      );
    });
  }

  /** What becomes of a request while the server is out of reach. */
  private requestLater<T>(
    call: Call<T>,
    resolve: (answer: T) => void,
    reject: (error: unknown) => void,
    answer: (delay: number, what: string, give: () => void) => void,
    unknown: (cause: string) => void,
  ): void {
    const { time, random } = this.world;
    if (call.unknown !== undefined) unknown('out of reach');
    else if (canFail(call.name))
      answer(random.between(5, 500), 'out of reach', () =>
        reject(new PortError('UNAVAILABLE', `${call.name}: no connection`)),
      );
    // The rest is asked again and again.
    else time.after(this.unreachable + this.latency(), () => !this.cut && this.request(call, resolve, reject));
  }

  /** Cuts the node's connection. */
  cutOff(length: number): void {
    this.cutOffUntil = Math.max(this.cutOffUntil, this.world.time.now + length);
    this.note(`is cut off for ${length.toFixed(0)} ms`);
  }

  /** How long it takes until the server can be reached. */
  private get unreachable(): number {
    const { time, server } = this.world;
    return Math.max(0, this.cutOffUntil - time.now, server.downUntil - time.now);
  }

  private slowness(call: string): number {
    const { random, server, time } = this.world;
    return server.slowUntil > time.now && WRITES.test(call) ? random.between(20, 400) : 0;
  }

  /** Lets something reach the node's code, unless it is cut off by then. */
  private deliver(delay: number, arrive: () => void): void {
    this.world.time.after(delay, () => {
      if (this.cut) return;
      if (this.holdsBack) this.deliver(this.stillPaused, arrive);
      else arrive();
    });
  }

  private strike(call: string, phase: Phase): Fault | undefined {
    const { plan, time, random, leaseTtl } = this.world;
    if (this.cut) return undefined;
    const fault = plan.strike(call, phase, time.now);
    if (fault === undefined) return undefined;
    this.note(`${call}:${phase} is struck by ${fault}`);
    if (fault === 'crash') this.crash();
    else if (fault === 'pause')
      this.pausedUntil = Math.max(this.pausedUntil, time.now + leaseTtl * random.between(PAUSE_LEAST, PAUSE_MOST));
    return fault;
  }

  private get holdsBack(): boolean {
    return this.cut || this.pausedUntil > this.world.time.now;
  }

  get stillPaused(): number {
    return Math.max(0, this.pausedUntil - this.world.time.now);
  }

  private latency(): number {
    const { random } = this.world;
    return random.chance(0.05) ? random.between(1, 60) : random.between(0.05, 2);
  }

  note(what: string): void {
    this.world.trace.add(this.world.time.now, this.name, what);
  }
}

/** How long a node stands still, in lives of its leases. */
export const PAUSE_LEAST = 0.6;
export const PAUSE_MOST = 4;

/** How long after its answer a request may arrive at the store. */
export const LATE_MOST_MS = 3000;

const WRITES = /\.append$|^lease\.write$/;

/** What every port answers when the run is over. */
export class SimulationEnded extends Error {
  readonly code = 'SIMULATION_ENDED';
}

function show(result: unknown): string {
  if (typeof result !== 'object' || result === null) return String(result);
  if ('length' in result) return `${result.length} items`;
  const { kind, sequence } = result as { kind?: string; sequence?: number };
  return [kind, sequence].filter((part) => part !== undefined).join(' ');
}
