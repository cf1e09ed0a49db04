import { pack, unpack } from 'msgpackr';
import type { SourceSettings } from '../core/events/source-settings.ts';
import { type Position, whole } from '../core/shards/position.ts';
import type { Subjects } from '../core/shards/subjects.ts';
import { instant } from '../core/time/units.ts';
import type { EventSource, FencedLog } from '../ports/log.ts';

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

interface LaneStartOptions {
  readonly ports: { readonly log: FencedLog };
  readonly source: EventSource;
  readonly settings: SourceSettings;
  readonly subjects: Subjects;
}

/**
 * Where a source begins for a deployment: what its `start` says, decided once, by the first lane ever, and stored. So
 * `now` stays the now of the first start, and shards that have no record yet begin where the others did.
 * @param created of the source's stream, as it is
 * @throws {SourceRecreated} when the stored start belongs to another stream of the same name
 */
export async function laneStart(
  { ports, source, settings, subjects }: LaneStartOptions,
  created: string,
): Promise<Position> {
  const subject = subjects.laneStart(settings.name);
  for (;;) {
    const stored = await ports.log.last(subject);
    if (stored !== undefined) {
      const before = unpack(stored.body) as { seq: number; created: string };
      if (before.created === created) return whole(before.seq);
      throw new SourceRecreated(settings.name, settings.stream, before.created, created);
    }
    const first = await firstSequence(source, settings);
    // Stored, refused or unknown: what then stands at the end is the start.
    await ports.log.append(subject, 0, pack({ seq: first - 1, created }));
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
