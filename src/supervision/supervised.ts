import { duration } from '../core/time/units.ts';
import type { Clock } from '../ports/clock.ts';
import type { Logger } from '../ports/logger.ts';
import { decideRestart, RESTARTS_WITHIN_MS } from './restart-decision.ts';

/** The `trouble` of work that has begun and found nothing wrong yet. */
export const STARTING = 'is starting';

/** One run of a shard owner or lane. */
export interface Work {
  /** Works until it is stopped (resolves) or cannot go on (rejects). `ready` is called when it has begun in earnest. */
  run(ready: () => void): Promise<void>;
  /** Ends it soon; idempotent. */
  stop(): void;
}

/**
 * Keeps one shard or lane at work while its lease is held: each failure is put to the restart policy, which lets it
 * begin again from what is stored, after a pause, or leaves it down with a reason that the node shows.
 *
 *   S1. There is at most one run at a time; the next begins when the last has ended.
 *   S2. After `stop` nothing runs, and `stop` resolves only then.
 *   S3. It does not begin again before the store of leases has said that the lease is still held (protocol.md, C1).
 */
export class Supervised {
  private readonly options: SupervisedOptions;
  private work: Work | undefined;
  private stopped = false;
  private ended: Promise<void> = Promise.resolve();
  private restarts: number[] = [];
  private stopWaiting: () => void = () => undefined;
  /** Why it is not at work; undefined when it is. */
  trouble: string | undefined = STARTING;

  constructor(options: SupervisedOptions) {
    this.options = options;
  }

  /** @param before what must have ended first: an earlier run of the same shard or lane */
  start(before: Promise<void> = Promise.resolve()): void {
    this.ended = before.then(() => this.keepWorking());
  }

  async stop(): Promise<void> {
    this.stopped = true;
    this.work?.stop();
    this.stopWaiting();
    await this.ended;
  }

  private async keepWorking(): Promise<void> {
    const { name, begin, clock, logger } = this.options;
    while (!this.stopped) {
      try {
        this.work = begin();
        await this.work.run(() => {
          this.trouble = undefined;
        });
        return;
      } catch (error) {
        if (this.stopped) return;
        const { code, retry } = error as { code?: string; retry?: 'here' | 'never' };
        const now = clock.monotonic();
        this.restarts = this.restarts.filter((at) => now - at < RESTARTS_WITHIN_MS);
        const directive = decideRestart({ code, retry }, this.restarts.length);
        const message = error instanceof Error ? error.message : String(error);
        this.trouble = `is down: ${message}`;
        if (directive.kind === 'stayDown') {
          logger.error({ name, code, error: showError(error) }, `${name} stays down: ${message}`);
          this.options.stayedDown(error);
          return;
        }
        logger.warn(
          { name, code, delayMs: directive.delayMs, error: showError(error) },
          `${name} begins again: ${message}`,
        );
        this.restarts.push(now);
        await this.wait(directive.delayMs);
        // Two owners would take the shard from each other for ever, if one of them went on without its lease.
        await this.unlessStopped(this.options.stillOurs());
      }
    }
  }

  private async unlessStopped(awaited: Promise<void>): Promise<void> {
    if (this.stopped) return;
    await Promise.race([awaited, new Promise<void>((resolve) => (this.stopWaiting = resolve))]);
  }

  private wait(ms: number): Promise<void> {
    return new Promise((resolve) => {
      const cancel = this.options.clock.after(duration(ms), resolve);
      this.stopWaiting = () => {
        cancel();
        resolve();
      };
    });
  }
}

/** Expected outcomes need no stack; faults do. */
function showError(error: unknown): string | undefined {
  if (!(error instanceof Error)) return String(error);
  return 'code' in error ? undefined : error.stack;
}

export interface SupervisedOptions {
  /** For people: "shard 7", "lane auth". */
  readonly name: string;
  /** A fresh run. */
  readonly begin: () => Work;
  /** Resolves when it is known whether the lease is still held; if not, `stop` has been called before. */
  readonly stillOurs: () => Promise<void>;
  /** Called when the policy gives up on it. */
  readonly stayedDown: (error: unknown) => void;
  readonly clock: Clock;
  readonly logger: Logger;
}
