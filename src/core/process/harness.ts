import type { Output } from '../behaviours/behaviour.ts';
import type { Event } from '../events/event.ts';
import { dataOf, eventMeta } from '../rules/function-values.ts';
import { keyText } from '../rules/key-text.ts';
import type { KeyValue } from '../rules/rule-set.ts';
import { justAfter } from '../time/just-after.ts';
import { parseDuration } from '../time/parse-duration.ts';
import { parseInstant } from '../time/parse-instant.ts';
import { BEGINNING, type InstantMs, instant, NEVER } from '../time/units.ts';
import { type ProcessBehaviour, processBehaviour } from './process-behaviour.ts';
import type { AnyProcessRule, DataOf, EventOf, KeyPart, ProcessRule, Source, ValueOf } from './process-rule.ts';

/** A moment in a test: milliseconds since the epoch, an ISO 8601 text, or a length of time since the epoch such as `15m`. */
export type WrittenTime = number | string;

export interface WrittenEvent {
  readonly time: WrittenTime;
  /** Default `<n>`, the number of the event in the test. */
  readonly id?: string;
  /** Default the (first) type that the source takes, else the source's name in the rule. */
  readonly type?: string;
  /** Needed where the rule's key is an expression instead of a function. */
  readonly key?: KeyValue;
}

/** Entries of the references that a rule looks up, by key. They may be changed between events. */
export type WrittenReferences<R> = { readonly [N in keyof R]?: Record<string, DataOf<R[N]>> };

export interface HarnessOutput<O> {
  readonly output: keyof O & string;
  readonly key: KeyValue;
  readonly time: number;
  readonly value: unknown;
}

/**
 * Runs one process rule over events whose times are written down, with no server and no waiting:
 *
 *     const rule = harness(bookings);
 *     rule.event('created', { bookingId: 'b1', customer: 'Ada' }, { time: '0s' });
 *     rule.advanceTo('15m');
 *     assert.deepEqual(rule.of('unfinished'), [{ seats: 0 }]);
 *
 * Each key's state is packed after every call and read back for the next, as on a node that keeps nothing in memory. A
 * function that throws makes the harness throw `RuleFailed`; what it did is undone, and the test can go on.
 */
export class Harness<F, O> {
  /** What was said, in order. */
  readonly outputs: HarnessOutput<O>[] = [];
  private readonly rule: AnyProcessRule;
  private readonly behaviour: ProcessBehaviour;
  private readonly keys = new Map<string, { readonly key: KeyValue; readonly cells: Map<number, Uint8Array> }>();
  private now = BEGINNING;
  private processingNow = instant(0);
  /** Whether everything at `now` has been seen. */
  private passed = false;
  private seq = 0;
  private alias = '';

  constructor(rule: ProcessRule<F, unknown, unknown, O>, references: WrittenReferences<unknown> = {}) {
    this.rule = rule as unknown as AnyProcessRule;
    const { stateBytes = 16 * 1024 * 1024, timers = 100_000 } = this.rule.limits ?? {};
    const limits = { stateBytes, timers };
    const entries = references as Readonly<Record<string, Readonly<Record<string, unknown>> | undefined>>;
    const lookup = (reference: string, key: string): unknown => {
      const found = Object.hasOwn(entries, reference) ? entries[reference] : undefined;
      return found !== undefined && Object.hasOwn(found, key) ? (found[key] ?? null) : null;
    };
    this.behaviour = processBehaviour({ rule: this.rule, aliasesOf: () => [this.alias], limits, lookup });
  }

  /** The values said on one output, in order. */
  of<N extends keyof O & string>(output: N): ValueOf<O[N]>[] {
    return this.outputs.filter((one) => one.output === output).map(({ value }) => value as ValueOf<O[N]>);
  }

  /** Keys that hold state. */
  get activeKeys(): readonly KeyValue[] {
    return [...this.keys.values()].map(({ key }) => key);
  }

  /**
   * An event comes. Events come in order of time; what is due before this one's happens first.
   * @throws {RangeError} when it comes before what time has reached
   */
  event<N extends keyof F & string>(alias: N, data: EventOf<F[N]>, written: WrittenEvent): this {
    const source = this.rule.from[alias];
    if (source === undefined) throw new RangeError(`the rule has no source ${alias}`);
    const time = moment(written.time);
    if (time < this.now || (time === this.now && this.passed))
      throw new RangeError(
        `event ${alias} at ${written.time} is late: time has reached ${new Date(this.now).toISOString()}`,
      );
    const type = written.type ?? (typeof source.type === 'string' ? source.type : source.type?.[0]) ?? alias;
    const seq = ++this.seq;
    const event: Event = {
      id: written.id ?? String(seq),
      type,
      subject: alias,
      time,
      source: source.source,
      seq,
      index: 0,
      headers: undefined,
      data,
    };
    this.reach(time);
    this.now = time;
    this.passed = false;
    if (!passes(source, event)) return this;
    this.alias = alias;
    for (const key of written.key === undefined ? keysOf(source, event) : [written.key])
      this.call(key, (state, output) => this.behaviour.onEvent(state, event, output));
    return this;
  }

  /** Event time reaches a moment, and everything of that moment has been seen: timers for it have fired. */
  advanceTo(time: WrittenTime): this {
    const to = moment(time);
    if (to < this.now) throw new RangeError(`time has reached ${this.now} and does not go back to ${to}`);
    this.reach(justAfter(to));
    this.now = to;
    this.passed = true;
    return this;
  }

  /** Processing time, which begins at 0, reaches a moment: processing timers for it have fired. */
  advanceProcessingTo(time: WrittenTime): this {
    const to = moment(time);
    if (to < this.processingNow)
      throw new RangeError(`processing time has reached ${this.processingNow} and does not go back to ${to}`);
    const { behaviour } = this;
    this.fire(justAfter(to), behaviour.wakeAtProcessing, behaviour.onProcessingTime);
    this.processingNow = to;
    return this;
  }

  private reach(now: InstantMs): void {
    this.fire(now, this.behaviour.wakeAt, this.behaviour.onTime);
  }

  /** Everything due at or before `now` by one clock, over all keys in order of moment, then of key. */
  private fire(now: InstantMs, wakeOf: ProcessBehaviour['wakeAt'], fire: ProcessBehaviour['onTime']): void {
    for (;;) {
      let [wake, due]: [number, KeyValue | undefined] = [NEVER, undefined];
      for (const { key, cells } of this.keys.values()) {
        const at = wakeOf(this.behaviour.load(cells, key));
        if (at < wake || (at === wake && due !== undefined && keyText(key) < keyText(due))) [wake, due] = [at, key];
      }
      if (due === undefined || wake > now) return;
      this.call(due, (state, output) => fire(state, instant(wake), output));
    }
  }

  private call(key: KeyValue, work: (state: ReturnType<ProcessBehaviour['load']>, output: Output) => void): void {
    const { behaviour } = this;
    const name = keyText(key);
    const { cells } = this.keys.get(name) ?? { cells: new Map<number, Uint8Array>() };
    const state = behaviour.load(cells, key);
    const output: Output = {
      emit: ({ side, time, emit }) =>
        void this.outputs.push({ output: side as keyof O & string, key, time, value: emit }),
      incident: () => undefined,
    };
    try {
      behaviour.onProcessingTime(state, this.processingNow, output);
      work(state, output);
    } finally {
      behaviour.save(state, {
        put: (cell, bytes) => void cells.set(cell, bytes),
        remove: (cell) => void cells.delete(cell),
      });
      if (behaviour.isEmpty(state)) this.keys.delete(name);
      else this.keys.set(name, { key, cells });
    }
  }
}

/**
 * A harness for one process rule; see `Harness`.
 * @param given `references`: what the rule finds when it looks something up
 */
export function harness<F, S, T, O, R>(
  rule: ProcessRule<F, S, T, O, R>,
  given: { readonly references?: WrittenReferences<R> } = {},
): Harness<F, O> {
  return new Harness<F, O>(rule as unknown as ProcessRule<F, unknown, unknown, O>, given.references);
}

function moment(time: WrittenTime): InstantMs {
  const found = typeof time === 'number' ? instant(time) : (parseDuration(time) ?? parseInstant(time));
  if (found === undefined || !Number.isFinite(found))
    throw new RangeError(`${time} is no moment: give milliseconds, an ISO 8601 text, or a length of time such as 15m`);
  return instant(found);
}

function keysOf({ source, key, keyEach }: Source<unknown>, event: Event): readonly KeyValue[] {
  if (key === 'global') return [key];
  const values = [keyEach ?? key].flat().map((part) => {
    if (typeof part === 'function') return part(dataOf(event), eventMeta(event)) ?? undefined;
    throw new TypeError(`the key of source ${source} is an expression: give the event's \`key\` in the test`);
  });
  if (keyEach !== undefined) return [...new Set((values[0] ?? []) as readonly (KeyPart | null)[])].filter(isKey);
  if (values.includes(undefined)) return [];
  return [Array.isArray(key) ? (values as KeyPart[]) : (values[0] as KeyPart)];
}

const isKey = (key: KeyPart | null): key is KeyPart => key !== null;

function passes({ where, source }: Source<unknown>, event: Event): boolean {
  if (where === undefined) return true;
  if (typeof where === 'function') return where(dataOf(event), eventMeta(event));
  throw new TypeError(`\`where\` of source ${source} is an expression: the harness runs functions only`);
}
