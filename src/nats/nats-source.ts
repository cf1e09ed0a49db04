import { subjectFilter } from '../core/events/subject-filter.ts';
import type { InstantMs } from '../core/time/units.ts';
import type { EventSource, LogReader, StreamFacts } from '../ports/log.ts';
import { PortError } from '../ports/port-error.ts';
import { storedMessage } from './inspect.ts';
import { callApi } from './js-api.ts';
import type { NatsLink } from './link.ts';
import { factsOf, streamInfo } from './nats-log.ts';
import { PullReader } from './pull-reader.ts';
import { removeConsumer } from './reader-consumer.ts';
import { NatsSetupError } from './setup-error.ts';

export interface NatsSourceOptions {
  readonly stream: string;
  /** Subject filter; undefined = every message of the stream. */
  readonly subject: string | undefined;
  /** Of several messages with one subject only the newest counts, so gaps are no loss. */
  readonly onlyNewest?: boolean;
  /** Bytes read ahead of who reads. Default 4 MiB. */
  readonly readAheadBytes?: number;
  /** How often the server says that there is nothing new, in ms. Default 5000. */
  readonly heartbeatMs?: number;
}

/**
 * A user's stream as a source of events. Readers opened after `facts` hold on to the stream that it saw.
 *
 * `facts` also throws {NatsSetupError} SOURCE_RETENTION for a stream that removes what its consumers acknowledge:
 * Corral acknowledges nothing, since its position lives in its own logs.
 */
export function natsSource(link: NatsLink, options: NatsSourceOptions): EventSource {
  const { stream } = options;
  let created: string | undefined;
  let wholeStream = false;
  const fits = options.subject === undefined ? () => true : subjectFilter(options.subject);

  return {
    async facts(): Promise<StreamFacts> {
      const info = await streamInfo(link, stream);
      if (info.config.retention !== 'limits') {
        throw new NatsSetupError(
          'SOURCE_RETENTION',
          `stream ${stream} has ${info.config.retention} retention, which removes messages as consumers acknowledge ` +
            'them. Add a limits stream that sources this one, and name that as the source.',
        );
      }
      created = info.created;
      wholeStream = info.config.subjects?.length === 1 && info.config.subjects[0] === options.subject;
      return factsOf(info);
    },

    async sequenceAt(time: InstantMs): Promise<number> {
      const { firstSequence, lastSequence } = factsOf(await streamInfo(link, stream));
      if (time <= 0) return firstSequence;
      if (time > LAST_TIME_MS) return lastSequence + 1;
      return sequenceAtTime(link, stream, time);
    },

    async storedAt(sequence: number): Promise<InstantMs | undefined> {
      const message = await storedMessage(link, stream, { seq: sequence });
      return message !== undefined && fits(message.subject) ? message.stamp : undefined;
    },

    read(from: number): LogReader {
      return new PullReader({
        link,
        stream,
        filter: wholeStream ? undefined : options.subject,
        from,
        created,
        past: options.onlyNewest === true ? 'trimmed' : 'retained',
        ...(options.heartbeatMs === undefined ? {} : { heartbeatMs: options.heartbeatMs }),
        ...(options.readAheadBytes === undefined ? {} : { readAheadBytes: options.readAheadBytes }),
      });
    },
  };
}

/** The last time that fits the nanoseconds of a server: 2262. */
const LAST_TIME_MS = 9_223_372_036_854;

/** The server finds the place for a consumer that starts at a time, so one is made and asked where it stands. */
async function sequenceAtTime(link: NatsLink, stream: string, time: InstantMs): Promise<number> {
  const answer = await callApi<{ name: string; delivered: { stream_seq: number } }>(link, `CONSUMER.CREATE.${stream}`, {
    stream_name: stream,
    config: {
      deliver_policy: 'by_start_time',
      opt_start_time: serverTime(time),
      ack_policy: 'none',
      mem_storage: true,
      num_replicas: 1,
    },
  });
  if (answer.kind === 'unavailable')
    throw new PortError('UNAVAILABLE', `looking for a time in ${stream}: ${answer.cause}`);
  if (answer.kind === 'error') {
    throw new PortError('UNAVAILABLE', `looking for a time in ${stream}: ${answer.description} (${answer.code})`);
  }
  removeConsumer(link, stream, answer.value.name);
  return answer.value.delivered.stream_seq + 1;
}

/** A stamp is a number of milliseconds that was rounded to at most this many nanoseconds more than the server's. */
const ROUNDED_NS = 244;

/** With nanoseconds, so that an instant as a reader gave it finds its own message. */
function serverTime(time: InstantMs): string {
  const whole = Math.floor(time);
  const nanoseconds = Math.max(0, Math.floor((time - whole) * 1e6) - ROUNDED_NS);
  return `${new Date(whole).toISOString().slice(0, -1)}${String(nanoseconds).padStart(6, '0')}Z`;
}
