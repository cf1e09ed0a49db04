import type { ByteReader } from '../shards/byte-reader.ts';
import { ByteWriter } from '../shards/byte-writer.ts';
import { type DurationMs, type InstantMs, instant, NEVER } from '../time/units.ts';
import type { Behaviour, Cells, CellWriter, Emission } from './behaviour.ts';
import { THROTTLE } from './extra-cells.ts';
import { type Memory, type WrappedState, wrapped } from './wrapped.ts';
import { openWrapperCell } from './wrapper-state-unreadable.ts';

/**
 * Lets a key speak at most `count` times in any `per`, and says with the next emission how many were held back.
 *
 * What goes to the rule's match stream counts, updates included; side outputs pass. Remembered are the times of the
 * emissions that passed and still count, so at most `count` of them, and how many were held back since.
 */
export interface ThrottleOptions {
  readonly per: DurationMs;
  /** From 1 to `THROTTLE_COUNT_MAX`. */
  readonly count: number;
}

export const THROTTLE_COUNT_MAX = 1_000;

/** How long the number held back is remembered when no emission follows to tell it; at least `per`. */
const TOLD_WITHIN_MS = 86_400_000;

/** @throws {WrapperStateUnreadable} from `load` */
export function throttled(inner: Behaviour, options: ThrottleOptions): Behaviour<WrappedState<Memory>> {
  return wrapped<Passed>(inner, {
    number: THROTTLE,
    create: () => new Passed(options),
    load: (cells) => loadPassed(cells, options),
    output: (passed, output) => ({
      emit(emission) {
        const allowed = passed.allow(emission);
        if (allowed === undefined) output.incident({ kind: 'heldBack', by: 'throttle' });
        else output.emit(allowed);
      },
      incident: (incident) => output.incident(incident),
    }),
  });
}

class Passed implements Memory {
  /** Ascending, those that still count. */
  readonly times: number[] = [];
  suppressed = 0;
  lastSuppressed = 0;
  changed = false;
  stored = false;
  readonly #options: ThrottleOptions;

  constructor(options: ThrottleOptions) {
    this.#options = options;
  }

  /** The emission as it goes out; undefined when it does not. */
  allow(emission: Emission): Emission | undefined {
    if (emission.side !== undefined) return emission;
    const { per, count } = this.#options;
    const { times } = this;
    const last = times.at(-1) ?? emission.time;
    const time = Math.max(emission.time, last);
    while (times.length > 0 && times[0]! + per <= time) times.shift();
    this.changed = true;
    if (times.length >= count) {
      this.suppressed += 1;
      this.lastSuppressed = time;
      return undefined;
    }
    times.push(time);
    const { suppressed } = this;
    this.suppressed = 0;
    return suppressed === 0 ? emission : { ...emission, suppressed };
  }

  get isEmpty(): boolean {
    return this.times.length === 0 && this.suppressed === 0;
  }

  get wakeAt(): InstantMs {
    const first = this.times.length === 0 ? NEVER : this.times[0]! + this.#options.per;
    return instant(Math.min(first, this.#toldUntil));
  }

  get #toldUntil(): number {
    return this.suppressed === 0 ? NEVER : this.lastSuppressed + Math.max(this.#options.per, TOLD_WITHIN_MS);
  }

  onTime(now: InstantMs): void {
    while (this.times.length > 0 && this.times[0]! + this.#options.per <= now) {
      this.times.shift();
      this.changed = true;
    }
    if (this.#toldUntil > now) return;
    this.suppressed = 0;
    this.changed = true;
  }

  save(cells: CellWriter, first: number): void {
    if (!this.changed) return;
    this.changed = false;
    if (this.isEmpty) {
      if (this.stored) cells.remove(first);
      this.stored = false;
      return;
    }
    const writer = new ByteWriter(32);
    writer.byte(FORMAT);
    writer.varint(this.suppressed);
    if (this.suppressed > 0) writer.double(this.lastSuppressed);
    writer.varint(this.times.length);
    for (const time of this.times) writer.double(time);
    cells.put(first, writer.copy());
    this.stored = true;
  }
}

const FORMAT = 1;

function loadPassed(cells: Cells, options: ThrottleOptions): Passed {
  const passed = new Passed(options);
  openWrapperCell('a throttle', cells.get(0)!, FORMAT, (reader: ByteReader) => {
    passed.suppressed = reader.varint();
    if (passed.suppressed > 0) passed.lastSuppressed = reader.double();
    for (let left = reader.varint(); left > 0; left--) passed.times.push(reader.double());
  });
  passed.stored = true;
  return passed;
}
