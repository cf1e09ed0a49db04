import type { RuleSet } from '../core/rules/rule-set.ts';
import { decodeRecord } from '../core/shards/record.ts';
import { referenceLane, type Subjects } from '../core/shards/subjects.ts';
import type { Clock } from '../ports/clock.ts';
import type { FencedLog } from '../ports/log.ts';
import type { Logger } from '../ports/logger.ts';
import { backoff, pause } from '../ports/pause.ts';

/**
 * Waits until all that rules look up when they see events of a source is loaded in every shard: until the references'
 * lanes have said there, after all entries that their streams held when reading began, that they stand as ended. What is
 * appended to a shard's log afterwards stands behind that. So a lane that waits here before it appends events needs
 * nothing of the shards to be sure that no event is judged before the data are there.
 * @param stopped asked again and again; true gives up
 * @returns false when it was stopped
 */
export async function referencesLoaded(
  { ports, subjects, shards, rules, settings: { name: source } }: LoadedOptions,
  stopped: () => boolean,
): Promise<boolean> {
  const { log, clock, logger } = ports;
  for (const reference of referencesOf(rules, source)) {
    for (let shard = 0, attempt = 0; shard < shards; ) {
      if (stopped()) return false;
      const end = await log.last(subjects.shardLog(shard, referenceLane(reference)));
      const standing = end === undefined ? 'leads' : decodeRecord(end.body).standing;
      if (standing === 'ended' || standing === 'closed') {
        shard += 1;
        continue;
      }
      if (attempt === LONG) {
        logger.info({ source, reference }, `source ${source} waits for reference ${reference} to be loaded`);
      }
      await pause(clock, backoff(attempt));
      attempt += 1;
    }
  }
  return !stopped();
}

/** Names of the references that rules look up when they see events of a source. */
function referencesOf({ rules }: Pick<RuleSet, 'rules'>, source: string): readonly string[] {
  const reading = rules.filter(({ sources }) => sources.includes(source));
  return [...new Set(reading.flatMap(({ references }) => references))].sort();
}

/** Tries after which it is worth a line in the log. */
const LONG = 4;

interface LoadedOptions {
  readonly ports: { readonly log: FencedLog; readonly clock: Clock; readonly logger: Logger };
  readonly subjects: Subjects;
  readonly shards: number;
  readonly rules: Pick<RuleSet, 'rules'>;
  /** Of the source whose events wait. */
  readonly settings: { readonly name: string };
}
