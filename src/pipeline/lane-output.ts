import { comparePositions, covers, ORIGIN, type Position, showPosition } from '../core/shards/position.ts';
import type { Standing } from '../core/shards/standing.ts';
import { BEGINNING, type InstantMs, instant } from '../core/time/units.ts';
import type { FencedLog } from '../ports/log.ts';
import type { NodeMeasures } from '../ports/measures.ts';

/** Something a lane has for one of its outputs: an event for a shard, or a dead letter. */
export interface LaneItem {
  readonly seq: number;
  readonly index: number;
  /** The lane's watermark before this item; a record that ends before the item promises no more. */
  readonly before: InstantMs;
  /** Size when last encoded, roughly; for cutting records to size. */
  readonly bytes: number;
}

/** What the lane as a whole has reached. */
export interface LaneProgress {
  readonly position: Position;
  readonly watermark: InstantMs;
  readonly standing: Standing;
}

/** What a record says beside its items. */
export interface RecordBounds {
  readonly from: Position;
  readonly upto: Position;
  readonly watermark: InstantMs;
  readonly standing: Standing;
  /** What records before this one have promised: an item older than that is late by it. */
  readonly promised: InstantMs;
}

/** How one output of a lane writes its records. */
export interface RecordForm<Item extends LaneItem> {
  encode(items: readonly Item[], bounds: RecordBounds): Buffer;
  /** Position and watermark of a record of this subject. */
  decode(body: Uint8Array): { upto: Position; watermark: InstantMs; standing: Standing };
}

/** Thrown when a subject lost acknowledged records: the lane must read its source again from further back (L4). */
export class LogLostTail extends Error {
  readonly code = 'LOG_LOST_TAIL';
}

/**
 * One output of a lane: a fenced subject of records whose ranges are adjacent (protocol.md §2). One append is in
 * flight; what arrives meanwhile forms the next record, so packing grows with load and adds no wait when idle.
 *
 * After a refusal or an unknown answer it adopts the position found at the subject's end, whoever wrote it, and goes on
 * with the items after that (L4): records are derived from the source, so equal bytes are not needed. A watermark once
 * told is never taken back, also not by a lane that knows less of the time that passed than the one before.
 */
export class LaneOutput<Item extends LaneItem> {
  readonly subject: string;
  private readonly log: FencedLog;
  private readonly form: RecordForm<Item>;
  private readonly measures: NodeMeasures;
  private readonly recordMax: number;
  private waiting: Item[] = [];
  private flying: readonly Item[] = [];
  private inFlight = false;
  private expected = 0;
  private done: Position = ORIGIN;
  private told: InstantMs = BEGINNING;
  private standing: Standing = 'leads';

  constructor(log: FencedLog, subject: string, form: RecordForm<Item>, measures: NodeMeasures) {
    this.log = log;
    this.subject = subject;
    this.form = form;
    this.measures = measures;
    this.recordMax = Math.min(log.bodyMax, RECORD_BYTES);
  }

  /** Upto and watermark of the last record known to be stored. */
  get upto(): Position {
    return this.done;
  }

  get watermark(): InstantMs {
    return this.told;
  }

  /** Items not yet known to be stored. */
  get backlog(): number {
    return this.waiting.length + this.flying.length;
  }

  get idle(): boolean {
    return !this.inFlight;
  }

  /** Takes over from whoever wrote last (L3). @param start the position when nobody ever did */
  async takeOver(start: Position): Promise<void> {
    this.done = start;
    await this.adopt();
  }

  /** Adds an item unless a record already has it. */
  add(item: Item): void {
    if (!covers(this.done, item.seq, item.index)) this.waiting.push(item);
  }

  /** True when a record would tell the shard something new. */
  isBehind(progress: LaneProgress): boolean {
    return (
      this.waiting.length > 0 ||
      comparePositions(this.done, progress.position) < 0 ||
      this.told < progress.watermark ||
      this.standing !== progress.standing
    );
  }

  /**
   * Sends the next record, unless one is in flight. Resolves when it is stored, or its failure has been dealt with.
   * @param always also when it would say nothing new: processing time is told by the record itself
   * @returns false when there was no answer, or none that says why: trying again at once would not help
   * @throws {LogLostTail}
   */
  async flush(progress: LaneProgress, always = false): Promise<boolean> {
    if (this.inFlight || !(always || this.isBehind(progress))) return true;
    this.inFlight = true;
    try {
      const { body, upto, watermark, standing } = this.nextRecord(progress);
      const answer = await this.log.append(this.subject, this.expected, body);
      this.measures.appends[answer.kind] += 1;
      if (answer.kind === 'stored') {
        this.expected = answer.sequence;
        this.done = upto;
        this.told = watermark;
        this.standing = standing;
        this.flying = [];
      } else await this.adopt();
      return answer.kind !== 'unknown';
    } finally {
      this.inFlight = false;
    }
  }

  private nextRecord(progress: LaneProgress): RecordBounds & { body: Buffer } {
    let count = this.countFor(this.recordMax);
    for (;;) {
      const items = this.waiting.slice(0, count);
      const rest = this.waiting[count];
      // Up to the very item that has to wait: position and watermark belong together, or a lane that starts over from
      // this record takes for late what it reads again.
      // A lane that has just started over may not have come as far as this output was: it does not take that back.
      const reached = comparePositions(progress.position, this.done) < 0 ? this.done : progress.position;
      const upto = rest === undefined ? reached : { seq: rest.seq, part: rest.index };
      const promise = rest === undefined ? progress.watermark : rest.before;
      const bounds = {
        from: this.done,
        upto,
        watermark: instant(Math.max(this.told, promise)),
        standing: rest === undefined ? progress.standing : 'leads',
        promised: this.told,
      };
      const body = this.form.encode(items, bounds);
      if (body.length <= this.log.bodyMax) {
        this.flying = items;
        this.waiting = this.waiting.slice(count);
        return { ...bounds, body };
      }
      // What fits into no record of its own was made a dead letter before it came here.
      if (items.length <= 1)
        throw new Error(`${this.subject}: a record of one item has ${body.length} bytes, over the limit`);
      count = Math.ceil(items.length / 2);
    }
  }

  private countFor(bytesMax: number): number {
    let bytes = 0;
    for (let count = 0; count < this.waiting.length; count += 1) {
      bytes += this.waiting[count]!.bytes;
      if (bytes > bytesMax && count > 0) return count;
    }
    return this.waiting.length;
  }

  private async adopt(): Promise<void> {
    const end = await this.log.last(this.subject);
    const before = this.done;
    if (end !== undefined) {
      const { upto, watermark, standing } = this.form.decode(end.body);
      if (this.expected > 0 && comparePositions(upto, before) < 0) throw this.lostTail(upto);
      this.expected = end.sequence;
      this.done = upto;
      this.told = watermark;
      this.standing = standing;
    } else if (this.expected > 0) throw this.lostTail(ORIGIN);
    const pending = [...this.flying, ...this.waiting];
    this.flying = [];
    this.waiting = pending.filter((item) => !covers(this.done, item.seq, item.index));
  }

  private lostTail(upto: Position): LogLostTail {
    return new LogLostTail(
      `${this.subject} ends at ${showPosition(upto)}, but ${showPosition(this.done)} had been acknowledged; the lane reads again from there`,
    );
  }
}

/** A record is cut at about this size, so that one shard's burst does not hold up its own next record for long. */
const RECORD_BYTES = 512 * 1024;
