import { BEGINNING, type InstantMs } from '../core/time/units.ts';

/**
 * Keeps the lanes of finite sources in step: none reads on while another is behind it in event time. Rules over several
 * sources keep what one lane is ahead of the others, and without this that could be a whole file.
 */
export class Pace {
  private readonly reached = new Map<string, InstantMs>();
  private waiting: (() => void)[] = [];

  constructor(lanes: readonly string[]) {
    for (const lane of lanes) this.reached.set(lane, BEGINNING);
  }

  /** A lane has come this far; resolves when no other is behind it. */
  async step(lane: string, watermark: InstantMs): Promise<void> {
    this.reached.set(lane, watermark);
    this.tell();
    while (this.reached.has(lane) && watermark > this.least())
      await new Promise<void>((resolve) => this.waiting.push(resolve));
  }

  /** A lane has ended or stops: nobody waits for it, and it waits no more. */
  leave(lane: string): void {
    this.reached.delete(lane);
    this.tell();
  }

  private tell(): void {
    const { waiting } = this;
    this.waiting = [];
    for (const resolve of waiting) resolve();
  }

  private least(): number {
    return Math.min(...this.reached.values());
  }
}
