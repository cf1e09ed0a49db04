import { BEGINNING, type InstantMs } from '../time/units.ts';
import { type Attempt, decodeAttempt, encodeAttempt } from './attempt.ts';
import { ByteReader } from './byte-reader.ts';
import { ByteWriter } from './byte-writer.ts';
import type { Position } from './position.ts';
import { type Standing, standingNumber, standingOf } from './standing.ts';
import type { Wake } from './wake.ts';

/**
 * One commit of a shard (protocol.md, C3): everything a batch changed, in one value, so that it counts as a whole or
 * not at all. Applying the commits of a journal in order to an empty `ShardState` gives the shard as it was.
 */
export interface Commit {
  /** Name of the owner's incarnation. */
  readonly incarnation: string;
  /** Consecutive per shard, from 1. */
  readonly number: number;
  /** The first commit of an incarnation, empty: it fences out every predecessor (C1). */
  readonly opening: boolean;
  /** Shard-log sequence of the last record included. */
  readonly cursor: number;
  /** Greatest server timestamp of the records read: the shard's processing time (T1). */
  readonly processingTime: InstantMs;
  /** Lanes heard from in this batch, as they stand after it. */
  readonly lanes: readonly LaneState[];
  /** Clocks of several sources, as they read after this batch. Their lanes alone do not say it: a clock never goes back. */
  readonly clocks: readonly ClockReading[];
  /** Names that get the shard's next numbers: of keyspaces, rule versions and clocks. */
  readonly names: readonly string[];
  readonly changes: readonly KeyChange[];
  readonly outputs: readonly CommitOutput[];
  /** The manifest of a snapshot, encoded (see manifest); undefined in most commits. */
  readonly manifest: Uint8Array | undefined;
  /** Set in a commit that only says what is about to be run (see attempt): of the rest, its name and number count. */
  readonly attempt?: Attempt | undefined;
}

/** How far a lane has come in this shard (C2). */
export interface LaneState {
  readonly lane: string;
  readonly upto: Position;
  readonly watermark: InstantMs;
  readonly standing: Standing;
  /** The lane's source stream, by its time of creation. */
  readonly created: string;
  readonly ruleVersion: number;
}

export interface ClockReading {
  /** The shard's number of the clock. */
  readonly scope: number;
  readonly reading: InstantMs;
}

export interface KeyChange {
  /** The shard's number of the keyspace. */
  readonly keyspace: number;
  readonly key: string;
  /** Cells written or removed (see cells). */
  readonly change: Uint8Array;
  readonly wakes: readonly Wake[];
}

/** Something to be relayed: a match, a side output or a dead letter. */
export interface CommitOutput {
  /** Subject without the prefix, such as `match.break-in.7`. */
  readonly subject: string;
  /** 1, 2, 3 … per subject. */
  readonly ordinal: number;
  readonly body: Uint8Array;
}

/** Which output it is, without what it says. */
export type OutputName = Pick<CommitOutput, 'subject' | 'ordinal'>;

/** A commit that changes nothing: an opening, or an attempt once it has one. */
export function emptyCommit(incarnation: string, number: number): Commit {
  return {
    incarnation,
    number,
    opening: false,
    cursor: 0,
    processingTime: BEGINNING,
    lanes: [],
    clocks: [],
    names: [],
    changes: [],
    outputs: [],
    manifest: undefined,
  };
}

const FORMAT = 3;
/** With further fields, each by a number. Commits that have none are written as before, so that an older Corral reads them. */
const FORMAT_4 = 4;
const FIELD_ATTEMPT = 1;
/** Before snapshots. */
const FORMAT_2 = 2;
/** Before lanes had a standing and clocks were kept. */
const FORMAT_1 = 1;

export function encodeCommit(commit: Commit): Buffer {
  let size = 256 + (commit.manifest?.length ?? 0);
  for (const change of commit.changes) size += change.change.length + change.key.length + 32;
  for (const output of commit.outputs) size += output.body.length + output.subject.length + 16;
  const writer = new ByteWriter(size);
  const further = furtherFields(commit);
  writer.byte(further.length === 0 ? FORMAT : FORMAT_4);
  writer.text(commit.incarnation);
  writer.varint(commit.number);
  writer.byte(commit.opening ? 1 : 0);
  writer.varint(commit.cursor);
  writer.double(commit.processingTime);
  writer.varint(commit.lanes.length);
  for (const lane of commit.lanes) writeLane(writer, lane);
  writer.varint(commit.clocks.length);
  for (const clock of commit.clocks) writeClock(writer, clock);
  writer.varint(commit.names.length);
  for (const name of commit.names) writer.text(name);
  writer.varint(commit.changes.length);
  for (const { keyspace, key, change, wakes } of commit.changes) {
    writer.varint(keyspace);
    writer.text(key);
    writer.varint(wakes.length);
    for (const wake of wakes) {
      writer.varint(wake.scope);
      writer.double(wake.at);
    }
    writer.bytes(change);
  }
  writer.varint(commit.outputs.length);
  for (const { subject, ordinal, body } of commit.outputs) {
    writer.text(subject);
    writer.varint(ordinal);
    writer.bytes(body);
  }
  writer.byte(commit.manifest === undefined ? 0 : 1);
  if (commit.manifest !== undefined) writer.bytes(commit.manifest);
  if (further.length > 0) {
    writer.varint(further.length);
    for (const [field, bytes] of further) {
      writer.byte(field);
      writer.bytes(bytes);
    }
  }
  return writer.view();
}

function furtherFields({ attempt }: Commit): (readonly [field: number, bytes: Uint8Array])[] {
  return attempt === undefined ? [] : [[FIELD_ATTEMPT, encodeAttempt(attempt)]];
}

/** @throws {RangeError} when the bytes are no commit of a known format. Byte fields of the result are views of `bytes`. */
export function decodeCommit(bytes: Uint8Array): Commit {
  const reader = new ByteReader(bytes);
  const format = reader.byte();
  if (![FORMAT_1, FORMAT_2, FORMAT, FORMAT_4].includes(format))
    throw new RangeError(`commit format ${format} is unknown; this Corral reads ${FORMAT_1} to ${FORMAT_4}`);
  const list = <T>(one: () => T): T[] => Array.from({ length: reader.varint() }, one);
  const commit: Commit = {
    incarnation: reader.text(),
    number: reader.varint(),
    opening: reader.byte() === 1,
    cursor: reader.varint(),
    processingTime: reader.double() as InstantMs,
    lanes: list(() => readLane(reader, format !== FORMAT_1)),
    clocks: format === FORMAT_1 ? [] : list(() => readClock(reader)),
    names: list(() => reader.text()),
    changes: list(() => ({
      keyspace: reader.varint(),
      key: reader.text(),
      wakes: list(() => ({ scope: reader.varint(), at: reader.double() as InstantMs })),
      change: reader.bytes(),
    })),
    outputs: list(() => ({ subject: reader.text(), ordinal: reader.varint(), body: reader.bytes() })),
    manifest: format >= FORMAT && reader.byte() === 1 ? reader.bytes() : undefined,
  };
  return format === FORMAT_4 ? { ...commit, ...readFurther(reader) } : commit;
}

function readFurther(reader: ByteReader): { attempt?: Attempt } {
  const further: { attempt?: Attempt } = {};
  for (let fields = reader.varint(); fields > 0; fields -= 1) {
    const field = reader.byte();
    if (field !== FIELD_ATTEMPT) throw new RangeError(`commit field ${field} is unknown; a newer Corral wrote it`);
    further.attempt = decodeAttempt(reader.bytes());
  }
  return further;
}

export function writeLane(writer: ByteWriter, lane: LaneState): void {
  writer.text(lane.lane);
  writer.varint(lane.upto.seq);
  writer.varint(lane.upto.part);
  writer.double(lane.watermark);
  writer.double(standingNumber(lane.standing));
  writer.text(lane.created);
  writer.varint(lane.ruleVersion);
}

/** @param hasStanding false for those written before lanes had one */
export function readLane(reader: ByteReader, hasStanding = true): LaneState {
  return {
    lane: reader.text(),
    upto: { seq: reader.varint(), part: reader.varint() },
    watermark: reader.double() as InstantMs,
    standing: hasStanding ? standingOf(reader.double()) : 'leads',
    created: reader.text(),
    ruleVersion: reader.varint(),
  };
}

export function writeClock(writer: ByteWriter, { scope, reading }: ClockReading): void {
  writer.varint(scope);
  writer.double(reading);
}

export function readClock(reader: ByteReader): ClockReading {
  return { scope: reader.varint(), reading: reader.double() as InstantMs };
}
