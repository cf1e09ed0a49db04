import { Packr } from 'msgpackr';
import type { Event } from '../events/event.ts';
import { defaultEventId } from '../events/event-id.ts';
import { BEGINNING, type InstantMs } from '../time/units.ts';
import type { Position } from './position.ts';
import { type Standing, standingNumber, standingOf } from './standing.ts';

/**
 * A lane's record (protocol.md, L1): all events of one lane for one shard that lie after `from` and at or before
 * `upto`, many in one message. Records of a (shard, lane) are adjacent, which is how a reader finds every loss.
 *
 * Events are written as one flat list and repeated texts (types, subjects, keyspaces) as a list of their own, because
 * msgpackr reads that several times faster than a list of maps. The data of the events use msgpackr's record extension
 * (a shape is written once per message), so a record can be read without anything but itself.
 */
export interface LaneRecord {
  readonly from: Position;
  readonly upto: Position;
  /** Stored time of the source message at `upto`: carries processing time on. */
  readonly stamp: InstantMs;
  /** No event older than this will come from the lane's source, and it never overtakes an event (T3). */
  readonly watermark: InstantMs;
  readonly standing: Standing;
  /** Number of the rule version the lane keyed by. */
  readonly ruleVersion: number;
  /** Name of the source, and when its stream was created: together they name the stream (P8). */
  readonly source: string;
  readonly created: string;
  readonly events: readonly RoutedEvent[];
}

/** An event and the actors of this shard that it goes to. */
export interface RoutedEvent {
  readonly event: Event;
  /** Event time minus the lane's watermark before it, in ms; negative = late by that much. Infinity = first of all. */
  readonly lag: number;
  readonly routes: readonly Route[];
  /** Set when the event is that of a dead letter that is replayed. */
  readonly replay?: Replayed | undefined;
}

export interface Replayed {
  /** Its place in what its lane reads; the event has that of the original. */
  readonly sequence: number;
  /** Names of the rules that are to see it; undefined = all. */
  readonly rules: readonly string[] | undefined;
}

export interface Route {
  /** Keyspace id. */
  readonly keyspace: string;
  /** Key text (see rules/key-text). */
  readonly key: string;
}

const FORMAT = 2;
/** With replayed events. Other records are written as before, so that an older Corral reads them. */
const FORMAT_3 = 3;
/** Before lanes had a standing. */
const FORMAT_1 = 1;
const packr = new Packr({ useRecords: true, variableMapSize: true, moreTypes: false });

/**
 * Encodes a record. The bytes are not written to again: msgpackr moves on in its buffer, and to another when it is full.
 * @param promised by the records before this one of the same lane and shard: an event older than that is late by it
 */
export function encodeRecord(record: LaneRecord, promised: InstantMs = BEGINNING): Buffer {
  const texts: string[] = [];
  const numbers = new Map<string, number>();
  const number = (text: string): number => {
    let n = numbers.get(text);
    if (n === undefined) {
      n = texts.length;
      texts.push(text);
      numbers.set(text, n);
    }
    return n;
  };
  let length = 0;
  for (const { routes } of record.events) length += 10 + 2 * routes.length;
  const flat = new Array<unknown>(length);
  let at = 0;
  for (const { event, lag, routes } of record.events) {
    flat[at++] = event.id === defaultEventId(event.seq, event.index) ? 0 : event.id;
    flat[at++] = number(event.type);
    flat[at++] = number(event.subject);
    flat[at++] = event.time;
    flat[at++] = event.seq;
    flat[at++] = event.index;
    flat[at++] = Math.min(lag, event.time - promised);
    flat[at++] = event.headers ?? 0;
    flat[at++] = event.data;
    flat[at++] = routes.length;
    for (const route of routes) {
      flat[at++] = number(route.keyspace);
      flat[at++] = route.key;
    }
  }
  const replays = record.events.some(({ replay }) => replay !== undefined)
    ? record.events.map(({ replay }) => (replay === undefined ? 0 : [replay.sequence, replay.rules ?? 0]))
    : undefined;
  return packr.pack([
    replays === undefined ? FORMAT : FORMAT_3,
    record.from.seq,
    record.from.part,
    record.upto.seq,
    record.upto.part,
    record.stamp,
    record.watermark,
    record.ruleVersion,
    record.source,
    record.created,
    texts,
    flat,
    standingNumber(record.standing),
    ...(replays === undefined ? [] : [replays]),
  ]);
}

/** @throws {RangeError} when the bytes are no record of a known format: the shard log is corrupt or from a newer Corral. */
export function decodeRecord(bytes: Uint8Array): LaneRecord {
  const fields = unpack(bytes);
  if (!Array.isArray(fields) || ![FORMAT_1, FORMAT, FORMAT_3].includes(fields[0])) {
    throw new RangeError(`not a lane record of format ${FORMAT_1} to ${FORMAT_3}`);
  }
  const [
    ,
    fromSeq,
    fromPart,
    uptoSeq,
    uptoPart,
    stamp,
    watermark,
    ruleVersion,
    source,
    created,
    texts,
    flat,
    standing = -1,
    replays,
  ] = fields;
  const events: RoutedEvent[] = [];
  for (let i = 0; i < flat.length; ) {
    const seq = flat[i + 4];
    const index = flat[i + 5];
    const id = flat[i];
    const event: Event = {
      id: id === 0 ? defaultEventId(seq, index) : id,
      type: texts[flat[i + 1]],
      subject: texts[flat[i + 2]],
      time: flat[i + 3],
      source,
      seq,
      index,
      headers: flat[i + 7] === 0 ? undefined : flat[i + 7],
      data: flat[i + 8],
    };
    const lag = flat[i + 6];
    const routeCount = flat[i + 9];
    i += 10;
    const routes: Route[] = [];
    for (let r = 0; r < routeCount; r += 1, i += 2) routes.push({ keyspace: texts[flat[i]], key: flat[i + 1] });
    const replay = replays?.[events.length];
    if (!replay) events.push({ event, lag, routes });
    else events.push({ event, lag, routes, replay: { sequence: replay[0], rules: replay[1] || undefined } });
  }
  return {
    from: { seq: fromSeq, part: fromPart },
    upto: { seq: uptoSeq, part: uptoPart },
    stamp,
    watermark,
    standing: standingOf(standing),
    ruleVersion,
    source,
    created,
    events,
  };
}

// biome-ignore lint/suspicious/noExplicitAny: the fields are checked by format number, not one by one
function unpack(bytes: Uint8Array): any {
  try {
    return packr.unpack(bytes);
  } catch (cause) {
    throw new RangeError('not a lane record: the bytes are no msgpack', { cause });
  }
}
