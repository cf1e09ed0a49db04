import type { InstantMs } from '../time/units.ts';
import type { Emission, Incident, StepEvents } from './behaviour.ts';
import type { KeyStep } from './key-step.ts';
import type { ProgramRule } from './keyspace-program.ts';

/** Something that belongs into the commit, and its place in the order of everything that is said in a batch. */
export interface Said {
  readonly record: number;
  readonly phase: number;
  /** Number of the event, or the deadline. */
  readonly place: number;
  readonly route: number;
  readonly rule: ProgramRule;
  readonly key: KeyStep;
  readonly emission: Emission | Dropped;
}

/** What a rule could not do, for the dead letters: a partial match that a limit cost, or an event that it failed on. */
export interface Dropped {
  readonly kind: 'dropped';
  readonly cause: 'limit' | 'failed' | 'killed';
  readonly time: InstantMs | undefined;
  readonly events: readonly StepEvents[];
  readonly message: string;
}

export interface RuleIncident {
  readonly rule: ProgramRule;
  readonly incident: Incident;
}

/**
 * Phases of a record: what its processing time makes due; its events; what its watermark makes due (timers, and events
 * that have waited); the end of input.
 */
export const PROCESSING = -1;
export const EVENT = 0;
export const TIMER = 1;
export const CLOSE = 2;

/** The order of matches in a commit (C6): by record, events before timers, then event or deadline, key, rule. */
export function compareSaid(a: Said, b: Said): number {
  return (
    a.record - b.record ||
    a.phase - b.phase ||
    a.place - b.place ||
    a.route - b.route ||
    (a.key === b.key ? 0 : compareText(a.key.text, b.key.text)) ||
    (a.phase === EVENT ? a.rule.order - b.rule.order : 0)
  );
}

function compareText(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
