import type { DurationMs, InstantMs } from '../core/time/units.ts';

/** Time as the shell sees it. Rule code never does: what is not deterministic enters through the log. */
export interface Clock {
  /** Wall-clock time. May jump. For what people read (logs, envelopes of dead letters). */
  now(): InstantMs;
  /** Milliseconds since some fixed moment; never goes back. For waiting, expiry and measuring. */
  monotonic(): number;
  /** Calls back once, `delay` from now. The function it gives back cancels it. */
  after(delay: DurationMs, callback: () => void): () => void;
}

/** Randomness as the shell sees it: names of incarnations, jitter of retries. */
export interface Random {
  /** At least 0, below 1. */
  next(): number;
}
