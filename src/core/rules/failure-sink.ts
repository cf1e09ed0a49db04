import type { Incident, Output } from '../behaviours/behaviour.ts';
import { Failure } from './expressions/failure.ts';

/** Most incidents that one event of one key reports; a loop over partial matches may fail in each. */
const INCIDENTS_MAX = 8;

/**
 * Where the failures of a rule's expressions wait until the event is through. Conditions answer true or false and know
 * no output, so they leave their failures here; each place reports once per event.
 */
export class FailureSink {
  private waiting: Incident[] = [];

  /** @param where names the expression: "step `login`, where" */
  report(where: string, message: string): void {
    if (
      this.waiting.length >= INCIDENTS_MAX ||
      this.waiting.some((one) => one.kind === 'expressionFailed' && one.where === where)
    )
      return;
    this.waiting.push({ kind: 'expressionFailed', where, message });
  }

  /** The value of a condition: true is true; a failure is reported; everything else, null too, is false. */
  settle(value: unknown, where: string): boolean {
    if (value === true) return true;
    if (value instanceof Failure) this.report(where, value.message);
    else if (value !== false && value !== null && value !== undefined)
      this.report(where, 'the condition gave neither true nor false');
    return false;
  }

  /** The value of an expression in `emit`: null when it failed, which is reported. */
  value(value: unknown, where: string): unknown {
    if (!(value instanceof Failure)) return value ?? null;
    this.report(where, value.message);
    return null;
  }

  /** Leaves unreported what waits. */
  discard(): void {
    if (this.waiting.length > 0) this.waiting = [];
  }

  /** Hands over what waits. */
  drain(output: Output): void {
    if (this.waiting.length === 0) return;
    const incidents = this.waiting;
    this.waiting = [];
    for (const incident of incidents) output.incident(incident);
  }
}
