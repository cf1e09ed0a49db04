import type { NatsLink } from '../../src/nats/link.ts';
import { natsSource } from '../../src/nats/nats-source.ts';
import { type SourceName, streamOf } from './rules.ts';

/** An event as its publisher makes it. */
export interface SoakEvent {
  readonly type: 'Open' | 'Try' | 'Close' | 'Paid' | 'Noise';
  /** Event time, milliseconds since the epoch. */
  readonly ts: number;
  readonly k: string;
  readonly n: number;
  /** 1, 2, 3 … for each source. */
  readonly i: number;
}

/** An event as it lies in its stream, and what was promised of time before it. */
export interface SourceEvent extends SoakEvent {
  readonly source: SourceName;
  readonly seq: number;
  readonly index: number;
  /** The greatest time before this event: with `disorder: 0`, the watermark at which it arrives. */
  readonly before: number;
}

/** What a source's stream holds at the end: the truth about what was published. */
export interface SourceRead {
  /** By key, in the order of the stream; noise is left out. */
  readonly byKey: ReadonlyMap<string, readonly SourceEvent[]>;
  readonly events: number;
  /** Sequences of the messages that are no events. */
  readonly unreadable: readonly number[];
  /** The greatest event time. */
  readonly upto: number;
  /** Numbers that the stream does not hold, of those that were acknowledged to the publisher. */
  readonly lost: number;
  /** Events that it holds more than once: sent again by the publisher after a lost acknowledgement. */
  readonly repeated: number;
}

/** @param acknowledged the publisher had an acknowledgement for each event up to this number */
export async function readSource(link: NatsLink, source: SourceName, acknowledged: number): Promise<SourceRead> {
  const stream = natsSource(link, { stream: streamOf(source), subject: undefined });
  const { lastSequence } = await stream.facts();
  const byKey = new Map<string, SourceEvent[]>();
  const unreadable: number[] = [];
  const seen = new Uint8Array(acknowledged + 2);
  let events = 0;
  let repeated = 0;
  let upto = Number.NEGATIVE_INFINITY;
  const reader = stream.read(1);
  for (let reached = 0; reached < lastSequence; ) {
    for (const { sequence, body } of (await reader.next()) ?? []) {
      reached = sequence;
      const values = parsed(body);
      if (values === undefined) unreadable.push(sequence);
      for (const [index, value] of (values ?? []).entries()) {
        events += 1;
        if (seen[value.i] === 1) repeated += 1;
        seen[value.i] = 1;
        const event = { ...value, source, seq: sequence, index, before: upto };
        upto = Math.max(upto, value.ts);
        if (value.type === 'Noise') continue;
        const before = byKey.get(value.k);
        if (before === undefined) byKey.set(value.k, [event]);
        else before.push(event);
      }
    }
  }
  await reader.close();
  let lost = 0;
  for (let i = 1; i <= acknowledged; i += 1) if (seen[i] !== 1) lost += 1;
  return { byKey, events, unreadable, upto, lost, repeated };
}

function parsed(body: Uint8Array): readonly SoakEvent[] | undefined {
  try {
    const value = JSON.parse(Buffer.from(body).toString());
    return Array.isArray(value) ? value : [value];
  } catch {
    return undefined;
  }
}
