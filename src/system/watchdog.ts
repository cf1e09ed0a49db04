import { Worker } from 'node:worker_threads';
import type { DurationMs } from '../core/time/units.ts';
import type { TurnWatch } from '../ports/turn-watch.ts';

/**
 * Ends the process when one piece of synchronous work lasts too long, since nothing else of it runs until then and
 * leases are lost meanwhile. A thread of its own looks on, at a number in shared memory: which piece is under way.
 */
export interface Watchdog {
  readonly watch: TurnWatch;
  stop(): Promise<void>;
}

/** What the thread is started with. */
export interface WatchdogStart {
  /** One number: of the piece of work under way, 0 = none. */
  readonly shared: SharedArrayBuffer;
  readonly timeoutMs: number;
  readonly exitCode: number;
}

/** What stands on the main thread's global object for the thread to ask once it has stopped the main thread. */
export const WHERE = '__corralWhere';

/**
 * @param timeout longest a piece of work may last. It is measured by ticks of the watching thread, so a process that was
 *   stopped or a machine that was asleep is not taken for one that computes.
 * @param exitCode the process ends with it; with SIGKILL when the main thread cannot even be asked to
 */
export function startWatchdog(timeout: DurationMs, exitCode: number): Watchdog {
  const shared = new SharedArrayBuffer(Int32Array.BYTES_PER_ELEMENT);
  const current = new Int32Array(shared);
  let number = 0;
  let where: () => string = () => '';
  Object.defineProperty(globalThis, WHERE, { configurable: true, value: () => where() });
  const workerData: WatchdogStart = { shared, timeoutMs: timeout, exitCode };
  const worker = new Worker(new URL('./watchdog-thread.js', import.meta.url), { workerData });
  worker.unref();
  return {
    watch: {
      begin(what) {
        where = what;
        // Never 0, and a plain write: the thread need not see it at once.
        number = (number + 1) | 0 || 1;
        current[0] = number;
      },
      end() {
        current[0] = 0;
      },
    },
    async stop() {
      await worker.terminate();
    },
  };
}
