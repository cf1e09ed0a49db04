/** Appends numbers, texts and bytes to a buffer that grows. Counterpart of `ByteReader`. */
export class ByteWriter {
  private buffer: Buffer;
  private length = 0;

  constructor(initialBytes = 1024) {
    this.buffer = Buffer.allocUnsafe(initialBytes);
  }

  get size(): number {
    return this.length;
  }

  private room(bytes: number): void {
    if (this.length + bytes <= this.buffer.length) return;
    const grown = Buffer.allocUnsafe(Math.max(this.buffer.length * 2, this.length + bytes));
    this.buffer.copy(grown, 0, 0, this.length);
    this.buffer = grown;
  }

  byte(value: number): void {
    this.room(1);
    this.buffer[this.length++] = value;
  }

  /** A non-negative integer below 2^53 in 1 to 8 bytes, 7 bits each, low first. */
  varint(value: number): void {
    this.room(8);
    while (value >= 0x80) {
      this.buffer[this.length++] = (value % 0x80) | 0x80;
      value = Math.floor(value / 0x80);
    }
    this.buffer[this.length++] = value;
  }

  /** Any double, infinities included, in 8 bytes. */
  double(value: number): void {
    this.room(8);
    this.length = this.buffer.writeDoubleLE(value, this.length);
  }

  text(value: string): void {
    const short = value.length * 3;
    if (short < 0x80) {
      // One byte is enough for the length, so write the text first and the length after it.
      this.room(1 + short);
      const written = this.ascii(value) ? value.length : this.buffer.write(value, this.length + 1, 'utf8');
      this.buffer[this.length] = written;
      this.length += 1 + written;
      return;
    }
    const bytes = Buffer.byteLength(value, 'utf8');
    this.varint(bytes);
    this.room(bytes);
    this.length += this.buffer.write(value, this.length, 'utf8');
  }

  /** Writes a short text one byte further on, which costs less than to call the encoder; false when it is not ASCII. */
  private ascii(value: string): boolean {
    const { buffer } = this;
    const start = this.length + 1;
    for (let at = 0; at < value.length; at += 1) {
      const code = value.charCodeAt(at);
      if (code >= 0x80) return false;
      buffer[start + at] = code;
    }
    return true;
  }

  /** Bytes with their length in front. */
  bytes(value: Uint8Array): void {
    this.varint(value.length);
    this.raw(value);
  }

  /** Begins bytes with their length in front that are written piece by piece; the answer is for `end`. */
  begin(): number {
    this.byte(0);
    return this.length;
  }

  end(start: number): void {
    const bytes = this.length - start;
    if (bytes < 0x80) {
      this.buffer[start - 1] = bytes;
      return;
    }
    // The length needs more room than was left for it.
    let more = 0;
    for (let rest = bytes; rest >= 0x80; rest = Math.floor(rest / 0x80)) more += 1;
    this.room(more);
    this.buffer.copyWithin(start + more, start, this.length);
    this.length = start - 1;
    this.varint(bytes);
    this.length += bytes;
  }

  /** Bytes without their length. */
  raw(value: Uint8Array): void {
    this.room(value.length);
    this.buffer.set(value, this.length);
    this.length += value.length;
  }

  /** The bytes of `value` at `from` to before `to`, without their length. */
  part(value: Uint8Array, from: number, to: number): void {
    this.room(to - from);
    for (let at = from; at < to; at += 1) this.buffer[this.length++] = value[at]!;
  }

  /** A copy of all that was written; the writer can be used again after `reset`. */
  copy(): Buffer {
    const copy = Buffer.allocUnsafe(this.length);
    this.buffer.copy(copy, 0, 0, this.length);
    return copy;
  }

  /** What was written, valid until the next write or reset. */
  view(): Buffer {
    return this.buffer.subarray(0, this.length);
  }

  reset(): void {
    this.length = 0;
  }
}
