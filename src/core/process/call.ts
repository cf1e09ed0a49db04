import type { Emission } from '../behaviours/behaviour.ts';
import type { Event } from '../events/event.ts';
import { keyText } from '../rules/key-text.ts';
import { BEGINNING, type DurationMs, type InstantMs, instant, NEVER } from '../time/units.ts';
import { chanceOf } from './chance.ts';
import type { Clock } from './process-rule.ts';
import type { ProcessState } from './process-state.ts';
import { WrongCall } from './rule-failed.ts';

/** What set a call off. */
export type Cause =
  | { readonly kind: 'event'; readonly event: Event }
  | {
      readonly kind: 'timer';
      readonly name: string;
      readonly id: string;
      readonly clock: Clock;
      readonly due: InstantMs;
      readonly depth: number;
    };

/**
 * The call of a rule's functions that is under way. One serves all keys of a rule, since calls are synchronous; the
 * handles that the functions get work on it.
 */
export class Call {
  /** What was said; told once the call has succeeded. */
  readonly emissions: Emission[] = [];
  /** Name of the source whose function is called, for an event. */
  alias = '';
  private readonly rule: string;
  private under: { readonly state: ProcessState; readonly cause: Cause } | undefined;
  private chance: (() => number) | undefined;
  private eventTime: InstantMs = BEGINNING;
  private processingTime: InstantMs = BEGINNING;

  constructor(rule: string) {
    this.rule = rule;
  }

  begin(state: ProcessState, cause: Cause): void {
    this.under = { state, cause };
    this.chance = undefined;
    this.emissions.length = 0;
    this.eventTime = state.eventTime;
    this.processingTime = cause.kind === 'timer' && cause.clock === 'processing' ? cause.due : state.processingTime;
    state.begin();
  }

  end(): void {
    this.under = undefined;
  }

  get state(): ProcessState {
    return this.current().state;
  }

  get cause(): Cause {
    return this.current().cause;
  }

  time(clock: Clock): InstantMs {
    this.current();
    return clock === 'event' ? this.eventTime : this.processingTime;
  }

  /** @throws {WrongCall} when no call is under way */
  private current(): { readonly state: ProcessState; readonly cause: Cause } {
    if (this.under !== undefined) return this.under;
    throw new WrongCall(
      'a context was used after its call had ended: a function must not keep it, nor wait for anything',
    );
  }

  /** @throws {WrongCall} when that is no moment */
  after(clock: Clock, length: DurationMs): InstantMs {
    const time = this.time(clock);
    if (time === BEGINNING) throw new WrongCall(`${clock} time is not known here`);
    return instant(time + length);
  }

  /** The last moment at which something written now is remembered. */
  remembered(clock: Clock, ttl: DurationMs | undefined): InstantMs {
    return ttl === undefined ? NEVER : this.after(clock, ttl);
  }

  random(): number {
    if (this.chance === undefined) {
      const { cause } = this;
      const what =
        cause.kind === 'event'
          ? `${cause.event.source}\n${cause.event.seq}\n${cause.event.index}`
          : `${cause.name}\n${cause.due}\n${cause.id}`;
      this.chance = chanceOf(`${this.rule}\n${cause.kind}\n${what}\n${keyText(this.state.key)}`);
    }
    return this.chance();
  }
}
