import type { Random } from '../../src/ports/clock.ts';

/** Pseudo-random numbers that depend on the seed alone (the generator sfc32). Everything random in a run comes from one. */
export class SeededRandom implements Random {
  private a: number;
  private b: number;
  private c = 0x2545f491;
  private counter = 1;

  constructor(seed: number) {
    this.a = seed >>> 0;
    this.b = Math.floor(seed / 2 ** 32) >>> 0;
    for (let i = 0; i < 15; i += 1) this.next();
  }

  next(): number {
    const sum = (((this.a + this.b) | 0) + this.counter) | 0;
    this.counter = (this.counter + 1) | 0;
    this.a = this.b ^ (this.b >>> 9);
    this.b = (this.c + (this.c << 3)) | 0;
    this.c = (((this.c << 21) | (this.c >>> 11)) + sum) | 0;
    return (sum >>> 0) / 2 ** 32;
  }

  /** A whole number from `least` to `most`, both included. */
  integer(least: number, most: number): number {
    return least + Math.floor(this.next() * (most - least + 1));
  }

  /** A number from `least` up to `most`. */
  between(least: number, most: number): number {
    return least + this.next() * (most - least);
  }

  chance(probability: number): boolean {
    return this.next() < probability;
  }

  pick<T>(from: readonly T[]): T {
    return from[Math.floor(this.next() * from.length)]!;
  }

  /** A generator of its own, so that what one part draws does not move what another draws. */
  fork(): SeededRandom {
    return new SeededRandom(this.integer(0, 2 ** 32 - 1) * 2 ** 20 + this.integer(0, 2 ** 20 - 1));
  }
}
