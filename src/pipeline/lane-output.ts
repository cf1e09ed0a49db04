import { comparePositions, covers, ORIGIN, type Position, showPosition } from '../core/shards/position.ts';
import type { Standing } from '../core/shards/standing.ts';
import { BEGINNING, type InstantMs, instant } from '../core/time/units.ts';
import type { FencedLog } from '../ports/log.ts';
import type { NodeMeasures } from '../ports/measures.ts';
import { noteAppend } from '../ports/note-append.ts';
import { laterOf, type QuietProgress } from './quiet-progress.ts';

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
  /** Number of the rule version that is written; absent where records say nothing of it. */
  version?(): number;
  /** What a record of this subject says beside its items; `stamp` 0 when it does not say it. */
  decode(body: Uint8Array): {
    upto: Position;
    watermark: InstantMs;
    standing: Standing;
    stamp: InstantMs;
    ruleVersion?: number;
  };
}

/** Thrown when a subject lost acknowledged records: the lane must read its source again from further back (L4). */
export class LogLostTail extends Error {
  readonly code = 'LOG_LOST_TAIL';
}

/** Thrown when a node with newer rules has written on a subject: a lane never takes that back (T5). */
export class RulesOvertaken extends Error {
  readonly code = 'RULES_OVERTAKEN';
  readonly retry = 'here';
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
  private bytes = 0;
  private inFlight = false;
  private expected = 0;
  private done: Position = ORIGIN;
  /** Upto of the last record; `done` may be further where quiet progress is kept apart. */
  private recorded: Position = ORIGIN;
  private told: InstantMs = BEGINNING;
  private standing: Standing = 'leads';
  private found: InstantMs = instant(0);
  private toldVersion = 0;

  private readonly quiet: QuietProgress | undefined;

  /** @param quiet where it is told how far this is while there is nothing to store; absent: by empty records */
  constructor(log: FencedLog, subject: string, form: RecordForm<Item>, measures: NodeMeasures, quiet?: QuietProgress) {
    this.quiet = quiet;
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

  /** Stored time of the last message of the source that was read when the record found here was written; 0 = not known. */
  get stampFound(): InstantMs {
    return this.found;
  }

  /** Items not yet known to be stored. */
  get backlog(): number {
    return this.waiting.length + this.flying.length;
  }

  /** Their bytes, as they were read. */
  get backlogBytes(): number {
    return this.bytes;
  }

  get idle(): boolean {
    return !this.inFlight;
  }

  /** Takes over from whoever wrote last (L3). @param start the position when nobody ever did */
  async takeOver(start: Position): Promise<void> {
    this.done = start;
    this.recorded = start;
    await this.adopt();
  }

  /** Adds an item unless a record already has it. */
  add(item: Item): void {
    if (covers(this.done, item.seq, item.index)) return;
    this.waiting.push(item);
    this.bytes += item.bytes;
  }

  /** True when a record would tell the shard something new. */
  isBehind(progress: LaneProgress): boolean {
    return (
      this.waiting.length > 0 ||
      comparePositions(this.done, progress.position) < 0 ||
      this.told < progress.watermark ||
      this.isNewVersion ||
      this.standing !== this.standingIn(progress)
    );
  }

  /**
   * How the lane stands, unless another has read more or waited longer: whoever has told a time has heard the source; and
   * a lane that has read nothing yet does not take back that there is nothing to read. Else a lane that is about to be
   * stopped could have the last word in a silence, which the one that goes on would not notice.
   */
  private standingIn({ standing, position }: LaneProgress): Standing {
    if (this.told > BEGINNING) return typeof standing === 'number' ? 'leads' : standing;
    const hasRead = this.waiting.length > 0 || comparePositions(this.done, position) < 0;
    return standing === 'leads' && typeof this.standing === 'number' && !hasRead ? this.standing : standing;
  }

  /** True when a shard that has heard of this lane has not heard by which version of the rules it keys now. */
  get isNewVersion(): boolean {
    return this.expected > 0 && this.toldVersion < (this.form.version?.() ?? 0);
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
      if (this.quiet !== undefined && this.waiting.length === 0) return await this.tellQuietly(this.quiet, progress);
      const { body, upto, watermark, standing } = this.nextRecord(progress);
      const version = this.form.version?.() ?? 0;
      const answer = await this.log.append(this.subject, this.expected, body);
      noteAppend(this.measures, answer);
      if (answer.kind === 'stored') {
        this.expected = answer.sequence;
        this.done = upto;
        this.recorded = upto;
        this.told = watermark;
        this.standing = standing;
        this.toldVersion = version;
        this.bytes -= bytesOf(this.flying);
        this.flying = [];
      } else await this.adopt();
      return answer.kind !== 'unknown';
    } finally {
      this.inFlight = false;
    }
  }

  private async tellQuietly(quiet: QuietProgress, progress: LaneProgress): Promise<boolean> {
    const { position, watermark } = progress;
    const said = { upto: laterOf(this.done, position), watermark: instant(Math.max(this.told, watermark)) };
    const answer = await quiet.note(said, this.expected);
    noteAppend(this.measures, answer);
    if (answer.kind === 'stored') {
      this.done = said.upto;
      this.told = said.watermark;
      this.standing = this.standingIn(progress);
    } else await this.adopt();
    return answer.kind !== 'unknown';
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
        from: this.recorded,
        upto,
        watermark: instant(Math.max(this.told, promise)),
        standing: rest === undefined ? this.standingIn(progress) : 'leads',
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
    const noted = await this.quiet?.recall();
    const end = await this.log.last(this.subject);
    const before = this.recorded;
    if (end !== undefined) {
      const { upto, watermark, standing, stamp, ruleVersion = 0 } = this.form.decode(end.body);
      const own = this.form.version?.() ?? 0;
      if (ruleVersion > own && this.form.version !== undefined)
        throw new RulesOvertaken(`${this.subject} ends with version ${ruleVersion} of the rules; this node has ${own}`);
      if (this.expected > 0 && comparePositions(upto, before) < 0) throw this.lostTail(upto);
      this.expected = end.sequence;
      this.recorded = upto;
      this.done = this.quiet === undefined ? upto : laterOf(this.done, upto);
      this.told = this.quiet === undefined ? watermark : instant(Math.max(this.told, watermark));
      this.standing = standing;
      this.found = stamp;
      this.toldVersion = ruleVersion;
    } else if (this.expected > 0) throw this.lostTail(ORIGIN);
    // What was noted of a longer subject than there is now was lost with its tail.
    if (noted !== undefined && noted.end <= this.expected) {
      this.done = laterOf(this.done, noted.upto);
      this.told = instant(Math.max(this.told, noted.watermark));
    }
    const pending = [...this.flying, ...this.waiting];
    this.flying = [];
    this.waiting = pending.filter((item) => !covers(this.done, item.seq, item.index));
    this.bytes = bytesOf(this.waiting);
  }

  private lostTail(upto: Position): LogLostTail {
    return new LogLostTail(
      `${this.subject} ends at ${showPosition(upto)}, but ${showPosition(this.recorded)} had been acknowledged; the lane reads again from there`,
    );
  }
}

const bytesOf = (items: readonly LaneItem[]): number => items.reduce((sum, { bytes }) => sum + bytes, 0);

/** A record is cut at about this size, so that one shard's burst does not hold up its own next record for long. */
const RECORD_BYTES = 512 * 1024;
