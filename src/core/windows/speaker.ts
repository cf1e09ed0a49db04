import type { Emission, Output } from '../behaviours/behaviour.ts';
import type { Event } from '../events/event.ts';
import type { KeyValue } from '../rules/rule-set.ts';
import { type InstantMs, instant } from '../time/units.ts';
import type { Reading } from './aggregate-set.ts';
import type { WindowDefinition, WindowView } from './window.ts';
import { Identity, type WindowRecord } from './window-record.ts';

/**
 * Asks a rule's `having` about one window after another, and says what its `emit` makes of it. One serves all keys:
 * results are computed when an expression reads them, and nothing is allocated for a window that does not hold.
 */
export class Speaker {
  readonly #definition: WindowDefinition;
  readonly #results: Record<string, unknown> = {};
  readonly #view: View;
  #reading!: Reading;
  readonly #cache: unknown[];
  readonly #cached: boolean[];

  constructor(definition: WindowDefinition) {
    this.#definition = definition;
    this.#view = new View();
    this.#cache = definition.aggregates.map(() => undefined);
    this.#cached = definition.aggregates.map(() => false);
    definition.aggregates.forEach(({ name }, index) => {
      Object.defineProperty(this.#results, name, { enumerable: true, get: () => this.#result(index) });
    });
  }

  /** Turns to a window of a key: its content, its times, and the event that made it speak, if one did. */
  turn(key: KeyValue, reading: Reading, start: number, end: number, event: Event | undefined): void {
    this.#reading = reading;
    this.#cached.fill(false);
    this.#view.show(key, reading, start, end, event);
  }

  /** Whether `having` holds for the window turned to. A window without events does not hold. */
  holds(): boolean {
    if (this.#reading.isEmpty) return false;
    const { having } = this.#definition;
    return having === undefined || having(this.#results, this.#view);
  }

  /** Whether `having` holds for the window turned to, be it without events: what an event is compared with. */
  heldWithout(): boolean {
    return this.#definition.having?.(this.#results, this.#view) !== false;
  }

  /**
   * Emits the window turned to.
   * @param record of a window that may speak again: the first emission is a match, those after it are updates
   */
  say(key: KeyValue, time: InstantMs, record: WindowRecord | undefined, output: Output): void {
    const view = this.#view;
    const { event } = view;
    const { source, seq, index, id } = event ?? NO_EVENT;
    const refs = event === undefined ? [] : [{ source, seq, index, id, time: event.time }];
    const approximate = this.#definition.aggregates.flatMap(({ name }, at) =>
      this.#reading.isEstimate(at) ? [name] : [],
    );
    const emission: Emission = {
      kind: 'match',
      side: undefined,
      time,
      first: view.first,
      last: view.last,
      events: [{ step: 'window', count: view.count, refs }],
      emit: this.#definition.emit?.(this.#results, view, key),
      ...(approximate.length > 0 && { approximate }),
    };
    if (record === undefined) output.emit(emission);
    else if (record.identity === undefined) {
      record.identity = new Identity(record.cell + 1);
      output.emit({ ...emission, identity: record.identity });
    } else {
      record.revision += 1;
      output.emit({ ...emission, kind: 'update', identity: record.identity, revision: record.revision });
    }
  }

  #result(index: number): unknown {
    if (!this.#cached[index]) {
      this.#cache[index] = this.#reading.result(index);
      this.#cached[index] = true;
    }
    return this.#cache[index];
  }
}

class View implements WindowView {
  start = instant(0);
  end = instant(0);
  event: Event | undefined = undefined;
  key: KeyValue = '';
  #reading!: Reading;

  show(key: KeyValue, reading: Reading, start: number, end: number, event: Event | undefined): void {
    this.key = key;
    this.#reading = reading;
    this.start = instant(start);
    this.end = instant(end);
    this.event = event;
  }

  get first(): InstantMs {
    return instant(this.#reading.extent.first);
  }

  get last(): InstantMs {
    return instant(this.#reading.extent.last);
  }

  get count(): number {
    return this.#reading.extent.count;
  }
}

const NO_EVENT = { source: '', seq: 0, index: 0, id: '' };
