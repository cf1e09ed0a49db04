import { decodeDeadRecord, encodeDeadRecord } from '../core/shards/dead-record.ts';
import { decodeRecord, encodeRecord, type RoutedEvent } from '../core/shards/record.ts';
import { type InstantMs, instant } from '../core/time/units.ts';
import type { Clock } from '../ports/clock.ts';
import type { NodeMeasures } from '../ports/measures.ts';
import type { LaneItem, RecordBounds, RecordForm } from './lane-output.ts';

/** An event on its way to a shard. */
export type EventItem = LaneItem & RoutedEvent;

/** A dead letter of the lane, in its stored form. */
export interface DeadItem extends LaneItem {
  readonly letter: Uint8Array;
}

/** Writes a lane's records: what they hold, and what every one says of the lane and its source. */
export class LaneRecords {
  /** Stored time of the last message read. */
  stamp: InstantMs = instant(0);
  /** When the source's stream was created. */
  created = '';
  private readonly ports: { readonly clock: Clock; readonly measures: NodeMeasures };
  private readonly source: string;
  private readonly ruleVersion: () => number;

  constructor(
    ports: { readonly clock: Clock; readonly measures: NodeMeasures },
    source: string,
    ruleVersion: () => number,
  ) {
    this.ports = ports;
    this.source = source;
    this.ruleVersion = ruleVersion;
  }

  readonly events: RecordForm<EventItem> = {
    version: () => this.ruleVersion(),
    encode: (items, bounds) => this.encode(items, bounds),
    decode: (body) => decodeRecord(body),
  };

  readonly dead: RecordForm<DeadItem> = {
    encode: (items, { from, upto, watermark }) =>
      encodeDeadRecord({ from, upto, watermark, letters: items.map(({ letter }) => letter) }),
    decode: (body) => ({ ...decodeDeadRecord(body), standing: 'leads', stamp: instant(0) }),
  };

  encode(events: readonly RoutedEvent[], { promised, ...bounds }: RecordBounds): Buffer {
    const { stamp, created, source, ports } = this;
    const ruleVersion = this.ruleVersion();
    const started = ports.clock.monotonic();
    const bytes = encodeRecord({ ...bounds, stamp, ruleVersion, source, created, events }, promised);
    ports.measures.busySeconds.append += (ports.clock.monotonic() - started) / 1000;
    return bytes;
  }
}
