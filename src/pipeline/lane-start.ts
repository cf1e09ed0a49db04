import type { SourceSettings } from '../core/events/source-settings.ts';
import { decodeLaneStart, encodeLaneStart } from '../core/shards/lane-start.ts';
import { type Position, whole } from '../core/shards/position.ts';
import type { Subjects } from '../core/shards/subjects.ts';
import { instant } from '../core/time/units.ts';
import type { Clock } from '../ports/clock.ts';
import type { EventSource, FencedLog } from '../ports/log.ts';
import { backoff, pause } from '../ports/pause.ts';

/** The source's stream is not the one whose events are in the shard logs. */
export class SourceRecreated extends Error {
  readonly code = 'SOURCE_RECREATED';
  readonly source: string;

  constructor(source: string, stream: string, before: string, now: string) {
    super(
      `source ${source}: stream ${stream} was created at ${now}, but Corral has read one created at ${before}. ` +
        'Its sequence numbers mean other events, so reading on would lose or double some. See docs/errors.md#source_recreated.',
    );
    this.source = source;
  }
}

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

/**
 * Where a source begins for a deployment: what its `start` says, decided once, by the first lane ever, and stored. So
 * `now` stays the now of the first start, and shards that have no record yet begin where the others did.
 * @param created of the source's stream, as it is
 * @throws {ShardsChanged} when the deployment was begun with another number of shards
 * @throws {SourceRecreated} when the stored start belongs to another stream of the same name
 */
export async function laneStart(
  { ports, name, source, settings, subjects, shards }: LaneStartOptions,
  created: string,
): Promise<Position> {
  const subject = subjects.laneStart(name);
  for (let attempt = 0; ; attempt += 1) {
    const stored = await ports.log.last(subject);
    if (stored !== undefined) {
      const before = decodeLaneStart(stored.body);
      if (before.shards !== shards) throw new ShardsChanged(before.shards, shards);
      if (before.created === created) return whole(before.seq);
      throw new SourceRecreated(settings.name, settings.stream, before.created, created);
    }
    const first = await firstSequence(source, settings);
    // Stored, refused or unknown: what then stands at the end is the start.
    const answer = await ports.log.append(subject, 0, encodeLaneStart({ seq: first - 1, created, shards }));
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
