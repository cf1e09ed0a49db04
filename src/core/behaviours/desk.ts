import type { Event } from '../events/event.ts';
import { ByteWriter } from '../shards/byte-writer.ts';
import { readCells, writeCell } from '../shards/cells.ts';
import type { Wake } from '../shards/wake.ts';
import { BEGINNING, type InstantMs } from '../time/units.ts';
import type { CellWriter, Emission, EventRef, Incident, Output, StepEvents } from './behaviour.ts';
import { CallParked, type Care, TrialOver } from './care.ts';
import type { KeyStep } from './key-step.ts';
import type { KeyspaceProgram } from './keyspace-program.ts';
import { type Dropped, EVENT, type RuleIncident, type Said } from './said.ts';

/**
 * What a turn writes on. Turns are synchronous, so one desk serves all keys of a shard and a key's actor stays small.
 */
export class Desk implements Output, CellWriter {
  /** Index of the rule at work, within the program. */
  speaking = 0;
  /** The event that it is shown; undefined while it is a timer's turn. */
  seeing: Event | undefined;
  /** Slot that names the cells being saved. */
  writing = 0;
  /** Indexes of the rules whose state may have changed. */
  readonly touched: number[] = [];
  /** Whether anything of the key's state may have changed. */
  changed = false;
  /** Processing time of the record at hand; for rules that go by it. */
  processingTime: InstantMs = BEGINNING;
  /** Timers that fired in this turn. */
  fired = 0;
  /** Set while a turn is run with care. */
  care: Care | undefined;
  /** Calls that the turn has made. */
  private calls = 0;
  /** Whether cells of rules that are gone were removed. */
  private hasLetGo = false;
  private readonly packed: PackedOf;
  private key!: KeyStep;
  private program!: KeyspaceProgram;
  private said: Said[] = NO_SAID;
  private incidents: RuleIncident[] = NO_INCIDENTS;
  private readonly writer = new ByteWriter(1024);
  private record = 0;
  private phase = EVENT;
  private place = 0;
  private route = 0;

  /** @param packed a key's cells as they were before this turn */
  constructor(packed: PackedOf) {
    this.packed = packed;
  }

  begin(key: KeyStep, program: KeyspaceProgram): void {
    this.key = key;
    this.program = program;
    this.touched.length = 0;
    this.changed = false;
    this.fired = 0;
    this.calls = 0;
    this.hasLetGo = false;
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

  /** Told before every call of a rule. @throws {TrialOver} {CallParked} in a turn that is run with care */
  call(): void {
    const number = this.calls++;
    if (this.care === undefined) return;
    if (number >= this.care.upto) throw new TrialOver();
    if (this.care.parked.has(number)) throw new CallParked(this.seeing !== undefined);
  }

  touch(index: number): void {
    this.changed = true;
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
    if (incident.kind === 'late') this.tellLate(incident.byMs);
    if (incident.kind !== 'limitReached' || incident.events === undefined) return;
    const message = `A partial match was given up: ${incident.limit} was reached.`;
    this.say({ kind: 'dropped', cause: 'limit', time: undefined, events: incident.events, message });
  }

  private tellLate(lateByMs: number): void {
    const event = this.seeing;
    if (event === undefined || this.program.rules[this.speaking]!.rule.onLate !== 'sideOutput') return;
    const { id, type, subject, time, data } = event;
    this.say({
      kind: 'late',
      side: 'late',
      time,
      first: time,
      last: time,
      events: eventOnly(event),
      emit: { lateByMs, event: data, meta: { id, type, subject, time } },
    });
  }

  /**
   * The rule at work threw. The event, or the timer when there is none, becomes a dead letter. Unless its state was kept
   * as it was, the rule's cells go: what it held for this key may be half changed.
   */
  failed(error: unknown, time: InstantMs, stateKept: boolean): void {
    const event = this.seeing;
    const rule = this.program.rules[this.speaking]!;
    const isParked = error instanceof CallParked;
    const text = isParked ? error.message : error instanceof Error ? (error.stack ?? error.message) : String(error);
    const what = event === undefined ? 'a timer' : 'this event';
    const lost = stateKept ? '' : ' and lost its state for the key';
    const message = `Rule ${rule.rule.name} ${isParked ? 'was stopped before' : 'failed on'} ${what}${lost}: ${text}`;
    this.incident({ kind: isParked ? 'killed' : 'failed', message });
    const events = event === undefined ? [] : eventOnly(event);
    this.say({ kind: 'dropped', cause: isParked ? 'killed' : 'failed', time, events, message });
    if (stateKept) return;
    this.changed = true;
    this.writing = rule.slot;
    const packed = this.packed(this.program.keyspace, this.key.text);
    if (packed === undefined) return;
    for (const { slot, cell } of readCells(packed)) if (slot === rule.slot) this.remove(cell);
  }

  /** Which rule is at work on what, for whoever looks on from outside. */
  get at(): { readonly rule: string; readonly event: Event | undefined } {
    return { rule: this.program.rules[this.speaking]!.rule.name, event: this.seeing };
  }

  put(cell: number, bytes: Uint8Array): void {
    writeCell(this.writer, this.writing, cell, bytes);
  }

  remove(cell: number): void {
    writeCell(this.writer, this.writing, cell, undefined);
  }

  /** Removes cells of rules that do not run any more. Their timers go as well, since a changed key tells its wake times anew. */
  letGo(gone: ReadonlyMap<number, readonly number[]>): void {
    this.changed = true;
    this.hasLetGo = true;
    for (const [slot, cells] of gone) {
      this.writing = slot;
      for (const cell of cells) this.remove(cell);
    }
  }

  end(wakes: readonly Wake[]): TurnResult {
    return {
      changed: this.changed,
      fired: this.fired,
      hasLetGo: this.hasLetGo,
      change: this.writer.size === 0 ? NOTHING : this.writer.copy(),
      wakes,
      said: this.said,
      incidents: this.incidents,
    };
  }
}

export type PackedOf = (keyspace: number, key: string) => Uint8Array | undefined;

export interface TurnResult {
  /** False when nothing was saved because no rule took notice. */
  readonly changed: boolean;
  readonly fired: number;
  /** Whether state of rules that do not run any more was removed. */
  readonly hasLetGo: boolean;
  /** Cells written and removed. */
  readonly change: Uint8Array;
  readonly wakes: readonly Wake[];
  /** In the order it was said by this key. */
  readonly said: readonly Said[];
  readonly incidents: readonly RuleIncident[];
}

/** An event by itself, in the form of what a step took. */
export function eventOnly({ source, seq, index, id, time }: Event): StepEvents[] {
  const ref: EventRef = { source, seq, index, id, time };
  return [{ step: 'event', count: 1, refs: [ref] }];
}

const NOTHING = new Uint8Array(0);
/** Most turns say nothing; these stand for that and are never written to. */
const NO_SAID: Said[] = [];
const NO_INCIDENTS: RuleIncident[] = [];
