import type { InstantMs } from '../time/units.ts';
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

const FORMAT = 3;
/** Before snapshots. */
const FORMAT_2 = 2;
/** Before lanes had a standing and clocks were kept. */
const FORMAT_1 = 1;

export function encodeCommit(commit: Commit): Buffer {
  let size = 256 + (commit.manifest?.length ?? 0);
  for (const change of commit.changes) size += change.change.length + change.key.length + 32;
  for (const output of commit.outputs) size += output.body.length + output.subject.length + 16;
  const writer = new ByteWriter(size);
  writer.byte(FORMAT);
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
  return writer.view();
}

/** @throws {RangeError} when the bytes are no commit of a known format. Byte fields of the result are views of `bytes`. */
export function decodeCommit(bytes: Uint8Array): Commit {
  const reader = new ByteReader(bytes);
  const format = reader.byte();
  if (format !== FORMAT && format !== FORMAT_2 && format !== FORMAT_1)
    throw new RangeError(`commit format ${format} is unknown; this Corral reads ${FORMAT_1} to ${FORMAT}`);
  const list = <T>(one: () => T): T[] => Array.from({ length: reader.varint() }, one);
  return {
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
    manifest: format === FORMAT && reader.byte() === 1 ? reader.bytes() : undefined,
  };
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
