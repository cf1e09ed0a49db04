/** What happened in a run, in order: a hash over all of it, and the last part as text. */
export class Trace {
  private readonly lines: string[] = [];
  private readonly kept: number;
  private high = 0x811c9dc5;
  private low = 0x050c5d1f;
  count = 0;

  /** @param kept lines to keep; all of them go into the hash */
  constructor(kept: number) {
    this.kept = kept;
  }

  add(now: number, who: string, what: string): void {
    const line = `${now.toFixed(3).padStart(10)} ${who.padEnd(5)} ${what}`;
    for (let i = 0; i < line.length; i += 1) {
      this.high = Math.imul(this.high ^ line.charCodeAt(i), 0x01000193);
      this.low = Math.imul(this.low + line.charCodeAt(i), 0x85ebca6b) ^ (this.low >>> 15);
    }
    this.count += 1;
    this.lines.push(line);
    if (this.lines.length > 2 * this.kept) this.lines.splice(0, this.kept);
  }

  /** The same for two runs exactly when the same happened in the same order. */
  get hash(): string {
    return `${(this.high >>> 0).toString(16)}${(this.low >>> 0).toString(16)}.${this.count}`;
  }

  last(count: number): readonly string[] {
    return this.lines.slice(-count);
  }
}
