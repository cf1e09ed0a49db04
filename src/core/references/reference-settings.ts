import type { Extract } from '../events/extraction.ts';
import type { SourceSettings } from '../events/source-settings.ts';
import { referenceLane } from '../shards/subjects.ts';
import { duration } from '../time/units.ts';

/** Largest value of one entry in bytes, when the configuration says nothing. */
export const ENTRY_BYTES_MAX = 64 * 1024;
/** Most bytes of one reference's entries in a shard, when the configuration says nothing. */
export const REFERENCE_BYTES_MAX = 4 * 1024 * 1024;

export const REFERENCE_FORMATS = ['auto', 'json', 'cloudevents', 'msgpack', 'text'] as const;

/** One reference of the configuration, checked and compiled: data that rules look up by key. */
export interface ReferenceSettings {
  readonly name: string;
  /** JetStream stream: that of the bucket, when it is one. */
  readonly stream: string;
  /** Subject filter within the stream; undefined = all of it. */
  readonly subject: string | undefined;
  /** What stands before the key in a bucket's subjects; undefined for a stream. */
  readonly keyPrefix: string | undefined;
  /** `auto`: as for sources. `text`: the value is the message as it is. */
  readonly format: (typeof REFERENCE_FORMATS)[number];
  /** Gives the key of a stream's message; undefined for a bucket. */
  readonly key: Extract | undefined;
  /** Gives the value; undefined = the data of the message. */
  readonly value: Extract | undefined;
  /** True for a message that removes the entry of its key. What is empty or null does so anyway. */
  readonly remove: Extract | undefined;
  /** What happens when the stream is no longer the one that was read; see `SourceSettings`. */
  readonly onStreamChanged: 'stop' | 'continue';
  /** Largest value in bytes, as it is kept. */
  readonly entryBytesMax: number;
  /** Most bytes of keys and values that one shard keeps. */
  readonly bytesMax: number;
}

/** The source that a reference is to its lane: time has no meaning for it, and it is read from its beginning. */
export const referenceSource = ({ name, stream, subject, onStreamChanged }: ReferenceSettings): SourceSettings => ({
  name: referenceLane(name),
  stream,
  subject,
  format: 'auto',
  start: { kind: 'beginning' },
  onStreamChanged,
  onlyNewest: true,
  disorder: duration(0),
  idleAfter: duration(Number.POSITIVE_INFINITY),
  publisher: undefined,
  extraction: { each: undefined, derived: [], where: undefined, id: undefined, type: undefined, time: undefined },
  eventBytesMax: Number.MAX_SAFE_INTEGER,
});
