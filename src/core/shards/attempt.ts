import { ByteReader } from './byte-reader.ts';
import { ByteWriter } from './byte-writer.ts';

/**
 * What a careful owner is about to run, committed before it runs it: when the process dies of it, the next owner knows
 * where. It changes nothing in the shard. From the largest to the smallest: a range of records; some keys' turns in one
 * record; some calls of one key's turn in one record.
 */
export interface Attempt {
  /** Shard-log sequences of the first and last record, and how many there are. */
  readonly from: number;
  readonly upto: number;
  readonly records: number;
  /** Set for one record only. */
  readonly keys?: KeyRange | undefined;
  /** Set for one key only. */
  readonly calls?: CallRange | undefined;
}

/** Turns of one record, in the order of `compareTurnNames`. */
export interface KeyRange {
  readonly first: TurnName;
  readonly last: TurnName;
  readonly count: number;
}

/** Names a key's turn within a record. */
export interface TurnName {
  /** Id of the keyspace. */
  readonly keyspace: string;
  readonly key: string;
}

/**
 * Calls of rules within one turn, numbered from 0 in the order in which a turn makes them: those before `from` have been
 * seen to end, those before `upto` are run, what comes after is not.
 */
export interface CallRange {
  readonly from: number;
  readonly upto: number;
}

/** Order in which a careful owner runs the turns of a record. */
export function compareTurnNames(a: TurnName, b: TurnName): number {
  if (a.keyspace !== b.keyspace) return a.keyspace < b.keyspace ? -1 : 1;
  return a.key < b.key ? -1 : a.key > b.key ? 1 : 0;
}

const ALL = 0;
const KEYS = 1;
const CALLS = 2;

export function encodeAttempt({ from, upto, records, keys, calls }: Attempt): Uint8Array {
  const writer = new ByteWriter(64);
  writer.varint(from);
  writer.varint(upto);
  writer.varint(records);
  writer.byte(calls !== undefined ? CALLS : keys !== undefined ? KEYS : ALL);
  if (keys !== undefined) {
    writer.varint(keys.count);
    for (const { keyspace, key } of [keys.first, keys.last]) {
      writer.text(keyspace);
      writer.text(key);
    }
  }
  if (calls !== undefined) {
    writer.varint(calls.from);
    writer.varint(calls.upto);
  }
  return writer.copy();
}

/** @throws {RangeError} when the bytes are no attempt. */
export function decodeAttempt(bytes: Uint8Array): Attempt {
  const reader = new ByteReader(bytes);
  const place = { from: reader.varint(), upto: reader.varint(), records: reader.varint() };
  const kind = reader.byte();
  if (kind === ALL) return place;
  if (kind !== KEYS && kind !== CALLS) throw new RangeError(`attempt of kind ${kind}`);
  const count = reader.varint();
  const name = (): TurnName => ({ keyspace: reader.text(), key: reader.text() });
  const keys = { first: name(), last: name(), count };
  if (kind === KEYS) return { ...place, keys };
  return { ...place, keys, calls: { from: reader.varint(), upto: reader.varint() } };
}
