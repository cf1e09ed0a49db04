import { knownText } from './known-texts.ts';

/** Reads what `ByteWriter` wrote. Reading past the end is a RangeError: the bytes are not what they claim to be. */
export class ByteReader {
  private readonly buffer: Buffer;
  private at: number;

  constructor(bytes: Uint8Array, start = 0) {
    this.buffer = Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.at = start;
  }

  get position(): number {
    return this.at;
  }

  get done(): boolean {
    return this.at >= this.buffer.length;
  }

  byte(): number {
    const value = this.buffer[this.at++];
    if (value === undefined) throw new RangeError(`no byte at ${this.at - 1} of ${this.buffer.length}`);
    return value;
  }

  varint(): number {
    let value = 0;
    let scale = 1;
    for (;;) {
      const byte = this.byte();
      value += (byte & 0x7f) * scale;
      if (byte < 0x80) return value;
      scale *= 0x80;
    }
  }

  double(): number {
    const value = this.buffer.readDoubleLE(this.at);
    this.at += 8;
    return value;
  }

  text(): string {
    const length = this.varint();
    this.check(length);
    const value = this.buffer.toString('utf8', this.at, this.at + length);
    this.at += length;
    return value;
  }

  /** As `text`, for texts that come again and again: equal ones are mostly one string. */
  name(): string {
    const length = this.varint();
    this.check(length);
    const value = knownText(this.buffer, this.at, this.at + length);
    this.at += length;
    return value;
  }

  /** A view of the bytes, not a copy. */
  bytes(): Buffer {
    return this.raw(this.varint());
  }

  raw(length: number): Buffer {
    this.check(length);
    const value = this.buffer.subarray(this.at, this.at + length);
    this.at += length;
    return value;
  }

  skip(length: number): void {
    this.check(length);
    this.at += length;
  }

  private check(length: number): void {
    if (this.at + length > this.buffer.length) {
      throw new RangeError(`${length} bytes at ${this.at} reach beyond the ${this.buffer.length} there are`);
    }
  }
}
