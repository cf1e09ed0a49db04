import FlatQueue from 'flatqueue';
import { Quiescence } from './quiescence.ts';
import type { SeededRandom } from './random.ts';

/**
 * Virtual time: one queue of what happens when, in order of time and in seeded order where times are equal. Between two
 * happenings all code runs until it waits for a port again, so a run is a sequence of happenings and nothing else.
 */
export class VirtualTime {
  /** Milliseconds since the run began. */
  now = 0;
  private readonly queue = new FlatQueue<() => void>();
  private readonly random: SeededRandom;

  constructor(random: SeededRandom) {
    this.random = random;
  }

  /** Lets something happen `delay` ms from now. */
  after(delay: number, happen: () => void): void {
    // Far below what anyone measures, this decides between equal times.
    this.queue.push(happen, this.now + Math.max(0, delay) + this.random.next() * 1e-6);
  }

  /** Runs until `done` says so, `until` is reached or nothing can happen any more. */
  async run(until: number, done: () => boolean): Promise<void> {
    const quiescence = new Quiescence();
    try {
      await quiescence.reached();
      while (!done()) {
        const due = this.queue.peekValue();
        if (due === undefined || due > until) {
          if (Number.isFinite(until)) this.now = Math.max(this.now, until);
          break;
        }
        this.now = due;
        this.queue.pop()!();
        await quiescence.reached();
      }
    } finally {
      quiescence.restore();
    }
  }

  /** Forgets what was to happen. */
  clear(): void {
    this.queue.clear();
  }
}
