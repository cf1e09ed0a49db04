import { ByteWriter } from '../shards/byte-writer.ts';
import { type DurationMs, type InstantMs, instant, NEVER } from '../time/units.ts';
import { readNumber, readValue, type Token, writeNumber, writeValue } from '../windows/aggregates/values.ts';
import type { Cells, CellWriter } from './behaviour.ts';
import type { Memory } from './wrapped.ts';
import { openWrapperCell } from './wrapper-state-unreadable.ts';

/**
 * Which ids came within some time, for `dedupe`. Ids are kept in the order they came, in chunks that are a cell each, so
 * that one more writes a few hundred bytes however many there are. A chunk goes as a whole when the last of its ids is
 * too old to matter; until then its older ones are merely without effect.
 */
export interface RecentIdsOptions {
  /** An id counts for less than this after it came. */
  readonly within: DurationMs;
  /** Most ids of one key; beyond it the oldest chunk is given up. At least `IDS_LEAST`. */
  readonly ids: number;
}

const CHUNK = 16;
export const IDS_LEAST = 2 * CHUNK;
const FORMAT = 1;

interface Entry {
  readonly token: Token;
  readonly time: number;
}

class Chunk {
  readonly number: number;
  readonly entries: Entry[] = [];
  /** The greatest time in it. */
  last = Number.NEGATIVE_INFINITY;
  changed = true;
  stored = false;

  constructor(number: number) {
    this.number = number;
  }

  add(entry: Entry): void {
    this.entries.push(entry);
    if (entry.time > this.last) this.last = entry.time;
  }
}

export class RecentIds implements Memory {
  readonly #options: RecentIdsOptions;
  readonly #chunks: Chunk[] = [];
  readonly #latest = new Map<Token, Entry>();
  #size = 0;
  /** Cells that stand in the table and must go. */
  readonly #gone = new Set<number>();

  constructor(options: RecentIdsOptions) {
    this.#options = options;
  }

  /** Whether the id came less than `within` before this time. */
  has(token: Token, time: InstantMs): boolean {
    const entry = this.#latest.get(token);
    return entry !== undefined && time - entry.time < this.#options.within;
  }

  /** @returns whether others had to be given up for it */
  add(token: Token, time: InstantMs): boolean {
    let chunk = this.#chunks.at(-1);
    if (chunk === undefined || chunk.entries.length === CHUNK) {
      chunk = new Chunk(chunk === undefined ? 0 : chunk.number + 1);
      this.#chunks.push(chunk);
    }
    this.#take(chunk, { token, time });
    chunk.changed = true;
    if (this.#size <= this.#options.ids) return false;
    this.#forgetFirst();
    return true;
  }

  #take(chunk: Chunk, entry: Entry): void {
    chunk.add(entry);
    this.#latest.set(entry.token, entry);
    this.#size += 1;
  }

  #forgetFirst(): void {
    const chunk = this.#chunks.shift()!;
    for (const entry of chunk.entries) {
      if (this.#latest.get(entry.token) === entry) this.#latest.delete(entry.token);
    }
    this.#size -= chunk.entries.length;
    if (chunk.stored) this.#gone.add(chunk.number);
  }

  get isEmpty(): boolean {
    return this.#chunks.length === 0;
  }

  get wakeAt(): InstantMs {
    const [first] = this.#chunks;
    return first === undefined ? NEVER : instant(first.last + this.#options.within);
  }

  onTime(now: InstantMs): void {
    while (this.wakeAt <= now && this.#chunks.length > 0) this.#forgetFirst();
  }

  save(cells: CellWriter, first: number): void {
    for (const number of this.#gone) cells.remove(first + number);
    this.#gone.clear();
    for (const chunk of this.#chunks) {
      if (!chunk.changed) continue;
      const writer = new ByteWriter(256);
      writer.byte(FORMAT);
      writer.varint(chunk.entries.length);
      for (const { token, time } of chunk.entries) {
        writeValue(writer, token);
        writeNumber(writer, time);
      }
      cells.put(first + chunk.number, writer.copy());
      chunk.changed = false;
      chunk.stored = true;
    }
  }

  /** @throws {WrapperStateUnreadable} */
  static load(cells: Cells, options: RecentIdsOptions): RecentIds {
    const ids = new RecentIds(options);
    for (const [number, bytes] of [...cells].sort(([a], [b]) => a - b)) {
      const chunk = new Chunk(number);
      openWrapperCell('a dedupe', bytes, FORMAT, (reader) => {
        for (let left = reader.varint(); left > 0; left--) {
          const token = readValue(reader) as Token;
          ids.#take(chunk, { token, time: readNumber(reader) });
        }
      });
      chunk.changed = false;
      chunk.stored = true;
      ids.#chunks.push(chunk);
    }
    return ids;
  }
}
