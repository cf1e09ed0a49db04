import { aloneIn, type Meaning, type Moment, type Outcome, type Placed, type Said } from './plain-rule.ts';

/** What the functions of a process rule can do, plainly: its memory is an object, its timers are a list. */
export interface PlainCall<Memory> {
  readonly memory: Memory;
  /** Event time. */
  readonly time: number;
  readonly processing: number;
  /** Arms a timer, or moves it. */
  arm(timer: string, at: number, id?: string): void;
  cancel(timer: string, id?: string): void;
  say(output: string, emit: unknown): void;
  /** Forgets all memory and timers. */
  clear(): void;
}

export interface PlainProcess<Memory> {
  readonly fresh: () => Memory;
  /** Which clock each timer goes by. */
  readonly timers: Readonly<Record<string, 'event' | 'processing'>>;
  readonly concerns: (type: string) => boolean;
  readonly on: (call: PlainCall<Memory>, event: Placed) => void;
  readonly onTimer: (call: PlainCall<Memory>, timer: string, id: string) => void;
  /** Lets go of what is remembered no longer. */
  readonly forget: (memory: Memory, now: { event: number; processing: number }) => void;
  readonly settlesMs: number;
  readonly settlesProcessingMs?: number;
}

interface Timer {
  readonly name: string;
  readonly id: string;
  readonly due: number;
}

export function processMeaning<Memory>(rule: PlainProcess<Memory>): Meaning {
  const byProcessingTime = Object.values(rule.timers).includes('processing');
  return {
    concerns: rule.concerns,
    takesLate: false,
    byProcessingTime,
    settlesMs: rule.settlesMs,
    ...(rule.settlesProcessingMs !== undefined && { settlesProcessingMs: rule.settlesProcessingMs }),
    said: (moments, { faulty }) => new Run(rule, faulty).said(moments),
  };
}

/** One key's life. */
class Run<Memory> {
  private readonly rule: PlainProcess<Memory>;
  private readonly faulty: boolean;
  private memory: Memory;
  private timers: Timer[] = [];
  private readonly outcomes: Outcome[] = [];
  private readonly dead: Said['dead'][number][] = [];
  private eventTime = Number.NEGATIVE_INFINITY;
  private processing = Number.NEGATIVE_INFINITY;

  constructor(rule: PlainProcess<Memory>, faulty: boolean) {
    this.rule = rule;
    this.faulty = faulty;
    this.memory = rule.fresh();
  }

  said(moments: readonly Moment[]): Said {
    for (const moment of moments) {
      switch (moment.kind) {
        case 'event':
          this.fire('event', moment.now);
          this.take(moment.event);
          break;
        case 'time':
          this.fire('event', moment.now);
          break;
        case 'processing':
          this.processing = moment.now;
          this.fire('processing', moment.now);
      }
    }
    return { outcomes: this.outcomes, dead: this.dead };
  }

  private take(event: Placed): void {
    const { faulty, rule } = this;
    this.eventTime = event.time;
    // All or nothing: what a call that failed has done is as if it had not been called.
    if (faulty && event.value.poison !== undefined) {
      this.dead.push({ cause: 'failed', steps: aloneIn('event', event) });
      return;
    }
    this.call(event.time, this.processing, aloneIn(event.source.replace(/\W/g, '_'), event), (call) =>
      rule.on(call, event),
    );
  }

  /** Timers are due once time has passed them. */
  private fire(clock: 'event' | 'processing', now: number): void {
    for (;;) {
      const [first] = this.timers
        .filter(({ name, due }) => this.rule.timers[name] === clock && due < now)
        .sort((a, b) => a.due - b.due || (a.name < b.name ? -1 : a.name > b.name ? 1 : a.id < b.id ? -1 : 1));
      if (first === undefined) return;
      this.timers = this.timers.filter((timer) => timer !== first);
      if (clock === 'event') this.eventTime = first.due;
      const processing = clock === 'processing' ? first.due : this.processing;
      this.call(this.eventTime, processing, [], (call) => this.rule.onTimer(call, first.name, first.id));
    }
  }

  private call(time: number, processing: number, steps: Outcome['steps'], work: (call: PlainCall<Memory>) => void) {
    const { rule, outcomes } = this;
    const run = this;
    rule.forget(this.memory, { event: time, processing });
    work({
      get memory() {
        return run.memory;
      },
      time,
      processing,
      arm: (name, due, id = '') => {
        this.timers = [...this.timers.filter((timer) => timer.name !== name || timer.id !== id), { name, id, due }];
      },
      cancel: (name, id = '') => {
        this.timers = this.timers.filter((timer) => timer.name !== name || timer.id !== id);
      },
      say: (side, emit) => outcomes.push({ kind: 'match', side, time, steps, emit, moment: outcomes.length }),
      clear: () => {
        this.memory = rule.fresh();
        this.timers = [];
      },
    });
  }
}
