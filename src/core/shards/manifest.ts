import type { InstantMs } from '../time/units.ts';
import { ByteReader } from './byte-reader.ts';
import { ByteWriter } from './byte-writer.ts';
import { type ClockReading, type LaneState, readClock, readLane, writeClock, writeLane } from './commit.ts';

/**
 * What a snapshot of a shard consists of (protocol.md §5). It is part of a commit. A shard is rebuilt from its newest
 * manifest, the pages that it lists, and the commits after its start.
 */
export interface Manifest {
  /** The last commit whose outputs were all relayed when the snapshot was begun (S1): commits up to it are not needed. */
  readonly start: JournalPlace;
  /** What the shard remembers beside its keys, as it is after the commit that holds the manifest. */
  readonly head: ShardHead;
  /** When the streams of the journal and of the shard log were created (P8): sequences mean nothing in others. */
  readonly streams: StreamsCreated;
  /** As many as a power of two: page `n` holds the keys whose hash begins with `n`. */
  readonly pages: readonly PageRef[];
}

/** A commit, and where it stands. */
export interface JournalPlace {
  /** Number of the commit; 0 = before the first. */
  readonly number: number;
  /** Journal sequence of its last part. */
  readonly sequence: number;
  /** The shard's cursor after it. */
  readonly cursor: number;
}

export interface StreamsCreated {
  readonly journal: string;
  readonly shardLog: string;
}

export interface ShardHead {
  readonly cursor: number;
  readonly processingTime: InstantMs;
  readonly lanes: readonly LaneState[];
  readonly clocks: readonly ClockReading[];
  /** By number. */
  readonly names: readonly string[];
  /** Ordinal of the last output of each subject. */
  readonly ordinals: readonly (readonly [subject: string, ordinal: number])[];
}

/** A page that is stored: one message, or several where it exceeds what a message can hold. */
export interface PageRef {
  /** Number of the last commit that its content includes (S2). */
  readonly label: number;
  readonly keys: number;
  readonly bytes: number;
  readonly checksum: number;
  /** Sequences of its messages, in order. */
  readonly sequences: readonly number[];
}

const FORMAT = 1;

export function encodeManifest({ start, head, streams, pages }: Manifest): Buffer {
  const writer = new ByteWriter(256 + 24 * pages.length);
  writer.byte(FORMAT);
  writer.varint(start.number);
  writer.varint(start.sequence);
  writer.varint(start.cursor);
  writer.varint(head.cursor);
  writer.double(head.processingTime);
  writeList(writer, head.lanes, writeLane);
  writeList(writer, head.clocks, writeClock);
  writeList(writer, head.names, (_, name) => writer.text(name));
  writeList(writer, head.ordinals, (_, [subject, ordinal]) => {
    writer.text(subject);
    writer.varint(ordinal);
  });
  writer.text(streams.journal);
  writer.text(streams.shardLog);
  writeList(writer, pages, (_, { label, keys, bytes, checksum, sequences }) => {
    writer.varint(label);
    writer.varint(keys);
    writer.varint(bytes);
    writer.varint(checksum);
    writeList(writer, sequences, (_, sequence) => writer.varint(sequence));
  });
  return writer.view();
}

/** @throws {RangeError} when the bytes are no manifest of a known format. */
export function decodeManifest(bytes: Uint8Array): Manifest {
  const reader = new ByteReader(bytes);
  const format = reader.byte();
  if (format !== FORMAT) throw new RangeError(`manifest format ${format} is unknown; this Corral reads ${FORMAT}`);
  const list = <T>(one: () => T): T[] => Array.from({ length: reader.varint() }, one);
  const manifest = {
    start: { number: reader.varint(), sequence: reader.varint(), cursor: reader.varint() },
    head: {
      cursor: reader.varint(),
      processingTime: reader.double() as InstantMs,
      lanes: list(() => readLane(reader)),
      clocks: list(() => readClock(reader)),
      names: list(() => reader.text()),
      ordinals: list((): [string, number] => [reader.text(), reader.varint()]),
    },
    streams: { journal: reader.text(), shardLog: reader.text() },
    pages: list(() => ({
      label: reader.varint(),
      keys: reader.varint(),
      bytes: reader.varint(),
      checksum: reader.varint(),
      sequences: list(() => reader.varint()),
    })),
  };
  if (!Number.isInteger(Math.log2(manifest.pages.length)))
    throw new RangeError(`a manifest of ${manifest.pages.length} pages; their number is a power of two`);
  return manifest;
}

function writeList<T>(writer: ByteWriter, items: readonly T[], write: (writer: ByteWriter, item: T) => void): void {
  writer.varint(items.length);
  for (const item of items) write(writer, item);
}
