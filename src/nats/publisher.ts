import { headers } from 'nats';
import type { NatsLink } from './link.ts';
import { parsePubAck } from './pub-ack.ts';
import type { Reply } from './replies.ts';

/** What became of everything published so far. */
export interface Published {
  readonly stored: number;
  /** Already there, by their `Nats-Msg-Id`. */
  readonly duplicates: number;
  /** Refused by the stream, or without an answer: those may be stored all the same. */
  readonly failed: number;
  /** Of the first that failed. */
  readonly firstFailure: { readonly subject: string; readonly cause: string } | undefined;
}

/** Publishes into users' streams at a high rate, each message acknowledged by JetStream. */
export interface Publisher {
  /**
   * Sends a message. Resolves when there is room for the next among those not yet acknowledged; what became of it,
   * `flush` tells. `body` must not change any more.
   */
  publish(subject: string, body: Uint8Array, headers?: Readonly<Record<string, string>>): Promise<void>;
  /** Waits until every message sent is acknowledged or has failed. */
  flush(): Promise<Published>;
  /** Largest body that can be sent along with no headers. */
  readonly bodyMax: number;
}

export interface PublisherOptions {
  /** Messages that may wait for their acknowledgement. Default 4096. */
  readonly inFlightMax?: number;
  /** And their bytes. Default 16 MiB; a single larger message goes alone. */
  readonly inFlightBytesMax?: number;
}

const CONNECT_CHECK_MS = 60_000;
/** Messages handed to the client at once: it writes what comes in one go with one system call. */
const SEND_TOGETHER = 256;

interface Waiting {
  readonly subject: string;
  readonly body: Uint8Array;
  readonly headers: Readonly<Record<string, string>> | undefined;
}

export function createPublisher(link: NatsLink, options: PublisherOptions = {}): Publisher {
  const { inFlightMax = 4096, inFlightBytesMax = 16 * 1024 * 1024 } = options;
  let inFlight = 0;
  let bytes = 0;
  let stored = 0;
  let duplicates = 0;
  let failed = 0;
  let firstFailure: Published['firstFailure'];
  /** Those that wait for room, and for everything to be done. */
  const waiting: (() => void)[] = [];

  const hasRoom = (size: number): boolean =>
    inFlight === 0 || (inFlight < inFlightMax && bytes + size <= inFlightBytesMax);
  const changed = (): Promise<void> => new Promise((resolve) => waiting.push(resolve));

  function done(subject: string, size: number, { data, cause }: Reply): void {
    inFlight -= 1;
    bytes -= size;
    const ack = data === undefined ? undefined : parsePubAck(data);
    if (ack?.kind === 'stored') {
      if (ack.duplicate) duplicates += 1;
      else stored += 1;
    } else {
      failed += 1;
      const why = ack === undefined ? cause : `JetStream: ${ack.description} (${ack.code})`;
      firstFailure ??= { subject, cause: why };
    }
    for (const resolve of waiting.splice(0)) resolve();
  }

  const unsent: Waiting[] = [];

  function sendAll(): void {
    for (const { subject, body, headers: given } of unsent.splice(0)) {
      let wire: ReturnType<typeof headers> | undefined;
      if (given !== undefined) {
        wire = headers();
        for (const [name, value] of Object.entries(given)) wire.set(name, value);
      }
      link.replies.send(subject, body, wire, (reply) => done(subject, body.length, reply));
    }
  }

  return {
    get bodyMax() {
      return link.maxPayload;
    },
    async publish(subject, body, given): Promise<void> {
      while (!hasRoom(body.length)) await changed();
      while (!link.status.connected) {
        link.assertOpen();
        await link.whenConnected(CONNECT_CHECK_MS);
      }
      inFlight += 1;
      bytes += body.length;
      unsent.push({ subject, body, headers: given });
      if (unsent.length >= SEND_TOGETHER) sendAll();
      else if (unsent.length === 1) setImmediate(sendAll);
    },
    async flush(): Promise<Published> {
      while (inFlight > 0) await changed();
      return { stored, duplicates, failed, firstFailure };
    },
  };
}
