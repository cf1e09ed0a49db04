import type { KeyValue } from '../rules/rule-set.ts';
import { ByteWriter } from '../shards/byte-writer.ts';
import { cellsBySlot, writeCell } from '../shards/cells.ts';
import type { RoutedEvent } from '../shards/record.ts';
import type { Wake } from '../shards/wake.ts';
import { type InstantMs, NEVER } from '../time/units.ts';
import type { CellWriter, Emission, Incident, Output, StepEvents } from './behaviour.ts';
import type { KeyspaceProgram, ProgramRule } from './keyspace-program.ts';

/**
 * One key's rules at work. A turn takes all that a batch holds for the key, in order, and gives what changed.
 *
 * What comes out must not depend on where batches begin and end (protocol.md, C6). So a turn does not fire its timers
 * at the end, but where the log has them: a timer belongs to the first record whose watermark reaches its deadline,
 * after the events of that record. An event first brings its rules to the event's own time, then is seen by them.
 */
export class KeyStep {
  private readonly states: unknown[];
  private readonly program: KeyspaceProgram;
  /** The soonest wake time of all rules, so that most turns need not ask them. */
  private wake: InstantMs = NEVER;
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
    for (const [slot, cells] of cellsBySlot(Buffer.from(packed))) {
      const index = program.bySlot.get(slot);
      if (index === undefined) continue;
      const { rule } = program.rules[index]!;
      this.states[index] = rule.behaviour.load(cells, value);
    }
    this.wake = this.soonest();
  }

  /** Nothing that a fresh key would not have either. */
  get isEmpty(): boolean {
    return this.states.every((state) => state === undefined);
  }

  turn(items: readonly TurnItem[], clocks: Clocks, desk: Desk): TurnResult {
    desk.begin(this, this.program);
    let record = 0;
    for (const item of items) {
      if (item.record > record) {
        this.fire(record, item.record - 1, clocks, desk);
        record = item.record;
      }
      this.take(item, desk);
    }
    this.fire(record, clocks.records - 1, clocks, desk);
    return this.settle(desk);
  }

  private take(item: TurnItem, desk: Desk): void {
    const { event, lag } = item.routed;
    desk.stand(item.record, EVENT, item.index, item.route);
    for (const index of this.program.concerned(event.source, event.type)) {
      desk.speaking = index;
      if (lag < 0) {
        desk.incident({ kind: 'late', byMs: -lag });
        continue;
      }
      const { behaviour } = this.program.rules[index]!.rule;
      let state = this.states[index];
      if (state === undefined) this.states[index] = state = behaviour.create(this.value);
      else if (behaviour.wakeAt(state) <= event.time) behaviour.onTime(state, event.time, desk);
      behaviour.onEvent(state, event, desk);
      const wake = behaviour.wakeAt(state);
      if (wake < this.wake) this.wake = wake;
      desk.touch(index);
    }
  }

  /** Fires what falls due by the watermarks after records `from` to `upto`. */
  private fire(from: number, upto: number, clocks: Clocks, desk: Desk): void {
    if (upto < from || this.wake === NEVER) return;
    for (let index = 0; index < this.states.length; index += 1) {
      const state = this.states[index];
      if (state === undefined) continue;
      const { rule, scope } = this.program.rules[index]!;
      const watermarks = clocks.watermarks(scope);
      const reached = watermarks[upto]!;
      desk.speaking = index;
      let record = from;
      // At the end of a drained source the watermark is NEVER too, and what waits for NEVER still waits.
      for (let due = rule.behaviour.wakeAt(state); due <= reached && due !== NEVER; ) {
        while (watermarks[record]! < due) record += 1;
        desk.stand(record, TIMER, due, 0);
        desk.fired += 1;
        rule.behaviour.onTime(state, due, desk);
        desk.touch(index);
        const next = rule.behaviour.wakeAt(state);
        if (next <= due) throw new Error(`rule ${rule.name} asked to be woken at ${next} again when it was ${due}`);
        due = next;
      }
    }
    this.wake = this.soonest();
  }

  private soonest(): InstantMs {
    let wake: InstantMs = NEVER;
    for (let index = 0; index < this.states.length; index += 1) {
      const state = this.states[index];
      if (state === undefined) continue;
      const at = this.program.rules[index]!.rule.behaviour.wakeAt(state);
      if (at < wake) wake = at;
    }
    return wake;
  }

  private settle(desk: Desk): TurnResult {
    for (const index of desk.touched) {
      const { rule, slot } = this.program.rules[index]!;
      const state = this.states[index];
      desk.writing = slot;
      rule.behaviour.save(state, desk);
      if (rule.behaviour.isEmpty(state)) this.states[index] = undefined;
    }
    const wakes: Wake[] = [];
    for (let index = 0; index < this.states.length; index += 1) {
      const state = this.states[index];
      if (state === undefined) continue;
      const { rule, scope } = this.program.rules[index]!;
      const at = rule.behaviour.wakeAt(state);
      if (at === NEVER) continue;
      const same = wakes.findIndex((wake) => wake.scope === scope);
      if (same < 0) wakes.push({ scope, at });
      else if (at < wakes[same]!.at) wakes[same] = { scope, at };
    }
    return desk.end(wakes);
  }
}

/**
 * What a turn writes on. Turns are synchronous, so one desk serves all keys of a shard and a key's actor stays small.
 */
export class Desk implements Output, CellWriter {
  /** Index of the rule at work, within the program. */
  speaking = 0;
  /** Slot of the rule whose state is being saved. */
  writing = 0;
  readonly touched: number[] = [];
  /** Timers that fired in this turn. */
  fired = 0;
  private key!: KeyStep;
  private program!: KeyspaceProgram;
  private said: Said[] = NO_SAID;
  private incidents: RuleIncident[] = NO_INCIDENTS;
  private readonly writer = new ByteWriter(1024);
  private record = 0;
  private phase = EVENT;
  private place = 0;
  private route = 0;

  begin(key: KeyStep, program: KeyspaceProgram): void {
    this.key = key;
    this.program = program;
    this.touched.length = 0;
    this.fired = 0;
    this.writer.reset();
    this.said = NO_SAID;
    this.incidents = NO_INCIDENTS;
  }

  stand(record: number, phase: number, place: number, route: number): void {
    this.record = record;
    this.phase = phase;
    this.place = place;
    this.route = route;
  }

  touch(index: number): void {
    if (!this.touched.includes(index)) this.touched.push(index);
  }

  emit(emission: Emission): void {
    this.say(emission);
  }

  private say(emission: Emission | Dropped): void {
    const { record, phase, place, route, key } = this;
    if (this.said === NO_SAID) this.said = [];
    this.said.push({ record, phase, place, route, key, rule: this.program.rules[this.speaking]!, emission });
  }

  incident(incident: Incident): void {
    if (this.incidents === NO_INCIDENTS) this.incidents = [];
    this.incidents.push({ rule: this.program.rules[this.speaking]!, incident });
    if (incident.kind !== 'limitReached' || incident.events === undefined) return;
    const message = `A partial match was given up: ${incident.limit} was reached.`;
    this.say({ kind: 'dropped', time: undefined, events: incident.events, message });
  }

  put(cell: number, bytes: Uint8Array): void {
    writeCell(this.writer, this.writing, cell, bytes);
  }

  remove(cell: number): void {
    writeCell(this.writer, this.writing, cell, undefined);
  }

  end(wakes: readonly Wake[]): TurnResult {
    return {
      changed: this.touched.length > 0,
      fired: this.fired,
      change: this.writer.size === 0 ? NOTHING : this.writer.copy(),
      wakes,
      said: this.said,
      incidents: this.incidents,
    };
  }
}

/** Phases of a record: its events, then the timers that its watermark makes due. */
const EVENT = 0;
const TIMER = 1;
const NOTHING = new Uint8Array(0);
/** Most turns say nothing; these stand for that and are never written to. */
const NO_SAID: Said[] = [];
const NO_INCIDENTS: RuleIncident[] = [];

/** One event for one key, and where in the batch it stands. */
export interface TurnItem {
  /** Number of its record within the batch. */
  readonly record: number;
  /** Number of the event within the record. */
  readonly index: number;
  /** Number of the route within the event: one event may go to several keys of a shard. */
  readonly route: number;
  readonly routed: RoutedEvent;
}

/** What the batch's records did to the clocks. */
export interface Clocks {
  readonly records: number;
  /** A clock's reading after each record of the batch; ascending. */
  watermarks(scope: number): Float64Array;
}

export interface Said {
  readonly record: number;
  readonly phase: number;
  /** Number of the event, or the deadline. */
  readonly place: number;
  readonly route: number;
  readonly rule: ProgramRule;
  readonly key: KeyStep;
  readonly emission: Emission | Dropped;
}

/** A partial match that a limit cost, and that the rule wants as a dead letter. */
export interface Dropped {
  readonly kind: 'dropped';
  readonly time: undefined;
  readonly events: readonly StepEvents[];
  readonly message: string;
}

export interface RuleIncident {
  readonly rule: ProgramRule;
  readonly incident: Incident;
}

export interface TurnResult {
  /** False when nothing was saved because no rule took notice. */
  readonly changed: boolean;
  readonly fired: number;
  /** Cells written and removed. */
  readonly change: Uint8Array;
  readonly wakes: readonly Wake[];
  /** In the order it was said by this key. */
  readonly said: readonly Said[];
  readonly incidents: readonly RuleIncident[];
}

/** The order of matches in a commit (C6): by record, events before timers, then event or deadline, key, rule. */
export function compareSaid(a: Said, b: Said): number {
  return (
    a.record - b.record ||
    a.phase - b.phase ||
    a.place - b.place ||
    a.route - b.route ||
    (a.key === b.key ? 0 : compareText(a.key.text, b.key.text)) ||
    a.rule.order - b.rule.order
  );
}

function compareText(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
