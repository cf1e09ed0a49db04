import { ByteReader } from '../shards/byte-reader.ts';
import type { ByteWriter } from '../shards/byte-writer.ts';
import { readValue, writeValue } from './value-bytes.ts';

// What of a taken event is left alone until somebody asks, its id and data:
//
//     content  = length, id, value
//     id       = '' when it is the sequence number, else `=` and the id
//
// The length is 0 when the id is the sequence number and there is no data; there is no value when there is no data. The
// bytes stand for themselves: they can be copied from one cell into another.

export interface Content {
  readonly id: string;
  readonly data: unknown;
}

export function writeContent(writer: ByteWriter, id: string, seq: number, data: unknown): void {
  const own = id !== String(seq);
  if (!own && data === undefined) {
    writer.byte(0);
    return;
  }
  const start = writer.begin();
  writer.text(own ? `=${id}` : '');
  if (data !== undefined) writeValue(writer, data);
  writer.end(start);
}

/** @param at where the content begins in `bytes` */
export function readContent(bytes: Uint8Array, at: number, seq: number): Content {
  const reader = new ByteReader(bytes, at);
  const end = reader.varint() + reader.position;
  if (reader.position === end) return { id: String(seq), data: undefined };
  const id = reader.text();
  const data = reader.position === end ? undefined : readValue(reader);
  return { id: id === '' ? String(seq) : id.slice(1), data };
}

/** Where the content that begins at `at` ends. */
export function endOfContent(bytes: Uint8Array, at: number): number {
  let length = 0;
  let scale = 1;
  for (let next = at; ; next++, scale *= 0x80) {
    const byte = bytes[next]!;
    length += (byte & 0x7f) * scale;
    if (byte < 0x80) return next + 1 + length;
  }
}
