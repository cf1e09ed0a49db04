import { headers } from 'nats';
import type { Outbox, Sent } from '../ports/outbox.ts';
import type { NatsLink } from './link.ts';
import { parsePubAck } from './pub-ack.ts';

const MESSAGE_ID = 'Nats-Msg-Id';
const CONTENT_TYPE = 'application/cloudevents+json';

/** Publishes matches to subjects that rules name with `to`. */
export function natsOutbox(link: NatsLink): Outbox {
  return {
    async publish(subject, id, body, acknowledged): Promise<Sent> {
      const wire = headers();
      wire.set(MESSAGE_ID, id);
      wire.set('Content-Type', CONTENT_TYPE);
      if (!acknowledged) return plain(link, subject, body, wire);
      const { data, cause } = await link.request(subject, body, wire);
      if (data === undefined) return { kind: 'failed', cause };
      const ack = parsePubAck(data);
      if (ack.kind === 'stored') return { kind: 'stored', duplicate: ack.duplicate };
      return {
        kind: 'failed',
        cause: ack.code === 0 ? ack.description : `JetStream: ${ack.description} (${ack.code})`,
      };
    },
  };
}

/** The server has it when it has answered what is asked after it. */
async function plain(
  { client, status }: NatsLink,
  subject: string,
  body: Uint8Array,
  wire: ReturnType<typeof headers>,
): Promise<Sent> {
  if (!status.connected) return { kind: 'failed', cause: status.trouble ?? 'not connected to NATS' };
  try {
    client.publish(subject, body, { headers: wire });
    await client.flush();
    return { kind: 'sent' };
  } catch (error) {
    return { kind: 'failed', cause: error instanceof Error ? error.message : String(error) };
  }
}
