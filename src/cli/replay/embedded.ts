import { DEFAULTS } from '../../config.ts';
import { duration } from '../../core/time/units.ts';
import { type Corral, createCorral, type Settings } from '../../corral.ts';
import { MemoryLeases } from '../../memory/memory-leases.ts';
import type { EventSource, FencedLog } from '../../ports/log.ts';
import type { Logger } from '../../ports/logger.ts';
import { systemClock } from '../../system/system-clock.ts';
import { systemRandom } from '../../system/system-random.ts';
import type { Replay } from './settings.ts';

/** Nothing competes for the leases of a single node, so that a busy second must not cost one. */
const LEASE_TTL = duration(3_600_000);

export interface EmbeddedOptions extends Pick<Settings, 'shards' | 'atEnd'> {
  readonly inputs: ReadonlyMap<string, EventSource>;
  /** What rules look up, by name of the reference. */
  readonly references: ReadonlyMap<string, EventSource>;
  readonly log: FencedLog;
  readonly logger: Logger;
  readonly actorsMax?: number;
}

/** One node over inputs that end, in memory: the assembly that serves a deployment, over other ports. */
export function embedded(replay: Replay, options: EmbeddedOptions): Corral {
  const { prefix, rules, sources } = replay;
  const { inputs, references, log, logger, shards, atEnd, actorsMax = DEFAULTS.actorsMax } = options;
  return createCorral(
    { sources: inputs, references, log, leases: new MemoryLeases(), clock: systemClock, random: systemRandom, logger },
    {
      prefix,
      node: 'replay',
      shards,
      sources,
      references: replay.references.map(({ settings }) => settings),
      rules,
      leaseTtl: LEASE_TTL,
      heartbeat: DEFAULTS.heartbeat,
      actorsMax,
      atEnd,
      finite: true,
    },
  );
}
