import type { Emission } from '../../src/core/behaviours/behaviour.ts';
import type { Event } from '../../src/core/events/event.ts';
import { type ProcessBehaviour, processBehaviour } from '../../src/core/process/process-behaviour.ts';
import type { AnyProcessRule, ProcessLimits } from '../../src/core/process/process-rule.ts';
import type { ProcessState } from '../../src/core/process/process-state.ts';
import { RuleFailed } from '../../src/core/process/rule-failed.ts';
import { instant, NEVER } from '../../src/core/time/units.ts';

/** Drives one key's process rule as a turn does, and stores its cells as a shard does. */
export class Driver {
  readonly emissions: Emission[] = [];
  readonly failures: RuleFailed[] = [];
  /** Values said and places that failed, in order. */
  readonly said: unknown[] = [];
  readonly cells = new Map<number, Uint8Array>();
  /** Bytes put by the last save. */
  written = 0;
  state: ProcessState;
  private readonly behaviour: ProcessBehaviour;
  private seq = 0;

  constructor(rule: unknown, limits: Partial<Required<ProcessLimits>> = {}, aliases?: readonly string[]) {
    const one = rule as AnyProcessRule;
    this.behaviour = processBehaviour({
      rule: one,
      aliasesOf: () => aliases ?? [Object.keys(one.from)[0]!],
      limits: { stateBytes: 1e9, timers: 1e6, ...limits },
    });
    this.state = this.behaviour.create('key');
    this.advanceProcessing(0);
  }

  readonly emit = (emission: Emission): void => {
    this.emissions.push(emission);
    this.said.push(emission.emit);
  };
  readonly incident = (): void => undefined;

  event(time: number, data: unknown): this {
    const seq = ++this.seq;
    this.advance(time);
    const event: Event = {
      id: `e${seq}`,
      type: 'told',
      subject: 'x',
      time: instant(time),
      source: 'orders',
      seq,
      index: 0,
      headers: undefined,
      data,
    };
    this.attempt(() => this.behaviour.onEvent(this.state, event, this));
    return this;
  }

  /** Fires what is due at or before `now`. */
  advance(now: number): this {
    const { behaviour } = this;
    return this.fire(now, behaviour.wakeAt, behaviour.onTime);
  }

  advanceProcessing(now: number): this {
    const { behaviour } = this;
    this.fire(now, behaviour.wakeAtProcessing, behaviour.onProcessingTime);
    behaviour.onProcessingTime(this.state, instant(now), this);
    return this;
  }

  private fire(now: number, wakeOf: ProcessBehaviour['wakeAt'], fire: ProcessBehaviour['onTime']): this {
    for (let due = wakeOf(this.state); due <= now && due !== NEVER; ) {
      if (!this.attempt(() => fire(this.state, due, this))) continue;
      const next = wakeOf(this.state);
      if (next <= due) throw new Error(`woken at ${due}, wants to be woken at ${next}`);
      due = next;
    }
    return this;
  }

  private attempt(work: () => void): boolean {
    try {
      work();
      return true;
    } catch (error) {
      if (!(error instanceof RuleFailed)) throw error;
      this.failures.push(error);
      this.said.push(`failed ${error.place}`);
      return false;
    }
  }

  save(): this {
    this.written = 0;
    this.behaviour.save(this.state, {
      put: (cell, bytes) => {
        this.written += bytes.length;
        this.cells.set(cell, Uint8Array.from(bytes));
      },
      remove: (cell) => {
        if (!this.cells.delete(cell)) throw new Error(`cell ${cell} is removed and was never written`);
      },
    });
    if (this.behaviour.isEmpty(this.state) !== (this.cells.size === 0)) throw new Error('empty, or not?');
    return this;
  }

  /** The state is forgotten and read again; processing time is told anew, as a turn does. Cells come in any order. */
  resume(processingNow: number): this {
    this.state = this.behaviour.load(new Map([...this.cells].reverse()), 'key');
    return this.advanceProcessing(processingNow);
  }
}
