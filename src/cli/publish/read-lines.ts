import { createReadStream } from 'node:fs';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { createGunzip } from 'node:zlib';

/** Longest line in bytes: larger than any message NATS can be set to take. */
const LINE_BYTES_MAX = 64 * 1024 * 1024;

const NEWLINE = 0x0a;

/**
 * The lines of a file, or of standard input for `-`, as many at a time as one read gives. Gzip is recognised by its first
 * two bytes, whatever the file's name. Lines are as bytes, without their end; a last line needs none.
 * @throws what the file system or gunzip say, and RangeError for a line of more than 64 MiB.
 */
export async function* readLines(input: string): AsyncGenerator<readonly Buffer[], void, undefined> {
  let rest: Buffer[] = [];
  let restBytes = 0;
  for await (const chunk of bytesOf(
    input === '-' ? process.stdin : createReadStream(input, { highWaterMark: 1 << 18 }),
  )) {
    const lines: Buffer[] = [];
    let begin = 0;
    for (let end = chunk.indexOf(NEWLINE); end >= 0; end = chunk.indexOf(NEWLINE, begin)) {
      const line = chunk.subarray(begin, end);
      lines.push(rest.length === 0 ? line : Buffer.concat([...rest, line]));
      rest = [];
      restBytes = 0;
      begin = end + 1;
    }
    if (begin < chunk.length) {
      rest.push(chunk.subarray(begin));
      restBytes += chunk.length - begin;
      if (restBytes > LINE_BYTES_MAX) throw new RangeError(`a line of ${input} is longer than ${LINE_BYTES_MAX} bytes`);
    }
    if (lines.length > 0) yield lines;
  }
  if (rest.length > 0) yield [Buffer.concat(rest)];
}

/** The bytes of a stream, unpacked when they begin like gzip. */
async function* bytesOf(stream: Readable): AsyncGenerator<Buffer, void, undefined> {
  const chunks = stream[Symbol.asyncIterator]() as AsyncIterator<Buffer>;
  let head: Buffer = Buffer.alloc(0);
  let more = true;
  while (head.length < 2 && more) {
    const next = await chunks.next();
    if (next.done === true) more = false;
    else head = head.length === 0 ? next.value : Buffer.concat([head, next.value]);
  }
  const all = {
    async *[Symbol.asyncIterator]() {
      if (head.length > 0) yield head;
      while (more) {
        const next = await chunks.next();
        if (next.done === true) return;
        yield next.value;
      }
    },
  };
  if (head[0] === 0x1f && head[1] === 0x8b) yield* gunzipped(all);
  else yield* all;
}

async function* gunzipped(chunks: AsyncIterable<Buffer>): AsyncGenerator<Buffer, void, undefined> {
  const gunzip = createGunzip({ chunkSize: 1 << 18 });
  const done = pipeline(Readable.from(chunks), gunzip);
  // The fault of either side reaches the reader through the stream; the promise alone must not end the process.
  done.catch(() => undefined);
  for await (const chunk of gunzip) yield chunk as Buffer;
  await done;
}
