import type { Event } from '../events/event.ts';
import type { KeyValue } from '../rules/rule-set.ts';
import { cellsBySlot } from '../shards/cells.ts';
import type { Replayed } from '../shards/record.ts';
import { after, duration, type InstantMs, instant, NEVER } from '../time/units.ts';
import { TrialOver } from './care.ts';
import { type Desk, eventOnly, type TurnResult } from './desk.ts';
import { wakeCounter } from './drain-endless.ts';
import type { KeyspaceProgram, ProgramRule } from './keyspace-program.ts';
import { lateness } from './lateness.ts';
import { CLOSE, EVENT, PROCESSING, TIMER } from './said.ts';
import type { Clocks, TurnItem } from './turn.ts';
import { WaitingEvents } from './waiting-events.ts';
import { soonestOf, wakesOf } from './wakes-of.ts';

/**
 * One key's rules at work. A turn takes all that a batch holds for the key, in order, and gives what changed.
 *
 * What comes out must not depend on where batches begin and end (protocol.md, C6). So a turn does not fire its timers
 * at the end, but where the log has them: a timer belongs to the first record whose watermark reaches its deadline,
 * after the events of that record. An event first brings its rules to the event's own time, then is seen by them.
 *
 * Rules whose events may come out of order of time see them later: each event waits (see waiting-events) and belongs to
 * the first record whose watermark passes it, in order of time with that record's timers.
 */
export class KeyStep {
  private readonly states: unknown[];
  private readonly program: KeyspaceProgram;
  /** The soonest wake time of all rules and waiting events, so that most turns need not ask them. */
  private wake: InstantMs = NEVER;
  /** Events that wait, by scope; undefined while none ever did. */
  private rooms: Map<number, WaitingEvents> | undefined;
  /** Cells of rules that are gone, by slot: the next turn removes them. */
  private gone: Map<number, readonly number[]> | undefined;
  readonly text: string;
  readonly value: KeyValue;

  /** @param packed the key's cells; undefined when it has none. Cells of rules that are gone are let go of. */
  constructor(program: KeyspaceProgram, text: string, value: KeyValue, packed: Uint8Array | undefined) {
    this.program = program;
    this.text = text;
    this.value = value;
    this.states = new Array(program.rules.length);
    if (packed === undefined) return;
    // A copy, since states may keep views of their cells while the table moves its bytes.
    const slots = cellsBySlot(Buffer.from(packed));
    for (const [slot, cells] of slots) {
      const index = program.bySlot.get(slot);
      if (index === undefined) {
        if (program.isGone(slot)) (this.gone ??= new Map()).set(slot, [...cells.keys()]);
        continue;
      }
      const { rule } = program.rules[index]!;
      this.states[index] = rule.behaviour.load(cells, value);
    }
    for (const { scope, slot, severalSources } of program.rooms.values()) {
      const cells = slots.get(slot);
      if (cells === undefined) continue;
      this.rooms ??= new Map();
      this.rooms.set(scope, new WaitingEvents(severalSources, cells));
    }
    this.wake = soonestOf(this.program, this.states, this.rooms);
  }

  /** Nothing that a fresh key would not have either. */
  get isEmpty(): boolean {
    return this.states.every((state) => state === undefined) && !this.hasWaiting;
  }

  private get hasWaiting(): boolean {
    if (this.rooms !== undefined) for (const room of this.rooms.values()) if (room.size > 0) return true;
    return false;
  }

  turn(items: readonly TurnItem[], clocks: Clocks, desk: Desk): TurnResult {
    const { lend } = this.program;
    return lend === undefined ? this.work(items, clocks, desk) : lend(() => this.work(items, clocks, desk));
  }

  private work(items: readonly TurnItem[], clocks: Clocks, desk: Desk): TurnResult {
    desk.begin(this, this.program);
    let record = 0;
    this.process(record, items[0]?.record === record, clocks, desk);
    for (const item of items) {
      if (item.record > record) {
        this.fire(record, item.record - 1, clocks, desk);
        record = item.record;
        this.process(record, true, clocks, desk);
      }
      this.take(item, clocks, desk);
    }
    this.fire(record, clocks.records - 1, clocks, desk);
    this.close(clocks, desk);
    return this.settle(desk);
  }

  private take(item: TurnItem, clocks: Clocks, desk: Desk): void {
    const { event, lag, replay } = item.routed;
    desk.stand(item.record, EVENT, item.index, item.route);
    if (replay !== undefined) {
      this.takeReplayed(event, replay, item.record, clocks, desk);
      return;
    }
    for (const index of this.program.concerned(event.source, event.type)) {
      desk.speaking = index;
      const rule = this.program.rules[index]!;
      const late = lateness(rule, event, lag, item.record, clocks);
      if (late > 0) this.takeLate(index, event, late, desk);
      else if (rule.sorted || this.rooms?.get(rule.scope)?.size) this.wait(rule, event, desk);
      else this.show(index, event, event.time, desk);
    }
  }

  /**
   * The event of a dead letter. Its own time has passed, so it takes place now, after all that the key has seen. A rule
   * that makes something of late events gets it as one.
   */
  private takeReplayed(event: Event, { rules }: Replayed, record: number, clocks: Clocks, desk: Desk): void {
    for (const index of this.program.concerned(event.source, event.type)) {
      const rule = this.program.rules[index]!;
      if (rules?.includes(rule.rule.name) === false) continue;
      desk.speaking = index;
      const now = clocks.before(rule.scope, record);
      if (now <= event.time) this.wait(rule, event, desk);
      else if (rule.rule.behaviour.takesLate === true) this.takeLate(index, event, now - event.time, desk);
      else this.wait(rule, { ...event, time: now }, desk);
    }
  }

  private takeLate(index: number, event: Event, byMs: number, desk: Desk): void {
    const { rule, scope } = this.program.rules[index]!;
    if (rule.behaviour.takesLate === true) {
      // What waits and is not late comes first: within a record the source's time may have passed it already.
      const reached = after(event.time, duration(byMs));
      const room = this.rooms?.get(scope);
      if (room !== undefined) this.showWaiting(room, reached, desk);
      const now = instant(Math.min(reached, room?.first ?? NEVER));
      if (now > event.time) this.show(index, event, now, desk);
      else this.wait(this.program.rules[index]!, event, desk);
    } else if (rule.accepts(event)) {
      desk.seeing = event;
      desk.incident({ kind: 'late', byMs });
    }
  }

  private wait({ scope, slot }: ProgramRule, event: Event, desk: Desk): void {
    this.rooms ??= new Map();
    let room = this.rooms.get(scope);
    if (room === undefined) {
      room = new WaitingEvents(this.program.rooms.get(scope)!.severalSources);
      this.rooms.set(scope, room);
    }
    if (room.size >= WAITING_MAX) {
      desk.incident({ kind: 'limitReached', limit: 'waitingEvents', answer: 'deadLetter', events: eventOnly(event) });
      return;
    }
    desk.changed = true;
    room.add(event, slot);
    if (room.wakeAt < this.wake) this.wake = room.wakeAt;
  }

  /** Lets a rule see an event. @param now the event's time, or the watermark that a late one is behind */
  private show(index: number, event: Event, now: InstantMs, desk: Desk): void {
    const { behaviour } = this.program.rules[index]!.rule;
    desk.speaking = index;
    let state = this.states[index];
    if (state !== undefined && behaviour.wakeAt(state) <= now && !this.bringTo(index, now, desk)) state = undefined;
    desk.seeing = event;
    try {
      desk.call();
      if (state === undefined) this.states[index] = state = behaviour.create(this.value);
      behaviour.onProcessingTime?.(state, desk.processingTime, desk);
      if (now > event.time) behaviour.onTime(state, now, desk);
      behaviour.onEvent(state, event, desk);
    } catch (error) {
      if (!this.fail(index, error, event.time, desk) || state === undefined) return;
    }
    const wake = behaviour.wakeAt(state);
    if (wake < this.wake) this.wake = wake;
    desk.touch(index);
  }

  /**
   * Brings a rule to a moment. One that keeps its state when it fails goes on with what else is due.
   * @returns whether it still has its state
   */
  private bringTo(index: number, now: InstantMs, desk: Desk): boolean {
    const { behaviour } = this.program.rules[index]!.rule;
    desk.seeing = undefined;
    for (;;) {
      try {
        desk.call();
        // What is due by event time may ask for the other, in a record that holds nothing else for the key.
        behaviour.onProcessingTime?.(this.states[index], desk.processingTime, desk);
        behaviour.onTime(this.states[index], now, desk);
        return true;
      } catch (error) {
        if (!this.fail(index, error, now, desk)) return false;
      }
    }
  }

  /**
   * A rule's failure is its own: neither other keys nor other rules notice. It begins afresh for this key, unless it says
   * that its state is as if the failing call had not been.
   * @returns whether the rule goes on with its state
   */
  private fail(index: number, error: unknown, time: InstantMs, desk: Desk): boolean {
    if (error instanceof TrialOver) throw error;
    if (error instanceof Error && 'stateKept' in error && error.stateKept === true) {
      desk.failed(error, time, true);
      return true;
    }
    this.states[index] = undefined;
    const touched = desk.touched.indexOf(index);
    if (touched >= 0) desk.touched.splice(touched, 1);
    desk.failed(error, time, false);
    return false;
  }

  /** Processing time reaches a record. @param shown whether the record holds events for the key */
  private process(record: number, shown: boolean, clocks: Clocks, desk: Desk): void {
    if (this.program.processing === undefined) return;
    const now = clocks.processingTime(record);
    desk.processingTime = now;
    for (let index = 0; index < this.states.length; index += 1) {
      const { behaviour } = this.program.rules[index]!.rule;
      if (behaviour.onProcessingTime === undefined || this.states[index] === undefined) continue;
      desk.speaking = index;
      desk.seeing = undefined;
      const due = behaviour.wakeAtProcessing!(this.states[index]) <= now;
      if (due) desk.fired += 1;
      for (let again = due || shown; again; ) {
        desk.stand(record, PROCESSING, now, 0);
        again = false;
        try {
          desk.call();
          behaviour.onProcessingTime(this.states[index], now, desk);
        } catch (error) {
          again = this.fail(index, error, now, desk);
        }
      }
      if (due && this.states[index] !== undefined) desk.touch(index);
    }
  }

  /** What falls due by the watermarks after records `from` to `upto`: timers, and events that have waited. */
  private fire(from: number, upto: number, clocks: Clocks, desk: Desk): void {
    const { processing } = this.program;
    if (upto < from || (this.wake === NEVER && processing === undefined)) return;
    if (processing !== undefined || this.hasWaiting) {
      for (let record = from; record <= upto; record += 1) {
        if (record > from) this.process(record, false, clocks, desk);
        if (this.rooms !== undefined) this.release(record, clocks, desk);
        this.fireTimers(record, record, clocks, desk);
      }
    } else this.fireTimers(from, upto, clocks, desk);
    this.wake = soonestOf(this.program, this.states, this.rooms);
  }

  private release(record: number, clocks: Clocks, desk: Desk): void {
    for (const [scope, room] of this.rooms!)
      this.showWaiting(room, clocks.watermarks(scope)[record] as InstantMs, desk, record);
  }

  /** @param record by which time came so far, at its end; undefined: they belong to the event at hand */
  private showWaiting(room: WaitingEvents, reading: InstantMs, desk: Desk, record?: number): void {
    for (let next = room.take(reading); next !== undefined; next = room.take(reading)) {
      desk.changed = true;
      const { event, slots } = next;
      if (record !== undefined) desk.stand(record, TIMER, event.time, 0);
      for (const slot of slots) {
        const index = this.program.bySlot.get(slot);
        // Undefined: the rule was removed or edited since.
        if (index !== undefined) this.show(index, event, event.time, desk);
      }
    }
  }

  private fireTimers(from: number, upto: number, clocks: Clocks, desk: Desk): void {
    for (let index = 0; index < this.states.length; index += 1) {
      const state = this.states[index];
      if (state === undefined) continue;
      const { rule, scope } = this.program.rules[index]!;
      const watermarks = clocks.watermarks(scope);
      // What is due after an event that still waits comes after it.
      const reached = Math.min(watermarks[upto]!, this.rooms?.get(scope)?.first ?? NEVER);
      desk.speaking = index;
      let record = from;
      const woken = wakeCounter(rule.name, reached);
      // At the end of a drained source the watermark is NEVER too, and what waits for NEVER still waits.
      for (let due = rule.behaviour.wakeAt(state); due <= reached && due !== NEVER; ) {
        while (watermarks[record]! < due) record += 1;
        desk.stand(record, TIMER, due, 0);
        desk.fired += 1;
        const endless = woken();
        if (endless !== undefined) this.fail(index, endless, due, desk);
        if (endless !== undefined || !this.bringTo(index, due, desk)) break;
        desk.touch(index);
        const next = rule.behaviour.wakeAt(state);
        if (next <= due) throw new Error(`rule ${rule.name} asked to be woken at ${next} again when it was ${due}`);
        due = next;
      }
    }
  }

  /** The end of input: nothing of the clock's sources comes after it, so it may stand at the end of the turn. */
  private close(clocks: Clocks, desk: Desk): void {
    for (let index = 0; index < this.states.length; index += 1) {
      const { rule, scope } = this.program.rules[index]!;
      const record = clocks.closesAt(scope);
      const state = this.states[index];
      if (record === undefined || state === undefined || rule.behaviour.close === undefined) continue;
      desk.speaking = index;
      desk.seeing = undefined;
      desk.stand(record, CLOSE, 0, 0);
      try {
        desk.call();
        rule.behaviour.close(state, desk);
      } catch (error) {
        if (!this.fail(index, error, clocks.watermarks(scope)[record] as InstantMs, desk)) continue;
      }
      desk.touch(index);
    }
  }

  private settle(desk: Desk): TurnResult {
    if (this.gone !== undefined) desk.letGo(this.gone);
    this.gone = undefined;
    for (const index of desk.touched) {
      const { rule, slot } = this.program.rules[index]!;
      const state = this.states[index];
      desk.writing = slot;
      rule.behaviour.save(state, desk);
      if (rule.behaviour.isEmpty(state)) this.states[index] = undefined;
    }
    if (this.rooms !== undefined) {
      for (const [scope, room] of this.rooms) {
        desk.writing = this.program.rooms.get(scope)!.slot;
        room.save(desk);
      }
    }
    return desk.end(wakesOf(this.program, this.states, this.rooms));
  }
}

/** Events of one key that may wait for time to pass them, per clock; one more is a dead letter. */
export const WAITING_MAX = 100_000;
