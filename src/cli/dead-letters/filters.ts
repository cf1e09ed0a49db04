import type { Command } from 'commander';
import { InvalidArgumentError, Option } from 'commander';
import { DEAD_CAUSES, type DeadCause, type DeadLetter } from '../../core/events/dead-letter.ts';
import { DURATION_FORM, parseDuration } from '../../core/time/parse-duration.ts';
import { parseInstant } from '../../core/time/parse-instant.ts';
import { type InstantMs, instant } from '../../core/time/units.ts';
import { systemClock } from '../../system/system-clock.ts';

/** Which dead letters are meant; what is undefined is not asked. */
export interface Filters {
  readonly source?: string;
  readonly rule?: string;
  readonly cause?: DeadCause;
  /** Stored at this moment or later. */
  readonly since?: InstantMs;
}

export function addFilters(command: Command): Command {
  return command
    .option('--source <name>', 'only those of this source')
    .option('--rule <name>', 'only those that this rule did not process')
    .addOption(new Option('--cause <cause>', 'only those of this cause').choices(DEAD_CAUSES))
    .option('--since <time>', 'only those stored since then: a duration such as 2h, or an RFC 3339 time', since);
}

export const isFiltered = ({ source, rule, cause, since: from }: Filters): boolean =>
  source !== undefined || rule !== undefined || cause !== undefined || from !== undefined;

/** `since` is a matter of where reading begins. */
export function fits(letter: DeadLetter, { source, rule, cause }: Filters): boolean {
  if (source !== undefined && letter.source !== source) return false;
  if (cause !== undefined && letter.cause !== cause) return false;
  return rule === undefined || letter.rule === rule || letter.rules?.includes(rule) === true;
}

function since(text: string): InstantMs {
  const length = parseDuration(text);
  const time = length === undefined ? parseInstant(text) : instant(systemClock.now() - length);
  if (time === undefined)
    throw new InvalidArgumentError(`Give ${DURATION_FORM}, or a time such as 2026-01-31T00:00:00Z.`);
  return time;
}
