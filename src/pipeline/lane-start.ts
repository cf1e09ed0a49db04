import type { SourceSettings } from '../core/events/source-settings.ts';
import { decodeLaneStart, encodeLaneStart, type LaneStart } from '../core/shards/lane-start.ts';
import type { Subjects } from '../core/shards/subjects.ts';
import { instant } from '../core/time/units.ts';
import type { Clock } from '../ports/clock.ts';
import type { EventSource, FencedLog } from '../ports/log.ts';
import { backoff, pause } from '../ports/pause.ts';

/** The number of shards is fixed for the life of a deployment: with another, keys would belong elsewhere. */
export class ShardsChanged extends Error {
  readonly code = 'SHARDS_CHANGED';

  constructor(before: number, now: number) {
    super(
      `the deployment was begun with ${before} shards and the configuration says ${now}; its keys would be looked for in ` +
        `the wrong shards. Set shards: ${before}, or choose another prefix. See docs/errors.md#shards_changed.`,
    );
  }
}

interface LaneStartOptions {
  readonly ports: { readonly log: FencedLog; readonly clock: Clock };
  readonly shards: number;
  readonly name: string;
  readonly source: EventSource;
  readonly settings: SourceSettings;
  readonly subjects: Subjects;
}

/** A lane's start as it is stored, and where: what replaces it expects this sequence. */
export interface StoredStart {
  readonly start: LaneStart;
  readonly sequence: number;
}

/**
 * Where a source begins for a deployment: what its `start` says, decided once, by the first lane ever, and stored. So
 * `now` stays the now of the first start, and shards that have no record yet begin where the others did.
 * @throws {ShardsChanged} when the deployment was begun with another number of shards
 */
export async function laneStart({
  ports,
  name,
  source,
  settings,
  subjects,
  shards,
}: LaneStartOptions): Promise<StoredStart> {
  const subject = subjects.laneStart(name);
  for (let attempt = 0; ; attempt += 1) {
    const stored = await ports.log.last(subject);
    if (stored !== undefined) {
      const start = decodeLaneStart(stored.body);
      if (start.shards !== shards) throw new ShardsChanged(start.shards, shards);
      return { start, sequence: stored.sequence };
    }
    // Which stream it is must be known before where in it: of two, the later one would be found changed.
    const { created } = await source.facts();
    const first = await firstSequence(source, settings);
    const body = encodeLaneStart({ seq: first - 1, created, shards, renumberings: [] });
    // Stored, refused or unknown: what then stands at the end is the start.
    const answer = await ports.log.append(subject, 0, body);
    if (answer.kind === 'unknown') await pause(ports.clock, backoff(attempt));
  }
}

async function firstSequence(source: EventSource, { start }: SourceSettings): Promise<number> {
  switch (start.kind) {
    case 'beginning':
      return Math.max(1, (await source.facts()).firstSequence);
    case 'now':
      return (await source.facts()).lastSequence + 1;
    case 'time':
      return await source.sequenceAt(instant(start.ms));
  }
}
