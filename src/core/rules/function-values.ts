import type { Event } from '../events/event.ts';
import type { Taken } from '../patterns/pattern.ts';
import { Failure } from './expressions/failure.ts';
import type { NamedStep } from './step-table.ts';

/** The envelope of an event, as functions of modules get it. */
export interface EventMeta {
  readonly id: string;
  readonly type: string;
  readonly subject: string;
  /** Milliseconds since the epoch. */
  readonly time: number;
  readonly source: string;
  readonly headers: Readonly<Record<string, string>> | undefined;
  readonly seq: number;
  readonly index: number;
}

export const eventMeta = ({ id, type, subject, time, source, headers, seq, index }: Event): EventMeta => ({
  id,
  type,
  subject,
  time,
  source,
  headers,
  seq,
  index,
});

/** What was taken, by step name: a value, or a list of them for a step that can hold several; null when there is none. */
export function takenValues(
  steps: readonly NamedStep[],
  taken: Taken,
  read: (event: Event) => unknown,
): Record<string, unknown> {
  const values: [string, unknown][] = [];
  for (const { name, entry } of steps) {
    const { index, many, bans } = entry;
    if (bans) continue;
    const first = taken.first(index);
    values.push([name, many ? taken.events(index).map(read) : first === undefined ? null : read(first)]);
  }
  return Object.fromEntries(values);
}

export const dataOf = (event: Event): unknown => event.data ?? null;

/** Calls a module's function; what it throws is a failed expression. The one place where that is caught. */
export function callFunction(run: (...args: unknown[]) => unknown, args: readonly unknown[]): unknown {
  try {
    return run(...args);
  } catch (error) {
    return new Failure(
      `the function threw ${error instanceof Error ? `${error.name}: ${error.message}` : String(error)}`,
    );
  }
}
