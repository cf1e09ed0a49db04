import type { InstantMs } from '../core/time/units.ts';
import { PortError } from '../ports/port-error.ts';
import { parseServerTime } from './delivery.ts';
import { callApi, JsErrorCode } from './js-api.ts';
import type { NatsLink } from './link.ts';
import type { StreamInfo } from './stream-setup.ts';

/** Where a reader's consumer shall start, and what must still be true of the stream then. */
export interface ConsumerWanted {
  readonly stream: string;
  readonly filter: string | undefined;
  readonly position: number;
  readonly created: string | undefined;
  readonly past: 'retained' | 'trimmed';
  /** A message that was read: if the stream still has its number, it must still be that message. */
  readonly last?: { readonly sequence: number; readonly stamp: InstantMs } | undefined;
}

export type ConsumerOpened =
  | { readonly kind: 'open'; readonly name: string; readonly created: string }
  /** Not now; trying again may help. */
  | { readonly kind: 'unavailable'; readonly cause: string };

/**
 * A consumer that nobody pulls from goes by itself after this long. A reader that was held up longer finds it gone and
 * makes another.
 */
const INACTIVE_MS = 60_000;
const NS_PER_MS = 1_000_000;

/**
 * Makes an ephemeral pull consumer at a position, and then compares the stream: in this order, since the consumer dies
 * with its stream, so what is seen afterwards is what it reads.
 * @throws {PortError} STREAM_GONE, STREAM_CHANGED, POSITION_GONE
 */
export async function openConsumer(link: NatsLink, wanted: ConsumerWanted): Promise<ConsumerOpened> {
  const { stream, filter, position } = wanted;
  const created = await callApi<{ name: string }>(link, `CONSUMER.CREATE.${stream}`, {
    stream_name: stream,
    config: {
      deliver_policy: 'by_start_sequence',
      opt_start_seq: position,
      ack_policy: 'none',
      replay_policy: 'instant',
      mem_storage: true,
      num_replicas: 1,
      inactive_threshold: INACTIVE_MS * NS_PER_MS,
      ...(filter === undefined ? {} : { filter_subject: filter }),
    },
  });
  if (created.kind === 'unavailable') return created;
  if (created.kind === 'error') {
    if (created.code === JsErrorCode.streamNotFound) throw streamGone(stream);
    return { kind: 'unavailable', cause: `JetStream: ${created.description} (${created.code})` };
  }
  const name = created.value.name;
  const info = await callApi<StreamInfo>(link, `STREAM.INFO.${stream}`);
  if (info.kind === 'ok') {
    try {
      assertReadable(info.value, wanted);
      await assertSame(link, wanted);
    } catch (error) {
      removeConsumer(link, stream, name);
      throw error;
    }
    return { kind: 'open', name, created: info.value.created };
  }
  removeConsumer(link, stream, name);
  if (info.kind === 'unavailable') return info;
  if (info.code === JsErrorCode.streamNotFound) throw streamGone(stream);
  return { kind: 'unavailable', cause: `JetStream: ${info.description} (${info.code})` };
}

/** Not waited for: a consumer that stays goes by itself. */
export function removeConsumer(link: NatsLink, stream: string, name: string): void {
  if (link.status.connected) void callApi(link, `CONSUMER.DELETE.${stream}.${name}`);
}

function assertReadable({ created, state }: StreamInfo, wanted: ConsumerWanted): void {
  const { stream, position, past } = wanted;
  if (wanted.created !== undefined && wanted.created !== created) {
    throw new PortError(
      'STREAM_CHANGED',
      `stream ${stream} was removed and made anew at ${created} (the one read so far was made at ${wanted.created}), so ` +
        'its sequence numbers name other messages. Restore the old stream, or begin afresh on the new one.',
    );
  }
  if (position > state.last_seq + 1) {
    throw new PortError(
      'POSITION_GONE',
      `stream ${stream} ends at ${state.last_seq}, but ${position - 1} was read before: the server has lost its last ` +
        'messages (a power cut before they were synced, or a restored backup). Reading on would skip what takes their numbers.',
    );
  }
  if (past === 'retained' && position < state.first_seq) throw positionGone(stream, position, state.first_seq);
}

/**
 * A stream that has lost its last messages may have got others since, with the same numbers.
 * @throws {PortError} POSITION_GONE
 */
async function assertSame(link: NatsLink, { stream, last }: ConsumerWanted): Promise<void> {
  if (last === undefined) return;
  const answer = await callApi<{ message: { time: string } }>(link, `STREAM.MSG.GET.${stream}`, { seq: last.sequence });
  if (answer.kind !== 'ok' || parseServerTime(answer.value.message.time) <= last.stamp + SAME_MS) return;
  throw new PortError(
    'POSITION_GONE',
    `stream ${stream} holds another message ${last.sequence} than was read: the server has lost its last messages (a ` +
      'power cut before they were synced, or a restored backup), and others have taken their numbers.',
  );
}

/** Two readings of the stored time of one message differ by less than this. */
const SAME_MS = 1;

/** The stream begins after a position that was to be read. */
export function positionGone(stream: string, position: number, first: number): PortError {
  return new PortError(
    'POSITION_GONE',
    `stream ${stream} has dropped the messages from ${position} to ${first - 1} before they were read. Give the stream ` +
      "longer retention; to go on without them, begin afresh with the source's start.",
  );
}

export function streamGone(stream: string): PortError {
  return new PortError(
    'STREAM_GONE',
    `there is no stream ${stream}. Create it, or correct the name; 'nats stream ls' lists those that this account sees.`,
  );
}
